"""Shopify as it is asked what changed (`app.domain.ports.Source`)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from app.domain.polling import Count, Kind, Page, WebhookHealth
from app.domain.ports import ShopAccess

EVERY: Final[Mapping[Kind, timedelta]] = {
    Kind.ORDERS: timedelta(minutes=15),
    Kind.CHECKOUTS: timedelta(minutes=15),
    Kind.CUSTOMERS: timedelta(hours=6),
    Kind.PRODUCTS: timedelta(hours=6),
}


def changed_since(access: ShopAccess, kind: Kind, since: datetime | None, cursor: str | None) -> Page:
    """Return a page of what changed, as the port says."""
    from integrations.shopify import listing  # loads pydantic: not in the web process

    return listing.changed_since(access, kind, since, cursor)


def count(access: ShopAccess, kind: Kind, since: datetime | None) -> Count | None:
    """Return how many there are, as the port says."""
    from integrations.shopify import listing  # loads pydantic: not in the web process

    return listing.count(access, kind, since)


def gone(access: ShopAccess, kind: Kind, ids: Sequence[str]) -> frozenset[str]:
    """Return which of these the shop no longer has, as the port says."""
    from integrations.shopify import listing  # loads pydantic: not in the web process

    return listing.gone(access, kind, ids)


def webhook_health(access: ShopAccess, address: str) -> WebhookHealth:
    """Compare the shop's subscriptions with those of shopify.app.toml, as the port says."""
    from integrations.shopify import listing  # loads pydantic: not in the web process

    return listing.webhook_health(access, address)
