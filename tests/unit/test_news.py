"""What a change means for a run and for a mail on its way: literal cases of the pure questions that the services ask."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.consent import Permission
from app.domain.events import ConsentState
from app.domain.pace import Cap, Mailed, Pace
from app.flows import FLOWS
from app.flows.engine import HOLD, Exit, Schedule
from app.flows.news import Refusal, Waits, may_enter_again, news, resume, why_refused
from app.flows.snapshot import CheckoutFacts, Snapshot

T0 = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CART = FLOWS["abandoned_cart"]
CHECKOUT = CheckoutFacts(
    token="t1", email="alice@example.com", pieces=2, subtotal_minor=4800, started_at=T0, changed_at=T0,
    is_completed=False, is_deleted=False,
)  # fmt: skip
SNAPSHOT = Snapshot(
    entered_at=T0, checkout=CHECKOUT, ordered_at=None, is_superseded=False, consent=ConsentState.SUBSCRIBED,
    suppressed=None, shop_state="active", is_flow_on=True, is_held_out=False, is_person_gone=False,
    permission=Permission(),
)  # fmt: skip
WAITS = Waits(0, T0 + HOUR, T0)


def test_who_just_entered_is_looked_at_when_the_first_wait_is_over():
    decision = news(CART, None, SNAPSHOT, now=T0)

    assert decision is not None
    assert (decision.effects, decision.because) == ((Schedule(0, T0 + HOUR),), "entered")


def test_a_changed_cart_restarts_the_clock_and_an_unchanged_one_is_no_news():
    later = replace(SNAPSHOT, checkout=replace(CHECKOUT, changed_at=T0 + HOUR / 2))

    moved = news(CART, WAITS, later, now=T0 + HOUR / 2)

    assert moved is not None
    assert moved.effects == (Schedule(0, T0 + HOUR * 1.5),)
    assert news(CART, WAITS, SNAPSHOT, now=T0 + HOUR / 2) is None


def test_a_purchase_ends_the_run_and_a_paused_shop_ends_nothing():
    bought = replace(SNAPSHOT, ordered_at=T0 + HOUR / 2)

    ended = news(CART, WAITS, bought, now=T0 + HOUR / 2)

    assert ended is not None
    assert ended.effects == (Exit("ordered", "reminder"),)
    assert news(CART, WAITS, replace(bought, shop_state="paused"), now=T0 + HOUR / 2) is None


@pytest.mark.parametrize(
    ("flow", "days", "expected"),
    [("welcome", None, True), ("welcome", 4000, False), ("vip", 29, False), ("vip", 30, True)],
)
def test_a_flow_about_a_customer_is_entered_again_after_its_gap_or_never(flow, days, expected):
    last_at = None if days is None else T0 - timedelta(days=days)

    assert may_enter_again(FLOWS[flow], last_at, now=T0) is expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [((), Schedule(0, T0 + HOUR)), (("reminder",), Schedule(2, T0 + HOUR * 24)), (("reminder", "coupon"), None)],
)
def test_a_filled_cart_goes_on_before_the_first_mail_that_was_not_told(told, expected):
    assert resume(CART, told, SNAPSHOT, now=T0 + HOUR / 4) == expected


FULL = Pace(caps=(Cap(20, 1),), mailed=(Mailed(T0, 1),), urgent=1)


@pytest.mark.parametrize(
    ("changes", "has_address", "left", "expected"),
    [
        ({}, True, None, None),
        ({}, False, None, Refusal("no_address")),
        ({}, True, "ordered", Refusal("ordered", is_exit=True)),
        ({"shop_state": "paused"}, True, "ordered", Refusal("shop_paused", is_hold=True)),
        ({"consent": ConsentState.UNSUBSCRIBED}, True, None, Refusal("unsubscribed", is_exit=True)),
        ({"consent": ConsentState.NONE}, True, None, Refusal("not_subscribed")),
        ({"pace": FULL}, True, None, Refusal("capped", until=T0 + 20 * HOUR)),
    ],
)
def test_a_mail_about_to_go_is_refused_for_good_for_now_or_not_at_all(changes, has_address, left, expected):
    snapshot, now = replace(SNAPSHOT, **changes), T0 + HOUR

    found = why_refused(CART, "reminder", snapshot, has_address=has_address, wanted_at=now, left=left, now=now)

    assert found == expected


def test_a_mail_that_an_outage_made_too_late_is_stale():
    late = T0 + HOUR + timedelta(hours=6) + HOLD

    assert why_refused(
        CART, "reminder", SNAPSHOT, has_address=True, wanted_at=T0 + HOUR, left=None, now=late
    ) == Refusal("stale")  # fmt: skip
