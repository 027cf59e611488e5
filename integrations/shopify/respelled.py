"""The Admin API's objects, respelled as the webhooks about them: one translation into our events serves both.

So a webhook and a poll of the same change give equal events (design 8.8), whatever is added to the translation later.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from app.domain.errors import BadPayload
from app.domain.events import CheckoutUpdated, CustomerTagged, CustomerUpdated, Event, ProductUpdated
from integrations.http import dig
from integrations.payloads import language_tag, plain_id, url
from integrations.shopify.checkouts import read_checkout
from integrations.shopify.orders import read_order
from integrations.shopify.people import read_consent, read_customer, read_purchases
from integrations.shopify.shops import read_product

Node = Mapping[str, object]
Body = dict[str, object]
_NO_TIME = datetime.min.replace(tzinfo=UTC)  # a listed object has all its times in it
# https://shop.example/68214059331/checkouts/ac/hWN6K1pQx7s2vT9rLmB4cYdE/recover?key=...
_LINK_KEY = re.compile(r"/checkouts/(?:[a-z]{2}/)?([A-Za-z0-9_-]{8,255})(?:[/?]|$)")
# The parcel's state as the list says it, where webhooks leave `shipment_status` empty.
_UNCARRIED = {"fulfilled", "marked_as_fulfilled", "submitted", "canceled"}


def read_order_node(node: Node) -> list[Event]:
    """Translate an order of OrdersSince.

    Raises:
        BadPayload: it cannot be understood; the message names no value.
    """
    return read_order(_order(node), _NO_TIME)


def read_checkout_node(node: Node) -> list[Event]:
    """Translate a checkout of AbandonedCheckouts, and what its shopper said about marketing mail.

    The list tells neither the token nor the tick box: only the link's key, and the customer's consent with its own date.

    Raises:
        BadPayload: it cannot be understood; the message names no value.
    """
    key = _LINK_KEY.search(str(node.get("abandonedCheckoutUrl")))
    if key is None:
        raise BadPayload("The checkout's link names no checkout.")
    events = read_checkout(_checkout(node, key[1]), _NO_TIME)
    found: list[Event] = [replace(e, is_by_link=True) if isinstance(e, CheckoutUpdated) else e for e in events]
    return found + _consent(node.get("customer"))


def read_customer_node(node: Node) -> list[Event]:
    """Translate a customer of CustomersSince: who it is, tags, sums, and what was said about marketing mail.

    Raises:
        BadPayload: it cannot be understood; the message names no value.
    """
    body = _account(node)
    found: list[Event] = []
    for event in read_customer(body, _NO_TIME):
        if isinstance(event, CustomerUpdated):
            found.append(replace(event, person=replace(event.person, locale=language_tag(node.get("locale")))))
            tags = tuple(str(tag) for tag in _list(node.get("tags")))
            found.append(CustomerTagged(object_id=event.object_id, happened_at=event.happened_at, added=tags, is_all=True))
    summed = {
        "customerId": node.get("id"),
        "numberOfOrders": node.get("numberOfOrders"),
        "occurredAt": node.get("updatedAt"),
    }
    found += read_purchases(summed | {"amountSpent": node.get("amountSpent")}, _NO_TIME)
    return found + _consent(node)


def read_product_node(node: Node) -> list[Event]:
    """Translate a product of Products. Pictures of single variants are not listed: webhooks tell them.

    Raises:
        BadPayload: it cannot be understood; the message names no value.
    """
    events = read_product(_product(node), _NO_TIME)
    return [replace(e, url=url(node.get("onlineStoreUrl"))) if isinstance(e, ProductUpdated) else e for e in events]


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


def _checkout(node: Node, key: str) -> Body:
    return {
        "token": key,
        "email": dig(node, "customer", "defaultEmailAddress", "emailAddress"),
        "created_at": node.get("createdAt"),
        "updated_at": node.get("updatedAt"),
        "completed_at": node.get("completedAt"),
        "currency": dig(node, "totalPriceSet", "shopMoney", "currencyCode"),
        "presentment_currency": dig(node, "totalPriceSet", "presentmentMoney", "currencyCode"),
        "customer_locale": dig(node, "customer", "locale"),
        "line_items": [_line(line, "presentmentMoney") for line in nodes(node.get("lineItems"))],
        "abandoned_checkout_url": node.get("abandonedCheckoutUrl"),
        "subtotal_price": dig(node, "subtotalPriceSet", "presentmentMoney", "amount"),
        "total_price": dig(node, "totalPriceSet", "presentmentMoney", "amount"),
        "customer": _customer(node.get("customer")),
        "shipping_address": _address(node.get("shippingAddress")),
    }


def _account(node: Node) -> Body:
    country = dig(node, "defaultAddress", "countryCodeV2")
    times = {"created_at": node.get("createdAt"), "updated_at": node.get("updatedAt")}
    return {**(_customer(node) or {}), **times, "default_address": {"country_code": country} if country else None}


def _product(node: Node) -> Body:
    picture = dig(node, "featuredMedia", "preview", "image", "url")
    return {
        "id": node.get("id"),
        "title": node.get("title"),
        "status": _word(node.get("status")),
        "published_at": node.get("publishedAt"),
        "updated_at": node.get("updatedAt"),
        "variants": [_variant(variant) for variant in nodes(node.get("variants"))],
        "image": {"src": picture} if picture else None,
    }


def _variant(variant: Node) -> Body:
    """Respell a variant that is for sale as one whose stock is not counted, and any other as one without stock."""
    managed = None if variant.get("availableForSale") else "shopify"
    return {
        "id": variant.get("id"), "price": variant.get("price"), "inventory_management": managed, "inventory_quantity": 0,
        "inventory_policy": "deny",
    }  # fmt: skip


def _consent(customer: object) -> list[Event]:
    """Translate what a customer said about marketing mail.

    What carries no date says nothing that could be compared, but for a no: that counts from the customer's last change.
    """
    address = dig(customer, "defaultEmailAddress")
    state = _word(dig(address, "marketingState"))
    said_at = dig(address, "marketingUpdatedAt") or (dig(customer, "updatedAt") if state == "unsubscribed" else None)
    if state is None or said_at is None:
        return []
    level = _word(dig(address, "marketingOptInLevel"))
    said = {"state": state, "opt_in_level": level, "consent_updated_at": said_at}
    body = {"customer_id": plain_id(dig(customer, "id")), "email_address": dig(address, "emailAddress")}
    return read_consent(body | {"email_marketing_consent": said}, _NO_TIME)


def _line(line: Node, side: str = "shopMoney") -> Body:
    return {
        "title": line.get("title"),
        "variant_title": line.get("variantTitle"),
        "sku": line.get("sku"),
        "quantity": line.get("quantity"),
        "price": dig(line, "originalUnitPriceSet", side, "amount"),
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
