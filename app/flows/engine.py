"""The engine: pure functions that say what should happen, and why. They never make it happen (D9)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.flows.conditions import holds
from app.flows.gates import TRANSACTIONAL, gate_of, why_closed, why_unwanted
from app.flows.snapshot import Snapshot
from app.flows.vocabulary import Flow, Percent, Send, Wait

HOLD = timedelta(minutes=15)  # how often a run of a paused shop is looked at
# Older news may stop a flow but not start one: a webhook can be a day late, an import months.
OLDEST_START = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class SendEmail:
    """Put the mail of this step into the ledger; `due_at` is when the flow wanted it."""

    step: str
    due_at: datetime
    coupon: Percent | None


@dataclass(frozen=True, slots=True)
class SkipEmail:
    """Write into the ledger that the mail of this step is not sent, and why."""

    step: str
    due_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """Look again at this step at this time."""

    step_no: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Exit:
    """Leave the flow for this reason; `step` is the mail that is now not sent, None when all were."""

    reason: str
    step: str | None


@dataclass(frozen=True, slots=True)
class Finish:
    """The flow came to its end."""


Effect = SendEmail | SkipEmail | Schedule | Exit | Finish


@dataclass(frozen=True, slots=True)
class Decision:
    """What should happen, the rule that said so, and the values it saw."""

    effects: tuple[Effect, ...]
    because: str
    saw: dict[str, Any]


def should_enter(flow: Flow, snapshot: Snapshot, *, now: datetime) -> bool:
    """Say whether what we hold makes the person enter.

    A purchase or an uninstall does not hinder it: the run enters and leaves at once, so that "why not" has an answer and
    the order of arrival makes no difference.
    """
    if not snapshot.is_flow_on:
        return False
    began_at = happened_at(flow, snapshot)
    if began_at is None or began_at < now - OLDEST_START:
        return False
    return all(holds(c, snapshot) for c in flow.trigger.when)


def happened_at(flow: Flow, snapshot: Snapshot) -> datetime | None:
    """Return when the event that the flow begins with happened, None when it has not."""
    checkout, order, person = snapshot.checkout, snapshot.order, snapshot.person
    match flow.trigger.event:
        case "checkout_updated":
            return checkout.changed_at if checkout else None
        case "order_placed":
            return order.placed_at if order else None
        case "order_paid":
            return order.paid_at if order and order.placed_at else None
        case "order_fulfilled":
            return (order.delivered_at or order.fulfilled_at) if order and order.placed_at else None
        case "customer_subscribed":
            return person.subscribed_at if person else None
        case "customer_ordered":
            return person.purchases[-1].at if person and person.purchases else None


def decide(flow: Flow, step_no: int, snapshot: Snapshot, *, now: datetime) -> Decision:
    """Say what happens at a step that is due: everything up to the next wait."""
    effects: list[Effect] = []
    because = "finished"
    due_at = now
    for number, step in enumerate(flow.steps[step_no:], start=step_no):
        if reason := why_hold(snapshot):
            effects.append(Schedule(number, now + HOLD))
            return Decision(tuple(effects), reason, snapshot.seen())
        if reason := why_leave(flow, snapshot):
            send = flow.next_send(number)
            effects.append(Exit(reason, send.key if send else None))
            return Decision(tuple(effects), reason, snapshot.seen())
        if isinstance(step, Wait):
            due_at = wait_until(step, snapshot)
            if now < due_at:
                effects.append(Schedule(number, due_at))
                return Decision(tuple(effects), because if len(effects) > 1 else "waiting", snapshot.seen())
            continue
        reason = why_skip(flow, step, snapshot, due_at=due_at, now=now)
        because = reason or "due"
        effects.append(SkipEmail(step.key, due_at, reason) if reason else SendEmail(step.key, due_at, step.coupon))
    effects.append(Finish())
    return Decision(tuple(effects), because, snapshot.seen())


def why_hold(snapshot: Snapshot) -> str | None:
    """Return the reason to do nothing for now, or None: a paused shop's people stay where they are until it goes on."""
    return f"shop_{snapshot.shop_state}" if snapshot.shop_state in {"paused", "needs_reconnect"} else None


def why_leave(flow: Flow, snapshot: Snapshot) -> str | None:
    """Return the reason to leave the flow for good, or None; asked at every step and again inside the send's claim."""
    if snapshot.shop_state != "active":
        return f"shop_{snapshot.shop_state}"
    if not snapshot.is_flow_on:
        return "flow_off"
    if snapshot.is_person_gone:
        return "person_gone"
    if flow.subject == "customer" and snapshot.is_superseded:
        return "merged"
    for condition in flow.exits:
        if holds(condition, snapshot):
            return condition.name
    # Where not all of it is marketing, what keeps marketing from being mailed skips one mail and ends nothing.
    gate = gate_of(flow.key, kind=flow.message_class) if flow.is_all_marketing else TRANSACTIONAL
    return why_unwanted(gate, snapshot)


def why_skip(flow: Flow, step: Send, snapshot: Snapshot, *, due_at: datetime, now: datetime) -> str | None:
    """Return the reason not to send this one mail, or None; the person stays in the flow."""
    if snapshot.is_held_out:
        return "held_out"
    if reason := why_closed(gate_of(flow.key, step.key, flow.class_of(step)), snapshot, now=now):
        return reason
    if now - due_at > timedelta(hours=step.max_age_hours):
        return "stale"
    return None


def first_look(flow: Flow, snapshot: Snapshot) -> datetime:
    """When somebody who just entered is looked at first."""
    first = flow.steps[0]
    return wait_until(first, snapshot) if isinstance(first, Wait) else snapshot.entered_at


def wait_until(wait: Wait, snapshot: Snapshot) -> datetime:
    """When a wait is over. "24 h later" is elapsed time, in UTC; what has not happened yet counts from when they entered."""
    checkout, order = snapshot.checkout, snapshot.order
    since = None
    if wait.since == "last_activity":
        since = checkout.changed_at if checkout else None
    elif wait.since == "ordered":
        since = order.placed_at if order else None
    elif wait.since == "delivered" and order:
        sent_off_at = order.fulfilled_at or snapshot.entered_at
        since = order.delivered_at or sent_off_at + timedelta(days=wait.transit_days)
    return (since or snapshot.entered_at) + wait.length


def is_held_out(flow_key: str, subject: str, share: float) -> bool:
    """Say whether a person is held out, the same way every time, with no dice.

    Args:
        flow_key: the flow.
        subject: what names the person in this shop.
        share: 0 to 1.
    """
    if share <= 0:
        return False
    draw = int.from_bytes(hashlib.sha256(f"holdout:{flow_key}:{subject}".encode()).digest()[:8]) / 2**64
    return draw < share
