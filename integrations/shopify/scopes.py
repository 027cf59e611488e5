"""The rights (access scopes) that the app asks for, each traced to the call or the topic that needs it.

Source: the scope data beside Shopify's schema 2026-10 and the descriptions of the topics' enum (shopify.md 1.9, 2.2).
A write scope implies its read scope.
"""

from typing import Final

_ORDERS, _CUSTOMERS, _PRODUCTS = ("read_orders",), ("read_customers",), ("read_products",)

OPERATION_SCOPES: Final[dict[str, tuple[str, ...]]] = {
    "AbandonedCheckouts": ("read_orders", "read_customers", "read_products"),
    "ConsentUpdate": ("write_customers",),
    "CountCheckouts": _ORDERS,
    "CountCustomers": _CUSTOMERS,
    "CountOrders": _ORDERS,
    "CountProducts": _PRODUCTS,
    "CouponByCode": ("read_discounts",),
    "CouponCreate": ("write_discounts",),
    "CouponDeactivate": ("write_discounts",),
    "CustomerByEmail": ("read_customers", "read_orders"),
    "CustomerById": ("read_customers", "read_orders"),
    "CustomersSince": ("read_customers", "read_orders"),
    "CustomerOrders": ("read_customers", "read_orders"),
    "Existing": ("read_orders", "read_customers", "read_products"),
    "OrderByCheckout": ("read_orders", "read_customers"),
    "OrderLines": ("read_orders", "read_products"),
    "OrdersSince": ("read_orders", "read_customers", "read_products"),
    "Products": _PRODUCTS,
    "ShopInfo": (),
    # Alone in its operation: the field may not be null, so that without the scope all of ShopInfo would be.
    "ShopLocales": ("read_locales",),
    # Customers alone are tagged; tagging an order or a product would take other scopes.
    "TagsAdd": ("write_customers",),
    "TagsRemove": ("write_customers",),
    "Webhooks": (),
}

TOPIC_SCOPES: Final[dict[str, tuple[str, ...]]] = {
    "app/uninstalled": (),
    "app/scopes_update": (),
    "shop/update": (),
    "checkouts/create": _ORDERS,
    "checkouts/update": _ORDERS,
    "checkouts/delete": _ORDERS,
    "orders/create": _ORDERS,
    "orders/paid": _ORDERS,
    "orders/updated": _ORDERS,
    "orders/fulfilled": _ORDERS,
    "orders/cancelled": _ORDERS,
    "fulfillments/create": ("read_fulfillments",),
    "fulfillments/update": ("read_fulfillments",),
    "fulfillment_events/create": ("read_fulfillments",),
    "refunds/create": _ORDERS,
    "customers/create": _CUSTOMERS,
    "customers/update": _CUSTOMERS,
    "customers/delete": _CUSTOMERS,
    "customers/purchasing_summary": _CUSTOMERS,
    "customers_email_marketing_consent/update": _CUSTOMERS,
    "customer.tags_added": _CUSTOMERS,
    "customer.tags_removed": _CUSTOMERS,
    "products/create": _PRODUCTS,
    "products/update": _PRODUCTS,
    "products/delete": _PRODUCTS,
    "bulk_operations/finish": (),
}


def needed_scopes() -> frozenset[str]:
    """Return what shopify.app.toml must ask for: the union, without reads that a write implies."""
    needed = {scope for scopes in (*OPERATION_SCOPES.values(), *TOPIC_SCOPES.values()) for scope in scopes}
    return frozenset(scope for scope in needed if scope.replace("read_", "write_", 1) not in needed - {scope})


def missing_scopes(granted: frozenset[str]) -> frozenset[str]:
    """Return what a shop has not granted; Shopify lists implied reads or leaves them out, as it pleases."""
    held = granted | {scope.replace("write_", "read_", 1) for scope in granted}
    return needed_scopes() - held
