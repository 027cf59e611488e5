"""What the engine says at each place of a made-up flow: branches, repeats, tags, deferrals, ways out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from app.domain.consent import Permission
from app.domain.events import ConsentState
from app.domain.pace import Cap, Mailed, Pace, Quiet
from app.domain.sunset import Silence, SunsetRule
from app.flows import conditions as c
from app.flows.engine import Exit, Finish, Schedule, SendEmail, SkipEmail, TagCustomer, decide, should_enter
from app.flows.news import Refusal, why_refused
from app.flows.snapshot import AnswerFacts, CheckoutFacts, OrderFacts, PersonFacts, Purchase, Snapshot
from app.flows.vocabulary import Branch, Flow, Leave, On, Repeat, Send, Tag, Wait

T0 = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
VIP = On("customer_ordered", when=(c.any_of(c.spent_in_a_year(50_000), c.orders_in_a_year(4)),), again_after_days=30)
FLOW = Flow(
    key="vip_like",
    title="Like VIP",
    trigger=VIP,
    exits=(c.no_longer_fits(),),
    steps=(
        Tag("vip"),
        Send("hello"),
        Repeat(2, (
            Wait(days=30, since="step_before"),
            Branch(c.will_fit_in_days(73), then=(Send("early"),), otherwise=(Send("warning"), Leave("warned"))),
        )),
    ),
    at_end=(Tag("vip", is_given=False),),
)  # fmt: skip


def person(*ago: int, minor: int = 20_000, orders: int | None = None) -> PersonFacts:
    bought = tuple(Purchase(at=T0 - timedelta(days=d), external_id=str(d), minor=minor) for d in sorted(ago, reverse=True))
    return PersonFacts(email="alice@example.com", at=T0, subscribed_at=T0, orders=orders or len(ago), purchases=bought)


SNAPSHOT = Snapshot(
    entered_at=T0, checkout=None, ordered_at=None, is_superseded=False, consent=ConsentState.SUBSCRIBED, suppressed=None,
    shop_state="active", is_flow_on=True, is_held_out=False, is_person_gone=False, person=person(1, 10, 20),
    permission=Permission(),
)  # fmt: skip
SLIPPING = person(10, 310, 320)  # in 73 days two of the three orders are older than a year
GIVEN, TAKEN = TagCustomer("vip", is_given=True), TagCustomer("vip", is_given=False)


@pytest.mark.parametrize(
    ("place", "days", "changes", "effects", "because"),
    [
        (0, 0, {}, [GIVEN, SendEmail("hello", T0, None), Schedule(2, T0 + 30 * DAY)], "due"),
        (2, 29, {}, [Schedule(2, T0 + 30 * DAY)], "waiting"),
        (2, 30, {}, [SendEmail("early", T0 + 30 * DAY, None), Schedule(7, T0 + 60 * DAY)], "due"),
        (2, 30, {"person": SLIPPING}, [SendEmail("warning", T0 + 30 * DAY, None), TAKEN, Exit("warned", None)], "warned"),
        (7, 30, {}, [SendEmail("early_2", T0 + 30 * DAY, None), TAKEN, Finish()], "due"),
        (2, 30, {"person": person(10)}, [TAKEN, Exit("no_longer_fits", "early")], "no_longer_fits"),
        (2, 30, {"is_person_gone": True}, [Exit("person_gone", "early")], "person_gone"),
        (2, 30, {"is_flow_on": False}, [TAKEN, Exit("flow_off", "early")], "flow_off"),
        (0, 0, {"is_held_out": True}, [SkipEmail("hello", T0, "held_out"), Schedule(2, T0 + 30 * DAY)], "held_out"),
        (0, 0, {"entered_before_at": T0 - 29 * DAY}, [Exit("too_soon", "hello")], "too_soon"),
        (0, 0, {"is_unhappy": True}, [GIVEN, SkipEmail("hello", T0, "unhappy"), Schedule(2, T0 + 30 * DAY)], "unhappy"),
        (0, 0, {"is_superseded": True}, [Exit("merged", "hello")], "merged"),
    ],
)  # fmt: skip
def test_decide(place, days, changes, effects, because):
    decision = decide(FLOW, place, replace(SNAPSHOT, **changes), now=T0 + days * DAY, came_at=T0)

    assert (list(decision.effects), decision.because) == (effects, because)


def test_deferral_says_why_and_does_not_age_the_mail():
    night = replace(SNAPSHOT, pace=Pace(quiet=Quiet(12 * 60, 20 * 60, "UTC")))
    decision = decide(FLOW, 0, night, now=T0)
    assert (decision.effects, decision.because) == ((GIVEN, Schedule(1, T0 + timedelta(hours=8))), "quiet_hours")

    # Five days of deferrals, one after the other, and it still goes; five days of an outage, and it is stale.
    due_at = T0 + 5 * DAY
    assert decide(FLOW, 1, SNAPSHOT, now=due_at, due_at=due_at).because == "due"
    assert decide(FLOW, 1, SNAPSHOT, now=due_at, due_at=T0).because == "stale"


def test_cap_waits_for_its_window_and_a_transactional_mail_for_nothing():
    full = Pace(caps=(Cap(20, 1),), mailed=(Mailed(T0 - timedelta(hours=2), 3),), quiet=Quiet(0, 1439, "UTC"))
    capped = replace(SNAPSHOT, pace=replace(full, quiet=None))
    assert decide(FLOW, 1, capped, now=T0).effects == (Schedule(1, T0 + timedelta(hours=18)),)

    receipt = replace(FLOW, message_class="transactional", steps=(Send("receipt"),), at_end=())
    assert decide(receipt, 0, replace(SNAPSHOT, pace=full), now=T0).effects == (SendEmail("receipt", T0, None), Finish())


ORDER = OrderFacts(
    external_id="1", placed_at=T0, paid_at=T0, fulfilled_at=None, delivered_at=None, is_cancelled=False, total_minor=4800,
    refunded_minor=0, nth=1,
)  # fmt: skip

CART = CheckoutFacts(
    token="t", email="alice@example.com", pieces=1, subtotal_minor=5000, started_at=T0, changed_at=T0, is_completed=False,
    is_deleted=False,
)  # fmt: skip


def silent(days: float, mails: int = 3) -> Permission:
    """Somebody who left so many mails unanswered, the first of them so many days ago."""
    return Permission(silence=Silence(rule=SunsetRule(), mails=mails, since=T0 - days * DAY))


@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [
        (c.is_first_order(), {"order": ORDER}, {"order": replace(ORDER, nth=2)}),
        (c.never_bought(), {"person": person()}, {"person": person(400, orders=1)}),
        (c.order_undone(), {"order": replace(ORDER, refunded_minor=4800)}, {"order": replace(ORDER, refunded_minor=100)}),
        (c.order_undone(), {"order": replace(ORDER, is_cancelled=True)}, {"order": ORDER}),
        (c.money_went_back(), {"order": replace(ORDER, refunded_minor=1)}, {"order": ORDER}),
        (c.spent_in_a_year(60_000), {"person": person(1, 2, 364)}, {"person": person(1, 2, 365)}),
        (c.orders_in_a_year(3), {"person": person(1, 2, 3, minor=0)}, {"person": person(1, 2, 366, minor=0)}),
        (c.clicked("hello"), {"clicked": frozenset({"hello"})}, {"clicked": frozenset({"early"})}),
        (c.answered(), {"answer": AnswerFacts(score=5, at=T0)}, {}),
        (c.scored_at_most(2), {"answer": AnswerFacts(score=2, at=T0)}, {"answer": AnswerFacts(score=3, at=T0)}),
        (c.worth_at_least(5000), {"order": replace(ORDER, worth_minor=5000)}, {"order": replace(ORDER, worth_minor=4999)}),
        (c.worth_at_least(1), {"checkout": replace(CART, worth_minor=1)}, {"checkout": CART}),
        (c.in_country("DE", "AT"), {"person": replace(person(), country="AT")}, {"person": replace(person(), country="CH")}),
        (c.none_of(c.in_country("DE")), {"person": person()}, {"person": replace(person(), country="DE")}),
        (c.has_tag("VIP"), {"person": replace(person(), tags=frozenset({"vip"}))}, {}),
        (c.has_fallen_silent(), {"permission": silent(180)}, {"permission": silent(179)}),
        (c.has_fallen_silent(), {"permission": silent(900)}, {"permission": silent(900, mails=2)}),
        (c.has_open_cart(), {"has_open_checkout": True}, {}),
        (c.none_of(c.answered(), c.has_open_cart()), {}, {"has_open_checkout": True}),
        (c.all_of(c.has_email(), c.has_open_cart()), {"has_open_checkout": True}, {}),
    ],
)
def test_conditions(condition, yes, no):
    assert c.holds(condition, replace(SNAPSHOT, **yes), FLOW)
    assert not c.holds(condition, replace(SNAPSHOT, **no), FLOW)


@pytest.mark.parametrize(
    ("event", "changes", "enters"),
    [
        ("order_placed", {"order": ORDER}, True),
        ("order_placed", {"order": replace(ORDER, placed_at=T0 - 4 * DAY)}, False),
        ("order_placed", {"order": replace(ORDER, placed_at=None)}, False),
        ("order_paid", {"order": replace(ORDER, paid_at=None)}, False),
        ("order_fulfilled", {"order": ORDER}, False),
        ("order_fulfilled", {"order": replace(ORDER, placed_at=T0 - 30 * DAY, delivered_at=T0)}, True),
        ("customer_subscribed", {}, True),
        ("customer_subscribed", {"permission": Permission(needs_confirmation=True)}, False),
        ("customer_subscribed", {"permission": Permission(needs_confirmation=True, is_confirmed=True)}, True),
        ("customer_subscribed", {"person": replace(person(), subscribed_at=None)}, False),
        ("customer_ordered", {"person": person(1)}, True),
        ("customer_ordered", {"person": person(4)}, False),
        ("customer_silent", {"permission": silent(180)}, True),
        ("customer_silent", {"permission": silent(182.9)}, True),
        ("customer_silent", {"permission": silent(183.1)}, False),
        ("customer_silent", {"permission": silent(179)}, False),
        ("customer_silent", {"permission": silent(180, mails=2)}, False),
        ("customer_silent", {}, False),
    ],
)
def test_who_enters(event, changes, enters):
    flow = replace(FLOW, trigger=On(event))

    assert should_enter(flow, replace(SNAPSHOT, **changes), now=T0) is enters


def test_a_mail_for_some_is_left_out_for_the_others_who_go_on():
    only = Send("gift", when=(c.has_tag("vip"), c.none_of(c.in_country("CH"))))
    flow = replace(FLOW, steps=(only, Send("plain")), at_end=())
    asked = {}
    for tags, country in product(({"vip"}, set()), ("CH", "DE", None)):
        known = replace(person(1, 10, 20), tags=frozenset(tags), country=country)
        asked[bool(tags), country] = decide(flow, 0, replace(SNAPSHOT, person=known), now=T0).effects[0]

    tag, country = only.when
    assert {who for who, effect in asked.items() if effect == SendEmail("gift", T0, None)} == {(True, "DE"), (True, None)}
    assert asked[True, "CH"] == SkipEmail("gift", T0, "not_meant", (country,))
    assert asked[False, "DE"] == SkipEmail("gift", T0, "not_meant", (tag,))
    assert asked[False, "CH"] == SkipEmail("gift", T0, "not_meant", (tag, country))
    refused = why_refused(flow, "gift", SNAPSHOT, has_address=True, wanted_at=T0, left=None, now=T0)
    assert refused == Refusal("not_meant")
