"""Stop mailing an address: for good after a bounce or a complaint, for a while after several soft bounces."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import crypto
from app.domain.receipts import SOFT_MOST, SOFT_REST, SOFT_WITHIN, ReceiptKind
from app.models import DeliveryEvent, Shop, Suppression
from app.services import snapshots

SCOPES = {"bounced": "all", "complained": "marketing"}  # a full mailbox would take a receipt, a complainer wants one


def suppress(session: Session, shop: Shop, email: str, reason: str, *, source: str, now: datetime) -> None:
    """Write that an address is not mailed any more. The caller holds the person's lock and lets their runs look again."""
    _write(session, shop, crypto.hash_email(snapshots.hash_key(shop), email), reason, SCOPES[reason], source, now, None)


def rest_if_soft(session: Session, shop: Shop, email: str, *, source: str, now: datetime) -> bool:
    """Let an address rest that bounced softly too often without a delivery between; say whether it rests now."""
    email_hash = crypto.hash_email(snapshots.hash_key(shop), email)
    mine = (DeliveryEvent.shop_id == shop.id, DeliveryEvent.email_hash == email_hash)
    since = now - SOFT_WITHIN
    delivered = select(func.max(DeliveryEvent.happened_at)).where(*mine, DeliveryEvent.kind == ReceiptKind.DELIVERED)
    since = max(since, session.scalar(delivered) or since)
    soft = select(func.count()).where(*mine, DeliveryEvent.is_soft, DeliveryEvent.happened_at > since)
    if (session.scalar(soft) or 0) < SOFT_MOST:
        return False
    _write(session, shop, email_hash, "bounced", "marketing", source, now, now + SOFT_REST)
    return True


def _write(
    session: Session, shop: Shop, email_hash: bytes, reason: str, scope: str, source: str, now: datetime,
    expires_at: datetime | None,
) -> None:  # fmt: skip
    statement = insert(Suppression).values(
        shop_id=shop.id, email_hash=email_hash, scope=scope, reason=reason, source=source, created_at=now,
        expires_at=expires_at,
    )  # fmt: skip
    columns = ["shop_id", "email_hash", "scope", "reason"]
    session.execute(statement.on_conflict_do_update(index_elements=columns, set_={"expires_at": expires_at}))
