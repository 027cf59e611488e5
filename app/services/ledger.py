"""The send ledger: the last checks before a mail is handed over, and what became of it (I5, I6, I7)."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select, tuple_, update
from sqlalchemy.orm import Session

from app.domain.outcomes import Again, Failed, Outcome, Sent, Unknown
from app.flows.engine import HOLD
from app.flows.news import Refusal, one_at_a_time, why_refused
from app.models import Coupon, CouponState, Delivery, DeliveryEvent, DeliveryState, Enrollment, EnrollmentState, Shop, claims
from app.services import enrol, people, snapshots
from app.services.snapshots import Subject

STUCK_MOST = 200  # twice what a worker has in its hands (BATCH in jobs/mail.py): one that died is listed at once


def why_not(session: Session, shop: Shop, deliveries: Sequence[Delivery], *, now: datetime) -> list[Refusal | None]:
    """Ask the gates for mails of one shop, in the same order. Inside a claim the caller holds the customers' locks."""
    ids = [d.enrollment_id for d in deliveries]
    query = select(Enrollment).where(Enrollment.shop_id == shop.id, Enrollment.id.in_(ids))
    runs = {r.id: r for r in session.scalars(query, execution_options={"populate_existing": True})}
    flows = enrol.flows_of(session, shop.id, list(runs.values()))
    loaded = snapshots.load(session, shop, [Subject.of(runs[d.enrollment_id]) for d in deliveries], now=now)
    answers: list[Refusal | None] = []
    for delivery, snapshot in zip(deliveries, loaded, strict=True):
        run = runs[delivery.enrollment_id]
        flow = flows[run.flow, run.version]
        left = run.reason if run.state == EnrollmentState.EXITED else None
        has_address = bool(delivery.recipient)
        answers.append(
            why_refused(
                flow, delivery.step, snapshot, has_address=has_address, wanted_at=delivery.step_due_at, left=left, now=now
            )
        )
    return answers


def claim_for_sending(
    session: Session, deliveries: Sequence[Delivery], subjects: dict[int, str], *, lease: timedelta, now: datetime
) -> list[Delivery]:
    """Move leased mails to `sending`, all gates asked once more behind the subject locks; return those that may go out.

    A purchase, an unsubscribe or an uninstall that was committed before us wins: the lock is taken in a statement of its
    own, so the checks after it see everything that was committed while we waited.

    Raises:
        FenceLost: another worker took one of them.
    """
    going: list[Delivery] = []
    for shop_id, of_shop in _by_shop(deliveries).items():
        people.lock(session, shop_id, [d.customer_id for d in of_shop])
        shop = session.scalars(select(Shop).where(Shop.id == shop_id), execution_options={"populate_existing": True}).one()
        refusals = why_not(session, shop, of_shop, now=now)
        allowed: list[Delivery] = []
        for delivery, refusal in _one_by_one(shop, of_shop, refusals, now=now):
            if refusal is None:
                allowed.append(delivery)
            else:
                skip(session, delivery, refusal, now=now)
        _begin(session, allowed, subjects, lease=lease, now=now)
        going += allowed
    return going


def _begin(
    session: Session, deliveries: Sequence[Delivery], subjects: dict[int, str], *, lease: timedelta, now: datetime
) -> None:
    """Write that mails are being handed over from now on."""
    if not deliveries:
        return
    rows = [{"shop_id": d.shop_id, "id": d.id, "fence": d.fence, "subject": subjects[d.id]} for d in deliveries]
    common = {
        "state": DeliveryState.SENDING, "sending_at": now, "claimed_at": func.clock_timestamp(), "reason": None,
        "lease_until": func.now() + lease,
    }  # fmt: skip
    claims.finish_each(session, Delivery, rows, common)


def skip(session: Session, delivery: Delivery, refusal: Refusal, *, now: datetime) -> None:
    """Write that a mail is not sent, or not yet, and why."""
    if refusal.until:
        _put_off(session, delivery, refusal.reason, refusal.until, now=now)
        return
    if refusal.is_hold:
        record(session, [(delivery, Again(refusal.reason, HOLD))], now=now)
        return
    claims.finish(session, Delivery, [delivery], {"state": DeliveryState.SKIPPED, "reason": refusal.reason})
    if refusal.is_exit:
        enrol.end(
            session, delivery.shop_id, [delivery.enrollment_id], state=EnrollmentState.EXITED, reason=refusal.reason, now=now
        )


def _put_off(session: Session, delivery: Delivery, reason: str, until: datetime, *, now: datetime) -> None:
    """Give a mail a better time. It is wanted at that time from then on, and a coupon not made yet begins to run with it."""
    values = {"due_at": until, "step_due_at": until, "reason": reason, "attempts": 0}
    claims.finish(session, Delivery, [delivery], values)
    session.execute(
        update(Coupon)
        .where(
            Coupon.shop_id == delivery.shop_id,
            Coupon.enrollment_id == delivery.enrollment_id,
            Coupon.step == delivery.step,
            Coupon.state == CouponState.PENDING,
        )
        .values(starts_at=Coupon.starts_at + (until - now), expires_at=Coupon.expires_at + (until - now))
        .execution_options(synchronize_session=False)
    )


