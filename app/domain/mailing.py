"""What a mail is made of before it is rendered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.domain.events import Line

# Why somebody gets a mail, as its last line says it.
Because = Literal["checkout", "order", "subscriber"]


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
class CouponFacts:
    """A minted coupon as it is shown."""

    code: str
    percent: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MailContent:
    """Everything that a message's text and layout may show.

    `first_name` is raw: the renderer decides whether it is safe to greet with. `locale` is the recipient's. `button_url`
    is where the mail leads: back to the cart, or to the shop. `lines` are the cart's or the order's; there may be none.
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
    unsubscribe_url: str
    coupon: CouponFacts | None = None
    because: Because = "checkout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A finished message: the subject is one clean line, the text part says the same as the HTML part."""

    subject: str
    preheader: str
    html: str
    text: str
