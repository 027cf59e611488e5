"""Who has been silent for too long, and what mail has come how far: tables of cases."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.receipts import ReceiptKind, further
from app.domain.sunset import Sunset, SunsetRule, sunset

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def day(n: int | None) -> datetime | None:
    return None if n is None else T0 + timedelta(days=n)


@pytest.mark.parametrize(("engaged", "asked", "today", "expected"), [
    (None, None, 179, Sunset.KEEP),
    (None, None, 180, Sunset.ASK),
    (100, None, 279, Sunset.KEEP),
    (100, None, 280, Sunset.ASK),
    (None, 180, 193, Sunset.WAIT),
    (None, 180, 194, Sunset.HOLD),
    (185, 180, 194, Sunset.KEEP),
    (185, 180, 365, Sunset.ASK),
])  # fmt: skip
def test_sunset(engaged, asked, today, expected):
    now = T0 + timedelta(days=today)

    assert sunset(SunsetRule(), began_at=T0, engaged_at=day(engaged), asked_at=day(asked), now=now) is expected


@pytest.mark.parametrize(("held", "told", "expected"), [
    (None, ReceiptKind.QUEUED, "queued"),
    ("delivered", ReceiptKind.QUEUED, "delivered"),
    ("delivered", ReceiptKind.BOUNCED, "bounced"),
    ("bounced", ReceiptKind.COMPLAINED, "complained"),
    ("complained", ReceiptKind.BOUNCED, "complained"),
    ("delivered", ReceiptKind.OPENED, "delivered"),
    (None, ReceiptKind.UNKNOWN, None),
])  # fmt: skip
def test_a_mail_only_goes_further(held, told, expected):
    assert further(held, told) == expected
