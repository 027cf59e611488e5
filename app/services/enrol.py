"""Put people into flows, carry out what the engine decided, and take people out: the rows of a decision."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.orm import Session

from app.flows.engine import Decision
from app.flows.news import resume
from app.flows.snapshot import Snapshot
from app.flows.vocabulary import Flow
from app.models import (
    Coupon,
    DecisionRow,
    Delivery,
    DeliveryState,
    Enrollment,
    EnrollmentState,
    ScheduledStep,
    Shop,
    TagWrite,
)
from app.models.bulk import insert_rows, one_of
from app.services.snapshots import Subject
from app.services.verdicts import Verdict, collect


def enter(
    session: Session, shop_id: int, subjects: Sequence[Subject], *, version: int, arms: Sequence[str]
) -> list[Enrollment]:
    """Enrol people; who is in this episode already stays as they are, and is not returned."""
    if not subjects:
        return []
    rows = [
        {
            "shop_id": shop_id, "flow": s.flow, "version": version, "subject_key": s.key, "episode": s.episode,
            "customer_id": s.customer_id, "arm": arm, "entered_at": s.entered_at,
        }
        for s, arm in zip(subjects, arms, strict=True)
    ]  # fmt: skip
    statement = insert_rows(Enrollment, rows).on_conflict_do_nothing().returning(Enrollment)
    return list(session.scalars(statement, execution_options={"populate_existing": True}))


def apply(session: Session, shop: Shop, verdicts: Sequence[Verdict], *, now: datetime) -> None:
    """Write what was decided: ledger, coupons, tags, next steps, ends, the decisions. All rows of one kind at once."""
    rows = collect(shop, verdicts, now=now)
    _insert_new(session, Delivery, rows.deliveries)
    _insert_new(session, Coupon, rows.coupons)
    _insert_new(session, TagWrite, rows.tags)
    _schedule(session, rows.steps)
    for (state, why), ids in rows.ended.items():
        for run_id in end(session, shop.id, ids, state=state, reason=why, now=now):
            rows.left.pop(run_id, None)  # its waiting mail was skipped: that row says why already
    _insert_new(session, Delivery, list(rows.left.values()))
    _insert_new(session, DecisionRow, rows.decisions)


def end(
    session: Session,
    shop_id: int,
    enrollment_ids: Sequence[int],
    *,
    state: EnrollmentState,
    reason: str | None,
    now: datetime,
) -> set[int]:
    """End runs: nothing of them is scheduled any more, and when they were left, mails not yet handed over are skipped.

    Returns:
        The runs that had such a mail.
    """
    session.execute(
        update(Enrollment)
        .where(Enrollment.shop_id == shop_id, one_of(Enrollment.id, enrollment_ids))
        .values(state=state, reason=reason, ended_at=now)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(ScheduledStep)
        .where(
            ScheduledStep.shop_id == shop_id,
            one_of(ScheduledStep.enrollment_id, enrollment_ids),
            ScheduledStep.state == "pending",
        )
        .values(state="done", lease_until=None, fence=ScheduledStep.fence + 1)
        .execution_options(synchronize_session=False)
    )
    if state != EnrollmentState.EXITED:
        return set()
    skipped = session.scalars(
        update(Delivery)
        .where(
            Delivery.shop_id == shop_id,
            one_of(Delivery.enrollment_id, enrollment_ids),
            Delivery.state == DeliveryState.PENDING,
        )
        .values(state=DeliveryState.SKIPPED, reason=reason, lease_until=None, fence=Delivery.fence + 1)
        .returning(Delivery.enrollment_id)
        .execution_options(synchronize_session=False)
    )
    return set(skipped)


def take_back(session: Session, shop: Shop, run: Enrollment, flow: Flow, snapshot: Snapshot, *, now: datetime) -> None:
    """Let a run that was left go on before its first mail that did not go out; the row that said why not is taken back."""
    session.execute(
        delete(Delivery).where(
            Delivery.shop_id == shop.id,
            Delivery.enrollment_id == run.id,
            Delivery.state == DeliveryState.SKIPPED,
            Delivery.reason == run.reason,
        )
    )
    told = set(session.scalars(select(Delivery.step).where(Delivery.shop_id == shop.id, Delivery.enrollment_id == run.id)))
    if (look := resume(flow, told, snapshot, now=now)) is None:
        return
    run.state, run.reason, run.ended_at = EnrollmentState.ACTIVE, None, None
    session.execute(
        delete(ScheduledStep).where(
            ScheduledStep.shop_id == shop.id,
            ScheduledStep.enrollment_id == run.id,
            ScheduledStep.step_no == look.step_no,
        )
    )
    session.flush()
    decision = Decision((look,), "cart_refilled", snapshot.seen())
    apply(session, shop, [Verdict(run, flow, look.step_no, decision, None)], now=now)


def flows_of(session: Session, shop_id: int, runs: Sequence[Enrollment]) -> dict[tuple[str, int], Flow]:
    """Return the flow versions that these runs entered with."""
    from app.flows import read_flow
    from app.models import FlowVersion

    keys = {(r.flow, r.version) for r in runs}
    rows = session.execute(
        select(FlowVersion.flow, FlowVersion.version, FlowVersion.tree).where(
            FlowVersion.shop_id == shop_id, tuple_(FlowVersion.flow, FlowVersion.version).in_(keys)
        )
    )
    return {(flow, version): read_flow(tree) for flow, version, tree in rows}


def _schedule(session: Session, steps: Sequence[dict[str, Any]]) -> None:
    """Set when steps are looked at; a step that waits already is moved, one that is over stays over.

    When somebody came to a step is kept: a wait that counts from then begins once.
    """
    if not steps:
        return
    statement = insert_rows(ScheduledStep, steps)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["shop_id", "enrollment_id", "step_no"],
            set_={
                "due_at": statement.excluded.due_at, "attempts": 0, "deaths": 0, "lease_until": None, "error": None,
                "fence": ScheduledStep.fence + 1,
            },
            where=ScheduledStep.state == "pending",
        )
    )  # fmt: skip


def _insert_new(session: Session, model: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Insert what is not there yet: a step mails once, whoever asks twice (I5). What has no key of its own is new."""
    if rows:
        session.execute(insert_rows(model, rows).on_conflict_do_nothing())
