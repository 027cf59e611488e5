"""Shopify's words that more than one module needs."""

from typing import Final

NAME: Final = "shopify"

# The one place for the version: webhooks are written in it, and calls are made in it. Supported until October 2027.
API_VERSION: Final = "2026-10"

# Not made by an API call but by `compliance_topics` in shopify.app.toml; a bad signature must be answered 401.
# Source: Shopify docs, "Privacy law compliance".
COMPLIANCE_TOPICS: Final = frozenset({"customers/data_request", "customers/redact", "shop/redact"})

# What shopify.app.toml subscribes to besides; a health check compares against it.
TOPICS: Final = (
    "app/uninstalled",
    "app/scopes_update",
    "shop/update",
    "checkouts/create",
    "checkouts/update",
    "checkouts/delete",
    "orders/create",
    "orders/paid",
    "orders/updated",
    "orders/fulfilled",
    "orders/cancelled",
    "fulfillments/create",
    "fulfillments/update",
    "fulfillment_events/create",
    "refunds/create",
    "customers/create",
    "customers/update",
    "customers/delete",
    "customers/purchasing_summary",
    "customers_email_marketing_consent/update",
    "customer.tags_added",
    "customer.tags_removed",
    "products/create",
    "products/update",
    "products/delete",
    "bulk_operations/finish",
)
