"""Discount codes in a Shopify shop: one discount for each recipient, with its own end."""

from datetime import UTC, datetime, timedelta

from app.domain.errors import Ambiguous, NotAllowed, Permanent, Transient
from app.domain.ports import CouponSpec, ShopAccess
from integrations.http import dig
from integrations.shopify.client import AdminClient
from integrations.shopify.errors import ShopGone, Throttled, TokenRefused, UserErrors


def mint_coupon(access: ShopAccess, spec: CouponSpec) -> str:
    """Make the discount and return its GraphQL id (`gid://shopify/DiscountCodeNode/...`).

    Nothing is tried twice in here: the delivery's row is the retry, and others wait behind it.

    Raises:
        Transient, Ambiguous, Permanent, NotAllowed: as their names say.
    """
    with AdminClient(access, patience=timedelta(0)) as client:
        try:
            return mint(client, spec)
        except (Throttled, TokenRefused, ShopGone) as exc:
            error = _plain(exc)
    raise error


def mint(client: AdminClient, spec: CouponSpec) -> str:
    """Make the discount as `mint_coupon` does, with a client of the caller's.

    The code is the same on every try, so a try that follows an ambiguous one is answered TAKEN and finds the first.

    Raises:
        TokenRefused, ShopGone: as the client tells them apart.
        Transient, Ambiguous, Permanent, NotAllowed: as their names say.
    """
    try:
        made = client.run("CouponCreate", coupon_variables(spec))
    except UserErrors as exc:
        if "TAKEN" in exc.codes:
            return _find(client, spec.code)
        codes = ", ".join(code or "no code" for code in exc.codes[:5])
        raise Permanent(f"Shopify did not accept the coupon ({codes}).") from None
    return _id(dig(made.data, "discountCodeBasicCreate", "codeDiscountNode", "id"))


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


def _plain(exc: Throttled | TokenRefused | ShopGone) -> Exception:
    """Say it in the port's words. A mail of a shop that is gone need not wait for it."""
    if isinstance(exc, Throttled):
        return Transient(str(exc), exc.retry_after)
    return NotAllowed(str(exc)) if isinstance(exc, TokenRefused) else Permanent(str(exc))


def _find(client: AdminClient, code: str) -> str:
    found = dig(client.run("CouponByCode", {"code": code}).data, "codeDiscountNodeByCode", "id")
    if found is None:
        raise Transient("Shopify says that the coupon's code is taken, but does not show the coupon yet.")
    return _id(found)


def _id(value: object) -> str:
    if not isinstance(value, str):
        raise Ambiguous("Shopify's answer does not name the coupon.")
    return value


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
