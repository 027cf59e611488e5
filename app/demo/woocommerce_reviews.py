"""The pretend WooCommerce's reviews: what visitors write of a product, as the REST API lists it. No webhook tells of them.

Source: the plugin's class-wc-rest-product-reviews-controller.php, release 11.1. Habits that shape it: only what is approved
is listed unless told otherwise, "all" means approved and held; bounds with an offset are heeded and those without are the
shop's wall clock, whatever `dates_are_gmt` says; the words come with the paragraphs of WordPress; no change has a time.
"""

import html
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request

from app.demo.store import Review
from app.demo.woocommerce import WooShop
from app.demo.woocommerce_bodies import gmt, links, local
from app.demo.woocommerce_desk import Desk, RestError, answer, listed

_CANNOT = ("woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
_STATUSES = {
    "all": {"approved", "hold"}, "approved": {"approved"}, "hold": {"hold"}, "spam": {"spam"}, "trash": {"trash"},
}  # fmt: skip
_ORDERS = {
    "date": lambda r: (r.written_at, r.id), "date_gmt": lambda r: (r.written_at, r.id), "id": lambda r: r.id,
    "include": lambda r: r.id, "product": lambda r: (r.product_id, r.id),
}  # fmt: skip


def review_routes(shop: WooShop, desk: Desk) -> Blueprint:
    """Make the endpoints that answer with reviews."""
    routes = Blueprint("woocommerce_reviews", __name__, url_prefix="/woocommerce/wp-json/wc/v3/products/reviews")

    @routes.get("")
    def reviews() -> Response:
        desk.check(*_CANNOT)
        found = [review for review in shop.store.all(Review) if _is_wanted(shop, review)]
        found.sort(key=_ORDERS[_one_of("orderby", _ORDERS, "date_gmt")], reverse=_direction() == "desc")
        return listed([review_body(shop, review) for review in found])

    @routes.get("/<int:number>")
    def review(number: int) -> Response:
        desk.check(*_CANNOT)
        found = shop.store.get(Review, str(number))
        if found is None:
            raise RestError(404, "woocommerce_rest_review_invalid_id", "Invalid review ID.")
        return answer(review_body(shop, found))

    return routes


def review_body(shop: WooShop, review: Review) -> dict[str, Any]:
    """Build a review as it is listed, without the pictures of its writer."""
    product = next((p for p in shop.catalogue.products if p.id == review.product_id), None)
    words = html.escape(review.words, quote=False).replace("\n\n", "</p>\n<p>").replace("\n", "<br />\n")
    return {
        "id": review.id, "date_created": local(shop, review.written_at), "date_created_gmt": gmt(review.written_at),
        "product_id": review.product_id, "product_name": product.title if product else "",
        "product_permalink": f"{shop.home_url}/product/{product.slug}/" if product else "",
        "status": review.status, "reviewer": review.name, "reviewer_email": review.email,
        "review": f"<p>{words}</p>\n", "rating": review.rating, "verified": review.is_verified,
        "_links": links(f"{shop.home_url}/wp-json/wc/v3/products/reviews", review.id),
    }  # fmt: skip


def _is_wanted(shop: WooShop, review: Review) -> bool:
    include, product, writer = (request.args.get(name) for name in ("include", "product", "reviewer_email"))
    after, before = _bound(shop, "after"), _bound(shop, "before")
    written_at = review.written_at.replace(microsecond=0)
    return (
        review.id not in shop.unlisted
        and review.status in _STATUSES[_one_of("status", _STATUSES, "approved")]
        and (not include or str(review.id) in include.split(","))
        and (not product or str(review.product_id) in product.split(","))
        and (not writer or review.email == writer)
        and (after is None or written_at > after)
        and (before is None or written_at < before)
    )


def _direction() -> str:
    return _one_of("order", {"asc", "desc"}, "desc")


def _one_of(name: str, allowed: Any, usual: str) -> str:
    """Read a parameter that is one of a few words."""
    said = request.args.get(name, usual)
    if said not in allowed:
        raise RestError(400, "rest_invalid_param", f"Invalid parameter(s): {name}")
    return said


def _bound(shop: WooShop, name: str) -> datetime | None:
    text = request.args.get(name)
    if not text:
        return None
    try:
        told = datetime.fromisoformat(text)
    except ValueError as exc:
        raise RestError(400, "rest_invalid_param", f"Invalid parameter(s): {name}") from exc
    return (told if told.tzinfo else told.replace(tzinfo=ZoneInfo(shop.catalogue.timezone))).astimezone(UTC)
