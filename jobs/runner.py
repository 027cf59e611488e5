"""The runner: takes due steps, loads what a decision may look at, decides, and writes the effects as rows. No network."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.flows.engine import Schedule, decide
from app.models import Enrollment, EnrollmentState, ScheduledStep, Shop, claims
from app.models.bulk import one_of
from app.queues import QueueName, ring
from app.services import enrol, people, snapshots
from app.services.snapshots import Subject
from app.services.verdicts import Verdict
from jobs import drain as draining

STEP_FAILED = "step_failed"  # the reason of a run whose step failed for good


def drain() -> None:
    """Work off the steps that are due; RQ calls it by name."""
    if draining.drain(draining.Work(queue=QueueName.STEPS, model=ScheduledStep, do=work, give_up=give_up)):
        ring(QueueName.MAIL)


def work(session: Session, steps: Sequence[ScheduledStep], now: datetime) -> None:
    """Decide claimed steps, shop by shop in ascending order."""
    by_shop: dict[int, list[ScheduledStep]] = defaultdict(list)
    for step in steps:
        by_shop[step.shop_id].append(step)
    for shop_id in sorted(by_shop):
        _work_shop(session, shop_id, by_shop[shop_id], now)


def give_up(session: Session, step: ScheduledStep, now: datetime) -> None:
    """End the run of a step that failed for good: it must not look as if it went on."""
    enrol.end(session, step.shop_id, [step.enrollment_id], state=EnrollmentState.EXITED, reason=STEP_FAILED, now=now)


def _work_shop(session: Session, shop_id: int, steps: Sequence[ScheduledStep], now: datetime) -> None:
    shop = session.scalars(select(Shop).where(Shop.id == shop_id)).one()
    runs = _lock_runs(session, shop_id, steps)
    flows = enrol.flows_of(session, shop_id, list(runs.values()))
    loaded = snapshots.load(session, shop, [Subject.of(runs[s.enrollment_id]) for s in steps], now=now)
    verdicts = []
    staying: list[ScheduledStep] = []
    leaving: list[ScheduledStep] = []
    for step, snapshot in zip(steps, loaded, strict=True):
        run = runs[step.enrollment_id]
        flow = flows[run.flow, run.version]
        decision = decide(flow, step.step_no, snapshot, now=now, came_at=step.came_at, due_at=step.due_at)
        verdicts.append(Verdict(run, flow, step.step_no, decision, snapshot.recipient))
        looks_again = any(isinstance(e, Schedule) and e.step_no == step.step_no for e in decision.effects)
        (staying if looks_again else leaving).append(step)
    # The fences first: what another worker took since our claim is theirs, and nothing of this batch stays.
    claims.finish(session, ScheduledStep, staying, {"attempts": 0})
    claims.finish(session, ScheduledStep, leaving, {"state": "done"})
    enrol.apply(session, shop, verdicts, now=now)


def _lock_runs(session: Session, shop_id: int, steps: Sequence[ScheduledStep]) -> dict[int, Enrollment]:
    """Take the subject locks, then read the runs: a merge that was committed while we waited has moved them."""
    ids = [s.enrollment_id for s in steps]
    query = select(Enrollment).where(Enrollment.shop_id == shop_id, one_of(Enrollment.id, ids))
    people.lock(session, shop_id, session.scalars(query.with_only_columns(Enrollment.customer_id)))
    runs = session.scalars(query, execution_options={"populate_existing": True})
    return {run.id: run for run in runs}
