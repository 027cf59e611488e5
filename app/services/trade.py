"""Fold checkouts, orders, parcels, refunds and products."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Any

from sqlalchemy import case, delete, func, or_, select, text, tuple_, update
from sqlalchemy.orm import Session

from app import crypto
from app.domain import events as e
from app.domain.money import to_minor
from app.models import Checkout, Order, OrderLine, Product, PurchaseMark, Refund, Shipment, Shop
from app.models.bulk import insert_rows, one_of
from app.services.fold import Row, fold, newest, rank

FIRST_TIMES = ("placed_at", "paid_at", "fulfilled_at")
CustomerOf = dict[int, int | None]
_LINE = [field.name for field in fields(e.Line)]


def fold_checkouts(session: Session, shop_id: int, found: Iterable[e.Event], customer_of: CustomerOf) -> set[str]:
    """Fold checkouts and return their tokens."""
    rows = [_checkout_row(shop_id, c, customer_of[id(c)]) for c in found if isinstance(c, e.CheckoutUpdated)]
    fold(session, Checkout, newest(rows, key="token"), key="token")
    return {row["token"] for row in rows}


def fold_orders(
    session: Session, shop_id: int, found: Sequence[e.Event], customer_of: CustomerOf, hash_key: bytes
) -> set[str]:
    """Fold orders with lines, refunds and parcels, leave purchase marks, and return the tokens of answered checkouts."""
    orders = [o for o in found if isinstance(o, e.OrderUpdated)]
    lines = {}
    rows = []
    for order in orders:
        row = _order_row(shop_id, order, customer_of[id(order)])
        lines[order.object_id, row["rank"]] = order.lines
        rows.append(row)
    stored = fold(
        session, Order, newest(rows, key="external_id", earliest=FIRST_TIMES), key="external_id", earliest=FIRST_TIMES
    )
    _replace_lines(
        session, shop_id, {o.id: lines[o.external_id, o.rank] for o in stored if (o.external_id, o.rank) in lines}
    )
    _fold_refunds(session, shop_id, [r for r in found if isinstance(r, e.RefundCreated)])
    _fold_shipments(session, shop_id, [s for s in found if isinstance(s, e.ShipmentUpdated)])
    placed = [o for o in orders if o.placed_at]
    _mark(session, shop_id, placed, customer_of, hash_key)
    return _answered(session, shop_id, placed)


def fold_products(session: Session, shop: Shop, found: Iterable[e.Event]) -> None:
    """Fold products."""
    rows = [_product_row(shop, p) for p in found if isinstance(p, e.ProductUpdated)]
    fold(session, Product, newest(rows, key="external_id"), key="external_id", known=("url",))


def fold_deletions(session: Session, shop_id: int, found: Iterable[e.Event]) -> set[str]:
    """Mark what was deleted, also when the deletion came before the object, and return the tokens of gone checkouts.

    The recorded events are asked, not this batch: whichever of the two came last finds the other.
    """
    kinds = {type(event) for event in found}
    if kinds & {e.OrderUpdated, e.OrderDeleted}:
        _mark_deleted(session, shop_id, Order, "order_deleted", ("external_id",), found)
    if kinds & {e.ProductUpdated, e.ProductDeleted}:
        _mark_deleted(session, shop_id, Product, "product_deleted", ("external_id",), found)
    if kinds & {e.CheckoutUpdated, e.CheckoutDeleted}:
        return _mark_deleted(session, shop_id, Checkout, "checkout_deleted", ("token", "cart_token"), found)
    return set()


def _mark_deleted(
    session: Session, shop_id: int, model: Any, kind: str, columns: Sequence[str], found: Iterable[e.Event]
) -> set[str]:
    names = {v for event in found for v in (event.object_id, getattr(event, "cart_token", None)) if v}
    table = model.__tablename__
    told = session.execute(
        text(
            "SELECT object_id, max(happened_at) AS at FROM events "
            "WHERE shop_id = :shop AND kind = :kind AND object_id = ANY(:names) GROUP BY object_id"
        ),
        {"shop": shop_id, "kind": kind, "names": list(names)},
    ).all()
    gone: set[str] = set()
    for object_id, at in told:
        matches = or_(*(getattr(model, c) == object_id for c in columns))
        gone |= set(
            session.scalars(
                update(model)
                .where(model.shop_id == shop_id, matches, model.deleted_at.is_distinct_from(at))
                .values(deleted_at=at)
                .returning(getattr(model, columns[0]))
                .execution_options(synchronize_session=False)
            )
        )
    return gone if table == "checkouts" else set()


def _checkout_row(shop_id: int, c: e.CheckoutUpdated, customer_id: int | None) -> Row:
    content = {
        "cart_token": c.cart_token, "email": c.person.email, "first_name": c.person.first_name, "locale": c.person.locale,
        "lines": _rows_of(c.lines), "currency": c.currency, "subtotal_minor": c.subtotal_minor,
        "total_minor": c.total_minor, "recovery_url": c.recovery_url, "started_at": c.created_at,
        "completed_at": c.completed_at,
    }  # fmt: skip
    keys = {"shop_id": shop_id, "token": c.object_id, "changed_at": c.happened_at, "customer_id": customer_id}
    return {**keys, "rank": rank(content, c.told_at), **content}


def _rows_of(lines: Iterable[e.Line]) -> list[Row]:
    """Return lines as they are stored; `asdict` copies deeply, which takes five times as long."""
    return [{name: getattr(line, name) for name in _LINE} for line in lines]


def _order_row(shop_id: int, o: e.OrderUpdated, customer_id: int | None) -> Row:
    content = {
        "number": o.number, "status": o.status, "checkout_token": o.checkout_token, "cart_token": o.cart_token,
        "currency": o.currency, "total_minor": o.total_minor, "refunded_minor": o.refunded_minor,
        "discount_codes": list(o.discount_codes), "payment_url": o.payment_url, "is_test": o.is_test,
        "started_at": o.created_at, "placed_at": o.placed_at, "paid_at": o.paid_at, "cancelled_at": o.cancelled_at,
        "fulfilled_at": o.fulfilled_at,
    }  # fmt: skip
    lines = _rows_of(o.lines)
    keys = {"shop_id": shop_id, "external_id": o.object_id, "changed_at": o.happened_at, "customer_id": customer_id}
    return {**keys, "rank": rank({**content, "lines": lines}, o.told_at), **content}


def _product_row(shop: Shop, p: e.ProductUpdated) -> Row:
    # A product's body names no currency, so its price comes in hundredths: here it becomes the shop's minor units.
    price = None if p.price_hundredths is None else to_minor(Decimal(p.price_hundredths) / 100, shop.currency)
    content = {
        "title": p.title, "url": p.url, "image_url": p.image_url, "variant_image_urls": p.variant_image_urls,
        "price_minor": price, "is_available": p.is_available,
    }  # fmt: skip
    return {
        "shop_id": shop.id,
        "external_id": p.object_id,
        "changed_at": p.happened_at,
        "rank": rank(content, p.told_at),
        **content,
    }


def _replace_lines(session: Session, shop_id: int, lines: dict[int, tuple[e.Line, ...]]) -> None:
    """Write the lines of orders whose newest state is in this batch."""
    if not lines:
        return
    session.execute(delete(OrderLine).where(OrderLine.shop_id == shop_id, one_of(OrderLine.order_id, lines)))
    rows = [
        {
            "shop_id": shop_id, "order_id": order_id, "position": n, "product_id": line.product_id,
            "variant_id": line.variant_id, "title": line.title, "variant_title": line.variant_title, "sku": line.sku,
            "quantity": line.quantity, "price_minor": line.price_minor,
        }
        for order_id, of_order in lines.items()
        for n, line in enumerate(of_order)
    ]  # fmt: skip
    if rows:
        session.execute(insert_rows(OrderLine, rows))


def _fold_refunds(session: Session, shop_id: int, refunds: Sequence[e.RefundCreated]) -> None:
    rows = [
        {
            "shop_id": shop_id, "external_id": r.object_id, "order_external_id": r.order_id, "amount_minor": r.amount_minor,
            "currency": r.currency, "product_ids": list(r.product_ids), "refunded_at": r.happened_at,
        }
        for r in refunds
    ]  # fmt: skip
    if rows:
        session.execute(insert_rows(Refund, rows).on_conflict_do_nothing())


def _fold_shipments(session: Session, shop_id: int, shipments: Sequence[e.ShipmentUpdated]) -> None:
    rows = []
    for s in shipments:
        content: Row = {"order_external_id": s.order_id, "state": s.state}
        delivered_at = s.happened_at if s.state is e.ShipmentState.DELIVERED else None
        keys = {
            "shop_id": shop_id,
            "external_id": s.object_id,
            "changed_at": s.happened_at,
            "rank": rank(content, s.told_at),
        }
        rows.append({**keys, **content, "delivered_at": delivered_at})
    reduced = newest(rows, key="external_id", earliest=("delivered_at",))
    fold(session, Shipment, reduced, key="external_id", earliest=("delivered_at",))
    for shipment in (s for s in shipments if s.tracking_number):
        _fold_tracking(session, shop_id, shipment)


def _fold_tracking(session: Session, shop_id: int, s: e.ShipmentUpdated) -> None:
    """Keep the newest tracking number; Shopify's parcel events tell a state and no number, which says nothing about it."""
    held = tuple_(Shipment.tracked_at, Shipment.tracking_number)
    session.execute(
        update(Shipment)
        .where(
            Shipment.shop_id == shop_id,
            Shipment.external_id == s.object_id,
            Shipment.tracked_at.is_(None) | (held < tuple_(s.happened_at, s.tracking_number)),
        )
        .values(company=s.company, tracking_number=s.tracking_number, tracking_url=s.tracking_url, tracked_at=s.happened_at)
        .execution_options(synchronize_session=False)
    )


