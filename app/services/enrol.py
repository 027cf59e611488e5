"""Put people into flows, carry out what the engine decided, and take people out: the rows of a decision."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.orm import Session

from app import crypto
from app.flows.engine import Decision, Exit, Finish, Schedule, SendEmail, SkipEmail, wait_until
from app.flows.snapshot import Snapshot
from app.flows.vocabulary import PRIORITIES, Flow, Percent, Send, Wait
from app.models import Coupon, DecisionRow, Delivery, DeliveryState, Enrollment, EnrollmentState, ScheduledStep, Shop
from app.models.bulk import insert_rows, one_of
from app.services.snapshots import Subject

# 32 letters and digits that nobody mixes up: no 0 O 1 I.
CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision about one enrollment at one step."""

    enrollment: Enrollment
    flow: Flow
    step_no: int
    decision: Decision
    recipient: str | None


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
    """Write what was decided: ledger, coupons, next steps, ends, and the decision rows. All rows of one kind at once."""
    deliveries: list[dict[str, Any]] = []
    coupons: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    ended: dict[tuple[EnrollmentState, str | None], list[int]] = {}
    left: dict[int, dict[str, Any]] = {}
    for verdict in verdicts:
        run = verdict.enrollment
        for effect in verdict.decision.effects:
            match effect:
                case SendEmail(step=step, due_at=due_at, coupon=coupon):
                    deliveries.append(_delivery(verdict, step, due_at, now=now))
                    if coupon:
                        coupons.append(_coupon(shop, run.id, step, coupon, now=now))
                case SkipEmail(step=step, due_at=due_at, reason=reason):
                    deliveries.append(_delivery(verdict, step, due_at, now=now, skipped=reason))
                case Exit(reason=reason, step=step):
                    ended.setdefault((EnrollmentState.EXITED, reason), []).append(run.id)
                    if step:
                        left[run.id] = _delivery(verdict, step, now, now=now, skipped=reason)
                case Finish():
                    ended.setdefault((EnrollmentState.FINISHED, None), []).append(run.id)
                case Schedule(step_no=step_no, due_at=due_at):
                    steps.append({"shop_id": shop.id, "enrollment_id": run.id, "step_no": step_no, "due_at": due_at})
    _insert_new(session, Delivery, deliveries)
    _insert_new(session, Coupon, coupons)
    _schedule(session, steps)
    for (state, why), ids in ended.items():
        for run_id in end(session, shop.id, ids, state=state, reason=why, now=now):
            left.pop(run_id, None)  # its waiting mail was skipped: that row says why already
    _insert_new(session, Delivery, list(left.values()))
    if verdicts:
        session.execute(insert_rows(DecisionRow, [_decision_row(shop.id, v, now) for v in verdicts]))


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
    step_no = next((n for n, step in enumerate(flow.steps) if isinstance(step, Send) and step.key not in told), None)
    if step_no is None:
        return
    before = flow.steps[step_no - 1] if step_no else None
    look = Schedule(step_no - 1, wait_until(before, snapshot)) if isinstance(before, Wait) else Schedule(step_no, now)
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


def new_code(shop_name: str) -> str:
    """Make an unguessable coupon code (40 bits) that says whose it is."""
    first_word = re.match(r"[A-Z]{2,8}", shop_name.upper())
    code = "".join(secrets.choice(CODE_LETTERS) for _ in range(8))
    return "-".join((first_word[0] if first_word else "CART", code[:4], code[4:]))


def _schedule(session: Session, steps: Sequence[dict[str, Any]]) -> None:
    """Set when steps are looked at; a step that waits already is moved, one that is over stays over."""
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
    """Insert what is not there yet: a step mails once, whoever asks twice (I5)."""
    if rows:
        session.execute(insert_rows(model, rows).on_conflict_do_nothing())


def _delivery(verdict: Verdict, step: str, due_at: datetime, *, now: datetime, skipped: str | None = None) -> dict[str, Any]:
    run, flow = verdict.enrollment, verdict.flow
    state = DeliveryState.SKIPPED if skipped else DeliveryState.PENDING
    return {
        "shop_id": run.shop_id, "enrollment_id": run.id, "flow": run.flow, "step": step,
        "message_class": flow.class_of(flow.send(step)), "priority": PRIORITIES.index(flow.priority),
        "customer_id": run.customer_id, "recipient": verdict.recipient, "token": secrets.token_bytes(crypto.TOKEN_BYTES),
        "state": state, "reason": skipped, "due_at": now, "step_due_at": due_at, "created_at": now,
    }  # fmt: skip


def _coupon(shop: Shop, enrollment_id: int, step: str, terms: Percent, *, now: datetime) -> dict[str, Any]:
    return {
        "shop_id": shop.id, "enrollment_id": enrollment_id, "step": step, "code": new_code(shop.name),
        "percent": terms.percent, "starts_at": now, "expires_at": now + timedelta(hours=terms.valid_hours),
        "created_at": now,
    }  # fmt: skip


def _decision_row(shop_id: int, verdict: Verdict, now: datetime) -> dict[str, Any]:
    effects = [
        {"effect": type(e).__name__, **{k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(e).items()}}
        for e in verdict.decision.effects
    ]
    return {
        "shop_id": shop_id, "enrollment_id": verdict.enrollment.id, "version": verdict.enrollment.version,
        "step_no": verdict.step_no, "because": verdict.decision.because, "saw": verdict.decision.saw,
        "effects": effects, "decided_at": now,
    }  # fmt: skip
