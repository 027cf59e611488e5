"""Take a person who is gone out of every flow, with the row that says why the next mail is not sent."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.flows.engine import Decision, Exit
from app.flows.program import next_send
from app.models import Enrollment, EnrollmentState, ScheduledStep, Shop
from app.services import enrol, snapshots
from app.services.verdicts import Verdict

REASON = "person_gone"


def all_flows(session: Session, shop: Shop, customer_ids: Collection[int], *, now: datetime) -> None:
    """End all runs of these customers. The caller holds their locks."""
    rows = session.execute(
        select(Enrollment, ScheduledStep.step_no)
        .outerjoin(
            ScheduledStep,
            (ScheduledStep.shop_id == Enrollment.shop_id)
            & (ScheduledStep.enrollment_id == Enrollment.id)
            & (ScheduledStep.state == "pending"),
        )
        .where(
            Enrollment.shop_id == shop.id,
            Enrollment.customer_id.in_(customer_ids),
            Enrollment.state == EnrollmentState.ACTIVE,
        )
    ).all()
    flows = enrol.flows_of(session, shop.id, [run for run, _ in rows])
    loaded = snapshots.load(session, shop, [snapshots.Subject.of(run) for run, _ in rows], now=now)
    verdicts = []
    for (run, waits_at), snapshot in zip(rows, loaded, strict=True):
        flow, step_no = flows[run.flow, run.version], waits_at or 0
        send = next_send(flow, step_no)
        decision = Decision((Exit(REASON, send.key if send else None),), REASON, snapshot.seen())
        verdicts.append(Verdict(run, flow, step_no, decision, None))
    enrol.apply(session, shop, verdicts, now=now)
