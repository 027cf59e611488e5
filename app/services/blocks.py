"""Turns the blocks of a message into what is shown to one reader. A block that has nothing to show is left out."""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal

from app.catalogues import noted
from app.domain.errors import CartwheelError
from app.domain.events import Line
from app.domain.mailing import MailContent
from app.flows.messages import Block, Button, Cart, CouponBox, OrderTable, Parcel, Picture, Products, Social, Stars, Words
from app.services.cleaning import one_line, safe_url
from app.services.shown import (
    ButtonShown,
    CouponShown,
    Item,
    Link,
    LinksShown,
    ParcelShown,
    PictureShown,
    Shown,
    StarsShown,
    TableShown,
    WordsShown,
)
from app.services.texts import Texts
from app.services.writing import Writer

LINES_SHOWN = 20
NAME_LIMIT = 120  # characters of a product's or a shop's name


def show(texts: Texts, content: MailContent, writer: Writer, values: Mapping[str, object]) -> tuple[Shown, ...]:
    """Return the blocks of a message as this reader sees them.

    Raises:
        CartwheelError: a text cannot be filled in, or the way back is not an http(s) URL.
    """
    shown = (_show(number, block, texts, content, writer, values) for number, block in enumerate(texts.message.blocks, 1))
    return tuple(block for block in shown if block)


