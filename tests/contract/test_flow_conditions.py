"""Conditions on a flow's page: line by line, with and without scripts, refused beside the field, versions like any edit."""

import re
from dataclasses import replace

import pytest
import yaml
from click.testing import CliRunner
from sqlalchemy import text

from app.cli import cli
from app.flows import FLOWS, read_flow
from app.flows.audience import LINES_MOST, OFFERS
from app.flows.conditions import all_of, any_of, has_tag, in_country, never_bought, none_of, worth_at_least
from app.models.staff import Role
from app.services import edit_flow
from tests.admin_cast import client_of
from tests.contract.test_admin_flows import FLOW, HTMX, typed
from tests.contract.test_desk import signed_in

CART = FLOWS["abandoned_cart"]
ANYWAY = {"_audience.anyway": "1"}  # the people of the cast have neither tags nor countries


NEVER = "Nobody can meet this and line 1, "


def lines(*told: tuple[str, ...], prefix: str = "_audience") -> dict[str, str]:
    """The fields of a list: for each line its name, its value, `yes` or `no`, `and` or `or`."""
    form = {f"{prefix}.count": str(len(told))}
    for n, each in enumerate(told):
        said = (*each, *("", "yes", "and")[len(each) - 1 :])
        form |= {f"{prefix}.{n}.{part}": word for part, word in zip(("name", "value", "sign", "join"), said, strict=True)}
    return form


def current(house, shop_id: int, key: str = "abandoned_cart"):
    with house() as session:
        return edit_flow.current(session, shop_id, key)


def shown(page: str) -> dict[str, str]:
    """What stands in the text fields of a page, by name."""
    tags = re.findall(r"<input[^>]*>", page)
    pairs = [(re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)) for tag in tags]
    return {name[1]: value[1] for name, value in pairs if name and value}


def field(page: str, name: str) -> str:
    """The tag of a field."""
    return re.search(rf'<(?:input|select)[^>]*name="{re.escape(name)}"[^>]*>', page)[0]


def test_conditions_are_saved_as_a_version_that_can_be_compared_and_brought_back(house, client, cast):
    form = typed() | lines(("worth_at_least", "20,50"), ("has_tag", "vip", "no"), ("never_bought", "", "yes", "or"))
    saved = client.post(FLOW, data=form | lines(("clicked", "reminder", "no"), prefix="coupon.only"), follow_redirects=True)
    made = current(house, cast.tea).flow
    compared = client.get(f"{FLOW}/versions").text
    client.post(f"{FLOW}/versions/1/restoration")

    assert "Saved as version 2." in saved.text
    assert made.trigger.when[2:] == (worth_at_least(2050), any_of(none_of(has_tag("vip")), never_bought()))
    assert [c.of[0].name for c in made.send("coupon").when] == ["clicked"]
    said = "without the tag “vip” or they have not bought yet", "they did not click in the mail “reminder”"
    for words in ("Who enters", "worth $20.50 or more", *said, "Sent only when"):
        assert words in compared
    assert current(house, cast.tea).flow == CART
    assert current(house, cast.lamp).flow == CART


def test_a_saved_form_shows_what_was_saved_and_saving_it_again_makes_no_version(house, client, cast):
    client.post(FLOW, data=ANYWAY | typed() | lines(("in_country", "germany; AT"), ("orders_in_a_year", "2", "no")))
    page = client.get(FLOW).text
    told = lines(("in_country", "Austria, Germany"), ("orders_in_a_year", "2", "no"))
    again = client.post(FLOW, data=typed(version="2") | told)

    assert (shown(page)["_audience.0.value"], shown(page)["_audience.1.value"]) == ("Austria, Germany", "2")
    assert "they live in Austria or Germany" in page
    assert "fewer than 2 orders in twelve months" in page
    assert (again.status_code, current(house, cast.tea).settings.version) == (303, 2)


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_a_line_is_added_and_taken_away_without_saving_or_losing_anything(house, client, cast, headers):
    form = typed(coupon__percent="120") | lines(("worth_at_least", "much"))
    added = client.post(FLOW, data=form | {"act": "add:_audience", "_audience.new": "has_tag"}, headers=headers)
    two = typed(coupon__percent="120") | lines(("worth_at_least", "much"), ("has_tag", "vip"))
    dropped = client.post(FLOW, data=two | {"act": "drop:_audience:0"}, headers=headers)

    assert (added.status_code, dropped.status_code) == (200, 200)
    assert ("<html" in added.text) == (not headers)
    assert (shown(added.text)["_audience.0.value"], shown(added.text)["coupon.percent"]) == ("much", "120")
    assert "autofocus" in field(added.text, "_audience.1.sign")
    assert 'class="err"' not in added.text
    assert (shown(dropped.text)["_audience.0.name"], shown(dropped.text)["_audience.0.value"]) == ("has_tag", "vip")
    assert "_audience.1.name" not in shown(dropped.text)
    assert "autofocus" in field(dropped.text, "_audience.new")
    assert added.headers.get("HX-Reswap") == ("outerHTML" if headers else None)
    assert current(house, cast.tea).settings.version == 1


