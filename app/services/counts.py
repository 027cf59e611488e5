"""Compare with the shop: how many it says it has, and how many of these we hold."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.domain.polling import Count, Kind
from app.models import Answer, Checkout, Cursor, Customer, CustomerIdentity, Order, Product, PurchaseMark

EVERY = timedelta(days=1)
BATCH = 50  # objects that a shop is asked for by id
# Shopify shows the orders of 60 days; what is older is held and cannot be compared.
_SHOWN = timedelta(days=59)


def since(kind: Kind, now: datetime) -> datetime | None:
    """Return since when objects of a kind are compared, None for all of them."""
    return now - _SHOWN if kind in {Kind.ORDERS, Kind.CHECKOUTS} else None


def held(session: Session, shop_id: int, kind: Kind, since: datetime | None) -> int:
    """Return how many we hold of what the shop would count."""
    return int(session.execute(_QUERIES[kind](shop_id, since)).scalar_one())


def ids(session: Session, shop_id: int, kind: Kind, since: datetime | None, *, after: str) -> list[str]:
    """Return the platform's ids of what we hold and the shop would count, behind `after`, at most BATCH of them."""
    name = _NAMES.get(kind)
    if name is None:
        return []
    query = _QUERIES[kind](shop_id, since).with_only_columns(name).where(name > after).order_by(name).limit(BATCH)
    return list(session.scalars(query))


def is_due(cursor: Cursor, now: datetime) -> bool:
    """Say whether it was not compared within the day."""
    return cursor.counted_at is None or now - cursor.counted_at >= EVERY


def compare(
    session: Session, shop_id: int, kind: Kind, told: Count, since: datetime | None, *, now: datetime
) -> dict[str, Any]:
    """Return both numbers as they are written into the cursor; they are shown to the merchant."""
    return {"shop_count": told.number, "held_count": held(session, shop_id, kind, since), "counted_at": now}


def _orders(shop_id: int, since: datetime | None) -> Select[Any]:
    # A draft, which is not placed, is no order to the shop either.
    placed = (Order.deleted_at.is_(None), Order.placed_at.is_not(None))
    query = select(func.count()).where(Order.shop_id == shop_id, *placed)
    return query.where(Order.started_at >= since) if since else query


def _checkouts(shop_id: int, since: datetime | None) -> Select[Any]:
    """Count open ones with an address: the others are not in the shop's list."""
    bought = select(PurchaseMark.id).where(
        PurchaseMark.shop_id == shop_id,
        (PurchaseMark.checkout_token == Checkout.token) | (PurchaseMark.cart_token == Checkout.cart_token),
    )
    query = select(func.count()).where(
        Checkout.shop_id == shop_id,
        Checkout.deleted_at.is_(None),
        Checkout.completed_at.is_(None),
        Checkout.email.is_not(None),
        ~bought.exists(),
    )
    return query.where(Checkout.started_at >= since) if since else query


def _customers(shop_id: int, since: datetime | None) -> Select[Any]:
    """Count accounts, not people: a person may have two, and a guest of ours has none."""
    query = (
        select(func.count())
        .select_from(CustomerIdentity)
        .join(Customer, (Customer.shop_id == CustomerIdentity.shop_id) & (Customer.id == CustomerIdentity.customer_id))
        .where(CustomerIdentity.shop_id == shop_id, CustomerIdentity.kind == "id", Customer.deleted_at.is_(None))
    )
    return query.where(Customer.created_at >= since) if since else query


def _products(shop_id: int, _since: datetime | None) -> Select[Any]:
    return select(func.count()).where(Product.shop_id == shop_id, Product.deleted_at.is_(None))


def _reviews(shop_id: int, _since: datetime | None) -> Select[Any]:
    return select(func.count()).where(Answer.shop_id == shop_id, Answer.review_id.is_not(None))


_QUERIES = {
    Kind.ORDERS: _orders, Kind.CHECKOUTS: _checkouts, Kind.CUSTOMERS: _customers, Kind.PRODUCTS: _products,
    Kind.REVIEWS: _reviews,
}  # fmt: skip
_NAMES: dict[Kind, InstrumentedAttribute[str]] = {
    Kind.ORDERS: Order.external_id,
    Kind.CUSTOMERS: CustomerIdentity.value,
    Kind.PRODUCTS: Product.external_id,
}
