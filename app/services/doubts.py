"""What a shop said is gone is asked for before it is believed: WooCommerce names the wrong thing at times."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.events import DeletionTold, Event
from app.models import Doubt


def note(session: Session, shop_id: int, found: Iterable[Event], *, now: datetime) -> None:
    """Have the shop asked for what it said is gone."""
    rows = [
        {"shop_id": shop_id, "kind": event.of, "external_id": event.object_id, "told_at": event.happened_at, "due_at": now}
        for event in found
        if isinstance(event, DeletionTold)
    ]
    if rows:
        session.execute(insert(Doubt).values(rows).on_conflict_do_nothing())


def settle(session: Session, doubt: Doubt) -> None:
    """Forget a doubt that the shop has answered, if it is still ours to do so."""
    session.execute(delete(Doubt).where(Doubt.shop_id == doubt.shop_id, Doubt.id == doubt.id, Doubt.fence == doubt.fence))
