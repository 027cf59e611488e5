"""WooCommerce's words that more than one module needs."""

from typing import Final

NAME: Final = "woocommerce"

# WooCommerce has no topics that the law puts under a deadline of the platform's; `shopper.deleted` is our companion's.
COMPLIANCE_TOPICS: Final[frozenset[str]] = frozenset()

# One webhook each, so that the secret (or the URL) binds the topic, which is not signed.
TOPICS: Final = (
    "order.created",
    "order.updated",
    "order.deleted",
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "product.updated",
    "product.deleted",
)

# Refused with 400 woocommerce_rest_shop_webhook_invalid_topic where the companion plugin is not active.
COMPANION_TOPICS: Final = ("checkout.created", "checkout.updated", "checkout.deleted", "shopper.deleted")
