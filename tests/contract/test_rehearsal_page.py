"""The merchant's page of a rehearsal: asked for, watched, read and stopped; with unsaved changes, and without a past."""

import re
from datetime import timedelta

import pytest

import jobs.rehearsals
from app.services import edit_flow, rehearsals
from tests import builders

PAGE = "/admin/flows/abandoned_cart/rehearsals"
FORM = {"reminder.after": "2", "reminder.unit": "hours", "coupon.after": "24", "coupon.unit": "hours",
        "coupon.percent": "10", "coupon.valid_hours": "48"}  # fmt: skip
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#rehearsal"}


def newest(house, shop_id, flow="abandoned_cart"):
    with house() as session:
        return next(iter(rehearsals.newest(session, shop_id, flow)), None)


@pytest.fixture
def past(house, cast):
    """Two carts that Tea & Tin heard of two days ago; one was bought."""
    with house.begin() as session:
        at = cast.now - timedelta(days=2)
        for n in range(2):
            body = builders.checkout_body(f"r{n}", at, email=f"rita{n}@example.com")
            builders.store_webhook(session, cast.tea, "checkouts/update", body, key=f"r{n}")
        order = builders.order_body(1, at + timedelta(hours=3), token="r1", email="rita1@example.com")
        builders.store_webhook(session, cast.tea, "orders/create", order, key="ro")
    builders.work_off()


def test_before_the_first_one_it_says_what_a_rehearsal_is(client):
    html = client.get(PAGE).text

    assert "Not rehearsed yet" in html
    assert "Nothing is sent" in html
    assert client.get("/admin/flows/nothing/rehearsals").status_code == 404
    assert client.get(f"{PAGE}/7").status_code == 404
    flow = client.get("/admin/flows/abandoned_cart").text
    assert f'formaction="{PAGE}"' in flow
    assert f'href="{PAGE}"' in flow


def test_a_flow_that_cannot_be_rehearsed_says_why_and_has_no_button(client):
    html = client.get("/admin/flows/double_opt_in/rehearsals").text

    assert "kept for 30 days only" in html
    assert ">Rehearse<" not in html
    assert "rehearsals" in client.get("/admin/flows/double_opt_in").text
    assert "formaction" not in client.get("/admin/flows/double_opt_in").text


def test_it_is_watched_and_then_read(house, client, cast, past):
    answer = client.post(PAGE)
    where = answer.headers["Location"]
    assert (answer.status_code, where) == (303, f"{PAGE}/{newest(house, cast.tea).id}")
    waiting = client.get(where).text
    assert 'hx-trigger="every 2s"' in waiting
    assert "Look again" in waiting  # also without scripts

    jobs.rehearsals.drain()
    piece = client.get(where, headers=HTMX).text.lstrip()
    assert piece.startswith('<div class="stack wide" id="rehearsal">')
    assert "<html" not in piece
    assert "every 2s" not in piece
    html = client.get(PAGE).text
    assert "<html" in html
    assert re.search(r"Orders that came anyway</dt><dd>1<", html)
    assert "no earnings of the flow" in html
    assert "They bought in the meantime" in html
    assert "rita0@example.com" in html
    assert "version 1" in html


def test_changes_that_are_not_saved_are_rehearsed_and_not_lost(house, client, cast, past):
    answer = client.post(PAGE, data=FORM)
    jobs.rehearsals.drain()
    done = newest(house, cast.tea)
    assert (done.version, done.state) == (None, "done")
    with house() as session:
        assert edit_flow.current(session, cast.tea, "abandoned_cart").settings.version == 1

    html = client.get(answer.headers["Location"]).text
    assert "with changes that are not saved" in html
    back = f"/admin/flows/abandoned_cart?rehearsal={done.id}"
    assert f'href="{back}"' in html
    flow = client.get(back).text
    assert 'name="reminder.after" inputmode="numeric" autocomplete="off" value="2"' in flow
    assert "Not saved yet" in flow
    assert "Not saved yet" not in client.get("/admin/flows/abandoned_cart?rehearsal=999999").text


def test_what_was_typed_wrong_is_shown_with_its_words_and_nothing_is_rehearsed(house, client, cast):
    answer = client.post(PAGE, data=FORM | {"coupon.percent": "many"})

    assert answer.status_code == 422
    assert 'value="many"' in answer.text
    assert "Write a whole number" in answer.text
    assert newest(house, cast.tea) is None


def test_from_the_form_of_a_flow_htmx_is_led_to_the_page(house, client, cast):
    in_form = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#flow"}
    answer = client.post(PAGE, data=FORM, headers=in_form)
    assert answer.headers["HX-Location"] == f"{PAGE}/{newest(house, cast.tea).id}"

    again = client.post(PAGE, data=FORM, headers=in_form)
    assert again.headers["HX-Location"] == PAGE
    assert "under way" in again.headers["HX-Trigger"]


def test_a_second_one_is_told_that_one_is_under_way(house, client, cast):
    client.post(PAGE)
    answer = client.post("/admin/flows/vip/rehearsals")

    assert answer.status_code == 409
    assert "A rehearsal of Abandoned cart is under way" in answer.text
    assert newest(house, cast.tea, "vip") is None


def test_it_can_be_stopped(house, client, cast, past):
    where = client.post(PAGE).headers["Location"]
    assert client.post(f"{where}/stop").status_code == 303
    assert newest(house, cast.tea).is_stop_wanted
    assert "It stops." in client.get(where).text

    jobs.rehearsals.drain()
    assert newest(house, cast.tea).state == "stopped"
    assert "It is over already." in client.post(f"{where}/stop", follow_redirects=True).text


def test_a_shop_without_a_past_is_told_so(house, client, cast):
    client.post("/admin/flows/vip/rehearsals")
    jobs.rehearsals.drain()

    assert "we heard of nothing in your shop that this flow is about" in client.get("/admin/flows/vip/rehearsals").text


def test_another_shops_rehearsal_is_not_there(house, client, cast):
    """I10: neither to be read nor stopped."""
    with house.begin() as session:
        flow = edit_flow.current(session, cast.lamp, "abandoned_cart").flow
        theirs = rehearsals.ask(session, cast.lamp, flow, version=1, days=90, actor="test", now=cast.now)

    assert client.get(f"{PAGE}/{theirs.id}").status_code == 404
    client.post(f"{PAGE}/{theirs.id}/stop")
    assert not newest(house, cast.lamp).is_stop_wanted
    assert "Not saved yet" not in client.get(f"/admin/flows/abandoned_cart?rehearsal={theirs.id}").text
