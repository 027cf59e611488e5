"""Renders a mail: the texts of its message put into the frame, as HTML and as plain text."""

from babel import Locale

from app.catalogues import noted
from app.domain.errors import CartwheelError
from app.domain.events import Line
from app.domain.mailing import MailContent, Rendered
from app.domain.people import greeting_name
from app.services.blocks import LINES_SHOWN, NAME_LIMIT, reduced, show
from app.services.cleaning import one_line, safe_url
from app.services.layout import MailPage, frame, html_part, text_part
from app.services.look import look_of
from app.services.shown import Shown
from app.services.texts import Texts, find, is_kind_of, shipped
from app.services.writing import Writer, locale_of, warm_up

SUBJECT_LIMIT = 200  # characters; of the preheader too
ADDRESS_LIMIT = 300  # characters of a postal address


def render(content: MailContent) -> Rendered:
    """Render a mail in the recipient's language, else the shop's, else English.

    Numbers are written the recipient's way. Dates are words, so they follow the language of the text.

    Raises:
        CartwheelError: there is no such text, it cannot be filled in, the way back or out is not an http(s) URL, or the
            mail would be too large.
    """
    return fill(content, texts_of(content))


def texts_of(content: MailContent) -> Texts:
    """Return the texts that a mail is rendered with.

    Raises:
        CartwheelError: there are none.
    """
    locales = [locale for tag in (content.locale, content.sender.locale) if (locale := locale_of(tag))]
    return find(content.flow, content.step, *locales, own=content.texts)


def fill(content: MailContent, texts: Texts) -> Rendered:
    """Render a mail with given texts.

    Raises:
        CartwheelError: as `render`.
    """
    wished = locale_of(content.locale)
    locales: list[Locale] = [locale for tag in (content.locale, content.sender.locale) if (locale := locale_of(tag))]
    words = next((locale for locale in locales if is_kind_of(locale, texts.locale)), texts.locale)
    writer = Writer(content, words=words, numbers=wished or words)
    values = _values(content, writer)
    word = writer.say("Test")
    mark = f"[{word}] " if content.is_test else ""
    subject = one_line(mark + texts.subject.fill(values), SUBJECT_LIMIT)
    preheader = one_line(texts.preheader.fill(values), SUBJECT_LIMIT)
    blocks = show(texts, content, writer, values)
    page = _page(content, writer, subject=subject, preheader=preheader, blocks=blocks)
    return Rendered(
        subject=subject,
        preheader=preheader,
        html=html_part(page),
        text=text_part(page),
        language=str(texts.locale).replace("_", "-"),
        is_fallback=wished is None or not is_kind_of(wished, texts.locale),
    )


def warm() -> None:
    """Compile the frame and every shipped text, and load what writes English; for a worker, before it forks."""
    frame()
    for by_locale in shipped().values():
        for texts in by_locale.values():
            texts.check()
    warm_up()


def _values(content: MailContent, writer: Writer) -> dict[str, object]:
    """Return what a text may show: plain dicts, strings and numbers, for Liquid to look into."""
    sender, coupon, order = content.sender, content.coupon, content.order
    reply_to = one_line(sender.reply_to or "", NAME_LIMIT) or None
    values: dict[str, object] = {
        "customer": {"first_name": _greeting(content.first_name)},
        "shop": {"name": one_line(sender.name, NAME_LIMIT), "url": safe_url(sender.url), "reply_to": reply_to},
        "cart": {**_lines(content.lines, writer), "subtotal": writer.money(content.subtotal_minor)},
        "products": _lines(content.products, writer)["line_items"],
    }
    if coupon:
        values["coupon"] = {
            "code": one_line(coupon.code, NAME_LIMIT),
            "percent": coupon.percent,
            "ends": writer.moment(coupon.expires_at),
            "ends_on": writer.day(coupon.expires_at),
            "total": writer.money(reduced(content.subtotal_minor, coupon.percent)),
        }
    if order:
        values["order"] = {
            **_lines(order.lines, writer),
            "number": one_line(order.number, NAME_LIMIT),
            "placed_on": writer.day(order.placed_at),
            "total": writer.money(order.total_minor),
        }
    if parcel := content.parcel:
        company, number = (one_line(part or "", NAME_LIMIT) or None for part in (parcel.company, parcel.number))
        values["parcel"] = {"company": company, "number": number}
    return values


def _lines(lines: tuple[Line, ...], writer: Writer) -> dict[str, object]:
    items = [
        {
            "title": one_line(line.title, NAME_LIMIT),
            "variant": one_line(line.variant_title or "", NAME_LIMIT) or None,
            "quantity": line.quantity,
            "price": writer.money(line.price_minor * line.quantity),
        }
        for line in lines[:LINES_SHOWN]
    ]
    return {"line_items": items, "count": sum(line.quantity for line in lines), "others": max(len(lines) - 1, 0)}


def _greeting(raw: str | None) -> str | None:
    """Return a name to greet with; an encoded word (RFC 2047) is no name, and a subject is where it would do harm."""
    name = greeting_name(raw)
    return None if name and "=?" in name else name


def _page(content: MailContent, writer: Writer, *, subject: str, preheader: str, blocks: tuple[Shown, ...]) -> MailPage:
    sender, brand, say = content.sender, content.brand, writer.say
    address = ", ".join(part.strip(" ,") for part in sender.postal_address.splitlines() if part.strip(" ,"))
    return MailPage(
        script=writer.script(),
        look=look_of(brand),
        subject=subject,
        preheader=preheader,
        shop_name=one_line(sender.name, NAME_LIMIT),
        shop_url=safe_url(sender.url),
        logo_url=safe_url(brand.logo_url),
        logo_width=brand.logo_width,
        postal_address=one_line(address, ADDRESS_LIMIT),
        blocks=blocks,
        signature=one_line(brand.signature, ADDRESS_LIMIT),
        reason=say(_REASONS[content.because]),
        unsubscribe_label=say("Unsubscribe"),
        unsubscribe_url=_out(content.unsubscribe_url, "the way to unsubscribe"),
        preferences_label=say("Choose your mails"),
        preferences_url=_out(content.preferences_url, "the way to the preferences"),
        test_note=say("This is a test. Only you got it, and its coupon is made up.") if content.is_test else "",
    )


_REASONS = {
    "checkout": noted("You get this because you started a checkout with us."),
    "order": noted("You get this because you ordered from us."),
    "subscriber": noted("You get this because you subscribed to our mail."),
    "opt_in": noted("Somebody signed up with this address. If it was not you, ignore this mail: nothing more will come."),
}


def _out(url: str | None, what: str) -> str | None:
    return None if url is None else _needed(url, what)


def _needed(url: str | None, what: str) -> str:
    if safe := safe_url(url):
        return safe
    raise CartwheelError(f"The mail cannot be made: {what} is not an http or https address.")
