"""What the house asks of the outside world. An adapter in `integrations/` implements one of these and nothing else."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from app.domain.events import Event
from app.domain.polling import Count, Kind, Page, WebhookHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a platform's webhook says on its outside, before the body is parsed.

    `dedupe_key` is the same for every copy of one delivery (D12). `headers` are the ones worth keeping: no signature,
    nothing personal.
    """

    topic: str
    dedupe_key: str
    shop_domain: str | None
    external_id: str | None
    delivery_id: str | None
    triggered_at: datetime | None
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopAccess:
    """How to call one shop: its base URL without a trailing slash, and its secrets in clear. Never logged, never stored."""

    shop_id: int
    domain: str
    base_url: str
    key: str  # WooCommerce consumer key; empty on Shopify
    secret: str  # WooCommerce consumer secret or Shopify access token
    hook_secret: str = ""  # what the secrets of a WooCommerce shop's webhooks are made from
    # Held during each call where a shop's host counts calls; raises Transient when the shop has enough of them already.
    slot: Callable[[], AbstractContextManager[None]] = field(default=nullcontext, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"ShopAccess(shop_id={self.shop_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A pair of tokens that end. Both halves and both ends are stored in one transaction; they are never logged."""

    access_token: str = field(repr=False)
    scopes: tuple[str, ...]
    expires_in: timedelta
    refresh_token: str = field(repr=False)
    refresh_expires_in: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponSpec:
    """A single-use percentage coupon to be made in the shop. `code` was fixed in our database beforehand."""

    code: str
    percent: int
    title: str
    starts_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentWord:
    """What a person said about marketing mail, for the shop to keep; `customer_id` is the platform's."""

    customer_id: str
    state: str  # pending subscribed unsubscribed
    level: str | None  # single_opt_in, confirmed_opt_in
    said_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One rendered mail to one recipient. `key` is the delivery's id, the same for every try."""

    key: str
    shop_key: str
    flow_step: str  # "abandoned_cart/reminder"
    from_email: str
    from_name: str
    to_email: str
    to_name: str | None
    reply_to: str | None
    subject: str
    html: str
    text: str
    unsubscribe_url: str | None
    unsubscribe_to: str | None = None  # an address that unsubscribes whoever writes to it
    return_path: str | None = None  # where servers report a bounce to; carries the delivery's token
    is_automatic: bool = False  # an answer that no machine shall answer (RFC 3834)


class Headers(Protocol):
    """The headers of a request: a dict, or a framework's own kind that finds names in any case."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return names and values."""


class Platform(Protocol):
    """A shop platform: how its webhooks are trusted, read and translated, and what it can be asked to do."""

    @property
    def NAME(self) -> str:  # noqa: N802  (a constant of the adapter's module)
        """What `shops.platform` holds."""

    @property
    def COMPLIANCE_TOPICS(self) -> frozenset[str]:  # noqa: N802
        """Topics that must be answered 200 also for a shop that we do not know (any more)."""

    def is_authentic(self, headers: Headers, body: bytes, secrets: Sequence[str]) -> bool:
        """Say whether the body is signed with one of the secrets. Never raises."""

    def read_envelope(self, headers: Headers, body: bytes) -> Envelope:
        """Read the outside of an authentic webhook.

        Raises:
            BadPayload: a header that the platform always sends is missing.
        """

    def normalise(self, topic: str, payload: object, *, at: datetime) -> list[Event]:
        """Translate a parsed body into our events; an unknown topic gives none.

        Args:
            topic: the platform's own word.
            payload: the parsed JSON.
            at: when the platform says it was triggered, else when we received it; for bodies that carry no time.

        Raises:
            BadPayload: the body cannot be understood; the message says why.
        """

    def mint_coupon(self, access: ShopAccess, spec: CouponSpec) -> str:
        """Make the coupon in the shop and return the shop's id for it; one that is there already is found, not made twice.

        Raises:
            Transient, Ambiguous, Permanent, NotAllowed: as their names say.
        """

    def tag_customer(self, access: ShopAccess, customer_id: str, tag: str, *, is_given: bool) -> None:
        """Give a customer's account a tag, or take it away; again and again changes nothing.

        Raises:
            Transient, Ambiguous, Permanent, NotAllowed: as their names say.
        """

    def write_consent(self, access: ShopAccess, word: ConsentWord) -> None:
        """Set a customer's consent in the shop; setting it again changes nothing.

        Raises:
            Transient, Ambiguous, Permanent, NotAllowed: as their names say.
        """

    def add_coupon(self, recovery_url: str, code: str) -> str:
        """Return the recovery link that also applies the coupon; other parameters of the link stay."""


class Source(Protocol):
    """What a shop can be asked: what changed, how much there is, and whether its webhooks still come.

    Every call is one short try: what fails is asked again by its row, from the same place. No call may need a lease's time.
    """

    @property
    def EVERY(self) -> Mapping[Kind, timedelta]:  # noqa: N802  (a constant of the adapter's module)
        """How often each kind is asked for; a kind that is not in it cannot be."""

    def changed_since(self, access: ShopAccess, kind: Kind, since: datetime | None, cursor: str | None) -> Page:
        """Return objects that changed at or after `since`, the longest unchanged first; None: all that the shop shows.

        An object that changes while pages are read may come twice, and may not be left out.

        Args:
            access: the shop.
            kind: one of EVERY.
            since: the same for all pages of a run.
            cursor: `Page.next` of the page before, None for the first.

        Raises:
            Transient, Ambiguous, NotAllowed: as their names say; the same page is asked for later.
            Permanent: this page will never come; the run is begun again.
        """

    def count(self, access: ShopAccess, kind: Kind, since: datetime | None) -> Count | None:
        """Return how many there are that were created at or after `since`, None where the platform cannot tell.

        Checkouts are counted while they are open and have an address.

        Raises:
            Transient, Ambiguous, NotAllowed, Permanent: as their names say.
        """

    def gone(self, access: ShopAccess, kind: Kind, ids: Sequence[str]) -> frozenset[str]:
        """Return which of these objects the shop surely no longer has; none where it cannot be asked for them.

        Args:
            access: the shop.
            kind: one of EVERY.
            ids: the platform's, at most 50, of objects that the shop would still show.

        Raises:
            Transient, Ambiguous, NotAllowed, Permanent: as their names say.
        """

    def webhook_health(self, access: ShopAccess, address: str) -> WebhookHealth:
        """Compare the shop's webhooks with those we need, and set right what an app may set right.

        Args:
            access: the shop.
            address: where they must go.

        Raises:
            Transient, Ambiguous, NotAllowed, Permanent: as their names say.
        """


class MailTransport(Protocol):
    """A way out for mail; several threads send through it at once."""

    def send(self, mail: Mail) -> str:
        """Hand the mail over and return the provider's id for it.

        Raises:
            Transient, Ambiguous, Permanent, NotAllowed: as their names say.
        """

    def was_sent(self, key: str) -> bool | None:
        """Say whether a mail with this key was accepted; None when the provider cannot be asked."""

    def forget(self, key: str) -> None:
        """Drop what we keep of the mail with this key; one that is not there, or is gone already, is as good.

        Raises:
            Transient: it could not be dropped now.
        """

    def close(self) -> None:
        """End the connections that are kept open; the next mail opens new ones."""


class NameLookup(Protocol):
    """The DNS."""

    def txt(self, name: str) -> list[str]:
        """Return the texts of a name, none when there is no such name.

        Raises:
            NoAnswer: nobody answered in time.
        """

    def mx(self, name: str) -> list[str]:
        """Return the hosts that take mail for a name, the preferred first.

        Raises:
            NoAnswer: nobody answered in time.
        """
