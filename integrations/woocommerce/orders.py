"""WooCommerce's orders in our words, and its drafts, which before 10.9 are the only sign of an abandoned cart."""

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from app.domain.events import CheckoutUpdated, Consent, ConsentState, Event, Line, OrderUpdated, Person
from app.domain.money import to_minor
from integrations.payloads import parse
from integrations.woocommerce.bodies import Address, Item, Order

# No purchase yet, or none any more. Every other status is one, also `failed` and `cancelled` and whatever a plugin
# invents: who wants paid orders asks for `paid_at`. Source: platform page, "Order statuses".
_UNPLACED = {"checkout-draft", "auto-draft", "trash"}
_DRAFT = "checkout-draft"
_BLOCK_CHECKOUT = "store-api"
_TOKEN_KEY = "_cartwheel_checkout_token"  # noqa: S105  (the name of the companion's order meta)
_CONSENT_KEY = "_wc_other/cartwheel/marketing-consent"
_CHECKOUT_LINKS_SINCE = 10  # WooCommerce 10.0; 404 on 9.9.5


def read_order(payload: object, _at: datetime) -> list[Event]:
    """Translate order.created, order.updated and order.restored, which all say: this is the order now.

    The draft of a block checkout with an address is also a checkout, with the object id `draft-<order id>`. Refunds are
    in `refunded_minor` only: they have no time of their own, so each telling would look like another refund.
    """
    order = parse(Order, payload)
    address = order.billing.email if order.billing else None
    return [_order(order), _draft(order)] if order.status == _DRAFT and address else [_order(order)]


def _order(order: Order) -> OrderUpdated:
    happened_at = order.date_modified_gmt or order.date_created_gmt
    is_placed = order.status not in _UNPLACED
    is_block = is_placed and order.created_via == _BLOCK_CHECKOUT
    return OrderUpdated(
        object_id=order.id,
        happened_at=happened_at,
        person=_person(order),
        number=order.number or order.id,
        status=order.status,
        currency=order.currency,
        total_minor=to_minor(order.total, order.currency),
        created_at=order.date_created_gmt,
        lines=_lines(order),
        refunded_minor=sum(abs(to_minor(refund.total, order.currency)) for refund in order.refunds),
        # A draft takes no checkout with it. The placed order joins the companion's checkout by the one token and the
        # draft's by the other, where both were told.
        checkout_token=(_companion_token(order) or (_draft_token(order) if is_block else None)) if is_placed else None,
        cart_token=_draft_token(order) if is_block else None,
        placed_at=_placed_at(order, happened_at) if is_placed else None,
        paid_at=order.date_paid_gmt,
        cancelled_at=happened_at if order.status == "cancelled" else None,
        fulfilled_at=order.date_completed_gmt,
        discount_codes=tuple(line.code for line in order.coupon_lines if line.code),
        payment_url=order.payment_url if is_placed and order.needs_payment else None,
        consent=_ticked(order),
    )


def _placed_at(order: Order, happened_at: datetime) -> datetime:
    """Return when the order was placed, as far as this telling knows; folding keeps the earliest told.

    An unpaid order of the block checkout has no such time: its creation is that of the draft, made when the checkout
    page was opened, so a cart that the same person began elsewhere in between would look younger than the purchase and
    be mailed about. The first telling's change is when it was placed; of later ones the earlier is kept.
    """
    if order.date_paid_gmt:
        return order.date_paid_gmt
    return happened_at if order.created_via == _BLOCK_CHECKOUT else order.date_created_gmt


def _draft(order: Order) -> CheckoutUpdated:
    with_tax = order.prices_include_tax
    parts = [part for item in order.line_items for part in (item.total, item.total_tax if with_tax else None)]
    return CheckoutUpdated(
        object_id=_draft_token(order),
        happened_at=order.date_modified_gmt or order.date_created_gmt,
        person=_person(order),
        currency=order.currency,
        lines=_lines(order),
        subtotal_minor=sum(to_minor(part, order.currency) for part in parts),
        total_minor=to_minor(order.total, order.currency),
        created_at=order.date_created_gmt,
        cart_token=_draft_token(order),
        recovery_url=_checkout_link(order),
        consent=_ticked(order),
    )


def _draft_token(order: Order) -> str:
    return f"draft-{order.id}"


def _companion_token(order: Order) -> str | None:
    token = _meta(order, _TOKEN_KEY)
    return token if isinstance(token, str) and 0 < len(token) <= 255 else None


def _ticked(order: Order) -> Consent | None:
    """Return the consent of our box in the block checkout, as of the order's beginning.

    Not as of the last change, which would take back an unsubscription that came in between.
    """
    if _meta(order, _CONSENT_KEY) != "1":
        return None
    return Consent(state=ConsentState.SUBSCRIBED, at=order.date_created_gmt, source="checkout")


def _meta(order: Order, key: str) -> object:
    return next((entry.value for entry in order.meta_data if entry.key == key), None)


def _person(order: Order) -> Person:
    billing, shipping = order.billing or Address(), order.shipping or Address()
    return Person(
        external_id=order.customer_id,
        email=billing.email,
        first_name=billing.first_name or shipping.first_name,
        last_name=billing.last_name or shipping.last_name,
        country=shipping.country or billing.country,
    )


def _lines(order: Order) -> tuple[Line, ...]:
    return tuple(_line(item, order) for item in order.line_items if item.quantity > 0)


def _line(item: Item, order: Order) -> Line:
    name, parent = item.name or "", item.parent_name
    is_variation = parent is not None and name.startswith(f"{parent} - ")
    return Line(
        title=parent if parent and is_variation else name,
        quantity=item.quantity,
        price_minor=_price_of_one(item, order),
        product_id=item.product_id,
        variant_id=item.variation_id,
        variant_title=name.removeprefix(f"{parent} - ") if is_variation else None,
        sku=item.sku,
        image_url=item.image.src if item.image else None,
    )


def _price_of_one(item: Item, order: Order) -> int:
    """Return what one piece costs before discounts, with tax where the shop shows its prices with tax.

    `price` is none of these: it is after discounts and without tax.
    """
    if item.subtotal in (None, ""):
        return to_minor(item.price, order.currency)
    tax = item.subtotal_tax if order.prices_include_tax else None
    return round((to_minor(item.subtotal, order.currency) + to_minor(tax, order.currency)) / item.quantity)


def _checkout_link(order: Order) -> str | None:
    """Return the shop's own link that fills a cart with these lines, or None where it has none.

    Source: WooCommerce 10.0, "checkout-link". A draft's payment_url is no substitute: it needs a placed order.
    """
    version = re.match(r"[0-9]+", order.version or "")
    base = _base_url(order)
    products = ",".join(_product(order.line_items))
    if not version or int(version[0]) < _CHECKOUT_LINKS_SINCE or not base or not products:
        return None
    return f"{base}/checkout-link/?products={products}"


def _product(items: Sequence[Item]) -> list[str]:
    ids = ((item.variation_id or item.product_id, item.quantity) for item in items)
    return [f"{product_id}:{quantity}" for product_id, quantity in ids if product_id and quantity > 0]


def _base_url(order: Order) -> str | None:
    """Return the shop's address: up to /wp-json/ of the order's own link, else the host of its payment link."""
    itself = next((link.href for link in order.links.self if link.href), None) if order.links else None
    if itself and "/wp-json/" in itself:
        return itself.partition("/wp-json/")[0]
    parts = urlsplit(order.payment_url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None
