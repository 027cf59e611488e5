"""Gather what mails show, for a batch at once."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, select, tuple_
from sqlalchemy.orm import Session

from app import crypto
from app.domain.events import Line
from app.domain.mailing import CouponFacts, MailContent, Sender
from app.models import Checkout, Coupon, Delivery, Enrollment, Product, Shop


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A mail before it is rendered; `content` has no coupon and no button yet, because the coupon may not exist yet."""

    delivery: Delivery
    shop: Shop
    coupon: Coupon | None
    recovery_url: str
    content: MailContent


def gather(session: Session, deliveries: Sequence[Delivery], public_url: str) -> list[Draft]:
    """Return a draft for each delivery whose checkout is still held; the others are missing."""
    keys = [(d.shop_id, d.id) for d in deliveries]
    rows = session.execute(
        select(Delivery, Shop, Enrollment, Checkout, Coupon)
        .join(Shop, Shop.id == Delivery.shop_id)
        .join(Enrollment, and_(Enrollment.shop_id == Delivery.shop_id, Enrollment.id == Delivery.enrollment_id))
        .join(Checkout, and_(Checkout.shop_id == Delivery.shop_id, Checkout.token == Enrollment.episode))
        .outerjoin(
            Coupon,
            and_(
                Coupon.shop_id == Delivery.shop_id,
                Coupon.enrollment_id == Delivery.enrollment_id,
                Coupon.step == Delivery.step,
            ),
        )
        .where(tuple_(Delivery.shop_id, Delivery.id).in_(keys))
    ).all()
    lines = {(r.Delivery.shop_id, r.Delivery.id): [Line(**line) for line in r.Checkout.lines] for r in rows}
    pictures = _pictures(session, ((key[0], line) for key, of_cart in lines.items() for line in of_cart))
    return [_draft(row, lines[row.Delivery.shop_id, row.Delivery.id], pictures, public_url) for row in rows]


def with_coupon(draft: Draft, button_url: str) -> MailContent:
    """Return the content once the coupon is made and the button's address is known."""
    coupon = draft.coupon
    facts = CouponFacts(code=coupon.code, percent=coupon.percent, expires_at=coupon.expires_at) if coupon else None
    return replace(draft.content, coupon=facts, button_url=button_url)


def unsubscribe_token(delivery: Delivery) -> str:
    """Return the public form of a delivery's token: 22 URL-safe characters."""
    return base64.urlsafe_b64encode(delivery.token).decode().rstrip("=")


def read_token(token: str) -> bytes | None:
    """Return the bytes of a public token, or None when it cannot be one."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    return raw if len(raw) == crypto.TOKEN_BYTES and len(token) <= 24 else None


def _draft(row: Any, lines: list[Line], pictures: dict[tuple[int, str], str], public_url: str) -> Draft:
    delivery, shop, checkout = row.Delivery, row.Shop, row.Checkout
    content = MailContent(
        flow=delivery.flow,
        step=delivery.step,
        sender=Sender(
            name=shop.name,
            url=shop.url,
            email=shop.sender_email,
            reply_to=shop.reply_to,
            postal_address=shop.postal_address,
            locale=shop.locale,
            timezone=shop.timezone,
        ),
        locale=checkout.locale or shop.locale,
        first_name=checkout.first_name,
        currency=checkout.currency,
        lines=tuple(_with_picture(line, shop.id, pictures) for line in lines),
        subtotal_minor=checkout.subtotal_minor,
        button_url=shop.url,
        unsubscribe_url=f"{public_url}/u/{unsubscribe_token(delivery)}",
    )
    return Draft(
        delivery=delivery, shop=shop, coupon=row.Coupon, recovery_url=checkout.recovery_url or shop.url, content=content
    )


def _with_picture(line: Line, shop_id: int, pictures: dict[tuple[int, str], str]) -> Line:
    """Shopify's checkouts name no picture: it is the product's, the variant's first."""
    found = pictures.get((shop_id, f"v{line.variant_id}")) or pictures.get((shop_id, f"p{line.product_id}"))
    return line if line.image_url or not found else replace(line, image_url=found)


def _pictures(session: Session, lines: Iterable[tuple[int, Line]]) -> dict[tuple[int, str], str]:
    wanted = {(shop_id, line.product_id) for shop_id, line in lines if line.product_id and not line.image_url}
    if not wanted:
        return {}
    rows = session.execute(
        select(Product.shop_id, Product.external_id, Product.image_url, Product.variant_image_urls).where(
            tuple_(Product.shop_id, Product.external_id).in_(wanted)
        )
    )
    found: dict[tuple[int, str], str] = {}
    for shop_id, product_id, image_url, of_variants in rows:
        if image_url:
            found[shop_id, f"p{product_id}"] = image_url
        found |= {(shop_id, f"v{variant_id}"): url for variant_id, url in of_variants.items()}
    return found
