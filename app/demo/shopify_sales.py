"""What the pretend Shopify sold and nearly sold, as its Admin API lists it."""

from functools import partial
from urllib.parse import parse_qs, urljoin, urlsplit

from app.demo.coupons import percent_of
from app.demo.prices import add_up, line_minor, shares
from app.demo.shopify import ShopifyShop
from app.demo.shopify_people import customer_node, find_customer
from app.demo.shopify_words import Answer, Arguments, connection, count, each_key, found, gid, money_bag, spell, whole
from app.demo.store import Checkout, Customer, Item, Order

_UTM = ("source", "medium", "campaign", "content", "term")


def orders(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """Answer `orders`, by `updated_at`, `created_at`, `email`, `checkout_token` and `cart_token`."""
    by_update = arguments.get("sortKey") == "UPDATED_AT"
    rows = [
        (each_key(order.updated_at if by_update else order.created_at, order.id), partial(_order, shop, order))
        for order in shop.store.all(Order)
        if found(arguments.get("query"), _facts_of(order))
    ]
    return connection(rows, arguments)


def order_by_id(shop: ShopifyShop, arguments: Arguments) -> Answer | None:
    """Answer `order`."""
    return next((_order(shop, o) for o in shop.store.all(Order) if gid("Order", o.id) == arguments["id"]), None)


def orders_of_customer(shop: ShopifyShop, arguments: Arguments) -> Answer | None:
    """Answer `customer`, with its orders, the newest first."""
    customer = find_customer(shop, arguments["id"])
    if customer is None:
        return None
    bought = [order for order in shop.store.all(Order) if order.email.casefold() == customer.email]
    bought.sort(key=lambda order: order.created_at, reverse=True)
    return customer_node(shop, customer) | {"orders": whole([_order(shop, order) for order in bought])}


def abandoned_checkouts(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """Answer `abandonedCheckouts`: those with an address, bought ones too, by `created_at`, `updated_at` and `status`."""
    rows = [
        (each_key(checkout.created_at, checkout.number), partial(_checkout, shop, checkout))
        for checkout in _left(shop, arguments)
    ]
    return connection(rows, arguments)


def count_orders(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """Answer `ordersCount`."""
    return count(sum(found(arguments.get("query"), _facts_of(order)) for order in shop.store.all(Order)))


def count_customers(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """Answer `customersCount`."""
    facts = ({"created_at": customer.created_at} for customer in shop.store.all(Customer))
    return count(sum(found(arguments.get("query"), each) for each in facts))


def count_checkouts(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """Answer `abandonedCheckoutsCount`."""
    return count(len(_left(shop, arguments)))


def _left(shop: ShopifyShop, arguments: Arguments) -> list[Checkout]:
    known = [checkout for checkout in shop.store.all(Checkout) if checkout.announced_at]
    return [checkout for checkout in known if found(arguments.get("query"), _facts_of(checkout))]


def _facts_of(thing: Order | Checkout) -> dict[str, object]:
    facts: dict[str, object] = {
        "created_at": thing.created_at,
        "updated_at": thing.updated_at,
        "email": thing.email,
        "cart_token": thing.cart_token,
    }
    if isinstance(thing, Order):
        return facts | {"checkout_token": thing.checkout_token}
    recovery = "recovered" if thing.completed_at else "not_recovered"
    return facts | {"status": "closed" if thing.completed_at else "open", "recovery_state": recovery}


def _order(shop: ShopifyShop, order: Order) -> Answer:
    at = spell(order.created_at)
    return {
        "__typename": "Order", "id": gid("Order", order.id), "legacyResourceId": str(order.id),
        "name": f"#{order.number}", "createdAt": at, "processedAt": at, "updatedAt": spell(order.updated_at),
        "cancelledAt": None, "cancelReason": None, "closedAt": None, "test": False, "email": order.email,
        "sourceName": "web", "customerLocale": shop.catalogue.locale, "tags": [], "refunds": [],
        "currencyCode": shop.catalogue.currency, "checkoutToken": order.checkout_token, "cartToken": order.cart_token,
        "customerAcceptsMarketing": order.consent,
        "shippingAddress": {"firstName": order.first_name, "lastName": None, "countryCodeV2": "US"},
        "discountCodes": [order.code] if order.code else [], "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED", "statusPageUrl": f"{shop.home_url}/orders/{order.token}",
        "customer": _customer_of(shop, order.email), "customerJourneySummary": _journey(shop, order),
        "fulfillments": [], **_amounts(shop, order),
        "lineItems": whole([_sold(shop, order, n) for n in range(len(order.items))]),
    }  # fmt: skip


def _amounts(shop: ShopifyShop, order: Order) -> Answer:
    total = money_bag(order.total_minor, shop.catalogue.currency)
    nothing = money_bag(0, shop.catalogue.currency)
    return {"currentTotalPriceSet": total, "totalPriceSet": total, "totalRefundedSet": nothing}


def _sold(shop: ShopifyShop, order: Order, number: int) -> Answer:
    item = order.items[number]
    off = shares(shop.catalogue, order.items, order.percent)[number]
    _, variant = shop.catalogue.find(item.variant_id)
    return _named(shop, item, gid("LineItem", order.id + 100 + number)) | {
        "currentQuantity": item.quantity,
        "isGiftCard": False,
        "sellingPlan": None,
        "originalUnitPriceSet": money_bag(variant.price_minor, shop.catalogue.currency),
        "discountedTotalSet": money_bag(line_minor(shop.catalogue, item) - off, shop.catalogue.currency),
    }


def _journey(shop: ShopifyShop, order: Order) -> Answer:
    query = parse_qs(urlsplit(order.landing_site).query)
    utm = {name: query[f"utm_{name}"][0] if f"utm_{name}" in query else None for name in _UTM}
    visit = {
        "landingPage": urljoin(f"{shop.home_url}/", order.landing_site),
        "utmParameters": utm if any(utm.values()) else None,
    }
    earlier = [o for o in shop.store.all(Order) if o.email == order.email and o.created_at < order.created_at]
    return {"ready": True, "customerOrderIndex": len(earlier), "lastVisit": visit}


def _checkout(shop: ShopifyShop, checkout: Checkout) -> Answer:
    currency = shop.catalogue.currency
    percent = percent_of(shop.store, checkout.code, checkout.email, shop.clock.now())
    total = money_bag(add_up(shop.catalogue, checkout.items, percent).total_minor, currency)
    recovery = f"{shop.home_url}/checkouts/ac/{checkout.cart_token}/recover?key={checkout.secret}&locale=en-US"
    customer = shop.store.get(Customer, (checkout.email or "").casefold())
    return {
        "__typename": "AbandonedCheckout", "id": gid("AbandonedCheckout", checkout.number),
        "name": f"#{checkout.number}", "abandonedCheckoutUrl": recovery, "createdAt": spell(checkout.created_at),
        "updatedAt": spell(checkout.updated_at), "discountCodes": [checkout.code] if percent else [],
        "completedAt": spell(checkout.completed_at) if checkout.completed_at else None,
        "customer": customer_node(shop, customer) if customer else None,
        "shippingAddress": {"firstName": checkout.first_name, "lastName": None, "countryCodeV2": "US"},
        "totalPriceSet": total, "subtotalPriceSet": total,
        "lineItems": whole([_left_line(shop, checkout, n) for n in range(len(checkout.items))]),
    }  # fmt: skip


def _left_line(shop: ShopifyShop, checkout: Checkout, number: int) -> Answer:
    item, currency = checkout.items[number], shop.catalogue.currency
    product, variant = shop.catalogue.find(item.variant_id)
    line = _named(shop, item, gid("AbandonedCheckoutLineItem", checkout.number * 100 + number))
    return line | {
        "image": {"url": shop.picture_url(product), "altText": product.title},
        "originalUnitPriceSet": money_bag(variant.price_minor, currency),
        "discountedTotalPriceSet": money_bag(line_minor(shop.catalogue, item), currency),
    }


def _named(shop: ShopifyShop, item: Item, line_gid: str) -> Answer:
    product, variant = shop.catalogue.find(item.variant_id)
    url = f"{shop.home_url}/products/{product.slug}"
    return {
        "id": line_gid, "title": product.title, "variantTitle": variant.title or None, "sku": variant.sku,
        "quantity": item.quantity, "variant": {"id": gid("ProductVariant", variant.id), "availableForSale": True},
        "product": {"id": gid("Product", product.id), "handle": product.slug, "onlineStoreUrl": url},
    }  # fmt: skip


def _customer_of(shop: ShopifyShop, email: str) -> Answer | None:
    customer = shop.store.get(Customer, email.casefold())
    return customer_node(shop, customer) if customer else None
