"""Renders a mail: the texts of its message put into the frame, as HTML and as plain text."""

import re
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import urlsplit

from babel import Locale

from app.domain.errors import CartwheelError
from app.domain.events import Line
from app.domain.mailing import CouponFacts, MailContent, Rendered
from app.domain.people import greeting_name
from app.services.layout import CouponBox, Item, MailPage, frame, html_part, text_part
from app.services.liquid import find, shipped
from app.services.writing import Writer, locale_of, warm_up

LINES_SHOWN = 20
SUBJECT_LIMIT = 200  # characters; of the preheader too
NAME_LIMIT = 120  # characters of a product's or a shop's name
ADDRESS_LIMIT = 300  # characters of a postal address
URL_LIMIT = 2_000  # characters; some mail programs break longer links
BUTTONS = {"checkout": "Back to my cart", "order": "To the shop", "subscriber": "To the shop"}
BECAUSE = {
    "checkout": "You get this because you started a checkout with us.",
    "order": "You get this because you bought from us.",
    "subscriber": "You get this because you asked for our news.",
}

# Control characters, line and paragraph separators, what turns the direction of all that follows, halves of characters.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ufeff\ud800-\udfff]")


def render(content: MailContent) -> Rendered:
    """Render a mail in the recipient's language, else the shop's, else English.

    Numbers are written the recipient's way. Dates are words, so they follow the language of the text.

    Raises:
        CartwheelError: there is no such text, it cannot be filled in, the way back or out is not an http(s) URL, or the
            mail would be too large.
    """
    locales = [locale for tag in (content.locale, content.sender.locale) if (locale := locale_of(tag))]
    texts = find(content.flow, content.step, *locales)
    words = next((locale for locale in locales if _is_kind_of(locale, texts.locale)), texts.locale)
    writer = Writer(content, words=words, numbers=locale_of(content.locale) or words)
    values = _values(content, writer)
    subject = one_line(texts.subject.fill(values), SUBJECT_LIMIT)
    preheader = one_line(texts.preheader.fill(values), SUBJECT_LIMIT)
    page = _page(content, writer, subject=subject, preheader=preheader, body=texts.body.fill(values))
    return Rendered(subject=subject, preheader=preheader, html=html_part(page), text=text_part(page))


def warm() -> None:
    """Compile the frame and every shipped text, and load what writes English; for a worker, before it forks."""
    frame()
    shipped()
    warm_up()