def _mark(
    session: Session, shop_id: int, placed: Sequence[e.OrderUpdated], customer_of: CustomerOf, hash_key: bytes
) -> None:
    """Leave a mark by everything a purchase can be recognised by; any order event does, checkout known or not (I6)."""
    marks: dict[str, Row] = {}
    for order in placed:
        row: Row = {
            "shop_id": shop_id, "order_external_id": order.object_id, "checkout_token": order.checkout_token,
            "cart_token": order.cart_token, "customer_id": customer_of[id(order)],
            "email_hash": crypto.hash_email(hash_key, order.person.email) if order.person.email else None,
            "ordered_at": order.placed_at,
        }  # fmt: skip
        held = marks.get(order.object_id, row)
        told = {k: v for k, v in row.items() if v is not None}
        marks[order.object_id] = held | told | {"ordered_at": min(held["ordered_at"], row["ordered_at"])}
    if not marks:
        return
    statement = insert_rows(PurchaseMark, list(marks.values()))
    told_now = statement.excluded
    known = {
        c: func.coalesce(told_now[c], getattr(PurchaseMark, c))
        for c in ("checkout_token", "cart_token", "customer_id", "email_hash")
    }
    is_whose_now = PurchaseMark.customer_id.is_(None) & told_now.customer_id.is_not(None)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["shop_id", "order_external_id"],
            set_={
                **known,
                "ordered_at": func.least(PurchaseMark.ordered_at, told_now.ordered_at),
                "marked_at": case((is_whose_now, func.clock_timestamp()), else_=PurchaseMark.marked_at),
            },
        )
    )


def _answered(session: Session, shop_id: int, placed: Sequence[e.OrderUpdated]) -> set[str]:
    tokens = {o.checkout_token for o in placed if o.checkout_token}
    carts = {o.cart_token for o in placed if o.cart_token}
    if not carts:
        return tokens
    return tokens | set(
        session.scalars(select(Checkout.token).where(Checkout.shop_id == shop_id, one_of(Checkout.cart_token, carts)))
    )
