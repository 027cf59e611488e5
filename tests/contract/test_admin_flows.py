"""The pages of flows: switches, waits and coupons as new versions, and what was typed is kept."""

import json
import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from app.models import AuditRow, FlowSettings, FlowVersion
from app.services import edit_flow
from app.web.admin import forms
from tests.admin_cast import Cast, client_of, seed

FLOW = "/admin/flows/abandoned_cart"
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def cast(house: sessionmaker[Session]) -> Cast:
    return seed(house)


@pytest.fixture
def client(house: sessionmaker[Session], cast: Cast) -> FlaskClient:
    """Somebody of Tea & Tin."""
    return client_of(house, cast.tea)


def typed(**fields: str) -> dict[str, str]:
    """The form of the flow page as it stands, with some fields typed over; `__` stands for the dot."""
    form = {
        "version": "1", "reminder.after": "1", "reminder.unit": "hours", "coupon.after": "24", "coupon.unit": "hours",
        "coupon.percent": "10", "coupon.valid_hours": "48",
    }  # fmt: skip
    return form | {name.replace("__", "."): value for name, value in fields.items()}


def test_the_switch_turns_the_flow_off_and_on_and_is_audited(house, client, cast):
    off = client.delete(f"{FLOW}/activation", headers={**HTMX, "HX-Target": "tr#flow-abandoned_cart"})
    with house() as session:
        is_on = session.scalar(
            select(FlowSettings.is_on).where(FlowSettings.shop_id == cast.tea, FlowSettings.flow == "abandoned_cart")
        )
    client.post(f"{FLOW}/activation", headers={**HTMX, "HX-Target": "tr#flow-abandoned_cart"})
    with house() as session:
        is_on_again = session.scalar(
            select(FlowSettings.is_on).where(FlowSettings.shop_id == cast.tea, FlowSettings.flow == "abandoned_cart")
        )
        of_lamp = session.scalar(
            select(FlowSettings.is_on).where(FlowSettings.shop_id == cast.lamp, FlowSettings.flow == "abandoned_cart")
        )
        audited = session.execute(
            select(AuditRow.action, AuditRow.actor).where(AuditRow.object_kind == "flow").order_by(AuditRow.id)
        ).all()

    assert off.text.lstrip().startswith("<tr")
    assert 'aria-checked="false"' in off.text
    assert "paused" in json.loads(off.headers["HX-Trigger"])["toast"]["text"]
    assert (is_on, is_on_again, of_lamp) == (False, True, False)
    assert [tuple(row) for row in audited[-2:]] == [("flow.off", "merchant"), ("flow.on", "merchant")]


def test_the_switch_works_as_a_plain_form(client):
    off = client.post(f"{FLOW}/activation", data={"_method": "delete"}, follow_redirects=True)
    on = client.post(f"{FLOW}/activation", data={"from": "list"}, follow_redirects=True)

    assert (off.request.path, on.request.path) == (FLOW, "/admin/flows")
    assert "Abandoned cart is paused" in off.text
    assert 'aria-checked="true"' in on.text


def test_the_switch_on_the_flows_own_page_answers_its_head(client):
    answer = client.delete(f"{FLOW}/activation", headers={**HTMX, "HX-Target": "div#flow-head"})

    assert 'id="flow-head"' in answer.text
    assert "Paused" in answer.text


def test_waits_and_coupon_become_one_new_version(house, client, cast):
    answer = client.post(
        FLOW, data=typed(reminder__after="90", reminder__unit="seconds", coupon__after="3", coupon__unit="days",
                         coupon__percent="15", coupon__valid_hours="72"),
        follow_redirects=True,
    )  # fmt: skip
    with house() as session:
        flow = edit_flow.current(session, cast.tea, "abandoned_cart")
        versions = session.scalar(
            select(func.count())
            .select_from(FlowVersion)
            .where(FlowVersion.shop_id == cast.tea, FlowVersion.flow == "abandoned_cart")
        )

    assert "Saved as version 2" in answer.text
    assert versions == 2
    assert [s.length for s in flow.flow.steps if s.type == "wait"] == [timedelta(seconds=90), timedelta(days=3)]
    assert (flow.flow.sends[1].coupon.percent, flow.flow.sends[1].coupon.valid_hours) == (15, 72)


