"""Coupons in a WooCommerce shop, over the REST API wc/v3."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.domain.errors import Ambiguous, Transient
from app.domain.ports import CouponSpec, ShopAccess
from integrations.http import Answer, ask, dig, refused

if TYPE_CHECKING:
    from woocommerce import API

TIMEOUT = 30  # seconds to connect, and between two bytes; shared hosting is slow
_WHO = "The shop"
_TAKEN = "woocommerce_rest_coupon_code_already_exists"
_CREATED = 201


def mint_coupon(access: ShopAccess, spec: CouponSpec) -> str:
    """Make the coupon and return its id in the shop.

    The code is the same on every try, so a try that follows an ambiguous one is answered "exists" and finds the first.

    Raises:
        Transient, Ambiguous, Permanent, NotAllowed: as their names say.
    """
    api = _connect(access)
    # Redirects are never followed: requests would turn the POST into a GET, and answer 200 with a list.
    answer = ask(lambda: api.post("coupons", coupon_fields(spec), allow_redirects=False, stream=True), _WHO)
    if answer.status == _CREATED:
        return _id(dig(answer.body, "id"))
    if _word(answer) == _TAKEN:
        return _find(api, spec.code)
    raise refused(answer, _WHO, _word(answer))


def coupon_fields(spec: CouponSpec) -> dict[str, object]:
    """Return the body that makes the coupon; money is a string, because the package writes no Decimal.

    `date_expires` and not `date_expires_gmt`, which is ignored on write; with an offset it is converted correctly. No
    `email_restrictions`: they are checked when the code is applied, so a guest's cart without an address refuses it.
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


def _connect(access: ShopAccess) -> "API":
    from woocommerce import API  # not in the web process

    return API(
        url=access.base_url,
        consumer_key=access.key,
        consumer_secret=access.secret,
        wp_api=True,
        version="wc/v3",
        timeout=TIMEOUT,
    )


def _find(api: "API", code: str) -> str:
    # A fresh dict: the package may write the key and the secret into it.
    answer = ask(lambda: api.get("coupons", params={"code": code}, allow_redirects=False, stream=True), _WHO)
    if answer.status != 200 or answer.body is None:
        raise refused(answer, _WHO, _word(answer))
    listed = answer.body if isinstance(answer.body, list) else []
    # The shop may drop the filter (a cache, a firewall) and list other coupons.
    found = next((coupon for coupon in listed if str(dig(coupon, "code")).casefold() == code.casefold()), None)
    if found is None:
        raise Transient("The shop says that the coupon's code exists, but does not show the coupon yet.")
    return _id(dig(found, "id"))


def _word(answer: Answer) -> str:
    """Return the shop's own word for an error, or nothing where it says none or something that is no word."""
    code = dig(answer.body, "code")
    return code if isinstance(code, str) and re.fullmatch(r"[a-z0-9_-]{1,80}", code) else ""


def _id(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Ambiguous("The shop's answer does not name the coupon.")
    return str(value)


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
