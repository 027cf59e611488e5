"""What the pretend Shopify answers to queries and mutations: plain functions of shop and arguments to plain data.

The data has the fields of Shopify's schema 2026-10, with `__typename` where a type is one of several.
"""

from collections.abc import Callable
from dataclasses import replace

from app.demo.shopify import API_VERSION, ShopifyShop
from app.demo.shopify_bodies import SHOP_ID
from app.demo.shopify_people import add_tags, customer_by_identifier, customers, remove_tags, update_consent
from app.demo.shopify_sales import (
    abandoned_checkouts,
    count_checkouts,
    count_customers,
    count_orders,
    order_by_id,
    orders,
    orders_of_customer,
)
from app.demo.shopify_wares import count_products, products, webhook_subscriptions
from app.demo.shopify_words import Answer, Arguments, fault, gid, read_time, spell, whole
from app.demo.store import Coupon, Customer, Order

SCOPES = ("read_fulfillments", "read_locales", "read_orders", "read_products", "write_customers", "write_discounts")


def create_coupon(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """discountCodeBasicCreate, for percentages off the whole cart."""
    wanted = arguments["basicCodeDiscount"]
    with shop.store.lock:
        errors = _faults_of(shop, wanted)
        if errors:
            return {"codeDiscountNode": None, "userErrors": errors}
        value = wanted["customerGets"]["value"]
        coupon = Coupon(
            id=shop.store.next_number("discount", 1177203410947, 32768),
            code=wanted["code"],
            percent=round(float(value["percentage"]) * 100, 4),
            title=wanted["title"],
            starts_at=read_time(wanted["startsAt"]),
            ends_at=read_time(wanted["endsAt"]) if wanted.get("endsAt") else None,
            created_at=shop.clock.now(),
            usage_limit=wanted.get("usageLimit"),
            once_per_customer=bool(wanted.get("appliesOncePerCustomer")),
            allowed_emails=_allowed(shop, wanted),
        )
        shop.store.put(coupon)
    return {"codeDiscountNode": _node(shop, coupon), "userErrors": []}


def coupon_by_code(shop: ShopifyShop, arguments: Arguments) -> Answer | None:
    """codeDiscountNodeByCode: the case of the code does not matter."""
    coupon = shop.store.get(Coupon, arguments["code"])
    return _node(shop, coupon) if coupon else None


def coupon_by_id(shop: ShopifyShop, arguments: Arguments) -> Answer | None:
    """CodeDiscountNode."""
    coupon = _find(shop, arguments["id"])
    return _node(shop, coupon) if coupon else None


def deactivate_coupon(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """discountCodeDeactivate: the code stops to hold, and stays taken."""
    with shop.store.lock:
        coupon = _find(shop, arguments["id"])
        if coupon is None:
            return {"codeDiscountNode": None, "userErrors": [fault("Code discount does not exist.", "INVALID", "id")]}
        shop.store.put(replace(coupon, is_active=False, ends_at=shop.clock.now()))
    return {"codeDiscountNode": coupon_by_id(shop, arguments), "userErrors": []}


def shop_facts(shop: ShopifyShop, _arguments: Arguments) -> Answer:
    """Answer `shop`."""
    catalogue = shop.catalogue
    return {
        "id": gid("Shop", SHOP_ID), "name": catalogue.name, "myshopifyDomain": catalogue.domain,
        "email": "owner@tea-and-tin.example", "contactEmail": "hello@tea-and-tin.example",
        "currencyCode": catalogue.currency, "ianaTimezone": catalogue.timezone, "url": shop.home_url,
        "primaryDomain": {"host": catalogue.domain, "url": shop.home_url}, "shipsToCountries": ["US", "CA"],
        "plan": {"publicDisplayName": "Basic", "partnerDevelopment": True, "shopifyPlus": False},
        "shopAddress": {"countryCodeV2": "US", "address1": "18 Alder Street", "city": "Portland", "zip": "97205"},
    }  # fmt: skip


def app_installation(_shop: ShopifyShop, _arguments: Arguments) -> Answer:
    """Answer `currentAppInstallation`."""
    scopes = [{"handle": scope} for scope in SCOPES]
    return {"id": gid("AppInstallation", 1), "launchUrl": "", "accessScopes": scopes, "activeSubscriptions": []}


def locales(_shop: ShopifyShop, _arguments: Arguments) -> list[Answer]:
    """Answer `shopLocales`."""
    return [{"locale": "en", "name": "English", "primary": True, "published": True}]


def api_versions(_shop: ShopifyShop, _arguments: Arguments) -> list[Answer]:
    """Answer `publicApiVersions`."""
    return [{"handle": API_VERSION, "supported": True, "displayName": f"{API_VERSION} (Latest)"}]


def nodes(shop: ShopifyShop, arguments: Arguments) -> list[Answer | None]:
    """Answer `nodes`, for orders, customers and products."""
    kinds = {gid("Order", each.id): "Order" for each in shop.store.all(Order)}
    kinds |= {gid("Customer", each.id): "Customer" for each in shop.store.all(Customer)}
    kinds |= {gid("Product", each.id): "Product" for each in shop.catalogue.products}
    return [{"__typename": kinds[each], "id": each} if each in kinds else None for each in arguments["ids"]]


RESOLVERS: dict[str, Callable[[ShopifyShop, Arguments], object]] = {
    "discountCodeBasicCreate": create_coupon,
    "codeDiscountNodeByCode": coupon_by_code,
    "codeDiscountNode": coupon_by_id,
    "discountCodeDeactivate": deactivate_coupon,
    "customerEmailMarketingConsentUpdate": update_consent,
    "shop": shop_facts,
    "currentAppInstallation": app_installation,
    "shopLocales": locales,
    "publicApiVersions": api_versions,
    "customer": orders_of_customer,
    "customers": customers,
    "customerByIdentifier": customer_by_identifier,
    "tagsAdd": add_tags,
    "tagsRemove": remove_tags,
    "orders": orders,
    "nodes": nodes,
    "order": order_by_id,
    "ordersCount": count_orders,
    "customersCount": count_customers,
    "abandonedCheckouts": abandoned_checkouts,
    "abandonedCheckoutsCount": count_checkouts,
    "products": products,
    "productsCount": count_products,
    "webhookSubscriptions": webhook_subscriptions,
}


def _faults_of(shop: ShopifyShop, wanted: Arguments) -> list[Answer]:
    """Return Shopify's userErrors for a discount that cannot be made; texts as its own."""
    faults = [
        fault(f"{label} can't be blank", "BLANK", "basicCodeDiscount", name)
        for name, label in (("code", "Code"), ("title", "Title"), ("startsAt", "Starts at"))
        if not wanted.get(name)
    ]
    if faults:
        return faults
    share = ((wanted.get("customerGets") or {}).get("value") or {}).get("percentage")
    if share is None or not 0 < float(share) <= 1:
        where = ("basicCodeDiscount", "customerGets", "value", "percentage")
        faults.append(fault("Value must be between 0.0 and 1.0", "VALUE_OUTSIDE_RANGE", *where))
    if wanted.get("endsAt") and read_time(wanted["endsAt"]) <= read_time(wanted["startsAt"]):
        path = ("basicCodeDiscount", "endsAt")
        faults.append(fault("Ends at needs to be after starts_at", "END_DATE_BEFORE_START_DATE", *path))
    if len(wanted["code"]) > 255:
        faults.append(fault("Code is too long (maximum is 255 characters)", "TOO_LONG", "basicCodeDiscount", "code"))
    elif shop.store.get(Coupon, wanted["code"]):
        faults.append(fault("Code must be unique. Please try a different code.", "TAKEN", "basicCodeDiscount", "code"))
    return faults


def _node(shop: ShopifyShop, coupon: Coupon) -> Answer:
    now, used = shop.clock.now(), len(coupon.used_by)
    ended = not coupon.is_active or (coupon.ends_at is not None and coupon.ends_at <= now)
    code = {"id": gid("DiscountRedeemCode", coupon.id + 1), "code": coupon.code, "asyncUsageCount": used}
    summary = f"{coupon.percent:g}% off entire order"
    return {
        "__typename": "DiscountCodeNode",
        "id": gid("DiscountCodeNode", coupon.id),
        "codeDiscount": {
            "__typename": "DiscountCodeBasic", "title": coupon.title, "startsAt": spell(coupon.starts_at),
            "status": "EXPIRED" if ended else "SCHEDULED" if coupon.starts_at > now else "ACTIVE",
            "endsAt": spell(coupon.ends_at) if coupon.ends_at else None, "usageLimit": coupon.usage_limit,
            "appliesOncePerCustomer": coupon.once_per_customer, "asyncUsageCount": used, "summary": summary,
            "shortSummary": summary, "createdAt": spell(coupon.created_at), "updatedAt": spell(coupon.created_at),
            "codes": whole([code]),
            "codesCount": {"count": 1, "precision": "EXACT"},
        },
    }  # fmt: skip


def _find(shop: ShopifyShop, wanted: str) -> Coupon | None:
    return next((each for each in shop.store.all(Coupon) if gid("DiscountCodeNode", each.id) == wanted), None)


def _allowed(shop: ShopifyShop, wanted: Arguments) -> tuple[str, ...]:
    ids = ((wanted.get("context") or {}).get("customers") or {}).get("add") or ()
    return tuple(c.email for c in shop.store.all(Customer) if gid("Customer", c.id) in ids)
