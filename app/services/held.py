"""What is held of carts and people, for many at once: what snapshots are made of."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.events import ConsentState
from app.flows.snapshot import CheckoutFacts
from app.models import Checkout, Customer, CustomerIdentity, Shop
from app.models.bulk import one_of


@dataclass(frozen=True, slots=True)
class Person:
    """One person, as the shop told of them and as they agreed."""

    is_gone: bool = False
    email: str | None = None
    orders: int = 0  # as the platform sums them
    country: str | None = None
    tags: frozenset[str] = frozenset()
    is_unhappy: bool = False
    consents: dict[str, tuple[ConsentState, datetime | None]] = field(default_factory=dict)

    def consent(self, email: str | None) -> ConsentState:
        """An unsubscribe of any of the person's addresses counts for all: a merge keeps the stricter consent (D20)."""
        if any(state is ConsentState.UNSUBSCRIBED for state, _ in self.consents.values()):
            return ConsentState.UNSUBSCRIBED
        return self.consents.get(email or "", (ConsentState.NONE, None))[0]

    @property
    def address(self) -> str | None:
        """The newest address, but one that agreed to marketing mail goes before one that did not."""
        agreed = [email for email, (state, _) in self.consents.items() if state is ConsentState.SUBSCRIBED]
        return self.email if self.email in agreed or not agreed else min(agreed)

    @property
    def subscribed_at(self) -> datetime | None:
        """When the person agreed to marketing mail, if that still holds."""
        address = self.address
        return self.consents[address][1] if address and self.consent(address) is ConsentState.SUBSCRIBED else None


NOBODY = Person()


def checkouts(session: Session, shop: Shop, tokens: Iterable[str]) -> dict[str, CheckoutFacts]:
    """Return the carts of these tokens."""
    rows = session.execute(
        select(
            Checkout.token, Checkout.email, Checkout.lines, Checkout.subtotal_minor, Checkout.started_at,
            Checkout.changed_at, Checkout.completed_at, Checkout.deleted_at, Checkout.currency,
        ).where(Checkout.shop_id == shop.id, one_of(Checkout.token, tokens))
    )  # fmt: skip
    return {
        row.token: CheckoutFacts(
            token=row.token,
            email=row.email,
            pieces=sum(line["quantity"] for line in row.lines),
            subtotal_minor=row.subtotal_minor,
            started_at=row.started_at,
            changed_at=row.changed_at,
            is_completed=row.completed_at is not None,
            is_deleted=row.deleted_at is not None and row.deleted_at >= row.changed_at,
            worth_minor=row.subtotal_minor if row.currency == shop.currency else 0,
        )
        for row in rows
    }


def people(session: Session, shop_id: int, customers: Iterable[int]) -> dict[int, Person]:
    """Return these customers by our id."""
    rows = session.execute(
        select(
            Customer.id, Customer.deleted_at, Customer.facts, Customer.email, Customer.orders_count, Customer.country,
            Customer.unhappy_since, Customer.tags,
        ).where(Customer.shop_id == shop_id, one_of(Customer.id, customers))
    ).all()  # fmt: skip
    # A query of its own, for all kinds of identities: a join, or a question for addresses, lets PostgreSQL walk through all
    # addresses of a shop while it has no statistics.
    identities = session.execute(
        select(
            CustomerIdentity.customer_id, CustomerIdentity.kind, CustomerIdentity.value, CustomerIdentity.standing,
            CustomerIdentity.consent_at,
        ).where(CustomerIdentity.shop_id == shop_id, one_of(CustomerIdentity.customer_id, customers))
    )  # fmt: skip
    consents: dict[int, dict[str, tuple[ConsentState, datetime | None]]] = defaultdict(dict)
    for customer_id, kind, value, state, at in identities:
        if kind == "email":
            consents[customer_id][value] = (ConsentState(state), at)
    return {
        c.id: Person(
            is_gone=is_gone(c.deleted_at, c.facts),
            email=c.email,
            orders=c.orders_count or 0,
            country=c.country,
            tags=given(c.tags),
            is_unhappy=c.unhappy_since is not None,
            consents=consents.get(c.id, {}),
        )
        for c in rows
    }


def given(tags: Mapping[str, Sequence[Any]]) -> frozenset[str]:
    """Return the tags that a person has, case folded, of those that were given and taken away."""
    return frozenset(tag.casefold() for tag, (_, is_given) in tags.items() if is_given)


def is_gone(deleted_at: datetime | None, facts: dict[str, list[str]]) -> bool:
    """A deleted account that was heard of again later is a person again."""
    if deleted_at is None:
        return False
    return all(datetime.fromisoformat(told_at) <= deleted_at for told_at, _ in facts.values())
