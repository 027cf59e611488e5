"""Who has been silent for too long, and what mail has come how far: tables of cases."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.receipts import ReceiptKind, further
from app.domain.sunset import Silence, Sunset, SunsetRule, sunset

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def day(n: int | None) -> datetime | None:
    return None if n is None else T0 + timedelta(days=n)


@pytest.mark.parametrize(("mails", "asked", "today", "expected"), [
    (3, None, 179, Sunset.KEEP),
    (3, None, 180, Sunset.ASK),
    (3, None, 193, Sunset.ASK),
    (3, None, 194, Sunset.HOLD),
    (3, 190, 203, Sunset.WAIT),
    (3, 190, 204, Sunset.HOLD),
    (2, None, 900, Sunset.KEEP),
])  # fmt: skip
def test_sunset(mails, asked, today, expected):
    silence = Silence(rule=SunsetRule(), mails=mails, since=T0, asked_at=day(asked))

    assert sunset(silence, now=T0 + timedelta(days=today)) is expected


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