@pytest.mark.parametrize(
    "act", ["add:_audience", "add:nobody", "drop:_audience:7", "drop:_audience:x", "drop", "add", "fly"]
)
def test_a_button_that_makes_no_sense_changes_no_line(client, act):
    answer = client.post(
        FLOW, data=typed(reminder__after="") | lines(("has_tag", "vip")) | {"act": act, "_audience.new": "rain"}
    )

    assert answer.status_code in {200, 422}
    assert shown(answer.text)["_audience.0.value"] == "vip"
    assert "_audience.1.name" not in shown(answer.text)


def test_there_are_so_many_lines_and_no_more(client):
    full = lines(*[("has_tag", f"tag {n}") for n in range(LINES_MOST)])
    page = client.post(FLOW, data=typed() | full | {"act": "add:_audience", "_audience.new": "never_bought"}).text
    more = client.post(FLOW, data=typed() | lines(*[("has_tag", f"tag {n}") for n in range(50)]) | {"act": "look"}).text

    assert "as many lines as there can be" in page
    for html in (page, more):
        assert f"_audience.{LINES_MOST - 1}.name" in shown(html)
        assert f"_audience.{LINES_MOST}.name" not in shown(html)


@pytest.mark.parametrize(
    ("name", "value", "beside"),
    [
        ("worth_at_least", "", "Write an amount such as 20, from $0.01 to"),
        ("worth_at_least", "0", "Write an amount"),
        ("worth_at_least", "-5", "Write an amount"),
        ("worth_at_least", "1.234", "Write an amount"),
        ("worth_at_least", "9" * 12, "Write an amount"),
        ("worth_at_least", "9" * 200, "Write an amount"),
        ("spent_in_a_year", "much", "Write an amount"),
        ("orders_in_a_year", "0", "a whole number from 1 to 1,000"),
        ("orders_in_a_year", "1001", "a whole number from 1 to 1,000"),
        ("orders_in_a_year", "120 %", "a whole number from 1 to 1,000"),
        ("in_country", "", "Name at least one country"),
        ("in_country", " , ", "Name at least one country"),
        ("in_country", "Germany, Atlantis", "We know no country “Atlantis”"),
        ("in_country", "ZZ", "We know no country “ZZ”"),
        ("in_country", "EU", "We know no country “EU”"),
        ("has_tag", "", "Write one tag"),
        ("has_tag", "a,b", "Write one tag"),
        ("has_tag", "<script>" * 20, "Write one tag"),
        ("is_first_order", "", "This cannot be asked here"),
        ("clicked", "reminder", "This cannot be asked here"),
    ],
)
def test_a_wrong_value_is_kept_and_explained_beside_its_line(house, client, cast, name, value, beside):
    form = typed(coupon__percent="33") | lines(("has_tag", "vip"), (name, value))
    answer, piece = client.post(FLOW, data=form), client.post(FLOW, data=form, headers=HTMX)
    part = "sign" if OFFERS[name].takes == "nothing" else "value"
    tag = field(answer.text, f"_audience.1.{part}")
    about = re.search(r'aria-describedby="([^"]+)"', tag)[1].split()

    assert (answer.status_code, piece.status_code, current(house, cast.tea).settings.version) == (422, 422, 1)
    assert ('aria-invalid="true"' in tag, "autofocus" in tag, "<html" in piece.text) == (True, True, False)
    assert field(piece.text, f"_audience.1.{part}") == tag
    assert beside in re.search(rf'id="{about[-1]}">(.*?)</p>', answer.text, re.DOTALL)[1]
    assert all(f'id="{each}"' in answer.text for each in about)
    assert (shown(answer.text)["_audience.0.value"], shown(answer.text)["coupon.percent"]) == ("vip", "33")
    if part == "value" and name != "clicked":
        assert shown(answer.text)["_audience.1.value"] == value.strip()[:300].replace("<", "&lt;").replace(">", "&gt;")