def one_line(text: str, limit: int) -> str:
    """Return text that is safe in a header: one line, so many characters at most, no encoded words (RFC 2047)."""
    line = " ".join(_UNSAFE.sub(" ", text).split()).replace("=?", "= ?")
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def safe_url(url: str | None) -> str | None:
    """Return the URL if a mail may hold it (http or https, with a host), else None."""
    if not url or len(url) > URL_LIMIT or re.search(r"[\s\x00-\x1f\x7f<>\"\\]", url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.hostname else None


def _is_kind_of(locale: Locale, wider: Locale) -> bool:
    """Say whether a locale is the wider one, perhaps with a country: en-GB is a kind of en, zh-TW none of zh-Hans."""
    return locale.language == wider.language and wider.script in {None, locale.script}


def _values(content: MailContent, writer: Writer) -> dict[str, object]:
    """Return what a text may show: plain dicts, strings and numbers, for Liquid to look into."""
    sender, coupon, lines = content.sender, content.coupon, content.lines
    reply_to = one_line(sender.reply_to or "", NAME_LIMIT) or None
    items = [
        {
            "title": one_line(line.title, NAME_LIMIT),
            "variant": one_line(line.variant_title or "", NAME_LIMIT) or None,
            "quantity": line.quantity,
            "price": writer.money(line.price_minor * line.quantity),
        }
        for line in lines[:LINES_SHOWN]
    ]
    cart = {"line_items": items, "count": sum(line.quantity for line in lines), "others": max(len(lines) - 1, 0)}
    values: dict[str, object] = {
        "customer": {"first_name": _greeting(content.first_name)},
        "shop": {"name": one_line(sender.name, NAME_LIMIT), "url": safe_url(sender.url), "reply_to": reply_to},
        "cart": {**cart, "subtotal": writer.money(content.subtotal_minor)},
    }
    if coupon:
        values["coupon"] = {
            "code": one_line(coupon.code, NAME_LIMIT),
            "percent": coupon.percent,
            "ends": writer.moment(coupon.expires_at),
            "ends_on": writer.day(coupon.expires_at),
            "total": writer.money(_reduced(content.subtotal_minor, coupon.percent)),
        }
    return values


def _greeting(raw: str | None) -> str | None:
    """Return a name to greet with; an encoded word (RFC 2047) is no name, and a subject is where it would do harm."""
    name = greeting_name(raw)
    return None if name and "=?" in name else name


def _page(content: MailContent, writer: Writer, *, subject: str, preheader: str, body: str) -> MailPage:
    sender, say, hidden = content.sender, writer.say, len(content.lines) - LINES_SHOWN
    more = writer.say_many("and %(count)d more", "and %(count)d more", hidden) % {"count": hidden} if hidden > 0 else ""
    intro, _, outro = body.partition("<hr>")
    address = ", ".join(part.strip(" ,") for part in sender.postal_address.splitlines() if part.strip(" ,"))
    return MailPage(
        script=writer.script(),
        subject=subject,
        preheader=preheader,
        shop_name=one_line(sender.name, NAME_LIMIT),
        shop_url=safe_url(sender.url),
        postal_address=one_line(address, ADDRESS_LIMIT),
        intro=intro,
        items=tuple(_item(line, writer) for line in content.lines[:LINES_SHOWN]),
        more=more,
        subtotal_label=say("Subtotal"),
        subtotal=writer.money(content.subtotal_minor),
        coupon=_coupon_box(content, content.coupon, writer) if content.coupon else None,
        button_label=say(BUTTONS[content.because]),
        button_url=_needed(content.button_url, "the way back to the cart"),
        outro=outro,
        reason=say(BECAUSE[content.because]),
        unsubscribe_label=say("Unsubscribe"),
        unsubscribe_url=_needed(content.unsubscribe_url, "the way to unsubscribe"),
    )


def _item(line: Line, writer: Writer) -> Item:
    title = one_line(line.title, NAME_LIMIT) or "…"
    notes = [one_line(line.variant_title or "", NAME_LIMIT)]
    if line.quantity != 1:
        notes.append(f"{line.quantity}\xa0\u00d7\xa0{writer.money(line.price_minor)}")
    return Item(
        title=title,
        note=" · ".join(writer.isolate(note) for note in notes if note),
        price=writer.money(line.price_minor * line.quantity),
        initial=next((character for character in title if character.isalnum()), "·"),
        image_url=safe_url(line.image_url),
    )


def _coupon_box(content: MailContent, coupon: CouponFacts, writer: Writer) -> CouponBox:
    if content.because != "checkout":  # there is no cart that it could be worked out for
        return CouponBox(
            code=one_line(coupon.code, NAME_LIMIT),
            until=_until(coupon, writer),
            before=writer.say("{percent} off your next order").replace("{percent}", writer.percent(coupon.percent)),
            price="",
            after="",
        )
    subtotal_minor = content.subtotal_minor
    sentence = writer.say("{percent} off this cart: you pay {price} instead of {subtotal}")
    before, _, after = (
        sentence.replace("{percent}", writer.percent(coupon.percent))
        .replace("{subtotal}", writer.money(subtotal_minor))
        .partition("{price}")
    )
    return CouponBox(
        code=one_line(coupon.code, NAME_LIMIT),
        until=_until(coupon, writer),
        before=before,
        price=writer.money(_reduced(subtotal_minor, coupon.percent)),
        after=after,
    )


def _until(coupon: CouponFacts, writer: Writer) -> str:
    return writer.say("Yours until %(moment)s") % {"moment": writer.moment(coupon.expires_at)}


def _reduced(minor: int, percent: int) -> int:
    """Return what is left to pay; half a cent of discount is rounded up, in the shopper's favour."""
    return minor - int((Decimal(minor) * percent / 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _needed(url: str, what: str) -> str:
    if safe := safe_url(url):
        return safe
    raise CartwheelError(f"The mail cannot be made: {what} is not an http or https address.")
