"""Who is looking at which shop front: the shop of the address, the cart of the cookie."""

from dataclasses import dataclass

from flask import g, session

from app.demo.catalog import Product, Variant
from app.demo.prices import line_minor
from app.demo.shop import Shop
from app.demo.store import Checkout, Order


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a cart as the pages show it."""

    product: Product
    variant: Variant
    quantity: int
    total_minor: int


def this_shop() -> Shop:
    """Return the shop of this request."""
    shop: Shop = g.shop
    return shop


def this_cart() -> Checkout | None:
    """Return the visitor's cart in this shop, if one is begun and not yet bought."""
    shop = this_shop()
    token = session.get(shop.catalogue.key)
    cart = shop.store.get(Checkout, token) if isinstance(token, str) else None
    return cart if cart and not cart.completed_at else None


def keep_cart(cart: Checkout) -> None:
    """Make this the visitor's cart in this shop; the cookie stays for a month."""
    session.permanent = True
    session[this_shop().catalogue.key] = cart.cart_token


def forget_cart() -> None:
    """Let the next visit begin with an empty cart."""
    session.pop(this_shop().catalogue.key, None)


def lines_of(cart: Checkout | Order | None) -> list[Line]:
    """Look up what is in a cart or an order."""
    catalogue = this_shop().catalogue
    return [
        Line(*catalogue.find(item.variant_id), item.quantity, line_minor(catalogue, item))
        for item in (cart.items if cart else ())
    ]