@pytest.mark.parametrize(
    ("told", "beside"),
    [
        ((("has_tag", "vip"), ("has_tag", "VIP", "no")), NEVER + "“with the tag “vip””, at once."),
        (
            (("never_bought",), ("orders_in_a_year", "2")),
            NEVER + "“they have not bought yet”, at once.",
        ),
        (
            (("worth_at_least", "50"), ("worth_at_least", "20", "no")),
            NEVER + "“worth $50.00 or more”",
        ),
        ((("in_country", "DE"), ("in_country", "Germany")), "This says the same as line 1."),
    ],
)
@pytest.mark.parametrize("prefix", ["_audience", "reminder.only"])
def test_two_lines_that_nobody_can_meet_are_refused(house, client, cast, told, beside, prefix):
    answer = client.post(FLOW, data=typed() | lines(*told, prefix=prefix))

    assert (answer.status_code, current(house, cast.tea).settings.version) == (422, 1)
    assert beside in answer.text
    assert 'aria-invalid="true"' in field(answer.text, f"{prefix}.1.{'value' if told[1][1:] else 'sign'}")


def test_what_nobody_met_is_refused_until_somebody_says_that_they_mean_it(house, client, cast):
    form = typed() | lines(("in_country", "Iceland"))
    refused = client.post(FLOW, data=form)
    version = current(house, cast.tea).settings.version
    meant = client.post(FLOW, data=form | {"_audience.anyway": "1"}, follow_redirects=True)
    other = client.post(FLOW, data=form | typed(version="2", reminder__after="2"), follow_redirects=True)

    assert (refused.status_code, version) == (422, 1)
    assert "Nobody would have come in. Carts with an address, last 90 days: 6 looked at" in refused.text
    assert "autofocus" in field(refused.text, "_audience.anyway")
    assert "About 0 of them would have come in." in refused.text
    assert "Saved as version 2." in meant.text
    assert "Saved as version 3." in other.text  # who changes something else is not asked again


def test_a_shop_with_no_past_is_not_refused(house, client, cast):
    with house.begin() as session:
        session.execute(text("DELETE FROM checkouts"))
    answer = client.post(FLOW, data=typed() | lines(("in_country", "Iceland")), follow_redirects=True)

    assert "Saved as version 2." in answer.text
    assert "Carts with an address, last 90 days: none, so nothing can be said yet." in answer.text


def test_before_saving_it_is_said_who_would_have_come_in_and_who_keeps_what_they_have(house, client, cast):
    plain = client.get(FLOW).text
    counted = client.post(
        FLOW, data=typed() | lines(("worth_at_least", "66.51"), ("worth_at_least", "70", "no", "or")) | {"act": "look"}
    )
    few = client.post(FLOW, data=typed() | lines(("worth_at_least", "66.51")) | {"act": "look"}).text
    begun = client.post(
        FLOW, data=typed() | {"act": "add:_audience", "_audience.new": "has_tag", "_audience.count": "0"}
    ).text

    assert "Carts with an address, last 90 days: 6. About 6 of them would have come in." in plain
    assert "1 person keeps theirs" in plain
    assert "They keep the version that they started with" in plain
    assert "About 6 of them would have come in." in counted.text
    assert "About 0 of them would have come in." in few
    assert "Complete every line, then count." in begun
    assert current(house, cast.tea).settings.version == 1


def test_counting_says_what_is_wrong_and_keeps_it(client):
    page = client.post(FLOW, data=typed(coupon__percent="120") | lines(("in_country", "Atlantis")) | {"act": "look"}).text

    assert "We know no country “Atlantis”" in page
    assert "1 to 100 percent" in page
    assert "autofocus" in field(page, "_audience.0.value")


def test_a_colleague_who_saved_meanwhile_is_found_also_after_lines_were_added(house, client, cast):
    client.post(FLOW, data=typed(reminder__after="2"))
    draft = client.post(FLOW, data=typed() | {"act": "add:_audience", "_audience.new": "has_tag", "_audience.count": "0"})
    saved = client.post(FLOW, data=typed(version=shown(draft.text)["version"]) | lines(("has_tag", "vip")))

    assert (draft.status_code, saved.status_code) == (200, 409)
    assert "Somebody saved version 2" in saved.text
    assert current(house, cast.tea).settings.version == 2


