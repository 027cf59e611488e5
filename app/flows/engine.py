"""The engine: pure functions that say what should happen, and why. They never make it happen (D9)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain import pace
from app.domain.pace import Later
from app.domain.sunset import silent_from
from app.flows.conditions import holds
from app.flows.gates import TRANSACTIONAL, gate_of, why_closed, why_unwanted
from app.flows.program import next_send, places
from app.flows.snapshot import Snapshot
from app.flows.vocabulary import PRIORITIES, Branch, Condition, Flow, Leave, Percent, Send, Tag, Wait

HOLD = timedelta(minutes=15)  # how often a run of a paused shop is looked at
TOO_SOON = "too_soon"  # the reason of a run that began within the re-entry gap
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
    """Write into the ledger that the mail of this step is not sent, and why; `unmet` is whom it is for and they are not."""

    step: str
    due_at: datetime
    reason: str
    unmet: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """Look again at this step at this time."""

    step_no: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class TagCustomer:
    """Have the shop give the customer a tag, or take it away."""

    tag: str
    is_given: bool


@dataclass(frozen=True, slots=True)
class Exit:
    """Leave the flow for this reason; `step` is the mail that is now not sent, None when all were."""

    reason: str
    step: str | None


@dataclass(frozen=True, slots=True)
class Finish:
    """The flow came to its end."""


Effect = SendEmail | SkipEmail | TagCustomer | Schedule | Exit | Finish


@dataclass(frozen=True, slots=True)
class Decision:
    """What should happen, the rule that said so, and the values it saw."""

    effects: tuple[Effect, ...]
    because: str
    saw: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outside:
    """Why somebody does not enter a flow: flow_off, not_begun, begun_long_ago, or does_not_fit and which conditions."""

    reason: str
    unmet: tuple[Condition, ...] = ()


def should_enter(flow: Flow, snapshot: Snapshot, *, now: datetime) -> bool:
    """Say whether what we hold makes the person enter.

    A purchase or an uninstall does not hinder it: the run enters and leaves at once, so that "why not" has an answer and
    the order of arrival makes no difference.
    """
    return why_outside(flow, snapshot, now=now) is None


def why_outside(flow: Flow, snapshot: Snapshot, *, now: datetime) -> Outside | None:
    """Return why what we hold does not make the person enter, or None when it does."""
    if not snapshot.is_flow_on:
        return Outside("flow_off")
    began_at = happened_at(flow, snapshot)
    if began_at is None:
        return Outside("not_begun")
    if began_at < now - OLDEST_START:
        return Outside("begun_long_ago")
    unmet = tuple(condition for condition in flow.trigger.when if not holds(condition, snapshot, flow))
    return Outside("does_not_fit", unmet) if unmet else None


def happened_at(flow: Flow, snapshot: Snapshot) -> datetime | None:  # noqa: PLR0911  (one line for each trigger)
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
            is_proven = snapshot.permission.is_confirmed or not snapshot.permission.needs_confirmation
            return person.subscribed_at if person and is_proven else None
        case "customer_ordered":
            return person.purchases[-1].at if person and person.purchases else None
        case "customer_silent":
            fell_at = silent_from(silence) if (silence := snapshot.permission.silence) else None
            return fell_at if person and fell_at and fell_at <= person.at else None
        case "opt_in_asked":
            return snapshot.opt_in.asked_at if snapshot.opt_in else None


def decide(
    flow: Flow,
    step_no: int,
    snapshot: Snapshot,
    *,
    now: datetime,
    came_at: datetime | None = None,
    due_at: datetime | None = None,
) -> Decision:
    """Say what happens at a step that is due: everything up to the next wait.

    Args:
        flow: the version that the person entered with.
        step_no: the place where they stand (app/flows/program.py).
        snapshot: all that may be looked at.
        now: the moment.
        came_at: when they came to this place, for a wait that counts from the step before.
        due_at: when it was to be looked at, for a mail's age; a deferral moves it, so it does not age a mail.
    """
    effects: list[Effect] = []
    because = "finished"
    row = places(flow)
    number, wanted_at, since = step_no, due_at or now, came_at or snapshot.entered_at
    while number < len(row):
        place = row[number]
        if reason := why_hold(snapshot):
            effects.append(Schedule(number, now + HOLD))
            return Decision(tuple(effects), reason, snapshot.seen())
        if reason := why_leave(flow, snapshot):
            return Decision((*effects, *leaving(flow, number, reason, snapshot)), reason, snapshot.seen())
        match place.step:
            case Wait() as wait:
                wanted_at = wait_until(wait, snapshot, since)
                if now < wanted_at:
                    effects.append(Schedule(number, wanted_at))
                    return Decision(tuple(effects), because if len(effects) > 1 else "waiting", snapshot.seen())
            case Send() as send:
                if later := why_later(flow, send, snapshot, now=now):
                    effects.append(Schedule(number, later.at))
                    return Decision(tuple(effects), later.reason, snapshot.seen())
                reason = why_skip(flow, send, snapshot, due_at=wanted_at, now=now)
                because = reason or "due"
                unmet = _unmet(flow, send, snapshot) if reason == "not_meant" else ()
                effects.append(
                    SkipEmail(send.key, wanted_at, reason, unmet) if reason else SendEmail(send.key, wanted_at, send.coupon)
                )
            case Tag() as tag:
                effects += _tags(snapshot, (tag,))
            case Leave(reason=reason):
                return Decision((*effects, *leaving(flow, number, reason, snapshot)), reason, snapshot.seen())
            case Branch(when=condition):
                number = place.after if holds(condition, snapshot, flow) else place.otherwise
                continue
        number, since = place.after, now
    effects += (*_tags(snapshot, flow.at_end), Finish())
    return Decision(tuple(effects), because, snapshot.seen())


def why_later(flow: Flow, send: Send, snapshot: Snapshot, *, now: datetime) -> Later | None:
    """Return why a mail must wait and until when, or None; what is not sent anyway waits for nothing."""
    if flow.class_of(send) != "marketing" or snapshot.is_held_out:
        return None
    return pace.why_later(snapshot.pace, PRIORITIES.index(flow.priority), now=now)


def why_hold(snapshot: Snapshot) -> str | None:
    """Return the reason to do nothing for now, or None: a paused shop's people stay where they are until it goes on."""
    return f"shop_{snapshot.shop_state}" if snapshot.shop_state in {"paused", "needs_reconnect"} else None


