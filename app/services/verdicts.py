"""The rows of decisions: what the engine said should happen, as mails, coupons, tags, next steps and ends."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app import crypto
from app.flows.engine import Decision, Exit, Finish, Schedule, SendEmail, SkipEmail, TagCustomer
from app.flows.vocabulary import PRIORITIES, Flow, Percent
from app.models import DeliveryState, Enrollment, EnrollmentState, Shop

Row = dict[str, Any]

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


@dataclass(slots=True)
class Rows:
    """What a batch of decisions writes. `left` are the mails that are now not sent, by run; `ended` the runs, by how."""

    deliveries: list[Row] = field(default_factory=list)
    coupons: list[Row] = field(default_factory=list)
    tags: list[Row] = field(default_factory=list)
    steps: list[Row] = field(default_factory=list)
    ended: dict[tuple[EnrollmentState, str | None], list[int]] = field(default_factory=dict)
    left: dict[int, Row] = field(default_factory=dict)
    decisions: list[Row] = field(default_factory=list)


def collect(shop: Shop, verdicts: Sequence[Verdict], *, now: datetime) -> Rows:
    """Return the rows of these decisions."""
    rows = Rows()
    for verdict in verdicts:
        for effect in verdict.decision.effects:
            match effect:
                case SendEmail() | SkipEmail():
                    _mail(rows, shop, verdict, effect, now=now)
                case TagCustomer(tag=tag, is_given=is_given):
                    rows.tags.append(_tag(verdict.enrollment, tag, is_given=is_given, now=now))
                case Schedule():
                    rows.steps.append(_step(verdict.enrollment, effect, now=now))
                case Exit() | Finish():
                    _end(rows, verdict, effect, now=now)
        rows.decisions.append(_decision_row(shop.id, verdict, now))
    return rows


def new_code(shop_name: str) -> str:
    """Make an unguessable coupon code (40 bits) that says whose it is."""
    first_word = re.match(r"[A-Z]{2,8}", shop_name.upper())
    code = "".join(secrets.choice(CODE_LETTERS) for _ in range(8))
    return "-".join((first_word[0] if first_word else "CART", code[:4], code[4:]))


def _mail(rows: Rows, shop: Shop, verdict: Verdict, effect: SendEmail | SkipEmail, *, now: datetime) -> None:
    skipped = effect.reason if isinstance(effect, SkipEmail) else None
    rows.deliveries.append(_delivery(verdict, effect.step, effect.due_at, now=now, skipped=skipped))
    if isinstance(effect, SendEmail) and effect.coupon:
        rows.coupons.append(_coupon(shop, verdict.enrollment.id, effect.step, effect.coupon, now=now))


def _end(rows: Rows, verdict: Verdict, effect: Exit | Finish, *, now: datetime) -> None:
    run_id = verdict.enrollment.id
    if isinstance(effect, Finish):
        rows.ended.setdefault((EnrollmentState.FINISHED, None), []).append(run_id)
        return
    rows.ended.setdefault((EnrollmentState.EXITED, effect.reason), []).append(run_id)
    if effect.step:
        rows.left[run_id] = _delivery(verdict, effect.step, now, now=now, skipped=effect.reason)


def _step(run: Enrollment, effect: Schedule, *, now: datetime) -> Row:
    return {
        "shop_id": run.shop_id, "enrollment_id": run.id, "step_no": effect.step_no, "due_at": effect.due_at, "came_at": now,
    }  # fmt: skip


def _delivery(verdict: Verdict, step: str, due_at: datetime, *, now: datetime, skipped: str | None = None) -> Row:
    run, flow = verdict.enrollment, verdict.flow
    state = DeliveryState.SKIPPED if skipped else DeliveryState.PENDING
    return {
        "shop_id": run.shop_id, "enrollment_id": run.id, "flow": run.flow, "step": step,
        "message_class": flow.class_of(flow.send(step)), "priority": PRIORITIES.index(flow.priority),
        "customer_id": run.customer_id, "recipient": verdict.recipient, "token": secrets.token_bytes(crypto.TOKEN_BYTES),
        "state": state, "reason": skipped, "due_at": now, "step_due_at": due_at, "created_at": now,
    }  # fmt: skip


def _coupon(shop: Shop, enrollment_id: int, step: str, terms: Percent, *, now: datetime) -> Row:
    return {
        "shop_id": shop.id, "enrollment_id": enrollment_id, "step": step, "code": new_code(shop.name),
        "percent": terms.percent, "starts_at": now, "expires_at": now + timedelta(hours=terms.valid_hours),
        "created_at": now,
    }  # fmt: skip


def _tag(run: Enrollment, tag: str, *, is_given: bool, now: datetime) -> Row:
    return {
        "shop_id": run.shop_id, "customer_id": run.customer_id, "enrollment_id": run.id, "tag": tag, "is_given": is_given,
        "due_at": now, "created_at": now,
    }  # fmt: skip


def _decision_row(shop_id: int, verdict: Verdict, now: datetime) -> Row:
    effects = [
        {"effect": type(e).__name__, **{k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(e).items()}}
        for e in verdict.decision.effects
    ]
    return {
        "shop_id": shop_id, "enrollment_id": verdict.enrollment.id, "version": verdict.enrollment.version,
        "step_no": verdict.step_no, "because": verdict.decision.because, "saw": verdict.decision.saw,
        "effects": effects, "decided_at": now,
    }  # fmt: skip
