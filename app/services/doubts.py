"""What seems to be gone in a shop is asked for before that is believed: WooCommerce names the wrong thing at times."""

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


def ask(session: Session, shop_id: int, kind: str, ids: Iterable[str], *, now: datetime) -> None:
    """Have the shop asked for what one of its lists ought to hold and does not; again, where that failed before."""
    rows = [{"shop_id": shop_id, "kind": kind, "external_id": each, "told_at": now, "due_at": now} for each in sorted(ids)]
    if rows:
        again = {"state": "pending", "due_at": now, "attempts": 0, "deaths": 0, "error": None}
        statement = (
            insert(Doubt)
            .values(rows)
            .on_conflict_do_update(
                index_elements=["shop_id", "kind", "external_id"], set_=again, where=Doubt.state == "failed"
            )
        )
        session.execute(statement)


def settle(session: Session, doubt: Doubt) -> None:
    """Forget a doubt that the shop has answered, if it is still ours to do so."""
    session.execute(delete(Doubt).where(Doubt.shop_id == doubt.shop_id, Doubt.id == doubt.id, Doubt.fence == doubt.fence))
