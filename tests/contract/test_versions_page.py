"""The merchant's page of a flow's versions: listed, compared, brought back; and what a colleague changed meanwhile."""

import threading
from datetime import timedelta

import pytest

from app.flows import FLOWS
from app.flows.edits import with_coupon, with_wait
from app.services import edit_flow
from tests.admin_cast import link

CART = FLOWS["abandoned_cart"]
PAGE = "/admin/flows/abandoned_cart/versions"
FORM = {"reminder.after": "2", "reminder.unit": "hours", "coupon.after": "24", "coupon.unit": "hours",
        "coupon.percent": "10", "coupon.valid_hours": "48"}  # fmt: skip


def change(house, shop_id: int, flow, now) -> None:
    with house.begin() as session:
        state = edit_flow.current(session, shop_id, flow.key)
        edit_flow.new_version(session, shop_id, state, flow, actor="merchant", now=now)


@pytest.fixture
def changed(house, cast) -> None:
    """Tea & Tin's cart flow in its third version."""
    change(house, cast.tea, with_coupon(CART, "coupon", 15, 48), cast.now)
    change(house, cast.tea, with_wait(with_coupon(CART, "coupon", 15, 48), "coupon", timedelta(hours=30)), cast.now)


def version(house, shop_id: int) -> int:
    with house() as session:
        return edit_flow.current(session, shop_id, "abandoned_cart").settings.version


def test_a_flow_as_it_was_shipped_has_one_version_and_nothing_to_compare(client):
    html = client.get(PAGE).text

    assert "As we ship it" in html
    assert "What differs" not in html
    assert "Bring back" not in html.replace('<span class="sr">Bring back</span>', "")


def test_the_last_two_are_compared_at_first_and_any_two_on_request(client, changed):
    last, first = client.get(PAGE).text, client.get(f"{PAGE}?old=1&new=2").text

    assert ("30 h since last activity" in last, "15 %, 48 h" in last) == (True, False)
    assert ("10 %, 48 h" in first, "15 %, 48 h" in first, "30 h since" in first) == (True, True, False)


def test_a_version_that_there_is_not_is_said_in_words(client, changed):
    answer = client.get(f"{PAGE}?old=1&new=77")

    assert answer.status_code == 200
    assert "has no version 77. It has 1 to 3." in answer.text


def test_an_old_version_is_brought_back_as_a_new_one(house, client, cast, changed):
    answer = client.post(f"{PAGE}/1/restoration", follow_redirects=True)

    assert "Version 1 is back, as version 4." in answer.text
    assert (version(house, cast.tea), version(house, cast.lamp)) == (4, 1)
    with house() as session:
        assert edit_flow.current(session, cast.tea, "abandoned_cart").flow == CART


def test_bringing_back_what_is_there_changes_nothing(house, client, cast, changed):
    client.post(f"{PAGE}/1/restoration")
    answer = client.post(f"{PAGE}/1/restoration", follow_redirects=True)

    assert "It is as that version." in answer.text
    assert version(house, cast.tea) == 4


@pytest.mark.parametrize("path", [f"{PAGE}/99/restoration", "/admin/flows/no_such/versions/1/restoration"])
def test_what_there_is_not_is_refused_and_changes_nothing(house, client, cast, changed, path):
    assert client.post(path).status_code in {404, 422}
    assert version(house, cast.tea) == 3


def test_one_shops_versions_are_not_anothers(client, house, cast):
    """I10: Lamp Loft's second version is no version of Tea & Tin's."""
    change(house, cast.lamp, with_coupon(CART, "coupon", 77, 48), cast.now)
    html = client.get(f"{PAGE}?old=1&new=2").text

    assert "77 %" not in html
    assert client.post(f"{PAGE}/2/restoration").status_code == 422


def test_the_second_of_two_editors_sees_what_the_first_changed_and_keeps_what_was_typed(house, client, cast, changed):
    answer = client.post("/admin/flows/abandoned_cart", data={**FORM, "version": "1"})

    assert answer.status_code == 409
    assert "15 %, 48 h" in answer.text
    assert 'name="reminder.after" inputmode="numeric" autocomplete="off" value="2"' in answer.text
    assert version(house, cast.tea) == 3


def test_of_two_that_save_a_flow_at_the_same_instant_one_is_told(house, cast):
    from app.web import create_app

    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    ways_in, statuses, together = [link(house, cast.tea) for _ in range(2)], [], threading.Barrier(2)

    def save(number: int) -> None:
        mine = app.test_client()
        mine.post(ways_in[number])
        together.wait(20)
        typed = {**FORM, "reminder.after": str(number + 2), "version": "1"}
        statuses.append(mine.post("/admin/flows/abandoned_cart", data=typed).status_code)

    people = [threading.Thread(target=save, args=(number,)) for number in range(2)]
    for person in people:
        person.start()
    for person in people:
        person.join(30)

    assert sorted(statuses) == [303, 409]
    assert version(house, cast.tea) == 2
