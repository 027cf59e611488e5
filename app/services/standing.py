"""Why, and why not: what a flow decided about somebody, what is still to come, and why they are not in it.

The pages of the merchant and of the desk and the command line ask here, so all three say the same.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.flows.engine import Exit, Outside, why_hold, why_leave, why_outside
from app.flows.news import may_enter_again
from app.flows.outlook import Coming, coming
from app.flows.snapshot import Snapshot
from app.flows.vocabulary import Flow
from app.models import (
    Checkout,
    DecisionRow,
    Delivery,
    DeliveryState,
    Enrollment,
    EnrollmentState,
    OptIn,
    Order,
    ScheduledStep,
    Shop,
)
from app.models.bulk import one_of
from app.services import edit_flow, enrol, snapshots
from app.services.snapshots import Subject

RUNS_MOST = 20  # newest runs of a person
DECISIONS_MOST = 200  # newest decisions of these runs
UNDER_WAY = (DeliveryState.PENDING, DeliveryState.SENDING)


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of a person in a flow. `mails` are those under way; `coming` is what follows if nothing changes."""

    run: Enrollment
    mails: list[Delivery] = field(default_factory=list)
    coming: list[Coming] = field(default_factory=list)
    holds: str | None = None  # why nothing moves for now
    decisions: list[DecisionRow] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether there is something left to stop."""
        return self.run.state == EnrollmentState.ACTIVE or any(m.state == DeliveryState.PENDING for m in self.mails)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How somebody stands towards one flow.

    `outside` is why they would not enter it now. With None they would, and `leaves` is why they would leave at once.
    """

    flow: Flow
    runs: list[Run]
    outside: Outside | None
    leaves: str | None
    saw: dict[str, Any]


def open_runs(session: Session, shop: Shop, customer_id: int, *, now: datetime) -> list[Run]:
    """Return the flows that a person is in, or of which a mail has not left, with all that is still to come."""
    mine = (Enrollment.shop_id == shop.id, Enrollment.customer_id == customer_id)
    waiting = select(Delivery.enrollment_id).where(
        Delivery.shop_id == shop.id, Delivery.customer_id == customer_id, Delivery.state.in_(UNDER_WAY)
    )
    query = select(Enrollment).where(*mine, (Enrollment.state == EnrollmentState.ACTIVE) | Enrollment.id.in_(waiting))
    return _runs(session, shop, list(session.scalars(query.order_by(Enrollment.id.desc()).limit(RUNS_MOST))), now=now)


def of_flow(session: Session, shop: Shop, customer_id: int, key: str, *, now: datetime) -> Standing:
    """Say how somebody stands towards a flow, in its version of today.

    Raises:
        Refused: the shop has no flow of this name.
    """
    state = edit_flow.current(session, shop.id, key)
    query = select(Enrollment).where(
        Enrollment.shop_id == shop.id, Enrollment.customer_id == customer_id, Enrollment.flow == key
    )
    found = list(session.scalars(query.order_by(Enrollment.id.desc()).limit(RUNS_MOST)))
    runs = _runs(session, shop, found, now=now)
    _add_decisions(session, shop.id, runs)
    subject = _newest_subject(session, shop.id, state.flow, customer_id, now)
    snapshot = snapshots.load(session, shop, [subject], now=now)[0]
    outside = _why_outside(state.flow, snapshot, found, subject, now=now)
    leaves = None if outside else why_leave(state.flow, snapshot)
    return Standing(flow=state.flow, runs=runs, outside=outside, leaves=leaves, saw=snapshot.seen())


def _runs(session: Session, shop: Shop, found: Sequence[Enrollment], *, now: datetime) -> list[Run]:
    if not found:
        return []
    ids = [run.id for run in found]
    runs = {run.id: Run(run=run) for run in found}
    mails = select(Delivery).where(
        Delivery.shop_id == shop.id, one_of(Delivery.enrollment_id, ids), Delivery.state.in_(UNDER_WAY)
    )
    for mail in session.scalars(mails.order_by(Delivery.id)):
        runs[mail.enrollment_id].mails.append(mail)
    steps = select(ScheduledStep).where(
        ScheduledStep.shop_id == shop.id, one_of(ScheduledStep.enrollment_id, ids), ScheduledStep.state == "pending"
    )
    waits = {step.enrollment_id: step for step in session.scalars(steps)}
    active = [run for run in found if run.state == EnrollmentState.ACTIVE and run.id in waits]
    flows = enrol.flows_of(session, shop.id, active) if active else {}
    loaded = snapshots.load(session, shop, [Subject.of(run) for run in active], now=now)
    for run, snapshot in zip(active, loaded, strict=True):
        runs[run.id].holds = why_hold(snapshot)
        if runs[run.id].holds is None:
            runs[run.id].coming = _coming(flows[run.flow, run.version], waits[run.id], snapshot, now=now)
    return list(runs.values())


def _coming(flow: Flow, waits: ScheduledStep, snapshot: Snapshot, *, now: datetime) -> list[Coming]:
    if reason := why_leave(flow, snapshot):
        return [Exit(reason, None)]
    due_at = max(waits.due_at, now)
    return list(coming(flow, waits.step_no, snapshot, due_at=due_at, came_at=waits.came_at))


def _add_decisions(session: Session, shop_id: int, runs: Sequence[Run]) -> None:
    query = select(DecisionRow).where(
        DecisionRow.shop_id == shop_id, one_of(DecisionRow.enrollment_id, [each.run.id for each in runs])
    )
    by_run: dict[int, list[DecisionRow]] = defaultdict(list)
    for row in session.scalars(query.order_by(DecisionRow.id.desc()).limit(DECISIONS_MOST)):
        by_run[row.enrollment_id].insert(0, row)
    for each in runs:
        each.decisions = by_run[each.run.id]


def _newest_subject(session: Session, shop_id: int, flow: Flow, customer_id: int, now: datetime) -> Subject:
    """Return what the flow would be about for this person today: their newest cart, order or sign-up, or themselves."""
    queries: dict[str, tuple[Any, Any, Any]] = {
        "checkout": (select(Checkout.token), Checkout, Checkout.changed_at),
        "order": (select(Order.external_id), Order, func.coalesce(Order.placed_at, Order.started_at)),
        "opt_in": (select(OptIn.id), OptIn, OptIn.asked_at),
    }
    episode: object = f"{customer_id}.0"
    if flow.subject in queries:
        query, model, at = queries[flow.subject]
        mine = (model.shop_id == shop_id, model.customer_id == customer_id)
        episode = session.scalar(query.where(*mine).order_by(at.desc()).limit(1)) or ""
    return Subject(
        flow=flow.key, key=flow.subject, episode=str(episode), customer_id=customer_id, entered_at=now, is_held_out=False
    )


def _why_outside(
    flow: Flow, snapshot: Snapshot, runs: Sequence[Enrollment], subject: Subject, *, now: datetime
) -> Outside | None:
    """Ask the engine, and before it what keeps a second run from beginning (app/services/candidates.py)."""
    if any(run.state == EnrollmentState.ACTIVE for run in runs):
        return Outside("in_it")
    last_at = max((run.entered_at for run in runs), default=None)
    if flow.subject == "customer" and not may_enter_again(flow, last_at, now=now):
        return Outside("was_in_it")
    if any(run.subject_key == subject.key and run.episode == subject.episode for run in runs):
        return Outside("was_in_it")
    return why_outside(flow, snapshot, now=now)
