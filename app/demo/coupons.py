"""Whether a coupon holds, said in words for the shopper."""

from dataclasses import replace
from datetime import datetime

from app.demo.store import Coupon, Store
from app.domain.errors import Refused


def find_usable(store: Store, code: str, email: str | None, now: datetime) -> Coupon:
    """Return the coupon, if this shopper may use it now.

    Raises:
        Refused: the message says why not.
    """
    coupon = store.get(Coupon, code.strip())
    if coupon is None:
        raise Refused(f"There is no discount code {code.strip()[:40]}. Check the spelling.")
    if reason := _why_not(coupon, (email or "").casefold(), now):
        raise Refused(reason)
    return coupon


def percent_of(store: Store, code: str | None, email: str | None, now: datetime) -> float:
    """Return the percentage that a code is worth now, 0 to 100; a code that does not hold is worth nothing."""
    coupon = store.get(Coupon, code) if code else None
    return coupon.percent if coupon and not _why_not(coupon, (email or "").casefold(), now) else 0.0


def use(store: Store, coupon: Coupon, email: str) -> None:
    """Count one redemption. Hold the store's lock from `find_usable` to here."""
    store.put(replace(coupon, used_by=(*coupon.used_by, email.casefold())))


def _why_not(coupon: Coupon, email: str, now: datetime) -> str | None:
    if not coupon.is_active or coupon.starts_at > now:
        return f"The code {coupon.code} is not active."
    if coupon.ends_at and coupon.ends_at <= now:
        return f"The code {coupon.code} ended on {coupon.ends_at:%-d %B %Y at %H:%M} UTC."
    if coupon.usage_limit is not None and len(coupon.used_by) >= coupon.usage_limit:
        return f"The code {coupon.code} was used already."
    if coupon.allowed_emails and email not in coupon.allowed_emails:
        return f"The code {coupon.code} belongs to another e-mail address."
    if coupon.once_per_customer and email in coupon.used_by:
        return f"You used the code {coupon.code} already."
    return None
