"""WooCommerce as it is asked what changed (`app.domain.ports.Source`). Every call also nudges the shop's own queue.

A shop's queue of deliveries moves only when somebody visits it; a question of ours is such a visit.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from app.domain.polling import Count, Kind, Page, WebhookHealth
from app.domain.ports import ShopAccess

EVERY: Final[Mapping[Kind, timedelta]] = {
    Kind.ORDERS: timedelta(minutes=15),
    Kind.CUSTOMERS: timedelta(days=1),
    Kind.PRODUCTS: timedelta(days=1),
    Kind.REVIEWS: timedelta(hours=1),
}


def changed_since(access: ShopAccess, kind: Kind, since: datetime | None, cursor: str | None) -> Page:
    """Return a page of what changed, as the port says."""
    from integrations.woocommerce import listing  # loads pydantic: not in the web process

    return listing.changed_since(access, kind, since, cursor)


def count(access: ShopAccess, kind: Kind, since: datetime | None) -> Count | None:
    """Return how many there are, as the port says."""
    from integrations.woocommerce import listing  # loads pydantic: not in the web process

    return listing.count(access, kind, since)


def gone(access: ShopAccess, kind: Kind, ids: Sequence[str]) -> frozenset[str]:
    """Return which of these the shop no longer has, as the port says."""
    from integrations.woocommerce import listing  # loads pydantic: not in the web process

    return listing.gone(access, kind, ids)


def webhook_health(access: ShopAccess, address: str) -> WebhookHealth:
    """Compare the webhooks in the shop's settings with those we need, as the port says."""
    from integrations.woocommerce import hooks

    missing, mended = hooks.look_after(access, address)
    return WebhookHealth(missing=missing, mended=mended)
