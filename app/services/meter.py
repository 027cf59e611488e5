"""How fast a shop may send, over all workers: a meter that moves ahead with every mail (GCRA, as in ITU-T I.371)."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import Delivery, Meter

BURST = timedelta(seconds=1)  # what a shop that was silent may send at once, as a time at its rate


def too_many(session: Session, deliveries: Sequence[Delivery], rate: int, *, now: datetime) -> list[Delivery]:
    """Take mails into account and return those that are over their shop's rate.

    Args:
        session: the claim's transaction.
        deliveries: what was claimed.
        rate: mails per second of one shop; 0 is any number.
        now: the time.
    """
    if not rate or not deliveries:
        return []
    wanted = Counter(d.shop_id for d in deliveries)
    rows = [{"shop_id": shop_id, "free_at": now - BURST} for shop_id in sorted(wanted)]
    session.execute(insert(Meter).values(rows).on_conflict_do_nothing())
    query = select(Meter.shop_id, Meter.free_at).where(Meter.shop_id.in_(wanted)).order_by(Meter.shop_id)
    left: dict[int, int] = {}
    for shop_id, free_at in session.execute(query.with_for_update()).all():
        start = max(free_at, now - BURST)
        left[shop_id] = taken = min(wanted[shop_id], int((now - start).total_seconds() * rate + 1e-6))
        moved = update(Meter).where(Meter.shop_id == shop_id).values(free_at=start + timedelta(seconds=taken / rate))
        session.execute(moved.execution_options(synchronize_session=False))
    over: list[Delivery] = []
    for delivery in deliveries:
        left[delivery.shop_id] -= 1
        if left[delivery.shop_id] < 0:
            over.append(delivery)
    return over
