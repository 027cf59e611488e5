"""Gather what mails show, for a batch at once."""

import base64
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, select, tuple_
from sqlalchemy.orm import Session

from app import crypto
from app.domain.consent import MessageClass
from app.domain.events import Line
from app.domain.mailing import Because, CouponFacts, MailContent, OrderFacts
from app.flows.vocabulary import SubjectKey, text_key
from app.models import (
    Checkout,
    Coupon,
    CouponState,
    Customer,
    Delivery,
    Enrollment,
    OptIn,
    Order,
    OrderLine,
    Preference,
    Product,
    Shop,
)
from app.services import favourites
from app.services.dressing import Bare, dress
from app.services.samples import sender_of

_KEPT = ("title", "quantity", "price_minor", "product_id", "variant_id", "variant_title", "sku")  # of an order's line
_BECAUSE: dict[SubjectKey, Because] = {
    "checkout": "checkout",
    "order": "order",
    "customer": "subscriber",
    "opt_in": "opt_in",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A mail before it is rendered; `content` has no coupon and no button yet, because the coupon may not exist yet.

    `button_url` is where the mail leads without a coupon: back to the cart, else to the shop.
    """

    delivery: Delivery
    shop: Shop
    coupon: Coupon | None
    button_url: str
    content: MailContent
    earlier: Coupon | None = None  # of the same run, made for an earlier mail, as long as it holds

    @property
    def shown_coupon(self) -> Coupon | None:
        """The coupon that the mail shows: its own, or the earlier one."""
        return self.coupon or self.earlier


def gather(session: Session, deliveries: Sequence[Delivery], public_url: str, *, now: datetime) -> list[Draft]:
    """Return a draft for each delivery; those whose checkout, order or customer is no longer held are missing."""
    keys = [(d.shop_id, d.id) for d in deliveries]
    rows = [row for row in session.execute(_rows().where(tuple_(Delivery.shop_id, Delivery.id).in_(keys))) if _is_held(row)]
    of_orders = _order_lines(session, {(r.Order.shop_id, r.Order.id) for r in rows if r.Order})
    lines = {(r.Delivery.shop_id, r.Delivery.id): _lines(r, of_orders) for r in rows}
    pictures = _pictures(session, ((key[0], line) for key, of_mail in lines.items() for line in of_mail))
    chosen = _languages(session, rows)
    drafts = [_draft(row, lines[row.Delivery.shop_id, row.Delivery.id], pictures, chosen, public_url) for row in rows]
    bare = [
        Bare(
            shop_id=d.shop.id,
            version=row.Enrollment.version,
            order_id=row.Order and row.Order.external_id,
            content=d.content,
        )
        for row, d in zip(rows, drafts, strict=True)
    ]
    dressed = [replace(draft, content=content) for draft, content in zip(drafts, dress(session, bare), strict=True)]
    return _with_favourites(session, _with_runs_coupon(session, dressed, now))


def _with_runs_coupon(session: Session, drafts: list[Draft], now: datetime) -> list[Draft]:
    """Let a mail without a coupon of its own show the one that its run gave before, so that it can be reminded of."""
    runs = {(d.shop.id, d.delivery.enrollment_id) for d in drafts if d.coupon is None}
    if not runs:
        return drafts
    rows = session.scalars(
        select(Coupon)
        .where(
            tuple_(Coupon.shop_id, Coupon.enrollment_id).in_(runs),
            Coupon.state == CouponState.MINTED,
            Coupon.expires_at > now,
        )
        .order_by(Coupon.id)
    )
    newest = {(coupon.shop_id, coupon.enrollment_id): coupon for coupon in rows}
    return [replace(d, earlier=newest.get((d.shop.id, d.delivery.enrollment_id))) if d.coupon is None else d for d in drafts]


def _with_favourites(session: Session, drafts: list[Draft]) -> list[Draft]:
    """Let mails that are about no cart and no order show what their shop sells most of."""
    shops = {d.shop.id for d in drafts if d.content.because == "subscriber"}
    found = {shop_id: favourites.of_shop(session, shop_id) for shop_id in shops}
    return [replace(d, content=replace(d.content, products=found.get(d.shop.id, ()))) for d in drafts]


def _rows() -> Select[*tuple[Any, ...]]:
    """Each mail with what its run is about."""
    return (
        select(Delivery, Shop, Enrollment, Checkout, Order, Customer, OptIn, Coupon)
        .join(Shop, Shop.id == Delivery.shop_id)
        .join(Enrollment, and_(Enrollment.shop_id == Delivery.shop_id, Enrollment.id == Delivery.enrollment_id))
        .outerjoin(Checkout, _is_about("checkout", Checkout, Checkout.token))
        .outerjoin(Order, _is_about("order", Order, Order.external_id))
        .outerjoin(OptIn, _is_about("opt_in", OptIn, cast(OptIn.id, Text)))
        .outerjoin(Customer, and_(Customer.shop_id == Delivery.shop_id, Customer.id == Delivery.customer_id))
        .outerjoin(
            Coupon,
            and_(
                Coupon.shop_id == Delivery.shop_id,
                Coupon.enrollment_id == Delivery.enrollment_id,
                Coupon.step == Delivery.step,
            ),
        )
    )


def _is_about(kind: SubjectKey, model: Any, name: Any) -> ColumnElement[bool]:
    return and_(model.shop_id == Delivery.shop_id, Enrollment.subject_key == kind, name == Enrollment.episode)


def _is_held(row: Any) -> bool:
    about = {"checkout": row.Checkout, "order": row.Order, "customer": row.Customer, "opt_in": row.OptIn}
    return about.get(row.Enrollment.subject_key) is not None


def _order_lines(session: Session, orders: Collection[tuple[int, int]]) -> dict[tuple[int, int], list[Line]]:
    if not orders:
        return {}
    rows = session.scalars(
        select(OrderLine)
        .where(tuple_(OrderLine.shop_id, OrderLine.order_id).in_(orders))
        .order_by(OrderLine.order_id, OrderLine.position)
    )
    found: dict[tuple[int, int], list[Line]] = defaultdict(list)
    for row in rows:
        found[row.shop_id, row.order_id].append(Line(**{name: getattr(row, name) for name in _KEPT}))
    return found


def _lines(row: Any, of_orders: dict[tuple[int, int], list[Line]]) -> list[Line]:
    """Return what is in the cart or was ordered; a mail about a person has none."""
    if row.Checkout:
        return [Line(**line) for line in row.Checkout.lines]
    return of_orders.get((row.Order.shop_id, row.Order.id), []) if row.Order else []


def with_coupon(draft: Draft, button_url: str) -> MailContent:
    """Return the content once the coupon is made and the button's address is known."""
    coupon = draft.shown_coupon
    facts = CouponFacts(code=coupon.code, percent=coupon.percent, expires_at=coupon.expires_at) if coupon else None
    return replace(draft.content, coupon=facts, button_url=button_url)


def with_pictures(session: Session, shop_id: int, lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return lines of a cart with the pictures of their products."""
    pictures = _pictures(session, ((shop_id, line) for line in lines))
    return tuple(_with_picture(line, shop_id, pictures) for line in lines)


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


def _way_out(delivery: Delivery, public_url: str, door: str) -> str:
    return f"{public_url}/{door}/{unsubscribe_token(delivery)}"


def _languages(session: Session, rows: Sequence[Any]) -> dict[int, str]:
    """Return the languages that people chose themselves on the preference page; our customers' ids are unique."""
    people = {(row.Delivery.shop_id, row.Delivery.customer_id) for row in rows}
    found = session.execute(
        select(Preference.customer_id, Preference.locale).where(
            tuple_(Preference.shop_id, Preference.customer_id).in_(people), Preference.locale.is_not(None)
        )
    )
    return {customer_id: locale for customer_id, locale in found if locale}


def _draft(
    row: Any, lines: list[Line], pictures: dict[tuple[int, str], str], chosen: dict[int, str], public_url: str
) -> Draft:
    delivery, shop = row.Delivery, row.Shop
    checkout, order, customer = row.Checkout, row.Order, row.Customer
    trade = checkout or order
    content = MailContent(
        flow=delivery.flow,
        step=text_key(delivery.step),
        sender=sender_of(shop),
        locale=chosen.get(delivery.customer_id)
        or (checkout and checkout.locale)
        or (row.OptIn and row.OptIn.locale)
        or (customer and customer.locale)
        or shop.locale,
        first_name=(checkout or customer).first_name,
        currency=trade.currency if trade else shop.currency,
        lines=tuple(_with_picture(line, shop.id, pictures) for line in lines),
        subtotal_minor=checkout.subtotal_minor if checkout else sum(line.price_minor * line.quantity for line in lines),
        button_url=shop.url,
        unsubscribe_url=_way_out(delivery, public_url, "u") if delivery.message_class == MessageClass.MARKETING else None,
        preferences_url=None if row.OptIn else _way_out(delivery, public_url, "p"),
        because=_BECAUSE[row.Enrollment.subject_key],
    )
    if order:
        stars = tuple(f"{public_url}/s/{unsubscribe_token(delivery)}?stars={n}" for n in range(1, 6))
        content = replace(content, order=_order(order, content), star_urls=stars)
    button_url = checkout.recovery_url if checkout else _confirm_url(row.OptIn, public_url) if row.OptIn else None
    return Draft(delivery=delivery, shop=shop, coupon=row.Coupon, button_url=button_url or shop.url, content=content)


def _order(order: Order, content: MailContent) -> OrderFacts:
    placed_at = order.placed_at or order.started_at
    return OrderFacts(number=order.number, placed_at=placed_at, lines=content.lines, total_minor=order.total_minor)


def _confirm_url(opt_in: OptIn, public_url: str) -> str | None:
    """Return where an address is confirmed; None once that is over, and then the gates let no mail out."""
    return f"{public_url}/d/{crypto.decrypt(opt_in.shop_id, opt_in.token_sealed)}" if opt_in.token_sealed else None


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
