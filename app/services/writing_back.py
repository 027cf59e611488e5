"""What a shop is told of a statement: whom it is about there, and whether a newer statement made it idle."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.ports import ConsentWord
from app.models import ConsentWrite, CustomerIdentity, Shop, ShopState

GONE = "The shop is not connected any more."
NO_ACCOUNT = "The shop has no account for this person."
NEWER = "The person said something newer."


def telling(session: Session, row: ConsentWrite) -> tuple[str, ConsentWord] | str:
    """Return the platform and what to tell it, or why there is nothing to tell."""
    shop = session.get_one(Shop, row.shop_id)
    if shop.state == ShopState.UNINSTALLED or row.email is None:
        return GONE
    is_newer = (ConsentWrite.shop_id == row.shop_id, ConsentWrite.email == row.email, ConsentWrite.id > row.id)
    if session.scalar(select(ConsentWrite.id).where(ConsentWrite.customer_id == row.customer_id, *is_newer).limit(1)):
        return NEWER
    ids = session.scalars(
        select(CustomerIdentity.value)
        .where(
            CustomerIdentity.shop_id == row.shop_id,
            CustomerIdentity.customer_id == row.customer_id,
            CustomerIdentity.kind == "id",
        )
        .order_by(CustomerIdentity.id.desc())
    )
    external_id = next(iter(ids), None)
    if external_id is None:
        return NO_ACCOUNT
    return shop.platform, ConsentWord(customer_id=external_id, state=row.consent_state, level=row.level, said_at=row.said_at)
