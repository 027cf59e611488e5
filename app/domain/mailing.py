"""What a mail is made of before it is rendered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from app.domain.events import Line

# Why somebody gets a mail, as its last line says it.
Because = Literal["checkout", "order", "subscriber", "opt_in"]
Font = Literal["system", "serif", "rounded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The shop as its customers see it in a mail; `locale` is BCP 47, `timezone` an IANA name."""

    name: str
    url: str
    email: str
    reply_to: str | None
    postal_address: str
    locale: str
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SocialLink:
    """A page of the shop's elsewhere; `name` is what the link says, such as Instagram."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """How all mails of a shop look and sound. Colours are `#rrggbb`; what dark mode shows is worked out from them.

    `voice` are lines for whoever writes the texts; no mail shows them.
    """

    logo_url: str | None = None
    logo_width: int = 160  # pixels as shown; the picture should have twice as many
    accent: str = "#24473a"
    ink: str = "#1c211d"
    paper: str = "#ffffff"
    page: str = "#f4f1ea"
    font: Font = "system"
    signature: str = ""
    voice: tuple[str, ...] = ()
    social: tuple[SocialLink, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponFacts:
    """A minted coupon as it is shown."""

    code: str
    percent: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """An order as a mail shows it; `number` as the shop writes it, such as #1042."""

    number: str
    placed_at: datetime
    lines: tuple[Line, ...]
    total_minor: int
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelFacts:
    """A parcel on its way."""

    company: str | None = None
    number: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailContent:
    """Everything that a message's text and layout may show.

    `first_name` is raw: the renderer decides whether it is safe to greet with. `locale` is the recipient's. `button_url`
    is where the mail leads: back to the cart, to the order, to the shop. `lines` are the cart's or the order's.
    `star_urls` are the five addresses behind one to five stars. `texts` are the shop's own texts of this message, by
    locale, as they are stored (app/flows/messages.py).
    """

    flow: str
    step: str
    sender: Sender
    locale: str
    first_name: str | None
    currency: str
    lines: tuple[Line, ...]
    subtotal_minor: int
    button_url: str
    unsubscribe_url: str | None  # None in a mail that is no marketing
    coupon: CouponFacts | None = None
    because: Because = "checkout"
    preferences_url: str | None = None
    sold_out: frozenset[str] = frozenset()  # ids of products that the shop has none of at the moment
    order: OrderFacts | None = None
    parcel: ParcelFacts | None = None
    products: tuple[Line, ...] = ()  # recommended; their quantity is not shown
    star_urls: tuple[str, ...] = ()
    brand: Brand = field(default_factory=Brand)
    texts: Mapping[str, Any] = field(default_factory=dict)
    is_test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A finished message: the subject is one clean line, the text part says the same as the HTML part.

    `language` is the locale of its words; `is_fallback` says that there were none in the recipient's language.
    """

    subject: str
    preheader: str
    html: str
    text: str
    language: str = "en"
    is_fallback: bool = False
