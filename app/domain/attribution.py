"""Which mail an order is credited to: pure, by three rules, the surest first."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Rule(StrEnum):
    """Why an order is credited to a mail."""

    COUPON = "coupon"  # its single-use code was redeemed
    CLICK = "click"  # the newest link that a person followed before the order
    WINDOW = "window"  # the newest mail before the order, nothing followed


@dataclass(frozen=True, slots=True)
class Touch:
    """A mail, and when it was sent or followed."""

    delivery_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Credit:
    """The mail that an order is credited to."""

    delivery_id: int
    rule: Rule


def credit(
    ordered_at: datetime,
    codes: Collection[str],
    *,
    coupons: Mapping[str, int],
    clicks: Collection[Touch],
    mails: Collection[Touch],
    click_span: timedelta,
    window: timedelta,
) -> Credit | None:
    """Return the mail that an order is credited to, or None.

    Args:
        ordered_at: when it was placed.
        codes: the codes that it was placed with.
        coupons: the mail of each code that we made, by the code in capital letters.
        clicks: what people followed; robots are not among them.
        mails: the mails that the buyer got.
        click_span: how long a click counts.
        window: how long a mail counts by itself; zero is never.
    """
    for code in codes:
        if delivery_id := coupons.get(code.upper()):
            return Credit(delivery_id, Rule.COUPON)
    if newest := _newest(clicks, ordered_at, click_span):
        return Credit(newest.delivery_id, Rule.CLICK)
    if newest := _newest(mails, ordered_at, window):
        return Credit(newest.delivery_id, Rule.WINDOW)
    return None


def kept_minor(total_minor: int, refunded_minor: int, *, is_cancelled: bool) -> int:
    """Return what the shop kept of an order, in minor units, never less than nothing."""
    return 0 if is_cancelled else max(total_minor - refunded_minor, 0)


def _newest(touches: Collection[Touch], ordered_at: datetime, span: timedelta) -> Touch | None:
    counting = [t for t in touches if timedelta(0) <= ordered_at - t.at <= span] if span else []
    return max(counting, key=lambda t: (t.at, t.delivery_id), default=None)
