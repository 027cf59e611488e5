"""The consent gate: who may be mailed what, on what ground, as a table of cases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.consent import Basis, ConsentMode, Frequency, MessageClass, Permission, basis, in_region, standing
from app.domain.events import ConsentState as State
from app.domain.sunset import Silence, SunsetRule
from app.flows.gates import GATES, STRICTEST, gate_of, why_closed, why_unwanted
from app.flows.snapshot import Snapshot

T0 = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
REGIONAL = Permission(mode=ConsentMode.REGIONAL)


def ago(days: float) -> datetime:
    return T0 - timedelta(days=days)


def someone(state: State = State.SUBSCRIBED, suppressed: str | None = None, **known) -> Snapshot:
    return Snapshot(
        entered_at=T0, checkout=None, ordered_at=None, is_superseded=False, consent=state, suppressed=suppressed,
        shop_state="active", is_flow_on=True, is_held_out=False, is_person_gone=False, permission=Permission(**known),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "known", "expected"),
    [
        (State.SUBSCRIBED, Permission(), Basis.EXPRESS),
        (State.NONE, Permission(), Basis.NONE),
        (State.PENDING, Permission(), Basis.NONE),
        (State.UNSUBSCRIBED, replace(REGIONAL, country="US"), Basis.NONE),
        (State.PENDING, replace(REGIONAL, country="US"), Basis.NONE),
        (State.SUBSCRIBED, Permission(needs_confirmation=True), Basis.NONE),
        (State.SUBSCRIBED, Permission(needs_confirmation=True, is_confirmed=True), Basis.EXPRESS),
        (State.SUBSCRIBED, Permission(blocked="bounced"), Basis.NONE),
        (State.NONE, replace(REGIONAL, country="US"), Basis.OPT_OUT),
        (State.NONE, replace(REGIONAL, country=None), Basis.NONE),
        (State.NONE, replace(REGIONAL, country="TR", bought_at=ago(1)), Basis.NONE),
        (State.NONE, replace(REGIONAL, country="DE", bought_at=ago(10)), Basis.NONE),
        (State.NONE, replace(REGIONAL, country="DE", offers_refusal=True, bought_at=ago(10)), Basis.SOFT),
        (State.NONE, replace(REGIONAL, country="de", offers_refusal=True, bought_at=ago(729)), Basis.SOFT),
        (State.NONE, replace(REGIONAL, country="DE", offers_refusal=True, bought_at=ago(731)), Basis.NONE),
        (State.NONE, replace(REGIONAL, country="DE", offers_refusal=True, began_at=ago(1)), Basis.NONE),
        (State.NONE, replace(REGIONAL, country="NO", offers_refusal=True, bought_at=ago(1)), Basis.SOFT),
        (State.NONE, replace(REGIONAL, country="GB", offers_refusal=True, began_at=ago(1)), Basis.SOFT),
        (State.NONE, replace(REGIONAL, country="GB", began_at=ago(1)), Basis.NONE),
        (State.NONE, replace(REGIONAL, country="CA", bought_at=ago(700)), Basis.IMPLIED),
        (State.NONE, replace(REGIONAL, country="CA", began_at=ago(180)), Basis.IMPLIED),
        (State.NONE, replace(REGIONAL, country="CA", began_at=ago(200)), Basis.NONE),
        (State.NONE, Permission(mode=ConsentMode.ANYONE, country="DE"), Basis.OPT_OUT),
        (State.UNSUBSCRIBED, Permission(mode=ConsentMode.ANYONE), Basis.NONE),
    ],
)
def test_ground_by_state_place_and_mode(state, known, expected):
    assert basis(state, known, now=T0) is expected


GROUNDS = {
    Basis.EXPRESS: someone(mode=ConsentMode.REGIONAL),
    Basis.SOFT: someone(State.NONE, mode=ConsentMode.REGIONAL, country="DE", offers_refusal=True, bought_at=ago(1)),
    Basis.IMPLIED: someone(State.NONE, mode=ConsentMode.REGIONAL, country="CA", began_at=ago(1)),
    Basis.OPT_OUT: someone(State.NONE, mode=ConsentMode.REGIONAL, country="US"),
    Basis.NONE: someone(State.NONE, mode=ConsentMode.REGIONAL, country="TR"),
}
E, S, IM, O, N = Basis.EXPRESS, Basis.SOFT, Basis.IMPLIED, Basis.OPT_OUT, Basis.NONE  # noqa: E741


@pytest.mark.parametrize(
    ("flow", "open_for"),
    [
        ("abandoned_cart", {E, S, IM, O}),
        ("abandon_survey", {E, S, IM, O}),
        ("abandon_survey_followup", {E, S, IM, O}),
        ("review_request", {E, S}),
        ("vip", {E, S}),
        ("win_back", {E, S}),
        ("cross_sell", {E, S}),
        ("welcome", {E}),
        ("birthday", {E}),
        ("browse_abandonment", {E}),
        ("renewal_upsell", {E}),
        ("re_permission", {E}),
        ("post_purchase", {E, S, IM, O, N}),
        ("double_opt_in", {E, S, IM, O, N}),
        ("order_updates", {E, S, IM, O, N}),
        ("subscription_renewal", {E, S, IM, O, N}),
        ("failed_payment", {E, S, IM, O, N}),
        ("feedback_recovery", {E, S, IM, O, N}),
        ("a_flow_of_a_merchant", {E}),
    ],
)
def test_rule_of_each_flow_in_the_regional_mode(flow, open_for):
    people = {
        g: replace(s, permission=replace(s.permission, has_birthday=True, may_be_watched=True)) for g, s in GROUNDS.items()
    }

    assert {g for g, s in people.items() if why_closed(gate_of(flow), s, now=T0) is None} == open_for


@pytest.mark.parametrize("flow", [f for f in GATES if GATES[f].kind is MessageClass.MARKETING])
def test_among_subscribers_only_no_flow_rests_on_less_than_a_yes(flow):
    buyer = someone(State.NONE, country="US", offers_refusal=True, bought_at=ago(1), has_birthday=True, may_be_watched=True)

    assert why_closed(gate_of(flow), buyer, now=T0) == "not_subscribed"


def test_every_shipped_gate_is_in_the_table_of_this_test():
    """Guards the table: a new row of the gates needs a row here."""
    tested = {
        mark.args[1][n][0]
        for mark in test_rule_of_each_flow_in_the_regional_mode.pytestmark
        for n in range(len(mark.args[1]))
    }

    assert {key for key in GATES if "/" not in key} <= tested


@pytest.mark.parametrize(
    ("known", "flow", "expected"),
    [
        ({"topics_off": {"cart"}}, "abandoned_cart", "topic_off"),
        ({"topics_off": {"cart"}}, "review_request", None),
        ({"paused_until": T0 + timedelta(seconds=1)}, "abandoned_cart", "paused_by_person"),
        ({"paused_until": T0}, "abandoned_cart", None),
        ({"frequency": Frequency.WEEKLY, "mailed_at": ago(6.9)}, "abandoned_cart", "asked_for_less"),
        ({"frequency": Frequency.WEEKLY, "mailed_at": ago(7)}, "abandoned_cart", None),
        ({"frequency": Frequency.MONTHLY, "mailed_at": ago(29)}, "abandoned_cart", "asked_for_less"),
        ({"frequency": Frequency.WEEKLY, "mailed_at": None}, "abandoned_cart", None),
        ({}, "birthday", "no_birthday"),
        ({"has_birthday": True}, "birthday", None),
        ({}, "browse_abandonment", "not_watched"),
        ({"needs_confirmation": True}, "abandoned_cart", "not_confirmed"),
        ({"paused_until": T0 + timedelta(days=1), "topics_off": {"cart"}}, "order_updates", None),
    ],
)
def test_what_a_person_chose_keeps_back_marketing_and_nothing_else(known, flow, expected):
    assert why_closed(gate_of(flow), someone(**known), now=T0) == expected


SILENT = Silence(rule=SunsetRule(), mails=3, since=ago(194))


@pytest.mark.parametrize(
    ("silence", "flow", "expected"),
    [
        (SILENT, "abandoned_cart", "silent"),
        (SILENT, "post_purchase/promotion", "silent"),
        (SILENT, "a_flow_of_a_merchant", "silent"),
        (SILENT, "order_updates", None),
        (SILENT, "double_opt_in", None),
        (SILENT, "re_permission", None),
        (replace(SILENT, asked_at=ago(15)), "re_permission", "silent"),
        (replace(SILENT, since=ago(193)), "abandoned_cart", None),
        (replace(SILENT, mails=2), "abandoned_cart", None),
    ],
)
def test_who_never_reacts_is_kept_from_marketing_and_asked_once(silence, flow, expected):
    flow, _, step = flow.partition("/")

    assert why_closed(gate_of(flow, step or None), someone(silence=silence), now=T0) == expected


@pytest.mark.parametrize(
    ("flow", "state", "suppressed", "blocked", "expected"),
    [
        ("abandoned_cart", State.UNSUBSCRIBED, None, None, "unsubscribed"),
        ("abandoned_cart", State.SUBSCRIBED, "complained", None, "complained"),
        ("abandoned_cart", State.SUBSCRIBED, "bounced", "bounced", "bounced"),
        ("order_updates", State.UNSUBSCRIBED, "complained", None, None),
        ("order_updates", State.SUBSCRIBED, "bounced", "bounced", "bounced"),
        ("double_opt_in", State.UNSUBSCRIBED, None, None, None),
    ],
)
def test_mail_about_an_order_obeys_only_what_stops_every_mail(flow, state, suppressed, blocked, expected):
    """I7: a suppression of all mail stops transactional mail too, one of marketing does not."""
    assert why_unwanted(gate_of(flow), someone(state, suppressed, blocked=blocked)) == expected


def test_a_merchants_version_makes_a_mail_stricter_and_never_looser():
    assert gate_of("abandoned_cart", kind="transactional").kind is MessageClass.MARKETING
    assert gate_of("order_updates", kind="marketing") == STRICTEST
    assert gate_of("post_purchase", "second_order", "marketing").topic == "recommendations"
    assert gate_of("own_flow", kind="transactional").kind is MessageClass.TRANSACTIONAL
    assert gate_of("own_flow", kind="marketing") == gate_of("own_flow") == STRICTEST


def test_promotion_inside_a_thank_you_is_marketing_of_its_own():
    assert why_closed(gate_of("post_purchase", "promotion"), someone(State.NONE), now=T0) == "not_subscribed"
    assert why_closed(gate_of("post_purchase", "thanks"), someone(State.NONE), now=T0) is None
    assert why_closed(gate_of("post_purchase", "promotion"), someone(suppressed="complained"), now=T0) == "complained"


@pytest.mark.parametrize(
    ("folded", "agreed", "refused", "expected"),
    [
        (State.SUBSCRIBED, None, None, State.SUBSCRIBED),
        (State.SUBSCRIBED, None, 1, State.UNSUBSCRIBED),  # the shop's own list said so after the person refused
        (State.SUBSCRIBED, 3, 2, State.UNSUBSCRIBED),
        (State.SUBSCRIBED, 1, 2, State.SUBSCRIBED),  # the person ticked a box again
        (State.SUBSCRIBED, 2, 2, State.UNSUBSCRIBED),  # of one instant the stricter
        (State.UNSUBSCRIBED, 1, None, State.UNSUBSCRIBED),  # the shop says no: the stricter side
        (State.PENDING, None, 3, State.UNSUBSCRIBED),  # asked to confirm after a refusal: still refused until confirmed
    ],
)
def test_a_refusal_is_undone_by_the_person_alone(folded, agreed, refused, expected):
    """Days ago, so the larger number is earlier."""
    times = {"agreed_at": ago(agreed) if agreed else None, "refused_at": ago(refused) if refused else None}

    assert standing(folded, **times) is expected


@pytest.mark.parametrize(
    ("country", "expected"), [("DE", "strict"), ("FR", "europe"), ("us", "rest"), (None, "nowhere"), ("JP", "rest")]
)
def test_choice_for_a_country_goes_before_that_for_its_region(country, expected):
    chosen = {"DE": "strict", "EU": "europe", "unknown": "nowhere"}

    assert in_region(chosen, country, "rest") == expected
