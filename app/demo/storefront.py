"""The shop fronts up to the cart: what a visitor of the demo looks at and takes along."""

from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.demo.checkout_pages import add_checkout_pages, recover
from app.demo.fakes import Fakes
from app.demo.store import Item
from app.demo.visit import keep_cart, lines_of, this_cart, this_shop


def storefront_pages(fakes: Fakes) -> Blueprint:
    """Make the pages under /shopify/ and /woocommerce/, the same for both shops."""
    pages = Blueprint("shop", __name__, url_prefix="/<any(shopify,woocommerce):key>")

    @pages.url_value_preprocessor
    def pick_shop(_endpoint: str | None, values: dict[str, Any] | None) -> None:
        if values:
            g.shop = fakes.shops[values.pop("key")]

    @pages.url_defaults
    def stay_in_shop(_endpoint: str, values: dict[str, Any]) -> None:
        if "key" not in values:
            values["key"] = this_shop().catalogue.key

    @pages.context_processor
    def about_visit() -> dict[str, object]:
        cart = this_cart()
        pieces = sum(item.quantity for item in cart.items) if cart else 0
        return {"shop": this_shop(), "catalogue": this_shop().catalogue, "pieces": pieces}

    pages.get("/")(home)
    pages.get("/products/<slug>")(product)
    pages.get("/product/<slug>/", endpoint="permalink")(product)
    pages.get("/cart")(cart)
    pages.post("/cart/items")(add)
    pages.post("/cart/items/<int:variant_id>")(change)
    pages.post("/cart/emptying")(empty)
    add_checkout_pages(pages)
    return pages


def home() -> str | Response:
    """Show all that the shop sells; with the companion plugin's parameter, restore a cart."""
    token = request.args.get("cartwheel_cart")
    if token and this_shop().catalogue.platform == "WooCommerce":
        return recover(token, None, request.args.get("coupon"))
    return render_template("demo/home.html")


def product(slug: str) -> str:
    """Show one product, with its choices."""
    found = this_shop().catalogue.product(slug) or abort(404)
    return render_template("demo/product.html", product=found)


def cart() -> str:
    """Show what the visitor took along."""
    now = this_cart()
    totals = this_shop().totals(now) if now else None
    return render_template("demo/cart.html", cart=now, lines=lines_of(now), totals=totals)


def add() -> Response:
    """Put one more piece into the cart, beginning one where there is none."""
    variant_id = request.form.get("variant_id", 0, type=int)
    now = this_cart()
    held = next((item.quantity for item in now.items if item.variant_id == variant_id), 0) if now else 0
    return _hold(variant_id, held + 1)


def change(variant_id: int) -> Response:
    """Take another number of pieces of one thing; none takes it out."""
    return _hold(variant_id, request.form.get("quantity", 0, type=int))


def empty() -> Response:
    """Take everything out of the cart."""
    if now := this_cart():
        this_shop().empty_cart(now)
    return redirect(url_for("shop.cart"), 303)


def _hold(variant_id: int, quantity: int) -> Response:
    shop = this_shop()
    if not shop.catalogue.has(variant_id):
        abort(404)
    now = this_cart() or shop.open_cart()
    held = {item.variant_id: item.quantity for item in now.items} | {variant_id: quantity}
    keep_cart(shop.set_items(now, tuple(Item(each, pieces) for each, pieces in held.items())))
    return redirect(url_for("shop.cart"), 303)
