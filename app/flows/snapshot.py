"""What a decision may look at, loaded beforehand. If a flow needs a new fact, add a field, not a query."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.events import ConsentState


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutFacts:
    """The checkout that an enrollment is about, as we hold it."""

    token: str
    email: str | None
    pieces: int  # how many things are in the cart
    subtotal_minor: int
    started_at: datetime
    changed_at: datetime
    is_completed: bool
    is_deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One person's standing in one flow at one moment."""

    entered_at: datetime
    checkout: CheckoutFacts | None
    ordered_at: datetime | None  # of a purchase that answers this checkout, by token, cart, person or address
    is_superseded: bool  # the person has a newer open checkout
    consent: ConsentState
    suppressed: str | None  # the reason, if the address must never be mailed
    shop_state: str
    is_flow_on: bool
    is_held_out: bool
    is_person_gone: bool  # deleted or redacted in the shop

    def seen(self) -> dict[str, Any]:
        """The values a decision saw, for its row: facts and times, never an address."""
        checkout = self.checkout
        return {
            "cart_pieces": checkout.pieces if checkout else None,
            "cart_changed_at": checkout.changed_at.isoformat() if checkout else None,
            "checkout_completed": checkout.is_completed if checkout else None,
            "ordered_at": self.ordered_at.isoformat() if self.ordered_at else None,
            "consent": self.consent.value,
            "suppressed": self.suppressed,
            "flow_on": self.is_flow_on,
            "shop": self.shop_state,
            "held_out": self.is_held_out,
        }
