"""Money in minor units with a currency."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from app.domain.errors import BadPayload

# ISO 4217: the currencies that do not have two decimals. Platforms send decimal strings for all of them.
_DECIMALS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"), 0
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_LIMIT = Decimal(10) ** 15


def decimals(currency: str) -> int:
    """How many decimals the currency has (ISO 4217); two for one that we do not know."""
    return _DECIMALS.get(currency.upper(), 2)


def to_minor(amount: str | float | Decimal | None, currency: str) -> int:
    """Turn a platform's decimal amount into minor units; None and the empty string are 0.

    Raises:
        BadPayload: the amount is not a number, or larger than any price.
    """
    if amount is None or amount == "":
        return 0
    try:
        value = Decimal(str(amount))
    except InvalidOperation as exc:
        raise BadPayload("An amount of money is not a number.") from exc
    if not value.is_finite() or abs(value) > _LIMIT:
        raise BadPayload("An amount of money is out of range.")
    scaled = value.scaleb(decimals(currency))
    return int(scaled.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def to_decimal(amount_minor: int, currency: str) -> Decimal:
    """Turn minor units back into a decimal amount."""
    return Decimal(amount_minor).scaleb(-decimals(currency))
