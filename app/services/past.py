"""What happened to one person, as our rows say it: facts with their times, and how each stood at a moment.

Each thing counts as known from when it happened, whenever it was told. What is kept only in its last state (what lies in a
cart, names, addresses, the last choices on the preference page) is taken from there.
"""

from dataclasses import dataclass
from datetime import datetime

from app.domain.events import Consent
from app.flows.snapshot import AnswerFacts, CheckoutFacts, OrderFacts
from app.models import Preference


@dataclass(frozen=True, slots=True, kw_only=True)
class Cart:
    """A checkout: what lay in it last, and when it changed and was deleted, the oldest first."""

    token: str
    cart_token: str | None
    email: str | None
    pieces: int
    subtotal_minor: int
    worth_minor: int
    started_at: datetime
    changes: tuple[datetime, ...]
    deletions: tuple[datetime, ...]
    completed_at: datetime | None

    def facts(self, at: datetime) -> CheckoutFacts | None:
        """Return it as of a moment, None before it was heard of."""
        changes = [change for change in self.changes if change <= at]
        if not changes:
            return None
        return CheckoutFacts(
            token=self.token,
            email=self.email,
            pieces=self.pieces,
            subtotal_minor=self.subtotal_minor,
            started_at=self.started_at,
            changed_at=changes[-1],
            is_completed=self.completed_at is not None and self.completed_at <= at,
            is_deleted=any(changes[-1] <= deleted_at <= at for deleted_at in self.deletions),
            worth_minor=self.worth_minor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """An order: its times, what went back and when, and when each parcel came (None: not yet).

    `updates` are tellings, `reviews` what its buyer wrote of its products, the oldest first.
    """

    external_id: str
    started_at: datetime
    placed_at: datetime | None
    paid_at: datetime | None
    fulfilled_at: datetime | None
    cancelled_at: datetime | None
    deleted_at: datetime | None
    total_minor: int
    worth_minor: int
    currency: str
    refunds: tuple[tuple[datetime, int], ...]
    parcels: tuple[datetime | None, ...]
    updates: tuple[datetime, ...]
    reviews: tuple[AnswerFacts, ...] = ()

    @property
    def times(self) -> set[datetime]:
        """Every moment at which something about it changed."""
        known = (self.placed_at, self.paid_at, self.fulfilled_at, self.cancelled_at, self.deleted_at, *self.parcels)
        return {*(at for at in known if at), *self.updates, *(at for at, _ in self.refunds)}

    def refunded(self, at: datetime) -> int:
        """Return what had gone back by a moment."""
        return sum(minor for refunded_at, minor in self.refunds if refunded_at <= at)

    def is_kept(self, at: datetime) -> bool:
        """Say whether it was a purchase at a moment, and was not taken back."""
        return bool(by(self.placed_at, at) and not by(self.cancelled_at, at) and not by(self.deleted_at, at))

    def facts(self, at: datetime, nth: int) -> OrderFacts:
        """Return it as of a moment."""
        arrived = [parcel for parcel in self.parcels if parcel and parcel <= at]
        return OrderFacts(
            external_id=self.external_id,
            placed_at=by(self.placed_at, at),
            paid_at=by(self.paid_at, at),
            fulfilled_at=by(self.fulfilled_at, at),
            delivered_at=max(arrived) if arrived and len(arrived) == len(self.parcels) else None,
            is_cancelled=bool(by(self.cancelled_at, at) or by(self.deleted_at, at)),
            total_minor=self.total_minor,
            refunded_minor=self.refunded(at),
            nth=nth,
            worth_minor=self.worth_minor,
        )

    def reviewed(self, at: datetime) -> AnswerFacts | None:
        """Return the newest review as of a moment."""
        return next((review for review in reversed(self.reviews) if review.at <= at), None)


@dataclass(frozen=True, slots=True)
class Mark:
    """A purchase, by what it is recognised by; `customer_id` may be somebody else's."""

    ordered_at: datetime
    checkout_token: str | None
    cart_token: str | None
    customer_id: int | None


@dataclass(frozen=True, slots=True)
class Said:
    """A statement about marketing mail to one address."""

    email: str
    consent: Consent


@dataclass(frozen=True, slots=True)
class Block:
    """A suppression of an address."""

    reason: str
    scope: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Posted:
    """A marketing mail of another flow that was truly written; `gone_at` is None where it did not leave."""

    flow: str
    run_id: int
    created_at: datetime
    due_at: datetime
    gone_at: datetime | None
    priority: int


@dataclass(frozen=True, slots=True)
class Score:
    """An answer to a mail's question."""

    answered_at: datetime
    is_low: bool
    settled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is held of one person."""

    customer_id: int
    email: str | None
    emails: tuple[str, ...]
    country: str | None
    tags: frozenset[str]  # case folded, as they are today: when each was given is not kept of what was taken away
    place: str | None  # the country by which the rules of consent go
    deleted_at: datetime | None  # None where they were heard of again
    older_orders: int  # kept ones that are not loaded
    orders_elsewhere: int  # which only the platform counts
    said: tuple[Said, ...]
    blocks: dict[str, tuple[Block, ...]]  # by address
    preferences: tuple[Preference, ...]
    carts: tuple[Cart, ...]
    orders: tuple[Bought, ...]
    marks: tuple[Mark, ...]
    mails: tuple[Posted, ...]
    scores: tuple[Score, ...]
    signs: tuple[datetime, ...]  # of life, beside those that follow from the above
    entered_at: tuple[datetime, ...]  # into the flow that is rehearsed


def by(time: datetime | None, at: datetime) -> datetime | None:
    """Return a time that had come by a moment."""
    return time if time is not None and time <= at else None
