from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import BadPayload
from app.domain.money import decimals, to_decimal, to_minor

CURRENCIES = ["USD", "EUR", "JPY", "KWD", "AZN"]
LARGEST = 10**15


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("64.05", "USD", 6405),
        ("64.5", "usd", 6450),
        ("129", "USD", 12900),
        (14.85, "USD", 1485),
        (0.1 + 0.2, "USD", 30),
        (Decimal("12.34"), "EUR", 1234),
        ("-10.00", "USD", -1000),
        ("1200", "JPY", 1200),
        ("1200.00", "JPY", 1200),
        ("1.234", "KWD", 1234),
        ("9.99", "XYZ", 999),
        ("9.99", "", 999),
        (None, "USD", 0),
        ("", "USD", 0),
        ("0.125", "USD", 12),
        ("0.135", "USD", 14),
    ],
)
def test_an_amount_becomes_minor_units(amount: str | float | Decimal | None, currency: str, minor: int) -> None:
    assert to_minor(amount, currency) == minor


NO_PRICES = ["free", "12,50", "$5", "1.2.3", "NaN", "sNaN", "Infinity", "1e16", float("inf"), True]


@pytest.mark.parametrize("amount", NO_PRICES)
def test_what_is_no_price_is_a_known_error(amount: str | float) -> None:
    with pytest.raises(BadPayload, match="amount of money"):
        to_minor(amount, "USD")


def test_the_error_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(BadPayload) as caught:
        to_minor("maya@example.com", "USD")

    assert "maya" not in str(caught.value)


@pytest.mark.parametrize(("currency", "expected"), [("USD", 2), ("jpy", 0), ("BHD", 3), ("ZZZ", 2)])
def test_a_currency_has_its_decimals(currency: str, expected: int) -> None:
    assert decimals(currency) == expected


@given(minor=st.integers(min_value=-LARGEST, max_value=LARGEST), currency=st.sampled_from(CURRENCIES))
def test_minor_units_survive_the_way_out_and_back(minor: int, currency: str) -> None:
    amount = to_decimal(minor, currency)

    assert to_minor(amount, currency) == minor
    assert to_minor(f"{amount:f}", currency) == minor


@given(amount=st.text() | st.floats() | st.decimals(), currency=st.sampled_from(CURRENCIES) | st.text(max_size=3))
def test_anything_gives_an_amount_in_range_or_a_known_error(amount: str | float | Decimal, currency: str) -> None:
    try:
        minor = to_minor(amount, currency)
    except BadPayload:
        return

    assert abs(minor) <= LARGEST * 1000
