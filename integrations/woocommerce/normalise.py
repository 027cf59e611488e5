"""Which of WooCommerce's topics becomes which of our events.

Left out on purpose: coupon.* (ours are known, and coupon.deleted comes for products too), action.* (an argument without
its meaning; order.updated comes with it).
"""

import re
from collections.abc import Callable
from datetime import datetime

from app.domain.errors import BadPayload, RightsLost
from app.domain.events import (
    CheckoutDeleted,
    CheckoutUpdated,
    Consent,
    ConsentState,
    CustomerRedacted,
    CustomerUpdated,
    DeletionTold,
    Event,
    Line,
    Person,
    ProductUpdated,
)
from app.domain.money import to_minor
from integrations.payloads import parse
from integrations.woocommerce import orders
from integrations.woocommerce.bodies import (
    Address,
    CompanionCheckout,
    CompanionItem,
    Customer,
    DeletedCheckout,
    DeletedShopper,
    Identified,
    Product,
)

# A product's price comes without a currency. It is told in hundredths, as for a currency that is not known; who knows
# the shop's currency (ISO 4217 gives the yen no decimals) scales it.
_UNKNOWN_CURRENCY = ""
_BUYABLE = {None, "instock", "onbackorder"}


def normalise(topic: str, payload: object, *, at: datetime) -> list[Event]:
    """Translate a parsed body into our events; an unknown topic gives none.

    Raises:
        BadPayload: the body cannot be understood, or is an error document; the message says why.
    """
    reader = _READERS.get(topic)
    if reader is None:
        return []
    _refuse_error_document(payload)
    return reader(payload, at)


def _refuse_error_document(payload: object) -> None:
    """Refuse what a shop sends, validly signed, when it could not build the object."""
    if not isinstance(payload, dict) or "id" in payload or not {"code", "message"} <= payload.keys():
        return
    said = str(payload["code"])
    code = said if re.fullmatch(r"[a-z0-9_-]{1,80}", said) else "no code"
    told = f"The shop sent an error document instead of the object: {code}."
    if code.endswith("_invalid_id"):
        raise BadPayload(f"{told} The object was gone by then: nothing to do.")
    raise RightsLost(f"{told} The user who owns the webhook may have lost the right to see it: connect the shop again.")


def _read_checkout(payload: object, _at: datetime) -> list[Event]:
    """Translate the companion's checkout.created and checkout.updated: this is the checkout now."""
    body = parse(CompanionCheckout, payload)
    is_emptied = body.status == "emptied"
    event = CheckoutUpdated(
        object_id=body.token,
        happened_at=body.updated_at_gmt,
        person=Person(
            external_id=body.customer_id,
            email=body.email,
            first_name=body.first_name,
            last_name=body.last_name,
            locale=body.locale,
            country=body.country,
        ),
        currency=body.currency,
        lines=() if is_emptied else tuple(_line(item, body.currency) for item in body.items if item.quantity > 0),
        subtotal_minor=0 if is_emptied else to_minor(body.subtotal, body.currency),
        total_minor=0 if is_emptied else to_minor(body.total, body.currency),
        created_at=body.created_at_gmt,
        recovery_url=body.recovery_url,
        completed_at=body.updated_at_gmt if body.status == "completed" else None,
        order_id=body.order_id,
        consent=_consent(body),
    )
    return [event]


def _line(item: CompanionItem, currency: str) -> Line:
    chosen = item.variation.values() if isinstance(item.variation, dict) else ()
    return Line(
        title=item.name or "",
        quantity=item.quantity,
        price_minor=to_minor(item.price, currency),
        product_id=item.product_id,
        variant_id=item.variation_id,
        variant_title=", ".join(str(value) for value in chosen if value)[:500] or None,
        sku=item.sku,
        image_url=item.image,
        url=item.permalink,
    )


def _consent(body: CompanionCheckout) -> Consent | None:
    """Return the ticked box with its own time and wording; an empty box takes nothing back."""
    said = body.consent
    if said is None or not said.marketing:
        return None
    at = said.at or body.created_at_gmt
    return Consent(state=ConsentState.SUBSCRIBED, at=at, source="checkout", wording=said.text)


def _read_deleted_checkout(payload: object, at: datetime) -> list[Event]:
    """Translate the companion's checkout.deleted: the shopper took consent back where the shop keeps no cart without."""
    token = parse(DeletedCheckout, payload).id
    return [CheckoutDeleted(object_id=token, happened_at=at, token=token)]


def _read_deleted_shopper(payload: object, at: datetime) -> list[Event]:
    """Translate the companion's shopper.deleted: WordPress' eraser ran for the address with this hash."""
    digest = parse(DeletedShopper, payload).email_sha256
    return [CustomerRedacted(object_id=digest, happened_at=at, person=Person(), email_sha256=digest)]


def _read_customer(payload: object, at: datetime) -> list[Event]:
    body = parse(Customer, payload)
    billing, shipping = body.billing or Address(), body.shipping or Address()
    person = Person(
        external_id=body.id,
        email=body.email or billing.email,
        first_name=body.first_name or billing.first_name,
        last_name=body.last_name or billing.last_name,
        country=shipping.country or billing.country,
    )
    created_at = body.date_created_gmt
    when = body.date_modified_gmt or created_at or at
    return [CustomerUpdated(object_id=body.id, happened_at=when, person=person, created_at=created_at)]


def _read_product(payload: object, at: datetime) -> list[Event]:
    """Translate product.*; a variation comes under the same topics and is not a product of its own."""
    body = parse(Product, payload)
    if body.type == "variation":
        return []
    return [
        ProductUpdated(
            object_id=body.id,
            happened_at=body.date_modified_gmt or body.date_created_gmt or at,
            title=body.name or "",
            url=body.permalink,
            image_url=next((image.src for image in body.images if image.src), None),
            price_hundredths=to_minor(body.price, _UNKNOWN_CURRENCY) if body.price not in (None, "") else None,
            is_available=body.status in (None, "publish") and body.stock_status in _BUYABLE,
        )
    ]


def _read_deleted(of: str) -> Callable[[object, datetime], list[Event]]:
    """Translate *.deleted, which is no more than a hint: a binned coupon comes as product.deleted, with its own number."""

    def read(payload: object, at: datetime) -> list[Event]:
        return [DeletionTold(object_id=parse(Identified, payload).id, happened_at=at, of=of)]

    return read


_READERS: dict[str, Callable[[object, datetime], list[Event]]] = {
    "order.created": orders.read_order,
    "order.updated": orders.read_order,
    "order.restored": orders.read_order,
    "order.deleted": _read_deleted("orders"),
    "customer.created": _read_customer,
    "customer.updated": _read_customer,
    "customer.deleted": _read_deleted("customers"),
    "product.created": _read_product,
    "product.updated": _read_product,
    "product.restored": _read_product,
    "product.deleted": _read_deleted("products"),
    "checkout.created": _read_checkout,
    "checkout.updated": _read_checkout,
    "checkout.deleted": _read_deleted_checkout,
    "shopper.deleted": _read_deleted_shopper,
}
