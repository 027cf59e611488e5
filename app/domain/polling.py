"""The words of asking a shop what changed: kinds of objects, pages, counts, and how its webhooks are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.events import Event


class Kind(StrEnum):
    """A kind of objects that a shop can be asked for."""

    ORDERS = "orders"
    CHECKOUTS = "checkouts"
    CUSTOMERS = "customers"
    PRODUCTS = "products"
    REVIEWS = "reviews"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of what changed.

    Args:
        events: the same events, with the same ids and times, that webhooks about these objects would give.
        objects: how many of the shop's objects are on it; one may give several events, or none.
        next: what to ask the following page with, None after the last. The adapter's own word, at most 2,000 characters,
            and nothing personal in it.
        unread: for each object that could not be understood, which one and why, without personal values.
        covers: set where the page holds every object of its kind that was made after the first and before the second of
            these, and that the shop still shows: what is held of that time and is not on it may be gone.
    """

    events: Sequence[Event]
    objects: int
    next: str | None
    unread: tuple[str, ...] = ()
    covers: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many objects the shop says it has; not exact where the platform stops counting."""

    number: int
    is_exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookHealth:
    """Whether the shop tells us what it should: topics that it does not send us, and those that were set right just now.

    News may have been lost in both cases, so the caller asks for what changed.
    """

    missing: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether nothing was wrong."""
        return not (self.missing or self.mended)
