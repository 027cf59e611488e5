"""What is still to come for somebody in a flow, and what happens when a person takes them out; pure, by the engine."""

from collections.abc import Iterator
from datetime import datetime

from app.flows.engine import Decision, Exit, Schedule, SendEmail, SkipEmail, decide, leaving
from app.flows.snapshot import Snapshot
from app.flows.vocabulary import Flow

STOPPED = "stopped"  # the reason of a run that a person of the shop ended
LOOKS_MOST = 60  # looks ahead; our longest flow needs 13

Coming = SendEmail | SkipEmail | Exit


def stop(flow: Flow, step_no: int | None, snapshot: Snapshot) -> Decision:
    """Say what happens when a person of the shop takes somebody out of a flow: they leave it as others do.

    Without a step the run is at its end already, and only a mail of it that has not left is stopped.
    """
    effects = (Exit(STOPPED, None),) if step_no is None else leaving(flow, step_no, STOPPED, snapshot)
    return Decision(effects, STOPPED, snapshot.seen())


def coming(flow: Flow, step_no: int, snapshot: Snapshot, *, due_at: datetime, came_at: datetime | None) -> Iterator[Coming]:
    """Yield what is still to come if nothing changes: mails, each with its time, mails left out, and the way out.

    Args:
        flow: the version that the person entered with.
        step_no: the place where they stand.
        snapshot: all that is known now.
        due_at: when that place is looked at next.
        came_at: when they came to it.
    """
    at = due_at
    for _ in range(LOOKS_MOST):
        decision = decide(flow, step_no, snapshot, now=at, came_at=came_at, due_at=due_at)
        yield from (effect for effect in decision.effects if isinstance(effect, Coming))
        last = decision.effects[-1]
        if not isinstance(last, Schedule) or last.due_at <= at:
            return
        came_at = came_at if last.step_no == step_no else at
        step_no, at, due_at = last.step_no, last.due_at, last.due_at
