"""What things cost, and how each platform spells it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from app.demo.catalog import Catalogue
from app.demo.store import Item
from app.domain.money import to_decimal

_SIGNS = {"USD": "$", "EUR": "€"}


@dataclass(frozen=True, slots=True)
class Totals:
    """What a cart costs, in minor units; sending is free in both shops."""

    subtotal_minor: int
    discount_minor: int

    @property
    def total_minor(self) -> int:
        """Return what is to be paid."""
        return self.subtotal_minor - self.discount_minor


def add_up(catalogue: Catalogue, items: Iterable[Item], percent: float) -> Totals:
    """Add up a cart with so many percent off."""
    subtotal = sum(line_minor(catalogue, item) for item in items)
    return Totals(subtotal, discount_of(subtotal, percent))


def line_minor(catalogue: Catalogue, item: Item) -> int:
    """Price one line of a cart."""
    return catalogue.find(item.variant_id)[1].price_minor * item.quantity


def discount_of(amount_minor: int, percent: float) -> int:
    """Take the percentage, rounded half up as both platforms do."""
    return int((Decimal(amount_minor) * Decimal(str(percent)) / 100).quantize(Decimal(1), ROUND_HALF_UP))


def shares(catalogue: Catalogue, items: Iterable[Item], percent: float) -> list[int]:
    """Spread the discount over the lines so that they add up to that of the whole."""
    offs, so_far = [], 0
    for item in items:
        before, so_far = so_far, so_far + line_minor(catalogue, item)
        offs.append(discount_of(so_far, percent) - discount_of(before, percent))
    return offs


def amount(minor: int, currency: str) -> str:
    """Spell an amount as the platforms send it, `24.00`."""
    return str(to_decimal(minor, currency))


def price(minor: int, currency: str) -> str:
    """Spell an amount as the shop fronts show it, `$24.00`."""
    return f"{_SIGNS[currency]}{to_decimal(minor, currency):,}"
