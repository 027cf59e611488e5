"""Shopify's orders and refunds in our words."""

from collections.abc import Sequence
from datetime import datetime

from app.domain.errors import BadPayload
from app.domain.events import Event, OrderDeleted, OrderUpdated, RefundCreated
from app.domain.money import to_minor
from integrations.payloads import latest, parse
from integrations.shopify.bodies import Identified, Order, Refund
from integrations.shopify.checkouts import lines, ticked, who
from integrations.shopify.parcels import shipment

_PAID = {"paid", "partially_refunded", "refunded"}
# Money that never went back: a refused or broken refund stays in the list of transactions.
_UNREFUNDED = {"failure", "error"}


def read_order(payload: object, _at: datetime) -> list[Event]:
    """Translate an order, with a shipment for each fulfilment and a refund for each refund in it.

    These carry the ids and times of fulfillments/* and refunds/create, so that both tellings are one event.
    """
    order = parse(Order, payload)
    shipments = [shipment(fulfilment, order.id) for fulfilment in order.fulfillments]
    refunds = [_refund(refund, order.id, order.currency) for refund in order.refunds]
    return [_order(order, refunds), *shipments, *refunds]


def read_deleted_order(payload: object, at: datetime) -> list[Event]:
    """Translate orders/delete, whose body is the id."""
    return [OrderDeleted(object_id=parse(Identified, payload).id, happened_at=at)]


def read_refund(payload: object, _at: datetime) -> list[Event]:
    """Translate refunds/create."""
    return [_refund(parse(Refund, payload), None, None)]


def _order(order: Order, refunds: Sequence[RefundCreated]) -> OrderUpdated:
    # A body has no time of payment. Orders paid later than placed are known by their status only.
    placed_at = order.processed_at or order.created_at
    return OrderUpdated(
        object_id=order.id,
        happened_at=order.updated_at,
        person=who(order, order.email or order.contact_email),
        number=order.name or order.id,
        status="cancelled" if order.cancelled_at else order.financial_status or "pending",
        currency=order.currency,
        total_minor=to_minor(order.total_price, order.currency),
        created_at=order.created_at,
        lines=lines(order.line_items, order.currency),
        refunded_minor=sum(_in_shop_money(refund, order) for refund in refunds),
        checkout_token=order.checkout_token,
        cart_token=order.cart_token,
        placed_at=placed_at,
        paid_at=placed_at if order.financial_status in _PAID else None,
        cancelled_at=order.cancelled_at,
        fulfilled_at=_fulfilled_at(order),
        discount_codes=tuple(used.code for used in order.discount_codes if used.code),
        is_test=bool(order.test),
        consent=ticked(order),
    )


def _fulfilled_at(order: Order) -> datetime | None:
    if order.fulfillment_status != "fulfilled":
        return None
    sent = (parcel.created_at for parcel in order.fulfillments if parcel.status == "success")
    # An order may be closed as fulfilled without a parcel (pick-up, services).
    return latest(sent) or order.updated_at


def _refund(refund: Refund, order_id: str | None, currency: str | None) -> RefundCreated:
    """Translate a refund, from its transactions where it has some, else from its lines.

    A transaction is in the currency of the payment, which is the shopper's.
    """
    order_id = refund.order_id or order_id
    paid = [moved for moved in refund.transactions if moved.kind == "refund"]
    sums = [item.subtotal_set.shop_money for item in refund.refund_line_items if item.subtotal_set]
    named = [moved.currency for moved in paid] + [money.currency_code for money in sums if money]
    currency = next((code for code in named if code), currency)
    if order_id is None or currency is None:
        raise BadPayload("The refund names no order or no currency.")
    amounts = [moved.amount for moved in paid if moved.status not in _UNREFUNDED]
    if not refund.transactions:
        amounts = [part for item in refund.refund_line_items for part in (item.subtotal, item.total_tax)]
    products = [item.line_item.product_id for item in refund.refund_line_items if item.line_item]
    return RefundCreated(
        object_id=refund.id,
        happened_at=refund.created_at,
        order_id=order_id,
        amount_minor=sum(to_minor(amount, currency) for amount in amounts),
        currency=currency,
        product_ids=tuple(dict.fromkeys(product for product in products if product)),
    )


def _in_shop_money(refund: RefundCreated, order: Order) -> int:
    """Return the refund in the order's currency: where it was paid in another one, by the order's own rate."""
    if refund.currency == order.currency:
        return refund.amount_minor
    shown = order.total_price_set.presentment_money if order.total_price_set else None
    if shown is None or shown.currency_code != refund.currency:
        return 0
    total_shown = to_minor(shown.amount, shown.currency_code)
    return round(to_minor(order.total_price, order.currency) * refund.amount_minor / total_shown) if total_shown else 0
