"""Take somebody out of a flow by hand: what waits is not sent, and the row that says so names who stopped it."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.flows.outlook import stop
from app.models import Delivery, DeliveryState, Enrollment, EnrollmentState, ScheduledStep, Shop
from app.services import audit, enrol, people, snapshots
from app.services.snapshots import Subject
from app.services.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a stop came to. `leaving` is a mail that was being handed over already: it may still arrive."""

    run: Enrollment
    leaving: str | None


def stop_run(session: Session, shop: Shop, customer_id: int, run_id: int, *, actor: str, now: datetime) -> Stopped | None:
    """End a run behind the subject lock that the send's claim takes too: a mail is either stopped or was claimed before.

    Returns:
        What it came to, None when the person has no such run.

    Raises:
        Refused: nothing of it is still to come.
    """
    people.lock(session, shop.id, [customer_id])
    query = select(Enrollment).where(
        Enrollment.shop_id == shop.id, Enrollment.id == run_id, Enrollment.customer_id == customer_id
    )
    run = session.scalar(query, execution_options={"populate_existing": True})
    if run is None:
        return None
    mails = session.execute(
        select(Delivery.step, Delivery.state).where(Delivery.shop_id == shop.id, Delivery.enrollment_id == run.id)
    ).all()
    leaving = next((step for step, state in mails if state == DeliveryState.SENDING), None)
    if run.state != EnrollmentState.ACTIVE and all(state != DeliveryState.PENDING for _, state in mails):
        raise Refused("There is nothing left to stop: it is over already.")
    _end(session, shop, run, actor=actor, now=now)
    detail = {"flow": run.flow, "customer": customer_id, "leaving": leaving}
    audit.record(session, shop.id, actor=actor, action="run.stopped", object_kind="run", object_id=run.id, detail=detail)
    return Stopped(run, leaving)


def _end(session: Session, shop: Shop, run: Enrollment, *, actor: str, now: datetime) -> None:
    flow = enrol.flows_of(session, shop.id, [run])[run.flow, run.version]
    step_no = session.scalar(
        select(ScheduledStep.step_no).where(
            ScheduledStep.shop_id == shop.id, ScheduledStep.enrollment_id == run.id, ScheduledStep.state == "pending"
        )
    )
    snapshot = snapshots.load(session, shop, [Subject.of(run)], now=now)[0]
    decision = stop(flow, step_no, snapshot)
    decision = replace(decision, saw={**decision.saw, "stopped_by": actor})
    enrol.apply(session, shop, [Verdict(run, flow, step_no or 0, decision, snapshot.recipient)], now=now)