def record(session: Session, landed: Sequence[tuple[Delivery, Outcome]], *, now: datetime) -> None:
    """Write what became of hand-overs, or of the tries to make them: all in one statement, or none.

    Raises:
        FenceLost: another worker took one of the mails.
    """
    if landed:
        landed = _as_told(session, landed)
        rows = [{"shop_id": d.shop_id, "id": d.id, "fence": d.fence, **_written(d, outcome, now)} for d, outcome in landed]
        claims.finish_each(session, Delivery, rows)


def _as_told(session: Session, landed: Sequence[tuple[Delivery, Outcome]]) -> list[tuple[Delivery, Outcome]]:
    """Return the outcomes, those that nobody knows settled by what the provider has told meanwhile."""
    unknown = [d for d, outcome in landed if isinstance(outcome, Unknown)]
    if not unknown:
        return list(landed)
    keys = tuple_(Delivery.shop_id, Delivery.id).in_([(d.shop_id, d.id) for d in unknown])
    session.execute(select(Delivery.id).where(keys).order_by(Delivery.shop_id, Delivery.id).with_for_update())
    told = set(
        session.scalars(select(DeliveryEvent.delivery_id).where(DeliveryEvent.delivery_id.in_([d.id for d in unknown])))
    )
    return [(d, Sent("told") if isinstance(o, Unknown) and d.id in told else o) for d, o in landed]


def _written(delivery: Delivery, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """Return what an outcome writes; every outcome the same columns."""
    values: dict[str, Any] = {
        "provider_id": delivery.provider_id, "sent_at": delivery.sent_at, "due_at": delivery.due_at,
        "attempts": delivery.attempts,
    }  # fmt: skip
    match outcome:
        case Sent(provider_id=provider_id):
            values |= {
                "state": DeliveryState.SENT,
                "provider_id": provider_id,
                "sent_at": now,
                "reason": None,
                "error": None,
            }
        case Failed(reason=reason):
            values |= {"state": DeliveryState.FAILED, "reason": reason, "error": reason}
        case Unknown(reason=reason):
            values |= {"state": DeliveryState.UNKNOWN, "reason": reason, "error": reason}
        case Again(reason=reason, wait=wait, is_counted=is_counted):
            values |= {"state": DeliveryState.PENDING, "due_at": now + wait, "reason": reason, "error": reason}
            values["attempts"] -= int(not is_counted)
    return values


def keep_coupon(session: Session, coupon: Coupon, external_id: str) -> None:
    """Write that the shop made the coupon."""
    held = session.get_one(Coupon, (coupon.shop_id, coupon.id))
    held.state, held.external_id = CouponState.MINTED, external_id


def is_any_stuck(session: Session) -> bool:
    """Say whether a hand-over was begun and never recorded, its process having died."""
    return session.execute(_stuck().limit(1)).first() is not None


def take_stuck(session: Session, lease: timedelta) -> list[Delivery]:
    """Lease mails whose hand-over was never recorded, so that one worker finds out what became of them."""
    rows = session.execute(_stuck().limit(STUCK_MOST).with_for_update(skip_locked=True)).all()
    if not rows:
        return []
    keys = tuple_(Delivery.shop_id, Delivery.id).in_([(r.shop_id, r.id) for r in rows])
    taken = session.scalars(select(Delivery).where(keys)).all()
    for delivery in taken:
        delivery.fence += 1
        delivery.deaths += 1
        delivery.lease_until = session.scalar(select(func.now() + lease))
    return list(taken)


def _stuck() -> Select[int, int]:
    return select(Delivery.shop_id, Delivery.id).where(
        Delivery.state == DeliveryState.SENDING, Delivery.lease_until < func.now()
    )


def _one_by_one(
    shop: Shop, deliveries: Sequence[Delivery], refusals: Sequence[Refusal | None], *, now: datetime
) -> Iterator[tuple[Delivery, Refusal | None]]:
    """Yield the mails, the weightiest first, each with what stands against it beside the others."""
    pairs = sorted(zip(deliveries, refusals, strict=True), key=lambda pair: (pair[0].priority, pair[0].id))
    asked = [(d.customer_id, d.message_class == "marketing", refusal) for d, refusal in pairs]
    answers = one_at_a_time(asked, is_capped=bool(shop.mail_caps), now=now)
    yield from zip([delivery for delivery, _ in pairs], answers, strict=True)


def _by_shop(deliveries: Sequence[Delivery]) -> dict[int, list[Delivery]]:
    found: dict[int, list[Delivery]] = defaultdict(list)
    for delivery in sorted(deliveries, key=lambda d: d.shop_id):
        found[delivery.shop_id].append(delivery)
    return found
