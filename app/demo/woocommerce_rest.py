"""The pretend WooCommerce's REST API: coupons, and what a connection looks at."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request

from app.demo.faults import ApiFaults
from app.demo.oauth import NotSignedError, Verifier
from app.demo.store import Coupon
from app.demo.woocommerce import WooShop
from app.demo.woocommerce_bodies import VERSION, gmt, links, local

_LIST_LIMIT = 100  # `per_page` at the most


class RestError(Exception):
    """An answer that is WooCommerce's JSON error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class RestApi:
    """The endpoints under /wp-json/. `faults` is for tests."""

    def __init__(self, shop: WooShop) -> None:
        self.shop = shop
        self.faults = ApiFaults()
        self._verifier = Verifier(shop.config.woo_consumer_key, shop.config.woo_consumer_secret)

    def blueprint(self) -> Blueprint:
        """Make the routes, under the shop's own path."""
        routes = Blueprint("woocommerce_rest", __name__, url_prefix="/woocommerce/wp-json")
        routes.get("/")(self._index)
        routes.get("/wc/v3/system_status")(self._system_status)
        routes.post("/wc/v3/coupons")(self._create)
        routes.get("/wc/v3/coupons")(self._list)
        routes.get("/wc/v3/coupons/<int:number>")(self._one)
        routes.register_error_handler(RestError, _refusal)
        return routes

    def _index(self) -> Response:
        """Describe the site to anybody."""
        home, namespaces = self.shop.home_url, ["wp/v2", "wc/v3", "wc/store/v1", "cartwheel/v1"]
        zone = self.shop.catalogue.timezone
        return _json(
            {"name": self.shop.catalogue.name, "url": home, "home": home, "gmt_offset": "0", "timezone_string": zone,
             "namespaces": namespaces}
        )  # fmt: skip

    def _system_status(self) -> Response:
        self._check("woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        environment = {"home_url": self.shop.home_url, "site_url": self.shop.home_url, "version": VERSION,
                       "wp_version": "6.9.7", "language": self.shop.catalogue.locale, "wp_cron": True}  # fmt: skip
        settings = {"currency": self.shop.catalogue.currency, "currency_symbol": "&euro;", "HPOS_enabled": True}
        return _json({"environment": environment, "settings": settings})

    def _create(self) -> Response:
        self._check("woocommerce_rest_cannot_create", "Sorry, you are not allowed to create resources.")
        wanted = request.get_json(force=True, silent=True)
        if not isinstance(wanted, dict):
            raise RestError(400, "rest_invalid_json", "Invalid JSON body passed.")
        with self.shop.store.lock:
            coupon = self._read(wanted)
            self.shop.store.put(coupon)
        if self.faults.take("lose"):
            return Response("<html><h1>502 Bad Gateway</h1></html>", 502)
        return _json(self._body(coupon), 201)

    def _list(self) -> Response:
        self._check("woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        code = request.args.get("code")
        coupons = self.shop.store.all(Coupon)
        found = [each for each in coupons if code is None or each.code == code.casefold()]
        answer = _json([self._body(each) for each in sorted(found, key=lambda c: -c.id)[:_LIST_LIMIT]])
        answer.headers["X-WP-Total"] = str(len(found))
        answer.headers["X-WP-TotalPages"] = "1"
        return answer

    def _one(self, number: int) -> Response:
        self._check("woocommerce_rest_cannot_view", "Sorry, you cannot view this resource.")
        for coupon in self.shop.store.all(Coupon):
            if coupon.id == number:
                return _json(self._body(coupon))
        raise RestError(404, "woocommerce_rest_shop_coupon_invalid_id", "Invalid ID.")

    def _check(self, code: str, message: str) -> None:
        """Let the faults of the day happen, then check the signature. Basic authentication is off over http."""
        time.sleep(self.faults.delay)
        if self.faults.take("fail"):
            raise RestError(self.faults.fail_status, "fault", "The shop has a bad day.")
        parameters = dict(parse_qsl(request.query_string.decode(), keep_blank_values=True))  # PHP keeps the last
        if self.faults.is_revoked or not any(name.startswith("oauth_") for name in parameters):
            raise RestError(401, code, message)
        url = self.shop.config.shops_url + request.path  # the shop's own spelling of its host, whatever was called
        try:
            self._verifier.verify(request.method, url, parameters, _real_time())
        except NotSignedError as exc:
            raise RestError(401, "woocommerce_rest_authentication_error", str(exc)) from exc

    def _read(self, wanted: Mapping[str, Any]) -> Coupon:
        code = str(wanted.get("code") or "").strip().lower()
        if not code:
            raise RestError(400, "rest_missing_callback_param", "Missing parameter(s): code")
        if self.shop.store.get(Coupon, code):
            raise RestError(400, "woocommerce_rest_coupon_code_already_exists", "The coupon code already exists")
        if wanted.get("discount_type") != "percent":
            raise RestError(400, "rest_invalid_param", "Invalid parameter(s): discount_type (this shop knows percent)")
        now = self.shop.clock.now()
        emails = tuple(str(email).casefold() for email in wanted.get("email_restrictions") or ())
        return Coupon(
            id=self.shop.store.next_number("post", 101), code=code, percent=_percent(wanted.get("amount")),
            title=str(wanted.get("description") or ""), starts_at=now, created_at=now,
            ends_at=self._expiry(wanted.get("date_expires")), usage_limit=wanted.get("usage_limit") or None,
            once_per_customer=bool(wanted.get("usage_limit_per_user")), allowed_emails=emails,
            extra={"individual_use": bool(wanted.get("individual_use")), "meta_data": wanted.get("meta_data") or []},
        )  # fmt: skip

    def _expiry(self, text: object) -> datetime | None:
        """Read `date_expires`: naive is the shop's wall clock. `date_expires_gmt` is not read, as in the original."""
        if not text:
            return None
        try:
            at = datetime.fromisoformat(str(text))
        except ValueError as exc:
            raise RestError(400, "rest_invalid_param", "Invalid parameter(s): date_expires") from exc
        zone = ZoneInfo(self.shop.catalogue.timezone)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)

    def _body(self, coupon: Coupon) -> dict[str, Any]:
        made, shop = coupon.created_at, self.shop
        return {
            "id": coupon.id, "code": coupon.code, "amount": f"{coupon.percent:.2f}", "status": "publish",
            "date_created": local(shop, made), "date_created_gmt": gmt(made), "date_modified": local(shop, made),
            "date_modified_gmt": gmt(made), "discount_type": "percent", "description": coupon.title,
            "date_expires": local(shop, coupon.ends_at) if coupon.ends_at else None,
            "date_expires_gmt": gmt(coupon.ends_at) if coupon.ends_at else None, "usage_count": len(coupon.used_by),
            "individual_use": coupon.extra["individual_use"], "product_ids": [], "excluded_product_ids": [],
            "usage_limit": coupon.usage_limit, "usage_limit_per_user": 1 if coupon.once_per_customer else None,
            "limit_usage_to_x_items": None, "free_shipping": False, "product_categories": [],
            "excluded_product_categories": [], "exclude_sale_items": False, "minimum_amount": "0.00",
            "maximum_amount": "0.00", "email_restrictions": list(coupon.allowed_emails),
            "used_by": list(coupon.used_by), "meta_data": coupon.extra["meta_data"],
            "_links": links(f"{shop.home_url}/wp-json/wc/v3/coupons", coupon.id),
        }  # fmt: skip


def _percent(amount: object) -> float:
    try:
        percent = float(str(amount))
    except ValueError as exc:
        raise RestError(400, "rest_invalid_param", "Invalid parameter(s): amount") from exc
    if not 0 < percent <= 100:
        raise RestError(400, "coupon_invalid_amount", "Invalid discount amount.")
    return percent


def _refusal(error: RestError) -> Response:
    return _json({"code": error.code, "message": str(error), "data": {"status": error.status}}, error.status)


def _json(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body).replace("/", "\\/"), status, content_type="application/json; charset=UTF-8")


def _real_time() -> float:
    return time.time()  # noqa: TID251  (a shop's server has its own clock; signatures use real time, not the demo's)