def reduced(minor: int, percent: int) -> int:
    """Return what is left to pay; half a cent of discount is rounded up, in the shopper's favour."""
    return minor - int((Decimal(minor) * percent / 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _show(
    number: int, block: Block, texts: Texts, content: MailContent, writer: Writer, values: Mapping[str, object]
) -> Shown | None:
    match block:
        case Words():
            html = texts.parsed(block.html, f"block {number}", html=True).fill(values)
            return WordsShown(html=html, is_quiet=block.is_quiet) if html.strip() else None
        case Button():
            label = texts.parsed(block.label, f"block {number}").fill(values) if block.label else ""
            return _button(block, one_line(label, NAME_LIMIT), content, writer)
        case Picture():
            url = safe_url(block.url)
            return PictureShown(url=url, alt=block.alt, link=_address(block.to, content)) if url else None
        case _:
            return _OTHERS[type(block)](block, content, writer)


def _button(block: Button, label: str, content: MailContent, writer: Writer) -> ButtonShown | None:
    url = _address(block.to, content)
    if url:
        return ButtonShown(label=label or writer.say(_LABELS.get(block.to, _LABELS["elsewhere"])), url=url)
    if block.to == "cart":
        raise CartwheelError("The mail cannot be made: the way back to the cart is not an http or https address.")
    return None


def _address(to: str | None, content: MailContent) -> str | None:
    match to:
        case "cart":
            return safe_url(content.button_url)
        case "shop":
            return safe_url(content.sender.url)
        case "order":
            return safe_url(content.order.url if content.order and content.order.url else content.button_url)
        case "parcel":
            return safe_url(content.parcel.url) if content.parcel else None
        case _:
            return safe_url(to)


def _cart(_block: Cart, content: MailContent, writer: Writer) -> TableShown | None:
    total = writer.money(content.subtotal_minor)
    return _table(content.lines, content, writer, heading="", sum_label=writer.say("Subtotal"), total=total)


def _order(_block: OrderTable, content: MailContent, writer: Writer) -> TableShown | None:
    if not (order := content.order):
        return None
    heading = writer.say("Order %(number)s") % {"number": writer.isolate(one_line(order.number, NAME_LIMIT))}
    total = writer.money(order.total_minor)
    return _table(order.lines, content, writer, heading=heading, sum_label=writer.say("Total"), total=total)


def _table(
    lines: tuple[Line, ...], content: MailContent, writer: Writer, *, heading: str, sum_label: str, total: str
) -> TableShown | None:
    if not lines:
        return None
    hidden = len(lines) - LINES_SHOWN
    more = writer.say_many("and %(count)d more", "and %(count)d more", hidden) % {"count": hidden} if hidden > 0 else ""
    is_cart = lines is content.lines
    items = tuple(_item(line, writer, content.sold_out if is_cart else frozenset()) for line in lines[:LINES_SHOWN])
    return TableShown(heading=heading, items=items, more=more, sum_label=sum_label, sum=total)


def _products(block: Products, content: MailContent, writer: Writer) -> TableShown | None:
    items = tuple(_item(line, writer, frozenset()) for line in content.products[: block.most])
    return TableShown(heading="", items=items, more="", sum_label="", sum="") if items else None


def _item(line: Line, writer: Writer, sold_out: frozenset[str]) -> Item:
    title = one_line(line.title, NAME_LIMIT) or "…"
    notes = [one_line(line.variant_title or "", NAME_LIMIT)]
    if line.quantity != 1:
        notes.append(f"{line.quantity}\xa0\u00d7\xa0{writer.money(line.price_minor)}")
    shown = [writer.isolate(note) for note in notes if note]
    if line.product_id in sold_out:
        shown.append(writer.say("sold out at the moment"))
    return Item(
        title=title,
        note=" · ".join(shown),
        price=writer.money(line.price_minor * line.quantity),
        initial=next((character for character in title if character.isalnum()), "·"),
        image_url=safe_url(line.image_url),
        url=safe_url(line.url),
    )


def _coupon(_block: CouponBox, content: MailContent, writer: Writer) -> CouponShown | None:
    if not (coupon := content.coupon):
        return None
    sentence = writer.say("{percent} off this cart: you pay {price} instead of {subtotal}")
    before, _, after = (
        sentence.replace("{percent}", writer.percent(coupon.percent))
        .replace("{subtotal}", writer.money(content.subtotal_minor))
        .partition("{price}")
    )
    has_cart = content.because == "checkout" and content.subtotal_minor > 0
    return CouponShown(
        code=one_line(coupon.code, NAME_LIMIT),
        until=writer.say("Yours until %(moment)s") % {"moment": writer.moment(coupon.expires_at)},
        before=before if has_cart else _next_order(coupon.percent, writer),
        price=writer.money(reduced(content.subtotal_minor, coupon.percent)) if has_cart else "",
        after=after if has_cart else "",
    )


def _next_order(percent: int, writer: Writer) -> str:
    return writer.say("%(percent)s off your next order") % {"percent": writer.percent(percent)}


def _parcel(_block: Parcel, content: MailContent, writer: Writer) -> ParcelShown | None:
    parcel = content.parcel
    if not parcel or not (parcel.number or parcel.url):
        return None
    company = writer.isolate(one_line(parcel.company or "", NAME_LIMIT)) if parcel.company else ""
    label = writer.say("Parcel with %(company)s") % {"company": company} if company else writer.say("Parcel")
    number = one_line(parcel.number or "", NAME_LIMIT) or writer.say("Follow my parcel")
    return ParcelShown(label=label, number=number, url=safe_url(parcel.url))


def _stars(_block: Stars, content: MailContent, writer: Writer) -> StarsShown | None:
    urls = [url for url in map(safe_url, content.star_urls) if url]
    if len(urls) != 5:
        return None
    labels = (writer.say_many("%(count)d star", "%(count)d stars", n) % {"count": n} for n in range(1, 6))
    links = tuple(Link(mark="★", label=label, url=url) for label, url in zip(labels, urls, strict=True))
    return StarsShown(links=links, low=writer.say("not good"), high=writer.say("very good"))


def _social(_block: Social, content: MailContent, _writer: Writer) -> LinksShown | None:
    found = ((one_line(link.name, 40), safe_url(link.url)) for link in content.brand.social)
    links = tuple(Link(mark=name, label=name, url=url) for name, url in found if name and url)
    return LinksShown(links=links) if links else None


_OTHERS: dict[type, Callable[..., Shown | None]] = {
    Cart: _cart,
    Products: _products,
    CouponBox: _coupon,
    OrderTable: _order,
    Parcel: _parcel,
    Stars: _stars,
    Social: _social,
}
# What a button says when the message leaves it to us; the words are in the catalogues.
_LABELS = {
    "cart": noted("Back to my cart"),
    "shop": noted("Visit the shop"),
    "order": noted("See my order"),
    "parcel": noted("Follow my parcel"),
    "elsewhere": noted("Read more"),
}