@pytest.mark.parametrize(
    ("field", "value", "beside"),
    [
        ("reminder__after", "soon", "Write a whole number"),
        ("reminder__after", "1.5", "Write a whole number"),
        ("reminder__after", "", "Write a number"),
        ("reminder__after", "-1", "Write a whole number"),
        ("reminder__after", "0", "at least 1 second"),
        ("reminder__after", "9" * 9, "at most 400 days"),
        ("reminder__after", "9" * 30, "Write a whole number"),
        ("coupon__after", "1", "Choose more than 1 hour"),
        ("coupon__percent", "0", "1 to 100 percent"),
        ("coupon__percent", "101", "1 to 100 percent"),
        ("coupon__valid_hours", "0", "at least 1 hour"),
        ("coupon__valid_hours", "x<script>", "Write a whole number"),
    ],
)
def test_a_wrong_value_is_kept_and_explained_beside_its_field(house, client, cast, field, value, beside):
    form = typed(**{"coupon__percent": "33", field: value})
    full, piece = client.post(FLOW, data=form), client.post(FLOW, data=form, headers=HTMX)
    with house() as session:
        version = session.scalar(
            select(FlowSettings.version).where(FlowSettings.shop_id == cast.tea, FlowSettings.flow == "abandoned_cart")
        )
    name = field.replace("__", ".")
    fields = dict(re.findall(r'<input class="input num"[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', full.text))
    shown = re.search(rf'name="{re.escape(name)}"[^>]*', full.text).group()

    assert (full.status_code, piece.status_code, version) == (422, 422, 1)
    assert beside in full.text
    assert beside in piece.text
    assert "<html" not in piece.text
    assert fields[name] == value[:40].replace("<", "&lt;").replace(">", "&gt;")
    assert fields["coupon.percent"] == (value if field == "coupon__percent" else "33")
    assert 'aria-invalid="true"' in shown


def test_an_unknown_unit_is_refused(client):
    answer = client.post(FLOW, data=typed(reminder__unit="fortnights"))

    assert answer.status_code == 422
    assert "Choose seconds, minutes, hours or days." in answer.text


def test_saving_what_is_there_makes_no_version(house, client, cast):
    answer = client.post(FLOW, data=typed(reminder__after="60", reminder__unit="minutes"), follow_redirects=True)
    with house() as session:
        version = session.scalar(
            select(FlowSettings.version).where(FlowSettings.shop_id == cast.tea, FlowSettings.flow == "abandoned_cart")
        )

    assert "Nothing was changed" in answer.text
    assert version == 1


def test_who_saves_over_somebody_elses_version_is_told_first(client):
    client.post(FLOW, data=typed(reminder__after="2"))
    stale = client.post(FLOW, data=typed(reminder__after="3"))
    again = client.post(FLOW, data=typed(reminder__after="3", version="2"), follow_redirects=True)

    assert stale.status_code == 409
    assert "Somebody saved version 2" in stale.text
    assert 'value="3"' in stale.text
    assert "Saved as version 3" in again.text


def test_a_form_shows_what_the_flow_says_and_gives_it_back(house, cast):
    with house() as session:
        flow = edit_flow.current(session, cast.tea, "abandoned_cart").flow

    fields = forms.stored(flow, "USD")
    assert forms.changed(flow, fields) == flow
    assert [(m.after, m.unit) for m in fields.mails] == [("1", "hours"), ("24", "hours")]


def test_the_flow_page_counts_whom_it_affects(client):
    page = client.get(FLOW).text

    assert "1 person is part-way through." in page
    assert "1 person waits here" in page
    assert "They bought in the meantime" in page
