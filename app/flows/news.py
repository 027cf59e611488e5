"""What a change means for a run, for one that may begin, and for a mail on its way. Pure; the services write the rows."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.pace import GIVE_WAY
from app.flows.engine import (
    Decision,
    Exit,
    Schedule,
    decide,
    first_look,
    wait_until,
    why_hold,
    why_later,
    why_leave,
    why_skip,
)
from app.flows.program import places
from app.flows.snapshot import Snapshot
from app.flows.vocabulary import Flow, Send, Wait


@dataclass(frozen=True, slots=True)
class Waits:
    """Where a run waits, until when, and since when."""

    step_no: int
    due_at: datetime | None
    came_at: datetime | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a mail is not sent, and whether the person leaves the flow with it, or it is only held back for now.

    `until` is set when it is put off to a better time; that does not age it.
    """

    reason: str
    is_exit: bool = False
    is_hold: bool = False
    until: datetime | None = None


def news(flow: Flow, waits: Waits | None, snapshot: Snapshot, *, now: datetime) -> Decision | None:
    """Return what a change brought: an end, or another time for the next look. What is due now is the runner's work."""
    if waits and why_hold(snapshot):
        return None  # the runner holds it; a change of the cart is found when the shop goes on
    step_no, came_at = (waits.step_no, waits.came_at) if waits else (0, now)
    decision = decide(flow, step_no, snapshot, now=now, came_at=came_at)
    if isinstance(decision.effects[-1], Exit) and why_leave(flow, snapshot):
        return decision
    if waits is None:
        return Decision((Schedule(0, first_look(flow, snapshot)),), "entered", decision.saw)
    first = decision.effects[0]
    is_moved = isinstance(first, Schedule) and first.step_no == waits.step_no and first.due_at != waits.due_at
    return decision if is_moved else None


def may_enter_again(flow: Flow, last_at: datetime | None, *, now: datetime) -> bool:
    """Say whether a person who entered a flow about customers at this time before, or never, may enter now."""
    return last_at is None or (flow.again_after is not None and last_at <= now - flow.again_after)


def resume(flow: Flow, told: Collection[str], snapshot: Snapshot, *, now: datetime) -> Schedule | None:
    """Return where a run that was left goes on: before its first mail that is not in the ledger; None when all are."""
    row = [place.step for place in places(flow)]
    step_no = next((n for n, step in enumerate(row) if isinstance(step, Send) and step.key not in told), None)
    if step_no is None:
        return None
    before = row[step_no - 1] if step_no else None
    if isinstance(before, Wait):
        return Schedule(step_no - 1, wait_until(before, snapshot, now))
    return Schedule(step_no, now)


def why_refused(
    flow: Flow, step: str, snapshot: Snapshot, *, has_address: bool, wanted_at: datetime, left: str | None, now: datetime
) -> Refusal | None:
    """Ask the gates for a mail that is about to be handed over.

    Args:
        flow: the version of its run.
        step: the mail's name in the ledger.
        snapshot: all that may be looked at.
        has_address: whether the ledger's row names a recipient.
        wanted_at: when the flow wanted it.
        left: the reason why its run was left, None when it was not.
        now: the moment.
    """
    if reason := why_hold(snapshot):
        return Refusal(reason, is_hold=True)
    if reason := why_leave(flow, snapshot) or left:
        return Refusal(reason, is_exit=True)
    if not has_address:
        return Refusal("no_address")
    if reason := why_skip(flow, flow.send(step), snapshot, due_at=wanted_at, now=now):
        return Refusal(reason)
    later = why_later(flow, flow.send(step), snapshot, now=now)
    return Refusal(later.reason, until=later.at) if later else None


def one_at_a_time(
    asked: Sequence[tuple[Hashable, bool, Refusal | None]], *, is_capped: bool, now: datetime
) -> list[Refusal | None]:
    """Let one marketing mail for each person through where mails are counted, the first; the others look again soon.

    Args:
        asked: who is mailed, whether it is marketing, and what the gates said; the weightiest first.
        is_capped: whether the shop counts mails.
        now: the moment.
    """
    taken: set[Hashable] = set()
    answers: list[Refusal | None] = []
    for person, is_marketing, refusal in asked:
        is_counted = is_capped and is_marketing and refusal is None
        answers.append(Refusal("gives_way", until=now + GIVE_WAY) if is_counted and person in taken else refusal)
        if is_counted:
            taken.add(person)
    return answers
