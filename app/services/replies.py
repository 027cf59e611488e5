"""What shoppers wrote back that is no answer to a question: people of the shop read it."""

from dataclasses import dataclass

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from app.models import Delivery, Reply

LISTED_MOST = 50


@dataclass(frozen=True, slots=True)
class Written:
    """A reply as the shop's people see it; `email` is None for somebody who was erased since."""

    reply: Reply
    flow: str
    email: str | None


def listed(session: Session, shop_id: int) -> list[Written]:
    """Return the newest replies of a shop that a person wrote and that were not read as stars."""
    rows = session.execute(
        select(Reply, Delivery.flow, Delivery.recipient)
        .join(Delivery, and_(Delivery.shop_id == Reply.shop_id, Delivery.id == Reply.delivery_id))
        .where(Reply.shop_id == shop_id, Reply.score.is_(None), Reply.is_automatic.is_(False), Reply.text.is_not(None))
        .order_by(Reply.id.desc())
        .limit(LISTED_MOST)
    )
    return [Written(reply, flow, email) for reply, flow, email in rows]
