"""Load what decisions look at, for many people at once: a fixed number of queries, whatever the number of people (D9)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select, union_all
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app import crypto
from app.domain.events import ConsentState
from app.flows.snapshot import CheckoutFacts, Snapshot
from app.models import (
    Arm,
    Checkout,
    Customer,
    CustomerIdentity,
    Enrollment,
    FlowSettings,
    PurchaseMark,
    Shop,
    Suppression,
)
from app.models.bulk import one_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a snapshot is about: a run of a flow, or one that may begin."""

    flow: str
    token: str
    customer_id: int
    entered_at: datetime
    is_held_out: bool

    @classmethod
    def of(cls, enrollment: Enrollment) -> "Subject":
        """Return the subject of an enrollment."""
        return cls(
            flow=enrollment.flow,
            token=enrollment.episode,
            customer_id=enrollment.customer_id,
            entered_at=enrollment.entered_at,
            is_held_out=enrollment.arm == Arm.HOLDOUT,
        )


@dataclass(frozen=True, slots=True)
class _Person:
    is_gone: bool
    consent_by_email: dict[str, ConsentState]

    def consent(self, email: str | None) -> ConsentState:
        """An unsubscribe of any of the person's addresses counts for all: a merge keeps the stricter consent (D20)."""
        if ConsentState.UNSUBSCRIBED in self.consent_by_email.values():
            return ConsentState.UNSUBSCRIBED
        return self.consent_by_email.get(email or "", ConsentState.NONE)


def load(session: Session, shop: Shop, subjects: Sequence[Subject]) -> list[Snapshot]:
    """Return a snapshot for each subject, in the same order."""
    if not subjects:
        return []
    tokens = {s.token for s in subjects}
    customers = {s.customer_id for s in subjects}
    checkouts = _checkouts(session, shop.id, tokens)
    ordered = _orders(session, shop.id, tokens)
    newest = _newest_open(session, shop.id, customers)
    people = _people(session, shop.id, customers)
    suppressed = _suppressions(session, shop, {c.email for c in checkouts.values() if c.email})
    is_on = _switches(session, shop.id)
    nobody = _Person(is_gone=False, consent_by_email={})
    found = []
    for subject in subjects:
        checkout = checkouts.get(subject.token)
        person = people.get(subject.customer_id, nobody)
        email = checkout.email if checkout else None
        latest = newest.get(subject.customer_id)
        found.append(
            Snapshot(
                entered_at=subject.entered_at,
                checkout=checkout,
                ordered_at=ordered.get(subject.token),
                is_superseded=bool(checkout and latest and latest > (checkout.started_at, checkout.token)),
                consent=person.consent(email),
                suppressed=suppressed.get(email or ""),
                shop_state=shop.state,
                is_flow_on=is_on.get(subject.flow, False),
                is_held_out=subject.is_held_out,
                is_person_gone=person.is_gone,
            )
        )
    return found


def hash_key(shop: Shop) -> bytes:
    """Return the key of this shop's address hashes."""
    return bytes.fromhex(crypto.decrypt(shop.id, shop.hash_key))


def _checkouts(session: Session, shop_id: int, tokens: Iterable[str]) -> dict[str, CheckoutFacts]:
    rows = session.execute(
        select(
            Checkout.token, Checkout.email, Checkout.lines, Checkout.subtotal_minor, Checkout.started_at,
            Checkout.changed_at, Checkout.completed_at, Checkout.deleted_at,
        ).where(Checkout.shop_id == shop_id, one_of(Checkout.token, tokens))
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
        )
        for row in rows
    }


def _orders(session: Session, shop_id: int, tokens: Iterable[str]) -> dict[str, datetime]:
    """Return when a purchase answered each checkout: same token, same cart, or the same person since it began (I6)."""
    mine = (Checkout.shop_id == shop_id, one_of(Checkout.token, tokens), PurchaseMark.shop_id == shop_id)
    ways = (
        PurchaseMark.checkout_token == Checkout.token,
        PurchaseMark.cart_token == Checkout.cart_token,
        and_(PurchaseMark.customer_id == Checkout.customer_id, PurchaseMark.ordered_at >= Checkout.started_at),
    )
    found = union_all(
        *(select(Checkout.token, PurchaseMark.ordered_at).join(PurchaseMark, way).where(*mine) for way in ways)
    ).subquery()
    rows = session.execute(select(found.c.token, func.min(found.c.ordered_at)).group_by(found.c.token))
    return dict(rows.all())


def _newest_open(session: Session, shop_id: int, customers: Iterable[int]) -> dict[int, tuple[datetime, str]]:
    """Return the newest open checkout of each person: of two, the newer one is followed (design 8.4)."""
    rows = session.execute(
        select(Checkout.customer_id, Checkout.started_at, Checkout.token)
        .where(
            Checkout.shop_id == shop_id,
            one_of(Checkout.customer_id, customers),
            Checkout.email.is_not(None),
            Checkout.completed_at.is_(None),
            (Checkout.deleted_at.is_(None)) | (Checkout.deleted_at < Checkout.changed_at),
            func.jsonb_array_length(Checkout.lines) > 0,
        )
        .ext(distinct_on(Checkout.customer_id))
        .order_by(Checkout.customer_id, Checkout.started_at.desc(), Checkout.token.desc())
    )
    return {customer_id: (started_at, token) for customer_id, started_at, token in rows if customer_id}


def _people(session: Session, shop_id: int, customers: Iterable[int]) -> dict[int, _Person]:
    held = session.execute(
        select(Customer.id, Customer.deleted_at, Customer.facts).where(
            Customer.shop_id == shop_id, one_of(Customer.id, customers)
        )
    ).all()
    # A query of its own, for all kinds of identities: a join, or a question for addresses, lets PostgreSQL walk through all
    # addresses of a shop while it has no statistics.
    identities = session.execute(
        select(
            CustomerIdentity.customer_id, CustomerIdentity.kind, CustomerIdentity.value, CustomerIdentity.consent_state
        ).where(CustomerIdentity.shop_id == shop_id, one_of(CustomerIdentity.customer_id, customers))
    )  # fmt: skip
    consents: dict[int, dict[str, ConsentState]] = defaultdict(dict)
    for customer_id, kind, value, state in identities:
        if kind == "email":
            consents[customer_id][value] = ConsentState(state)
    return {c.id: _Person(_is_gone(c.deleted_at, c.facts), consents[c.id]) for c in held}


def _is_gone(deleted_at: datetime | None, facts: dict[str, list[str]]) -> bool:
    """A deleted account that was heard of again later is a person again."""
    if deleted_at is None:
        return False
    return all(datetime.fromisoformat(told_at) <= deleted_at for told_at, _ in facts.values())


def _suppressions(session: Session, shop: Shop, emails: set[str]) -> dict[str, str]:
    if not emails:
        return {}
    key = hash_key(shop)
    by_hash = {crypto.hash_email(key, email): email for email in emails}
    rows = session.execute(
        select(Suppression.email_hash, Suppression.reason).where(
            Suppression.shop_id == shop.id, one_of(Suppression.email_hash, by_hash)
        )
    )
    return {by_hash[bytes(email_hash)]: reason for email_hash, reason in rows}


def _switches(session: Session, shop_id: int) -> dict[str, bool]:
    rows = session.execute(select(FlowSettings.flow, FlowSettings.is_on).where(FlowSettings.shop_id == shop_id))
    return dict(rows.all())
