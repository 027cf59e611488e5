"""A person settles a mail whose hand-over ended unclear: it went out, or it did not (D7)."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.models import Delivery, DeliveryState
from app.services import audit


def resolve(
    session: Session, shop_id: int, delivery_id: int, *, was_sent: bool, actor: str, reason: str, now: datetime
) -> Delivery:
    """Settle an unknown mail. "Not sent" makes it due now: it goes through every check again before it leaves.

    Raises:
        Refused: there is no such mail, it is not unknown, or no reason is given.
    """
    if not reason.strip():
        raise Refused("Say how you know: the reason is kept in the audit log.")
    query = select(Delivery).where(Delivery.shop_id == shop_id, Delivery.id == delivery_id)
    delivery = session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if delivery is None:
        raise Refused(f"There is no mail {delivery_id} of this shop.")
    if delivery.state != DeliveryState.UNKNOWN:
        raise Refused(f"Mail {delivery_id} is {delivery.state}. Only an unknown one needs a person's word.")
    if was_sent:
        delivery.state, delivery.reason = DeliveryState.SENT, None
        delivery.sent_at = delivery.sending_at or now
    else:
        _arm(delivery, now)
    detail = {"as": "sent" if was_sent else "not-sent", "reason": reason.strip()}
    audit.record(
        session, shop_id, actor=actor, action="mail.resolved", object_kind="delivery", object_id=delivery_id, detail=detail
    )
    session.flush()
    return delivery


def _arm(delivery: Delivery, now: datetime) -> None:
    """Make it due with a new fence, so that a worker that comes back from the dead can no longer record its outcome."""
    delivery.state, delivery.reason, delivery.error = DeliveryState.PENDING, None, None
    delivery.due_at, delivery.lease_until, delivery.sending_at = now, None, None
    delivery.attempts, delivery.deaths = 0, 0
    delivery.fence += 1