def test_vips_either_or_is_shown_as_two_lines_and_stays_as_it_is(house, client, cast):
    page = client.get("/admin/flows/vip").text
    form = {
        "version": "1",
        "thanks.percent": "15",
        **lines(("spent_in_a_year", "500"), ("orders_in_a_year", "4", "yes", "or")),
    }
    same = client.post("/admin/flows/vip", data=form, follow_redirects=True)
    richer = client.post(
        "/admin/flows/vip", data=form | {"_audience.0.value": "800", "_audience.anyway": "1"}, follow_redirects=True
    )

    assert (shown(page)["_audience.0.value"], shown(page)["_audience.1.value"]) == ("500", "4")
    assert "Nothing was changed" in same.text
    assert "Saved as version 2." in richer.text
    assert [c.value for c in current(house, cast.tea, "vip").flow.trigger.when[1].of] == [80_000, 4]


def test_what_a_list_cannot_say_is_shown_and_kept(house, client, cast):
    deep = all_of(never_bought(), none_of(in_country("DE"), has_tag("vip")))
    with house.begin() as session:
        state = edit_flow.current(session, cast.tea, "abandoned_cart")
        flow = replace(CART, trigger=replace(CART.trigger, when=(*CART.trigger.when, deep)))
        edit_flow.new_version(session, cast.tea, state, flow, actor="merchant", now=cast.now)
    client.post(FLOW, data=ANYWAY | typed(version="2") | lines(("has_tag", "club")))

    assert current(house, cast.tea).flow.trigger.when == (*CART.trigger.when, deep, has_tag("club"))


def test_more_lines_than_can_be_added_came_by_import_and_are_not_lost(house, client, cast):
    many = tuple(none_of(has_tag(f"tag {n}")) for n in range(LINES_MOST + 2))
    with house.begin() as session:
        state = edit_flow.current(session, cast.tea, "abandoned_cart")
        flow = replace(CART, trigger=replace(CART.trigger, when=(*CART.trigger.when, *many)))
        edit_flow.new_version(session, cast.tea, state, flow, actor="merchant", now=cast.now)
    told = lines(*[("has_tag", f"tag {n}", "no") for n in range(LINES_MOST + 2)])
    client.post(FLOW, data=typed(version="2", reminder__after="2") | told)

    assert current(house, cast.tea).settings.version == 3
    assert current(house, cast.tea).flow.trigger.when[2:] == many


def test_a_flow_with_conditions_goes_out_as_yaml_and_comes_back(house, client, cast, tmp_path):
    client.post(FLOW, data=typed() | lines(("has_tag", "vip", "no")) | lines(("worth_at_least", "9"), prefix="coupon.only"))
    told = CliRunner().invoke(cli, ["flow", "export", "abandoned_cart", "--shop", str(cast.tea)]).output
    tree = yaml.safe_load(told)
    (tmp_path / "flow.yaml").write_text(told)
    back = CliRunner().invoke(cli, ["flow", "import", str(tmp_path / "flow.yaml"), "--shop", str(cast.tea)])

    assert tree["trigger"]["when"][2] == {
        "name": "none_of",
        "of": [{"name": "has_tag", "value": "vip", "of": []}],
        "value": None,
    }
    assert (back.exit_code, read_flow(tree)) == (0, current(house, cast.tea).flow)
    assert current(house, cast.tea).settings.version == 2


def test_nobody_else_changes_a_flow(house, client, cast):
    """I10: another shop's people change their own; a stranger, or a viewer of ours at the desk, changes nothing."""
    form = ANYWAY | typed() | lines(("has_tag", "vip"))
    lamp = client_of(house, cast.lamp).post(FLOW, data=form, follow_redirects=True)
    stranger = client.application.test_client().post(FLOW, data=form)
    viewer = signed_in(house, client.application, Role.VIEWER).post(FLOW, data=form)

    assert "Saved as version 2." in lamp.text
    assert "WooCommerce itself has no tags" in lamp.text
    assert ("/signed-out" in stranger.headers["Location"], "/signed-out" in viewer.headers["Location"]) == (True, True)
    assert (current(house, cast.tea).settings.version, current(house, cast.lamp).settings.version) == (1, 2)