def why_leave(flow: Flow, snapshot: Snapshot) -> str | None:  # noqa: PLR0911  (one line for each reason reads best)
    """Return the reason to leave the flow for good, or None; asked at every step and again inside the send's claim."""
    if snapshot.shop_state != "active":
        return f"shop_{snapshot.shop_state}"
    if not snapshot.is_flow_on:
        return "flow_off"
    if snapshot.is_person_gone:
        return "person_gone"
    if flow.subject == "customer" and snapshot.is_superseded:
        return "merged"
    if is_too_soon(flow, snapshot):
        return TOO_SOON
    for condition in flow.exits:
        if holds(condition, snapshot, flow):
            return condition.name
    # Where not all of it is marketing, what keeps marketing from being mailed skips one mail and ends nothing.
    gate = gate_of(flow.key, kind=flow.message_class) if flow.is_all_marketing else TRANSACTIONAL
    return why_unwanted(gate, snapshot)


def is_too_soon(flow: Flow, snapshot: Snapshot) -> bool:
    """Say whether the person entered this flow lately: within its re-entry gap only the first order has a run."""
    before = snapshot.entered_before_at
    return bool(flow.again_after and before and snapshot.entered_at - before < flow.again_after)


def why_skip(flow: Flow, step: Send, snapshot: Snapshot, *, due_at: datetime, now: datetime) -> str | None:
    """Return the reason not to send this one mail, or None; the person stays in the flow."""
    if snapshot.is_held_out:
        return "held_out"
    if reason := why_closed(gate_of(flow.key, step.key, flow.class_of(step)), snapshot, now=now):
        return reason
    if snapshot.is_unhappy and flow.class_of(step) == "marketing":
        return "unhappy"
    if _unmet(flow, step, snapshot):
        return "not_meant"
    if now - due_at > timedelta(hours=step.max_age_hours):
        return "stale"
    return None


def _unmet(flow: Flow, step: Send, snapshot: Snapshot) -> tuple[Condition, ...]:
    """Return what a mail is only for and does not hold of the person."""
    return tuple(condition for condition in step.when if not holds(condition, snapshot, flow))


def leaving(flow: Flow, number: int, reason: str, snapshot: Snapshot) -> tuple[Effect, ...]:
    """Return what happens when somebody leaves.

    Of a person who is gone the shop is told nothing any more, nor where another run of this flow goes on.
    """
    send = next_send(flow, number)
    is_told = reason not in {"person_gone", "shop_uninstalled", "merged", TOO_SOON}
    return (*_tags(snapshot, flow.at_end if is_told else ()), Exit(reason, send.key if send else None))


def _tags(snapshot: Snapshot, tags: Sequence[Tag]) -> list[Effect]:
    """Return the tags to give or take; people who are held out are only watched."""
    return [] if snapshot.is_held_out else [TagCustomer(t.tag, t.is_given) for t in tags]


def first_look(flow: Flow, snapshot: Snapshot) -> datetime:
    """When somebody who just entered is looked at first."""
    first = flow.steps[0]
    return wait_until(first, snapshot, snapshot.entered_at) if isinstance(first, Wait) else snapshot.entered_at


def wait_until(wait: Wait, snapshot: Snapshot, came_at: datetime) -> datetime:
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
    elif wait.since == "step_before":
        since = came_at
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
