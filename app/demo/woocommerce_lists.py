"""The pretend WooCommerce's lists: orders and products, asked for by time, page and status."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from app.demo.catalog import Product
from app.demo.store import Order
from app.demo.woocommerce import WooShop
from app.demo.woocommerce_bodies import gmt, links, local, order_body
from app.demo.woocommerce_desk import Desk, RestError, answer, in_order, listed

_OPENED = datetime(2026, 1, 5, 9, tzinfo=UTC)  # when the shop's products were put in
_CANNOT = ("woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
_HIDDEN = {"trash", "auto-draft"}  # what `status=any` leaves out


def list_routes(shop: WooShop, desk: Desk) -> Blueprint:
    """Make the endpoints that answer with what the shop holds."""
    routes = Blueprint("woocommerce_lists", __name__, url_prefix="/woocommerce/wp-json/wc/v3")

    @routes.get("/orders")
    def orders() -> Response:
        desk.check(*_CANNOT)
        wanted = request.args.get("status", "any").split(",")
        found = [o for o in shop.store.all(Order) if o.status in wanted or (wanted == ["any"] and o.status not in _HIDDEN)]
        after, changed = desk.instant("after"), desk.instant("modified_after")
        found = [o for o in found if _is_after(o.created_at, after) and _is_after(o.updated_at, changed)]
        by_change = request.args.get("orderby") == "modified"
        found.sort(key=lambda o: (o.updated_at if by_change else o.created_at, o.id))
        return listed([order_body(shop, order, shop.account(order.email)) for order in in_order(found)])

    @routes.get("/orders/<int:number>")
    def order(number: int) -> Response:
        desk.check(*_CANNOT)
        found = shop.store.get(Order, str(number))
        if found is None:
            raise RestError(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
        return answer(order_body(shop, found, shop.account(found.email)))

    @routes.get("/products")
    def products() -> Response:
        desk.check(*_CANNOT)
        is_new = _is_after(_OPENED, desk.instant("modified_after"))
        kept = [product for product in shop.catalogue.products if product.id not in shop.binned]
        return listed([product_body(shop, product) for product in in_order(kept)] if is_new else [])

    @routes.get("/products/<int:number>")
    def product(number: int) -> Response:
        desk.check(*_CANNOT)
        found = next((p for p in shop.catalogue.products if p.id == number and number not in shop.binned), None)
        if found is None:
            raise RestError(404, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        return answer(product_body(shop, found))

    @routes.get("/settings/<group>")
    def settings(group: str) -> Response:
        desk.check(*_CANNOT)
        if group not in shop.settings:
            raise RestError(404, "rest_setting_setting_group_invalid", "Invalid setting group.")
        return answer([{"id": name, "value": value} for name, value in shop.settings[group].items()])

    return routes


def product_body(shop: WooShop, product: Product) -> dict[str, Any]:
    """Build the parts of a product that anybody here reads."""
    times = {"date_created": local(shop, _OPENED), "date_created_gmt": gmt(_OPENED)}
    times |= {"date_modified": local(shop, _OPENED), "date_modified_gmt": gmt(_OPENED)}
    return {
        "id": product.id, "name": product.title, "slug": product.slug, **times,
        "permalink": f"{shop.home_url}/product/{product.slug}/",
        "type": "variable" if len(product.variants) > 1 else "simple", "status": "publish",
        "price": f"{min(v.price_minor for v in product.variants) / 100:.2f}", "stock_status": "instock",
        "images": [{"id": product.id, "src": shop.picture_url(product)}],
        "_links": links(f"{shop.home_url}/wp-json/wc/v3/products", product.id),
    }  # fmt: skip


def _is_after(at: datetime, bound: datetime | None) -> bool:
    """Compare as the original does: in whole seconds, and the bound itself is out."""
    return bound is None or at.replace(microsecond=0) > bound
