"""Which of Shopify's topics becomes which of our events.

Left out on purpose: carts/* (nobody is named in them), orders/edited (says only that something changed; orders/updated
comes with it), customers_marketing_consent/update (text messages), variants/*, subscription and billing topics.
"""

from collections.abc import Callable
from datetime import datetime

from app.domain.events import Event
from integrations.shopify import checkouts, orders, parcels, people, shops

_READERS: dict[str, Callable[[object, datetime], list[Event]]] = {
    "checkouts/create": checkouts.read_checkout,
    "checkouts/update": checkouts.read_checkout,
    "checkouts/delete": checkouts.read_deleted_checkout,
    "orders/create": orders.read_order,
    "orders/updated": orders.read_order,
    "orders/paid": orders.read_order,
    "orders/cancelled": orders.read_order,
    "orders/fulfilled": orders.read_order,
    "orders/partially_fulfilled": orders.read_order,
    "orders/delete": orders.read_deleted_order,
    "refunds/create": orders.read_refund,
    "fulfillments/create": parcels.read_fulfilment,
    "fulfillments/update": parcels.read_fulfilment,
    "fulfillment_events/create": parcels.read_fulfilment_event,
    "customers/create": people.read_customer,
    "customers/update": people.read_customer,
    "customers/delete": people.read_deleted_customer,
    "customers/merge": people.read_merge,
    "customers/purchasing_summary": people.read_purchases,
    "customers_email_marketing_consent/update": people.read_consent,
    "customer.tags_added": people.read_added_tags,
    "customer.tags_removed": people.read_removed_tags,
    "customers/data_request": people.read_data_request,
    "customers/redact": people.read_redaction,
    "shop/redact": people.read_shop_redaction,
    "products/create": shops.read_product,
    "products/update": shops.read_product,
    "products/delete": shops.read_deleted_product,
    "shop/update": shops.read_shop,
    "app/uninstalled": shops.read_uninstalled,
    "app/scopes_update": shops.read_scopes,
}


def normalise(topic: str, payload: object, *, at: datetime) -> list[Event]:
    """Translate a parsed body into our events; an unknown topic gives none.

    Ids are plain digits everywhere, so that the topics that write `gid://shopify/...` join those that write numbers.

    Raises:
        BadPayload: the body cannot be understood; the message says why.
    """
    reader = _READERS.get(topic)
    return reader(payload, at) if reader else []
