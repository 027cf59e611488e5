"""Shopify's checkouts in our words, and what orders have in common with them: the shopper, the box, the lines."""

from collections.abc import Sequence
from datetime import datetime

from app.domain.errors import BadPayload
from app.domain.events import CheckoutDeleted, CheckoutUpdated, Consent, ConsentState, Event, Line, Person
from app.domain.money import to_minor
from integrations.payloads import parse
from integrations.shopify.bodies import Address, Checkout, DeletedCheckout, Item, Order


def read_checkout(payload: object, _at: datetime) -> list[Event]:
    """Translate checkouts/create and checkouts/update; the amounts are in the shopper's currency."""
    body = parse(Checkout, payload)
    currency = body.presentment_currency or body.currency
    event = CheckoutUpdated(
        object_id=body.token,
        happened_at=body.updated_at,
        person=who(body, body.email),
        currency=currency,
        lines=lines(body.line_items, currency),
        subtotal_minor=to_minor(body.subtotal_price, currency),
        total_minor=to_minor(body.total_price, currency),
        created_at=body.created_at,
        cart_token=body.cart_token,
        recovery_url=body.abandoned_checkout_url,
        completed_at=body.completed_at,
        consent=ticked(body),
    )
    return [event]


def read_deleted_checkout(payload: object, at: datetime) -> list[Event]:
    """Translate checkouts/delete.

    Raises:
        BadPayload: it has neither a cart token nor a token, so nothing of ours can be found by it.
    """
    body = parse(DeletedCheckout, payload)
    object_id = body.cart_token or body.token
    if object_id is None:
        raise BadPayload("The body names the deleted checkout neither by cart_token nor by token.")
    return [CheckoutDeleted(object_id=object_id, happened_at=at, token=body.token, cart_token=body.cart_token)]


def ticked(body: Checkout | Order) -> Consent | None:
    """Return the consent of a ticked box, as of when the checkout was begun.

    Not as of the last change: a shopper who unsubscribes from the cart's first mail and then changes the cart, with the
    box still ticked, must stay unsubscribed. An empty box takes nothing back.
    """
    if not body.buyer_accepts_marketing:
        return None
    return Consent(state=ConsentState.SUBSCRIBED, at=body.created_at, source="checkout")


def who(body: Checkout | Order, email: str | None) -> Person:
    """Return who a checkout or an order is about, `email` being the address that it was given itself."""
    shipping, billing = body.shipping_address or Address(), body.billing_address or Address()
    customer = body.customer
    return Person(
        external_id=customer.id if customer else None,
        email=email or (customer.email if customer else None),
        first_name=(customer and customer.first_name) or shipping.first_name or billing.first_name,
        last_name=(customer and customer.last_name) or shipping.last_name or billing.last_name,
        locale=body.customer_locale,
        country=shipping.country_code or billing.country_code,
    )


def lines(items: Sequence[Item], currency: str) -> tuple[Line, ...]:
    """Return the lines that hold something."""
    return tuple(
        Line(
            title=item.presentment_title or item.title or item.name or "",
            quantity=item.quantity,
            price_minor=to_minor(item.price, currency),
            product_id=item.product_id,
            variant_id=item.variant_id,
            variant_title=item.presentment_variant_title or item.variant_title,
            sku=item.sku,
        )
        for item in items
        if item.quantity > 0
    )
