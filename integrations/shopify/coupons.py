"""Discount codes in a Shopify shop: one discount for each recipient, with its own end."""

from datetime import UTC, datetime

from app.domain.errors import Ambiguous, Permanent, Transient
from app.domain.ports import CouponSpec, ShopAccess
from integrations.http import dig
from integrations.shopify.client import graphql


def mint_coupon(access: ShopAccess, spec: CouponSpec) -> str:
    """Make the discount and return its GraphQL id (`gid://shopify/DiscountCodeNode/...`).

    The code is the same on every try, so a try that follows an ambiguous one is answered TAKEN and finds the first.

    Raises:
        Transient, Ambiguous, Permanent, NotAllowed: as their names say.
    """
    data = graphql(access, "coupon_create", coupon_variables(spec))
    errors = dig(data, "discountCodeBasicCreate", "userErrors")
    complaints = errors if isinstance(errors, list) else []
    codes = [str(dig(complaint, "code") or "no code")[:60] for complaint in complaints]
    if "TAKEN" in codes:
        return _find(access, spec.code)
    if codes:
        # Codes only: the messages quote what was sent.
        raise Permanent(f"Shopify did not accept the coupon ({', '.join(codes[:5])}).")
    return _id(dig(data, "discountCodeBasicCreate", "codeDiscountNode", "id"))


def coupon_variables(spec: CouponSpec) -> dict[str, object]:
    """Return the variables of CouponCreate: once only, for anybody, on everything, as a fraction of the price."""
    discount = {
        "title": spec.title,
        "code": spec.code,
        "startsAt": _iso(spec.starts_at),
        "endsAt": _iso(spec.expires_at),
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "context": {"all": "ALL"},
        "customerGets": {"value": {"percentage": spec.percent / 100}, "items": {"all": True}},
    }
    return {"d": discount}


def _find(access: ShopAccess, code: str) -> str:
    data = graphql(access, "coupon_by_code", {"code": code})
    found = dig(data, "codeDiscountNodeByCode", "id")
    if found is None:
        raise Transient("Shopify says that the coupon's code is taken, but does not show the coupon yet.")
    return _id(found)


def _id(value: object) -> str:
    if not isinstance(value, str):
        raise Ambiguous("Shopify's answer does not name the coupon.")
    return value


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
