"""What happened, in our words: one frozen dataclass for each kind of event.

Every event says when it happened by the platform's own clock (`happened_at`) and which object of the platform's it is about
(`object_id`). What we hold is folded by that time, never by the time of arrival.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar


class ConsentState(StrEnum):
    """What the shopper said about marketing mail."""

    NONE = "none"
    PENDING = "pending"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"


class ShipmentState(StrEnum):
    """How far a parcel has come."""

    PENDING = "pending"
    SHIPPED = "shipped"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who an event is about, as far as the platform said; `email` is normalised, `locale` a BCP 47 tag."""

    external_id: str | None = None
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    locale: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a cart or an order; the price is for one piece, in minor units."""

    title: str
    quantity: int
    price_minor: int
    product_id: str | None = None
    variant_id: str | None = None
    variant_title: str | None = None
    sku: str | None = None
    image_url: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A shopper's statement about marketing mail, with where it came from and what it was made under."""

    state: ConsentState
    at: datetime
    source: str  # checkout, platform, one_click, preferences, support
    level: str | None = None  # single_opt_in, confirmed_opt_in
    wording: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A normalised fact.

    `told_at` is when the platform told it, where a webhook did: it sorts two states of one object and one second, which is
    as finely as platforms date their objects.
    """

    kind: ClassVar[str] = ""
    object_id: str
    happened_at: datetime
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutUpdated(Event):
    """A checkout was begun or changed; `object_id` is its token. An emptied cart has no lines.

    `is_by_link`: the platform listed it without its token, and `object_id` is the key in its recovery link, which is its
    token or its cart's. Cart token, consent and the address given at the checkout are not told then.
    """

    kind: ClassVar[str] = "checkout_updated"
    person: Person
    currency: str
    lines: tuple[Line, ...]
    subtotal_minor: int
    total_minor: int
    created_at: datetime
    cart_token: str | None = None
    recovery_url: str | None = None
    completed_at: datetime | None = None
    order_id: str | None = None
    consent: Consent | None = None
    is_by_link: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutDeleted(Event):
    """A checkout is gone; `object_id` is its cart token where there is one, else its token."""

    kind: ClassVar[str] = "checkout_deleted"
    token: str | None = None
    cart_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdated(Event):
    """The state of an order; `object_id` is the platform's order id.

    `placed_at` is None for a draft, which is not a purchase. `status` is the platform's own word, kept to be shown.
    """

    kind: ClassVar[str] = "order_updated"
    person: Person
    number: str
    status: str
    currency: str
    total_minor: int
    created_at: datetime
    lines: tuple[Line, ...] = ()
    refunded_minor: int = 0
    checkout_token: str | None = None
    cart_token: str | None = None
    placed_at: datetime | None = None
    paid_at: datetime | None = None
    cancelled_at: datetime | None = None
    fulfilled_at: datetime | None = None
    discount_codes: tuple[str, ...] = ()
    payment_url: str | None = None
    is_test: bool = False
    consent: Consent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDeleted(Event):
    """An order was moved to the bin."""

    kind: ClassVar[str] = "order_deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionTold(Event):
    """The platform says that something is gone, and is known to name the wrong thing at times: the shop has to be asked.

    `of` is the kind of objects it spoke of: orders, customers or products.
    """

    kind: ClassVar[str] = "deletion_told"
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundCreated(Event):
    """Money went back; `object_id` is the refund's id."""

    kind: ClassVar[str] = "refund_created"
    order_id: str
    amount_minor: int
    currency: str
    product_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentUpdated(Event):
    """A parcel moved; `object_id` is the platform's fulfilment id."""

    kind: ClassVar[str] = "shipment_updated"
    order_id: str
    state: ShipmentState
    company: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerUpdated(Event):
    """A customer account was made or changed; `object_id` is the platform's customer id."""

    kind: ClassVar[str] = "customer_updated"
    person: Person
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDeleted(Event):
    """A customer account is gone."""

    kind: ClassVar[str] = "customer_deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomersMerged(Event):
    """Two accounts became one; `object_id` is the account that stays."""

    kind: ClassVar[str] = "customers_merged"
    merged_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerTagged(Event):
    """Tags of a customer changed in the shop; `object_id` is the customer's id.

    `is_all`: the customer has exactly the tags in `added`, whatever was told before.
    """

    kind: ClassVar[str] = "customer_tagged"
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    is_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchasesSummed(Event):
    """The platform's own sum of a customer's orders; `object_id` is the customer's id."""

    kind: ClassVar[str] = "purchases_summed"
    orders_count: int
    spent_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentChanged(Event):
    """A shopper's consent as the platform keeps it; `object_id` is the customer's id, else the address."""

    kind: ClassVar[str] = "consent_changed"
    person: Person
    consent: Consent


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductUpdated(Event):
    """A product as the shop sells it now.

    The price is that of its cheapest variant, in hundredths whatever the currency, because bodies of products name none;
    None where none is said.
    """

    kind: ClassVar[str] = "product_updated"
    title: str
    url: str | None = None
    image_url: str | None = None
    price_hundredths: int | None = None
    is_available: bool = True
    variant_image_urls: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductDeleted(Event):
    """A product is gone."""

    kind: ClassVar[str] = "product_deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewUpdated(Event):
    """A review of a product as the shop has it now; `object_id` is the review's id, and it happened when it was written.

    The person has an address at the most, which anybody may have typed: it is looked up and makes nobody a customer.
    `score` is None where stars were not given.
    """

    kind: ClassVar[str] = "review_updated"
    person: Person
    product_id: str
    score: int | None  # 1 to 5
    words: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDeleted(Event):
    """A review is no longer in the shop, or taken for spam there."""

    kind: ClassVar[str] = "review_deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopUpdated(Event):
    """Facts about the shop; `object_id` is its domain."""

    kind: ClassVar[str] = "shop_updated"
    name: str | None = None
    email: str | None = None
    currency: str | None = None
    timezone: str | None = None
    locale: str | None = None
    postal_address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppUninstalled(Event):
    """The shop removed us; `object_id` is its domain."""

    kind: ClassVar[str] = "app_uninstalled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopesChanged(Event):
    """The shop granted or withdrew rights; `object_id` is its domain."""

    kind: ClassVar[str] = "scopes_changed"
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequested(Event):
    """A shopper asked what is known about them; `object_id` is the request's id."""

    kind: ClassVar[str] = "data_requested"
    person: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRedacted(Event):
    """A shopper must be forgotten; `object_id` is the customer's id, else the SHA-256 of the address in hex.

    `email_sha256` is set where the platform tells only the hash of the normalised address.
    """

    kind: ClassVar[str] = "customer_redacted"
    person: Person
    email_sha256: str | None = None
    order_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopRedacted(Event):
    """Everything of this shop must be forgotten; `object_id` is its domain."""

    kind: ClassVar[str] = "shop_redacted"
