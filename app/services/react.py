"""React to what a batch changed: people enter flows, their clocks restart, they leave. The engine says so; rows follow."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from app.flows import FLOWS, read_flow
from app.flows.engine import is_held_out, should_enter, why_leave
from app.flows.news import Waits, news
from app.flows.snapshot import Snapshot
from app.flows.vocabulary import Flow
from app.models import Arm, Enrollment, EnrollmentState, FlowSettings, FlowVersion, ScheduledStep, Shop
from app.models.bulk import one_of
from app.services import candidates, enrol, snapshots
from app.services.candidates import Touched
from app.services.snapshots import Subject
from app.services.verdicts import Verdict


def react(session: Session, shop: Shop, touched: Touched, *, now: datetime) -> None:
    """Let every flow look at what changed. The caller holds the locks of the touched customers and commits."""
    if not (touched.tokens or touched.customers or touched.orders or touched.opt_ins):
        return
    fresh: dict[int, Snapshot] = {}
    for settings, flow in _live_flows(session, shop.id):
        fresh |= _enter(session, shop, settings, flow, touched, now=now)
    _refill(session, shop, touched, now=now)
    _update_runs(session, shop, touched, fresh, now=now)


def look_again(session: Session, shop: Shop, customers: set[int], *, now: datetime) -> None:
    """Let people's runs notice a change that came by no event, such as an unsubscribe. The caller holds their locks."""
    _update_runs(session, shop, Touched(customers=customers), {}, now=now)


def consented(session: Session, shop: Shop, customers: set[int], *, now: datetime) -> None:
    """Let flows begin with a consent that came by no event, such as a confirmed address. The caller holds their locks."""
    react(session, shop, Touched(customers=customers, consenting=customers), now=now)


def fell_silent(session: Session, shop: Shop, customers: set[int], *, now: datetime) -> None:
    """Let flows begin with people who may have left mail unanswered for long. The caller holds their locks."""
    react(session, shop, Touched(customers=customers, silent=customers), now=now)


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
    """Enrol the people whom the flow's trigger is about and who are not in this episode; return what is known of each."""
    subjects = candidates.of_flow(session, shop.id, flow, touched, now=now)
    share = float(settings.holdout_share)
    loaded = {}
    entering = []
    for subject, snapshot in zip(subjects, snapshots.load(session, shop, subjects, now=now), strict=True):
        if should_enter(flow, snapshot, now=now):
            # By the address, not by our row's id: the same person falls into the same arm in every database.
            is_held = is_held_out(flow.key, f"{shop.id}:{snapshot.recipient}", share)
            loaded[subject.episode] = replace(snapshot, is_held_out=is_held)
            entering.append(subject)
    arms = [Arm.HOLDOUT if loaded[s.episode].is_held_out else Arm.TREATED for s in entering]
    entered = enrol.enter(session, shop.id, entering, version=settings.version, arms=arms)
    return {run.id: loaded[run.episode] for run in entered}


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
    loaded = snapshots.load(session, shop, [Subject.of(r) for r in runs], now=now)
    for run, snapshot in zip(runs, loaded, strict=True):
        flow = flows[run.flow, run.version]
        if why_leave(flow, snapshot) is None:
            enrol.take_back(session, shop, run, flow, snapshot, now=now)


def _update_runs(session: Session, shop: Shop, touched: Touched, fresh: dict[int, Snapshot], *, now: datetime) -> None:
    """Restart the clock of touched runs, or end them; what is known of fresh ones is not loaded again."""
    rows = session.execute(
        select(Enrollment, ScheduledStep.step_no, ScheduledStep.due_at, ScheduledStep.came_at)
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
    loaded = snapshots.load(session, shop, [Subject.of(run) for run in older], now=now)
    known = fresh | {run.id: snapshot for run, snapshot in zip(older, loaded, strict=True)}
    verdicts = []
    for run, step_no, due_at, came_at in rows:
        flow, snapshot = flows[run.flow, run.version], known[run.id]
        waits = None if step_no is None else Waits(step_no, due_at, came_at)
        if decision := news(flow, waits, snapshot, now=now):
            verdicts.append(Verdict(run, flow, step_no or 0, decision, snapshot.recipient))
    enrol.apply(session, shop, verdicts, now=now)


def _is_about(tokens: set[str]) -> ColumnElement[bool]:
    """Say that a run is about one of these checkouts; in all columns of the index, as PostgreSQL before 18 skips none."""
    return and_(one_of(Enrollment.flow, FLOWS), Enrollment.subject_key == "checkout", one_of(Enrollment.episode, tokens))
