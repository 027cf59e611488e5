"""The pretend WooCommerce's REST API: coupons, and what a connection looks at."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request

from app.demo.store import Coupon
from app.demo.woocommerce import WooShop
from app.demo.woocommerce_accounts import account_routes
from app.demo.woocommerce_bodies import VERSION, gmt, links, local
from app.demo.woocommerce_desk import Desk, Instead, RestError, answer, listed, refusal
from app.demo.woocommerce_hook_rest import hook_routes
from app.demo.woocommerce_keys import Keyring, approval_pages
from app.demo.woocommerce_lists import list_routes
from app.demo.woocommerce_reviews import review_routes


class RestApi:
    """The endpoints under /wp-json/, and the page that hands out their keys. `faults` is for tests."""

    def __init__(self, shop: WooShop) -> None:
        self.shop = shop
        self.keyring = Keyring(shop.config, shop.store)
        self.desk = Desk(shop, self.keyring)
        self.faults = self.desk.faults

    def blueprints(self) -> list[Blueprint]:
        """Make all routes."""
        all_of_it = [
            self.blueprint(), hook_routes(self.shop, self.desk), list_routes(self.shop, self.desk),
            account_routes(self.shop, self.desk), review_routes(self.shop, self.desk), approval_pages(self.keyring),
        ]  # fmt: skip
        for routes in all_of_it:
            routes.register_error_handler(RestError, refusal)
            routes.register_error_handler(Instead, lambda instead: instead.response)
        return all_of_it

    def blueprint(self) -> Blueprint:
        """Make the routes, under the shop's own path."""
        routes = Blueprint("woocommerce_rest", __name__, url_prefix="/woocommerce/wp-json")
        routes.get("/")(self._index)
        routes.get("/wc/v3/system_status")(self._system_status)
        routes.post("/wc/v3/coupons")(self._create)
        routes.get("/wc/v3/coupons")(self._list)
        routes.get("/wc/v3/coupons/<int:number>")(self._one)
        return routes

    def _index(self) -> Response:
        """Describe the site to anybody."""
        self.shop.visit()
        self.desk.suffer()
        home, namespaces = self.shop.home_url, ["wp/v2", "wc/v3", "wc/store/v1"]
        if self.shop.has_companion:
            namespaces.append("cartwheel/v1")
        zone = self.shop.catalogue.timezone
        return answer(
            {"name": self.shop.catalogue.name, "url": home, "home": home, "gmt_offset": "0", "timezone_string": zone,
             "namespaces": namespaces}
        )  # fmt: skip

    def _system_status(self) -> Response:
        self.desk.check("woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        environment = {"home_url": self.shop.home_url, "site_url": self.shop.home_url, "version": VERSION,
                       "wp_version": "6.9.7", "language": self.shop.catalogue.locale, "wp_cron": True}  # fmt: skip
        settings = {"currency": self.shop.catalogue.currency, "currency_symbol": "&euro;", "HPOS_enabled": True}
        plugins = [{"plugin": f"{name}/{name}.php", "version": version} for name, version in self.shop.plugins.items()]
        return answer({"environment": environment, "settings": settings, "active_plugins": plugins})

    def _create(self) -> Response:
        self.desk.check("woocommerce_rest_cannot_create", "Sorry, you are not allowed to create resources.")
        wanted = request.get_json(force=True, silent=True)
        if not isinstance(wanted, dict):
            raise RestError(400, "rest_invalid_json", "Invalid JSON body passed.")
        with self.shop.store.lock:
            coupon = self._read(wanted)
            self.shop.store.put(coupon)
        return self.desk.lost() or answer(self._body(coupon), 201)

    def _list(self) -> Response:
        self.desk.check("woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        code = request.args.get("code")
        coupons = self.shop.store.all(Coupon)
        found = [each for each in coupons if code is None or each.code == code.casefold()]
        return listed([self._body(each) for each in sorted(found, key=lambda c: -c.id)])

    def _one(self, number: int) -> Response:
        self.desk.check("woocommerce_rest_cannot_view", "Sorry, you cannot view this resource.")
        for coupon in self.shop.store.all(Coupon):
            if coupon.id == number:
                return answer(self._body(coupon))
        raise RestError(404, "woocommerce_rest_shop_coupon_invalid_id", "Invalid ID.")

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
