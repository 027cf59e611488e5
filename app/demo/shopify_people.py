"""Customers of the pretend Shopify, as its Admin API shows and changes them."""

from collections.abc import Callable
from functools import partial
from weakref import WeakKeyDictionary

from app.demo.shopify import ShopifyShop
from app.demo.shopify_words import (
    Answer,
    Arguments,
    connection,
    each_key,
    fault,
    found,
    gid,
    money,
    money_bag,
    read_time,
    spell,
)
from app.demo.store import Customer, Order, Store
from app.demo.webhook import SHOPIFY_MANNERS, Job

_Change = Callable[[frozenset[str], frozenset[str]], tuple[frozenset[str], frozenset[str]]]
_CONSENT_STATES = {"SUBSCRIBED", "UNSUBSCRIBED", "PENDING"}
# Tags live as long as the process: the store keeps what shoppers do, and nobody tags in the shop front.
_tags: WeakKeyDictionary[Store, dict[int, frozenset[str]]] = WeakKeyDictionary()


def customer_by_identifier(shop: ShopifyShop, arguments: Arguments) -> Answer | None:
    """Answer `customerByIdentifier`, by address or id."""
    wanted = arguments["identifier"]
    if address := wanted.get("emailAddress"):
        customer = shop.store.get(Customer, address.strip().casefold())
    else:
        customer = find_customer(shop, wanted.get("id"))
    return customer_node(shop, customer) if customer else None


def customers(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """Answer `customers`, by `updated_at`, `created_at` and `email`."""
    by_update = arguments.get("sortKey") == "UPDATED_AT"
    rows = [
        (each_key(each.updated_at if by_update else each.created_at, each.id), partial(customer_node, shop, each))
        for each in shop.store.all(Customer)
        if found(arguments.get("query"), {"updated_at": each.updated_at, "created_at": each.created_at, "email": each.email})
    ]
    return connection(rows, arguments)


def customer_node(shop: ShopifyShop, customer: Customer) -> Answer:
    """Return the fields of a Customer, its orders aside."""
    orders = sorted(_orders_of(shop, customer), key=lambda order: order.created_at)
    currency, last = shop.catalogue.currency, orders[-1] if orders else None
    told = last and {
        "id": gid("Order", last.id), "name": f"#{last.number}", "createdAt": spell(last.created_at),
        "totalPriceSet": money_bag(last.total_minor, currency),
    }  # fmt: skip
    return {
        "__typename": "Customer", "id": gid("Customer", customer.id), "legacyResourceId": str(customer.id),
        "firstName": customer.first_name or None, "lastName": None, "displayName": customer.first_name or customer.email,
        "locale": "en", "tags": sorted(_tags_of(shop, customer)), "verifiedEmail": True, "dataSaleOptOut": False,
        "createdAt": spell(customer.created_at), "updatedAt": spell(customer.updated_at),
        "numberOfOrders": str(len(orders)), "amountSpent": money(sum(o.total_minor for o in orders), currency),
        "defaultEmailAddress": _address(customer), "statistics": {"rfmGroup": None, "predictedSpendTier": None},
        "lastOrder": told, "defaultAddress": {"countryCodeV2": "US", "provinceCode": "OR"}, "metafield": None,
    }  # fmt: skip


def update_consent(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """customerEmailMarketingConsentUpdate: the shop takes it over, and tells by webhook as for a change of its own.

    Source: the texts of the refusals are those of recorded answers (shopify.md 3.3).
    """
    wanted = arguments["input"]
    customer = find_customer(shop, wanted["customerId"])
    consent = wanted["emailMarketingConsent"]
    error = fault("Customer not found", "INVALID", "input", "customerId") if customer is None else _why_not(shop, consent)
    if customer is None or error:
        return {"customer": None, "userErrors": [error]}
    shop.set_consent(customer.email, consent["marketingState"].lower())
    changed = shop.store.get(Customer, customer.email) or customer
    address = _address(changed) | {"marketingOptInLevel": consent.get("marketingOptInLevel") or "SINGLE_OPT_IN"}
    return {"customer": {"id": wanted["customerId"], "defaultEmailAddress": address}, "userErrors": []}


def add_tags(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """Answer `tagsAdd`, for customers; a webhook tells what is new."""
    return _change_tags(shop, arguments, "customer.tags_added", lambda held, named: (held | named, named - held))


def remove_tags(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """Answer `tagsRemove`, for customers; a webhook tells what went."""
    return _change_tags(shop, arguments, "customer.tags_removed", lambda held, named: (held - named, held & named))


def find_customer(shop: ShopifyShop, customer_gid: object) -> Customer | None:
    """Find a customer by global id."""
    return next((each for each in shop.store.all(Customer) if gid("Customer", each.id) == customer_gid), None)


def _change_tags(shop: ShopifyShop, arguments: Arguments, topic: str, change: _Change) -> Answer:
    customer = find_customer(shop, arguments["id"])
    if customer is None:
        return {"node": None, "userErrors": [{"field": ["id"], "message": "Customer does not exist"}]}
    named = frozenset(tag.strip() for tag in arguments["tags"] if tag.strip())
    with shop.store.lock:
        tags, news = change(_tags_of(shop, customer), named)
        _tags.setdefault(shop.store, {})[customer.id] = tags
    if news:
        at = spell(shop.clock.now()).replace("Z", ".000Z")
        _tell(shop, topic, {"customerId": gid("Customer", customer.id), "tags": sorted(news), "occurredAt": at})
    return {"node": {"__typename": "Customer", "id": gid("Customer", customer.id)}, "userErrors": []}


def _why_not(shop: ShopifyShop, consent: Arguments) -> Answer | None:
    state, level = consent["marketingState"], consent.get("marketingOptInLevel")
    path, at = ("input", "emailMarketingConsent"), consent.get("consentUpdatedAt")
    if state not in _CONSENT_STATES:
        return fault("Marketing state is invalid", "INVALID", *path, "marketingState")
    if state == "PENDING" and level != "CONFIRMED_OPT_IN":
        message = "Marketing opt in level must be confirmed_opt_in for pending consent state"
        return fault(message, "INVALID", *path, "marketingOptInLevel")
    if state == "SUBSCRIBED" and level is None:
        return fault("Marketing opt in level can't be blank", "MISSING_ARGUMENT", *path, "marketingOptInLevel")
    if at and read_time(at) > shop.clock.now():
        return fault("Consent updated at must not be in the future", "INVALID", *path, "consentUpdatedAt")
    return None


def _address(customer: Customer) -> Answer:
    return {
        "emailAddress": customer.email, "validFormat": True, "marketingState": customer.consent_state.upper(),
        "marketingOptInLevel": "SINGLE_OPT_IN" if customer.consent_at else None, "openTrackingLevel": "UNKNOWN",
        "marketingUpdatedAt": spell(customer.consent_at) if customer.consent_at else None,
    }  # fmt: skip


def _orders_of(shop: ShopifyShop, customer: Customer) -> list[Order]:
    return [order for order in shop.store.all(Order) if order.email.casefold() == customer.email]


def _tags_of(shop: ShopifyShop, customer: Customer) -> frozenset[str]:
    return _tags.get(shop.store, {}).get(customer.id, frozenset())


def _tell(shop: ShopifyShop, topic: str, body: Answer) -> None:
    webhook = shop.webhook(topic, body)
    shop.sender.submit(Job(build=lambda: webhook, manners=SHOPIFY_MANNERS, on_end=lambda _arrived: None))
