"""The shop fronts from the checkout on: the visitor's address, discount codes, paying, and coming back by a link."""

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from app.demo.store import Checkout, Order
from app.demo.visit import forget_cart, keep_cart, lines_of, this_cart, this_shop
from app.demo.woocommerce_bodies import CONSENT_TEXT
from app.domain.errors import Refused

_NO_CART = "This link leads to no cart that we know."
_BOUGHT = "You bought this cart already. Thank you!"
_LONGEST_PATH = 300  # characters of a landing page that an order keeps


def add_checkout_pages(pages: Blueprint) -> None:
    """Add the routes to a shop's pages."""
    pages.get("/checkout")(checkout)
    pages.post("/checkout/contact")(contact)
    pages.post("/checkout/discount")(discount)
    pages.post("/checkout/payment")(payment)
    pages.get("/orders/<token>")(order)
    pages.post("/orders/<token>/parcel")(move_parcel)
    pages.get("/checkouts/ac/<token>/recover")(recovered)


def checkout() -> str | Response:
    """Ask who the visitor is, and let them pay."""
    cart = this_cart()
    return _page(cart) if cart and cart.items else redirect(url_for("shop.cart"), 303)


def contact() -> str | Response | tuple[str, int]:
    """Keep what is typed, as soon as a field is left (htmx) or by the button."""
    cart = this_cart() or abort(404)
    is_fragment = "HX-Request" in request.headers
    try:
        cart = _save_contact(cart)
    except Refused as exc:
        if is_fragment:
            return render_template("demo/_contact_note.html", error=str(exc), is_saved=False), 422
        return _page(cart, error=str(exc)), 422
    if is_fragment:
        return render_template("demo/_contact_note.html", error=None, is_saved=True)
    return redirect(url_for("shop.checkout", _anchor="next"), 303)


def discount() -> Response:
    """Put a discount code on the cart, or take it off."""
    cart = this_cart() or abort(404)
    try:
        this_shop().set_code(cart, request.form.get("code"))
    except Refused as exc:
        flash(str(exc), "warn")
    return redirect(url_for("shop.checkout"), 303)


def payment() -> str | Response | tuple[str, int]:
    """Take the pretend money."""
    cart, shop = this_cart() or abort(404), this_shop()
    try:
        cart = _save_contact(cart)
    except Refused as exc:
        return _page(cart, error=str(exc)), 422
    try:
        bought = shop.pay(cart)
    except Refused as exc:
        shop.set_code(cart, None)
        flash(f"{exc} Nothing was paid.", "warn")
        return redirect(url_for("shop.checkout"), 303)
    forget_cart()
    return redirect(url_for("shop.order", token=bought.token), 303)


def order(token: str) -> str:
    """Say thank you."""
    found = _find(token)
    return render_template("demo/order.html", order=found, lines=lines_of(found))


def move_parcel(token: str) -> Response:
    """Play the shop that sends the order off, then the carrier that brings it."""
    found, shop = _find(token), this_shop()
    if found.sent_off_at:
        shop.deliver(found)
    else:
        shop.send_off(found)
    return redirect(url_for("shop.order", token=token), 303)


def _find(token: str) -> Order:
    return next((each for each in this_shop().store.all(Order) if each.token == token), None) or abort(404)


def recovered(token: str) -> Response:
    """Follow Shopify's recovery link."""
    return recover(token, request.args.get("key", ""), request.args.get("discount"))


def recover(token: str, secret: str | None, code: str | None) -> Response:
    """Restore the cart and the address of a recovery link in this browser, and put the coupon on."""
    shop = this_shop()
    cart = shop.recover(token, secret, request.full_path[:_LONGEST_PATH])
    if cart is None or cart.completed_at or not cart.items:
        flash(_BOUGHT if cart and cart.completed_at else _NO_CART, "warn")
        return redirect(url_for("shop.home"), 303)
    keep_cart(cart)
    flash("Welcome back. Your cart is as you left it.", "ok")
    try:
        if code:
            shop.set_code(cart, code)
    except Refused as exc:
        flash(str(exc), "warn")
    return redirect(url_for("shop.checkout"), 303)


def _save_contact(cart: Checkout) -> Checkout:
    form = request.form
    cart = this_shop().save_contact(cart, form.get("email", ""), form.get("first_name", ""), consent="consent" in form)
    session["email"], session["first_name"] = cart.email, cart.first_name  # the next cart's form is filled in
    return cart


def _page(cart: Checkout, error: str | None = None) -> str:
    typed = request.form if error else {}
    contact = {
        "email": typed.get("email", cart.email or session.get("email") or ""),
        "first_name": typed.get("first_name", cart.first_name or session.get("first_name") or ""),
        # The demo's shopper ticks the box: without consent no mail would ever come.
        "consent": "consent" in typed if error else cart.consent or not cart.announced_at,
    }
    totals = this_shop().totals(cart)
    return render_template(
        "demo/checkout.html", cart=cart, lines=lines_of(cart), totals=totals, contact=contact, error=error,
        consent_text=CONSENT_TEXT,
    )  # fmt: skip
