"""What a decision may look at, loaded beforehand. If a flow needs a new fact, add a field, not a query."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.domain.consent import Permission
from app.domain.events import ConsentState
from app.domain.pace import FREE, Pace

YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutFacts:
    """The checkout that a run is about, as we hold it."""

    token: str
    email: str | None
    pieces: int  # how many things are in the cart
    subtotal_minor: int
    started_at: datetime
    changed_at: datetime
    is_completed: bool
    is_deleted: bool
    worth_minor: int = 0  # in the shop's currency; nothing where the cart has another one, which is not guessed


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """The order that a run is about, as we hold it. Money is in minor units of the order's currency."""

    external_id: str
    placed_at: datetime | None
    paid_at: datetime | None
    fulfilled_at: datetime | None
    delivered_at: datetime | None  # of the last parcel, once all have arrived
    is_cancelled: bool
    total_minor: int
    refunded_minor: int
    nth: int  # which order of this person it is, counted from 1
    worth_minor: int = 0  # in the shop's currency, as of a cart

    @property
    def is_refunded(self) -> bool:
        """Whether all of the money went back."""
        return 0 < self.total_minor <= self.refunded_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One order of a person's last twelve months; `minor` is what they paid and kept, in the shop's currency."""

    at: datetime
    external_id: str
    minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFacts:
    """The person that a run is about."""

    email: str | None
    at: datetime  # the moment that "the last twelve months" ends with
    subscribed_at: datetime | None  # None as long as they have not agreed to marketing mail
    orders: int  # ever: ours, or as the platform sums them, whichever is more
    purchases: tuple[Purchase, ...]  # of the last twelve months, the oldest first, 500 at the most
    country: str | None = None  # ISO 3166, as the shop told it last
    tags: frozenset[str] = frozenset()  # case folded, as platforms compare them

    @property
    def lately(self) -> tuple[Purchase, ...]:
        """The purchases of the twelve months before the moment."""
        return tuple(p for p in self.purchases if p.at > self.at - YEAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFacts:
    """What a person answered to a mail of this run, or wrote in the shop of what it is about; the newest answer counts."""

    score: int | None  # 1 to 5; None: without stars
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OptInFacts:
    """The request to confirm an address that a run is about."""

    email: str | None
    asked_at: datetime
    is_ended: bool  # confirmed, or over


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One person's standing in one flow at one moment."""

    entered_at: datetime
    checkout: CheckoutFacts | None
    ordered_at: datetime | None  # of a purchase after what this run is about
    is_superseded: bool  # the person is followed elsewhere: by a newer open checkout, or by an older run of this flow
    consent: ConsentState
    suppressed: str | None  # the reason, if the address must never be mailed
    shop_state: str
    is_flow_on: bool
    is_held_out: bool
    is_person_gone: bool  # deleted or redacted in the shop
    order: OrderFacts | None = None
    person: PersonFacts | None = None
    opt_in: OptInFacts | None = None
    permission: Permission = field(default_factory=Permission)  # what the consent gate asks beside the state above
    entered_before_at: datetime | None = None  # the newest earlier entry of this person into the flow
    has_open_checkout: bool = False  # known of people, not of checkouts
    clicked: frozenset[str] = frozenset()  # mails of this run that were clicked by a person, by the names of their texts
    answer: AnswerFacts | None = None
    is_unhappy: bool = False  # their newest answer to the shop, of whatever flow, was a low score
    pace: Pace = FREE

    @property
    def recipient(self) -> str | None:
        """The address that is mailed."""
        if self.checkout:
            return self.checkout.email
        if self.opt_in:
            return self.opt_in.email
        return self.person.email if self.person else None

    def seen(self) -> dict[str, Any]:
        """The values a decision saw, for its row: facts and times, never an address."""
        seen: dict[str, Any] = {
            "ordered_at": _text(self.ordered_at),
            "consent": self.consent.value,
            "suppressed": self.suppressed,
            "flow_on": self.is_flow_on,
            "shop": self.shop_state,
            "held_out": self.is_held_out,
        }
        if checkout := self.checkout:
            seen |= {
                "cart_pieces": checkout.pieces,
                "cart_worth_minor": checkout.worth_minor,
                "cart_changed_at": _text(checkout.changed_at),
                "checkout_completed": checkout.is_completed,
            }
        if order := self.order:
            seen |= {
                "order_nth": order.nth,
                "order_worth_minor": order.worth_minor,
                "order_placed_at": _text(order.placed_at),
                "order_fulfilled_at": _text(order.fulfilled_at),
                "order_delivered_at": _text(order.delivered_at),
                "order_undone": order.is_cancelled or order.is_refunded,
            }
        if opt_in := self.opt_in:
            seen |= {"opt_in_asked_at": _text(opt_in.asked_at), "opt_in_ended": opt_in.is_ended}
        if person := self.person:
            seen |= {"orders": person.orders, "subscribed_at": _text(person.subscribed_at)}
            seen |= {"year_orders": len(person.lately), "year_spent_minor": sum(p.minor for p in person.lately)}
        if silence := self.permission.silence:
            seen |= {"unanswered_mails": silence.mails, "unanswered_since": _text(silence.since)}
        if self.answer:
            seen["score"] = self.answer.score
        if self.clicked:
            seen["clicked"] = sorted(self.clicked)
        return seen


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
