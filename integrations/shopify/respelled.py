"""The Admin API's objects, respelled as the webhooks about them: one translation into our events serves both.

So a webhook and a poll of the same change give equal events (design 8.8), whatever is added to the translation later.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from app.domain.events import Event
from integrations.http import dig
from integrations.shopify.orders import read_order

Node = Mapping[str, object]
Body = dict[str, object]
_NO_TIME = datetime.min.replace(tzinfo=UTC)  # an order's body has all its times in it
# The parcel's state as the list says it, where webhooks leave `shipment_status` empty.
_UNCARRIED = {"fulfilled", "marked_as_fulfilled", "submitted", "canceled"}


def read_order_node(node: Node) -> list[Event]:
    """Translate an order of OrdersSince.

    Raises:
        BadPayload: it cannot be understood; the message names no value.
    """
    return read_order(_order(node), _NO_TIME)


def nodes(connection: object) -> list[Node]:
    """Return the nodes of a connection."""
    found = dig(connection, "nodes")
    return [node for node in found if isinstance(node, Mapping)] if isinstance(found, list) else []


def _order(node: Node) -> Body:
    address = _address(node.get("shippingAddress"))
    return {
        "id": node.get("id"),
        "name": node.get("name"),
        "email": node.get("email"),
        "buyer_accepts_marketing": node.get("customerAcceptsMarketing"),
        "cart_token": node.get("cartToken"),
        "checkout_token": node.get("checkoutToken"),
        "created_at": node.get("createdAt"),
        "processed_at": node.get("processedAt"),
        "updated_at": node.get("updatedAt"),
        "cancelled_at": node.get("cancelledAt"),
        "currency": node.get("currencyCode"),
        "total_price": dig(node, "totalPriceSet", "shopMoney", "amount"),
        "total_price_set": _money_set(node.get("totalPriceSet")),
        "customer_locale": node.get("customerLocale"),
        "discount_codes": [{"code": code} for code in _list(node.get("discountCodes"))],
        "financial_status": _word(node.get("displayFinancialStatus")),
        "fulfillment_status": _word(node.get("displayFulfillmentStatus")),
        "test": node.get("test"),
        "line_items": [_line(line) for line in nodes(node.get("lineItems"))],
        "fulfillments": [_fulfilment(each) for each in _list(node.get("fulfillments"))],
        "refunds": [_refund(each) for each in _list(node.get("refunds"))],
        "customer": _customer(node.get("customer")),
        "shipping_address": address,
    }


def _line(line: Node) -> Body:
    return {
        "title": line.get("title"),
        "variant_title": line.get("variantTitle"),
        "sku": line.get("sku"),
        "quantity": line.get("quantity"),
        "price": dig(line, "originalUnitPriceSet", "shopMoney", "amount"),
        "product_id": dig(line, "product", "id"),
        "variant_id": dig(line, "variant", "id"),
    }


def _fulfilment(parcel: object) -> Body:
    shown = _word(dig(parcel, "displayStatus"))
    return {
        "id": dig(parcel, "id"),
        "status": _word(dig(parcel, "status")),
        "shipment_status": None if shown in _UNCARRIED else shown,
        "created_at": dig(parcel, "createdAt"),
        "updated_at": dig(parcel, "updatedAt"),
        "tracking_company": dig(parcel, "trackingInfo", 0, "company"),
        "tracking_number": dig(parcel, "trackingInfo", 0, "number"),
        "tracking_url": dig(parcel, "trackingInfo", 0, "url"),
    }


def _refund(refund: object) -> Body:
    paid = dig(refund, "totalRefundedSet", "presentmentMoney")
    money = {"amount": dig(paid, "amount"), "currency": dig(paid, "currencyCode")}
    products = [dig(item, "lineItem", "product", "id") for item in nodes(dig(refund, "refundLineItems"))]
    return {
        "id": dig(refund, "id"),
        "created_at": dig(refund, "createdAt"),
        "transactions": [{"kind": "refund", "status": "success", **money}],
        "refund_line_items": [{"line_item": {"quantity": 0, "product_id": product}} for product in products],
    }


def _customer(customer: object) -> Body | None:
    if not isinstance(customer, Mapping):
        return None
    return {
        "id": customer.get("id"),
        "email": dig(customer, "defaultEmailAddress", "emailAddress"),
        "first_name": customer.get("firstName"),
        "last_name": customer.get("lastName"),
    }


def _address(address: object) -> Body | None:
    if not isinstance(address, Mapping):
        return None
    names = {"first_name": address.get("firstName"), "last_name": address.get("lastName")}
    return names | {"country_code": address.get("countryCodeV2")}


def _money_set(bag: object) -> Body | None:
    sides = {"shop_money": "shopMoney", "presentment_money": "presentmentMoney"}
    found = {ours: dig(bag, theirs) for ours, theirs in sides.items()}
    return {
        ours: {"amount": dig(money, "amount"), "currency_code": dig(money, "currencyCode")} if money else None
        for ours, money in found.items()
    }


def _word(value: object) -> str | None:
    """Return an enum's word as webhooks write it."""
    return value.lower() if isinstance(value, str) else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
