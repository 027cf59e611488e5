"""Tell what is held about a person: for the store owner, who answers the person (Shopify's customers/data_request)."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import crypto
from app.models import (
    Answer,
    Checkout,
    ConsentRow,
    Customer,
    CustomerIdentity,
    Delivery,
    Export,
    ExportKind,
    Order,
    OrderLine,
    Shipment,
    Shop,
)

KEPT = timedelta(days=30)  # as long as the law gives the owner to answer
MOST = 10_000  # rows of one kind; nobody bought more often
Row = dict[str, Any]

_PROFILE = ("id", "email", "first_name", "last_name", "locale", "country", "tags", "created_at")
_IDENTITY = ("kind", "value", "consent_state", "consent_at")
_CONSENT = ("state", "at", "source", "level", "wording", "evidence")
_CHECKOUT = (
    "token", "email", "first_name", "locale", "lines", "currency", "subtotal_minor", "total_minor", "recovery_url",
    "started_at", "changed_at", "completed_at",
)  # fmt: skip
_ORDER = (
    "external_id", "number", "status", "currency", "total_minor", "refunded_minor", "discount_codes", "placed_at", "paid_at",
    "cancelled_at", "fulfilled_at",
)  # fmt: skip
_LINE = ("title", "variant_title", "sku", "quantity", "price_minor")
_PARCEL = ("state", "company", "tracking_number", "tracking_url", "delivered_at")
_ANSWER = ("score", "words", "answered_at", "settled_at", "review_id", "product_id")
_MAIL = ("flow", "step", "state", "reason", "recipient", "subject", "created_at", "sent_at")


def gather(session: Session, shop_id: int, customer_ids: Sequence[int], *, now: datetime) -> Row:
    """Collect everything that is held about a person, with times in ISO 8601 and money in minor units."""
    orders = _rows(session, Order, shop_id, customer_ids)
    return {
        "exported_at": now.isoformat(),
        "people": [_told(row, _PROFILE) for row in session.scalars(_people(shop_id, customer_ids))],
        "identities": [_told(row, _IDENTITY) for row in _rows(session, CustomerIdentity, shop_id, customer_ids)],
        "consents": [_told(row, _CONSENT) for row in _rows(session, ConsentRow, shop_id, customer_ids)],
        "checkouts": [_told(row, _CHECKOUT) for row in _rows(session, Checkout, shop_id, customer_ids)],
        "orders": [
            _told(order, _ORDER) | {"lines": _lines(session, order), "shipments": _parcels(session, order)}
            for order in orders
        ],
        "answers": [_told(row, _ANSWER) for row in _rows(session, Answer, shop_id, customer_ids)],
        "mails": [_told(row, _MAIL) for row in _rows(session, Delivery, shop_id, customer_ids)],
    }


def make(
    session: Session,
    shop: Shop,
    customer_ids: Sequence[int],
    *,
    kind: ExportKind,
    now: datetime,
    webhook_id: int | None = None,
) -> Export:
    """Keep an export, encrypted; a request that is handled again gets a new answer in the place of the old one.

    When nobody was found the answer is that nothing is held, and it does not say about whom.
    """
    content = json.dumps(gather(session, shop.id, customer_ids, now=now), default=_plain)
    values = {
        "kind": kind, "customer_id": customer_ids[0] if customer_ids else None, "requested_at": now, "ready_at": now,
        "expires_at": now + KEPT, "content": crypto.encrypt(shop.id, content),
    }  # fmt: skip
    statement = insert(Export).values(shop_id=shop.id, webhook_id=webhook_id, **values)
    upsert = statement.on_conflict_do_update(index_elements=["shop_id", "webhook_id"], set_=values)
    return session.scalars(upsert.returning(Export), execution_options={"populate_existing": True}).one()


def newest(session: Session, shop_id: int, customer_id: int, *, now: datetime) -> Export | None:
    """Return the newest export of a person that has not expired."""
    query = select(Export).where(Export.shop_id == shop_id, Export.customer_id == customer_id, Export.expires_at > now)
    return session.scalar(query.order_by(Export.id.desc()).limit(1))


def read(export: Export) -> Row:
    """Open an export."""
    content: Row = json.loads(crypto.decrypt(export.shop_id, export.content or b""))
    return content


def _people(shop_id: int, customer_ids: Sequence[int]) -> Any:
    return select(Customer).where(Customer.shop_id == shop_id, Customer.id.in_(customer_ids)).order_by(Customer.id)


def _rows(session: Session, model: Any, shop_id: int, customer_ids: Sequence[int]) -> list[Any]:
    query = select(model).where(model.shop_id == shop_id, model.customer_id.in_(customer_ids))
    return list(session.scalars(query.order_by(model.id).limit(MOST)))


def _lines(session: Session, order: Order) -> list[Row]:
    query = select(OrderLine).where(OrderLine.shop_id == order.shop_id, OrderLine.order_id == order.id)
    return [_told(row, _LINE) for row in session.scalars(query.order_by(OrderLine.position))]


def _parcels(session: Session, order: Order) -> list[Row]:
    query = select(Shipment).where(Shipment.shop_id == order.shop_id, Shipment.order_external_id == order.external_id)
    return [_told(row, _PARCEL) for row in session.scalars(query.order_by(Shipment.id))]


def _told(row: Any, names: Iterable[str]) -> Row:
    return {name: getattr(row, name) for name in names}


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
