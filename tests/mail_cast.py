"""Mails for tests: the shop Tea & Tin writes to Alice about her cart; and where the mails of the outbox lead."""

import email
import html
import re
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from html.parser import HTMLParser

from app.config import settings
from app.domain.events import Line
from app.domain.mailing import CouponFacts, MailContent, OrderFacts, ParcelFacts, Sender
from app.services.render import render

TEA_AND_TIN = Sender(
    name="Tea & Tin",
    url="https://teaandtin.example",
    email="hello@teaandtin.example",
    reply_to="help@teaandtin.example",
    postal_address="4 Mill Lane\nPortland, OR 97204",
    locale="en-US",
    timezone="America/Los_Angeles",
)
APRON = Line(
    title="Linen apron",
    quantity=1,
    price_minor=6200,
    variant_title="Sage",
    product_id="11",
    image_url="https://cdn.example/apron.png?v=1&w=144",
)
SPOONS = Line(title="Oak spoon set", quantity=2, price_minor=1100)
REMINDER = MailContent(
    flow="abandoned_cart",
    step="reminder",
    sender=TEA_AND_TIN,
    locale="en-US",
    first_name="Alice",
    currency="USD",
    lines=(APRON, SPOONS),
    subtotal_minor=8400,
    button_url="https://teaandtin.example/recover?a=1&b=2",
    unsubscribe_url="https://mail.example/u/TOKEN",
)
COUPON = replace(
    REMINDER,
    step="coupon",
    coupon=CouponFacts(code="TIN-7KQ2-10", percent=10, expires_at=datetime(2026, 11, 24, 2, 24, tzinfo=UTC)),
)
ORDERED = replace(
    REMINDER,
    because="order",
    order=OrderFacts(
        number="#1042",
        placed_at=datetime(2026, 11, 20, 12, tzinfo=UTC),
        lines=(APRON,),
        total_minor=6700,
        url="https://teaandtin.example/orders/1042",
    ),
    parcel=ParcelFacts(company="DHL", number="JD0140", url="https://track.example/JD0140"),
    star_urls=tuple(f"https://mail.example/s/T{n}" for n in range(1, 6)),
)


class Page(HTMLParser):
    """Reads HTML the way a mailbox does: tags with their attributes, and the words between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag in names]


def page(content: MailContent) -> Page:
    """Render a mail and read it."""
    return Page(render(content).html)


def own(*blocks: str | dict, about: MailContent = REMINDER, locale: str = "en", **parts: str) -> MailContent:
    """A mail whose texts the shop wrote itself: words as strings, other blocks as they are stored."""
    shown = [{"type": "words", "html": block} if isinstance(block, str) else block for block in blocks]
    message = {"subject": "Hello", "preheader": "", **parts, "blocks": shown}
    return replace(about, locale=locale, texts={locale: message})


def only(line: Line) -> MailContent:
    """A reminder of one line."""
    return replace(REMINDER, lines=(line,))


def links_of_outbox() -> list[list[str]]:
    """Return every address of ours in each mail of the outbox, in their order: in both parts and in the headers."""
    found = []
    for path in sorted(settings().outbox_dir.glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
        parts = [p.get_content() for p in message.walk() if not p.is_multipart()]
        links = [link for part in (*parts, message["List-Unsubscribe"] or "") for link in _links_in(part)]
        found.append(list(dict.fromkeys(links)))
    return found


def _links_in(part: str) -> list[str]:
    return [html.unescape(link) for link in re.findall(rf"{re.escape(settings().public_url)}[^\s\"<>)]*", part)]
