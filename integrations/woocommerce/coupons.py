"""Coupons in a WooCommerce shop, over the REST API wc/v3."""

from datetime import UTC, datetime

from app.domain.errors import Ambiguous, Transient
from app.domain.ports import CouponSpec, ShopAccess
from integrations.http import dig
from integrations.woocommerce.rest import RestClient, failed, word

_TAKEN = "woocommerce_rest_coupon_code_already_exists"
_CREATED = 201


def mint_coupon(access: ShopAccess, spec: CouponSpec) -> str:
    """Make the coupon and return its id in the shop.

    The code is the same on every try, so a try that follows an ambiguous one is answered "exists" and finds the first.

    Raises:
        Transient, Ambiguous, Permanent, NotAllowed: as their names say.
    """
    with RestClient(access) as shop:
        answer = shop.post("coupons", coupon_fields(spec))
        if answer.status == _CREATED:
            return _id(dig(answer.body, "id"))
        if word(answer) == _TAKEN:
            return _find(shop, spec.code)
    raise failed(answer)


def coupon_fields(spec: CouponSpec) -> dict[str, object]:
    """Return the body that makes the coupon; money is a string, because the package writes no Decimal.

    `date_expires` and not `date_expires_gmt`, which is ignored on write; with an offset it is converted correctly. No
    `email_restrictions`: they refuse the code to honest shoppers (docs/decisions, number 7).
    The coupon starts at once: WooCommerce knows no start.
    """
    return {
        "code": spec.code,
        "discount_type": "percent",
        "amount": str(spec.percent),
        "individual_use": False,
        "usage_limit": 1,
        "usage_limit_per_user": 1,
        "date_expires": _iso(spec.expires_at),
        "description": spec.title,
    }


def _find(shop: RestClient, code: str) -> str:
    listed = shop.read("coupons", {"code": code})
    # The shop may drop the filter (a cache, a firewall) and list other coupons.
    coupons = listed if isinstance(listed, list) else []
    found = next((coupon for coupon in coupons if str(dig(coupon, "code")).casefold() == code.casefold()), None)
    if found is None:
        raise Transient("The shop says that the coupon's code exists, but does not show the coupon yet.")
    return _id(dig(found, "id"))


def _id(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Ambiguous("The shop's answer does not name the coupon.")
    return str(value)


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
