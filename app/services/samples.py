"""Made-up mails: what a preview shows where nothing real is chosen, and what a new text must survive before it is kept."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.events import Line
from app.domain.mailing import Brand, CouponFacts, MailContent, OrderFacts, ParcelFacts, Sender
from app.flows.vocabulary import Flow
from app.models import Shop

COUPON_CODE = "SAMPLE-CODE-10"
_EVIL = "{{7*7}}<script>alert(1)</script>\r\nBcc: eve@evil.example =?utf-8?q?x?= " + "y" * 300


def sender_of(shop: Shop) -> Sender:
    """Return the shop as its customers see it in a mail."""
    return Sender(
        name=shop.name,
        url=shop.url,
        email=shop.sender_email,
        reply_to=shop.reply_to,
        postal_address=shop.postal_address,
        locale=shop.locale,
        timezone=shop.timezone,
    )


def example(shop: Shop, flow: Flow, step: str, *, now: datetime, brand: Brand | None = None) -> MailContent:
    """Return a mail of a flow to somebody who does not exist, with everything that such a mail can have."""
    lines = (
        Line(title="Linen apron", quantity=1, price_minor=6200, variant_title="Sage"),
        Line(title="Oak spoon set", quantity=2, price_minor=1100),
    )
    content = MailContent(
        flow=flow.key,
        step=step,
        sender=sender_of(shop),
        locale=shop.locale,
        first_name="Jo",
        currency=shop.currency,
        lines=lines,
        subtotal_minor=8400,
        button_url=shop.url,
        unsubscribe_url=f"{shop.url.rstrip('/')}/unsubscribe",
        coupon=coupon_of(flow, step, now=now),
        because="checkout",
        products=lines,
        brand=brand or Brand(),
    )
    if flow.trigger.event.startswith("checkout"):
        return content
    order = OrderFacts(number="#1042", placed_at=now - timedelta(days=3), lines=lines, total_minor=8400, url=shop.url)
    return replace(
        content,
        because="order" if flow.trigger.event.startswith(("order", "shipment")) else "subscriber",
        order=order,
        parcel=ParcelFacts(company="DHL", number="JD0140", url=shop.url),
        star_urls=tuple(f"{shop.url.rstrip('/')}/stars/{n}" for n in range(1, 6)),
    )


def coupon_of(flow: Flow, step: str, *, now: datetime) -> CouponFacts | None:
    """Return a made-up coupon with the terms of a step, else of the newest before it; None when there is none."""
    keys = [send.key for send in flow.sends]
    before = flow.sends[: keys.index(step) + 1] if step in keys else ()
    terms = next((send.coupon for send in reversed(before) if send.coupon), None)
    if terms is None:
        return None
    return CouponFacts(code=COUPON_CODE, percent=terms.percent, expires_at=now + timedelta(hours=terms.valid_hours))


def makes_coupon(flow: Flow, step: str) -> bool:
    """Say whether a coupon is made for this mail of a flow."""
    return any(send.coupon for send in flow.sends if send.key == step)


def trials(full: MailContent, flow: Flow) -> Iterator[MailContent]:
    """Yield the mails that a text must survive: with everything, with as little as can be, and with hostile words.

    A coupon of an earlier mail may have run out by then; a mail's own is always there.
    """
    yield full
    least = replace(full, first_name=None, lines=full.lines[:1], products=(), parcel=None, star_urls=())
    sender = replace(full.sender, reply_to=None)
    yield replace(least, sender=sender, coupon=full.coupon if makes_coupon(flow, full.step) else None)
    evil = Line(title=_EVIL, quantity=1, price_minor=1, variant_title=_EVIL)
    order = replace(full.order, number=_EVIL, lines=(evil,) * 30) if full.order else None
    sender = replace(full.sender, name=_EVIL)
    yield replace(full, sender=sender, first_name=_EVIL, lines=(evil,) * 30, products=(evil,) * 3, order=order)
