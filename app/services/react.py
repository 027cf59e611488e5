"""React to what a batch changed: people enter flows, their clocks restart, they leave. The engine says so; rows follow."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from app.flows import FLOWS, read_flow
from app.flows.engine import Decision, Exit, Schedule, decide, first_look, is_held_out, should_enter, why_hold, why_leave
from app.flows.snapshot import Snapshot
from app.flows.vocabulary import Flow
from app.models import Arm, Checkout, Enrollment, EnrollmentState, FlowSettings, FlowVersion, ScheduledStep, Shop
from app.models.bulk import one_of
from app.services import enrol, snapshots
from app.services.enrol import Verdict
from app.services.ingest import Touched
from app.services.snapshots import Subject


def react(session: Session, shop: Shop, touched: Touched, *, now: datetime) -> None:
    """Let every flow look at what changed. The caller holds the locks of the touched customers and commits."""
    if not (touched.tokens or touched.customers):
        return
    fresh: dict[int, Snapshot] = {}
    for settings, flow in _live_flows(session, shop.id):
        fresh |= _enter(session, shop, settings, flow, touched, now=now)
    _refill(session, shop, touched, now=now)
    _update_runs(session, shop, touched, fresh, now=now)


def look_again(session: Session, shop: Shop, customers: set[int], *, now: datetime) -> None:
    """Let people's runs notice a change that came by no event, such as an unsubscribe. The caller holds their locks."""
    _update_runs(session, shop, Touched(customers=customers), {}, now=now)


def _live_flows(session: Session, shop_id: int) -> list[tuple[FlowSettings, Flow]]:
    rows = session.execute(
        select(FlowSettings, FlowVersion.tree)
        .join(
            FlowVersion,
            (FlowVersion.shop_id == FlowSettings.shop_id)
            & (FlowVersion.flow == FlowSettings.flow)
            & (FlowVersion.version == FlowSettings.version),
        )
        .where(FlowSettings.shop_id == shop_id, FlowSettings.is_on)
    )
    return [(settings, read_flow(tree)) for settings, tree in rows]


def _enter(
    session: Session, shop: Shop, settings: FlowSettings, flow: Flow, touched: Touched, *, now: datetime
) -> dict[int, Snapshot]:
    """Enrol the people of touched checkouts who are not in this episode yet; return what is known of each new run."""
    if flow.trigger.event != "checkout_updated" or not touched.entering:
        return {}
    subjects = _candidates(session, shop.id, settings, touched, now=now)
    loaded = {s.token: snapshot for s, snapshot in zip(subjects, snapshots.load(session, shop, subjects), strict=True)}
    entering = [s for s in subjects if should_enter(flow, loaded[s.token], now=now)]
    arms = [Arm.HOLDOUT if s.is_held_out else Arm.TREATED for s in entering]
    entered = enrol.enter(session, shop.id, entering, version=settings.version, arms=arms)
    return {run.id: loaded[run.episode] for run in entered}


def _candidates(session: Session, shop_id: int, settings: FlowSettings, touched: Touched, *, now: datetime) -> list[Subject]:
    enrolled = (
        select(Enrollment.id)
        .where(
            Enrollment.shop_id == shop_id,
            Enrollment.flow == settings.flow,
            Enrollment.subject_key == "checkout",
            Enrollment.episode == Checkout.token,
        )
        .exists()
    )
    rows = session.execute(
        select(Checkout.token, Checkout.customer_id, Checkout.email).where(
            Checkout.shop_id == shop_id,
            one_of(Checkout.token, touched.entering),
            Checkout.customer_id.is_not(None),
            ~enrolled,
        )
    )
    share = float(settings.holdout_share)
    return [
        Subject(
            flow=settings.flow,
            token=token,
            customer_id=customer_id,
            entered_at=now,
            # By the address, not by our row's id: the same person falls into the same arm in every database.
            is_held_out=is_held_out(settings.flow, f"{shop_id}:{email}", share),
        )
        for token, customer_id, email in rows
        if customer_id is not None
    ]


def _refill(session: Session, shop: Shop, touched: Touched, *, now: datetime) -> None:
    """Take people back whose emptied cart was filled again; also when the news of the two came the other way round."""
    query = select(Enrollment).where(
        Enrollment.shop_id == shop.id,
        Enrollment.state == EnrollmentState.EXITED,
        Enrollment.reason == "cart_emptied",
        _is_about(touched.entering),
    )
    runs = list(session.scalars(query)) if touched.entering else []
    if not runs:
        return
    flows = enrol.flows_of(session, shop.id, runs)
    for run, snapshot in zip(runs, snapshots.load(session, shop, [Subject.of(r) for r in runs]), strict=True):
        flow = flows[run.flow, run.version]
        if why_leave(flow, snapshot) is None:
            enrol.take_back(session, shop, run, flow, snapshot, now=now)


def _update_runs(session: Session, shop: Shop, touched: Touched, fresh: dict[int, Snapshot], *, now: datetime) -> None:
    """Restart the clock of touched runs, or end them; what is known of fresh ones is not loaded again."""
    rows = session.execute(
        select(Enrollment, ScheduledStep.step_no, ScheduledStep.due_at)
        .outerjoin(
            ScheduledStep,
            (ScheduledStep.shop_id == Enrollment.shop_id)
            & (ScheduledStep.enrollment_id == Enrollment.id)
            & (ScheduledStep.state == "pending"),
        )
        .where(
            Enrollment.shop_id == shop.id,
            Enrollment.state == EnrollmentState.ACTIVE,
            or_(one_of(Enrollment.customer_id, touched.customers), _is_about(touched.tokens)),
        )
    ).all()
    flows = enrol.flows_of(session, shop.id, [row[0] for row in rows])
    older = [row[0] for row in rows if row[0].id not in fresh]
    loaded = snapshots.load(session, shop, [Subject.of(run) for run in older])
    known = fresh | {run.id: snapshot for run, snapshot in zip(older, loaded, strict=True)}
    verdicts = []
    for run, step_no, due_at in rows:
        flow, snapshot = flows[run.flow, run.version], known[run.id]
        if decision := _news(flow, step_no, due_at, snapshot, now=now):
            email = snapshot.checkout.email if snapshot.checkout else None
            verdicts.append(Verdict(run, flow, step_no or 0, decision, email))
    enrol.apply(session, shop, verdicts, now=now)


def _is_about(tokens: set[str]) -> ColumnElement[bool]:
    """Say that a run is about one of these checkouts; in all columns of the index, as PostgreSQL before 18 skips none."""
    return and_(one_of(Enrollment.flow, FLOWS), Enrollment.subject_key == "checkout", one_of(Enrollment.episode, tokens))


def _news(flow: Flow, step_no: int | None, due_at: datetime | None, snapshot: Snapshot, *, now: datetime) -> Decision | None:
    """Return what the change brought: an end, or another time for the next look. What is due now is the runner's work."""
    decision = decide(flow, step_no or 0, snapshot, now=now)
    first = decision.effects[0]
    if why_hold(snapshot) and step_no is not None:
        return None  # the runner holds it; a change of the cart is found when the shop goes on
    if isinstance(first, Exit):
        return decision
    if step_no is None:
        return Decision((Schedule(0, first_look(flow, snapshot)),), "entered", decision.saw)
    return decision if isinstance(first, Schedule) and first.due_at != due_at else None
