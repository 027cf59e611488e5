"""Who is who in a shop: identities lead to customers, shared ones merge them (D20), and consent is folded by address."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import case, delete, func, or_, select, text, tuple_, update
from sqlalchemy.orm import Session

from app import crypto
from app.domain.consent import SECOND_HAND
from app.domain.events import Consent, ConsentState, Person
from app.models import (
    Answer,
    Checkout,
    ConsentRow,
    ConsentWrite,
    Customer,
    CustomerIdentity,
    Delivery,
    Enrollment,
    EventRow,
    OptIn,
    Order,
    Preference,
    PurchaseMark,
    Reply,
    TagWrite,
)
from app.models.bulk import as_table, insert_rows, one_of

Identity = tuple[str, str]  # ("id", platform id) or ("email", normalised address)
FACTS = ("email", "first_name", "last_name", "locale", "country")
# Of two statements of one instant the stricter wins.
STRICTNESS = [ConsentState.SUBSCRIBED, ConsentState.PENDING, ConsentState.NONE, ConsentState.UNSUBSCRIBED]
_POINTS_AT_CUSTOMER = (
    CustomerIdentity, Checkout, Order, PurchaseMark, ConsentRow, Enrollment, Delivery, EventRow, Preference, OptIn,
    ConsentWrite, TagWrite, Answer, Reply,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """One address's consent, as somebody told it."""

    email: str
    consent: Consent
    evidence: dict[str, Any]


def identities(person: Person) -> list[Identity]:
    """Return what a person can be recognised by."""
    found = [("id", person.external_id), ("email", person.email)]
    return [(kind, value) for kind, value in found if value]


def resolve(session: Session, shop_id: int, groups: Iterable[Sequence[Identity]]) -> dict[Identity, int]:
    """Return the customer that each identity leads to, made, linked and merged as the groups demand.

    Each group is one person. The caller holds the shop's ingest lock, so nobody else makes customers of this shop now.
    """
    components = _components(groups)
    wanted = [identity for component in components for identity in component]
    if not wanted:
        return {}
    known = find(session, shop_id, wanted)
    answer: dict[Identity, int] = {}
    links: list[Any] = []
    fresh = [c for c in components if not any(i in known for i in c)]
    new_ids = iter(_create(session, shop_id, len(fresh)))
    for component in components:
        held = sorted({known[i] for i in component if i in known})
        customer_id = held[0] if held else next(new_ids)
        if len(held) > 1:
            _merge(session, shop_id, customer_id, held[1:])
            known = {i: customer_id if c in held else c for i, c in known.items()}
        answer |= dict.fromkeys(component, customer_id)
        links += [
            {"shop_id": shop_id, "kind": kind, "value": value, "customer_id": customer_id}
            for kind, value in component
            if (kind, value) not in known
        ]
    if links:
        session.execute(insert_rows(CustomerIdentity, links))
    return answer


def find(session: Session, shop_id: int, wanted: Iterable[Identity]) -> dict[Identity, int]:
    """Return the customers that these identities lead to; who is not known is missing."""
    pairs = [{"kind": kind, "value": value} for kind, value in wanted]
    if not pairs:
        return {}
    told = as_table(CustomerIdentity, pairs)
    rows = session.execute(
        select(CustomerIdentity.kind, CustomerIdentity.value, CustomerIdentity.customer_id)
        .join(told, (CustomerIdentity.kind == told.c.kind) & (CustomerIdentity.value == told.c.value))
        .where(CustomerIdentity.shop_id == shop_id)
    )
    return {(kind, value): customer_id for kind, value, customer_id in rows}


def lock_shop(session: Session, shop_id: int) -> None:
    """Let one transaction at a time make customers of a shop: two that make the same one would not see each other."""
    session.execute(text("SELECT pg_advisory_xact_lock(:shop_id)"), {"shop_id": shop_id})


def lock(session: Session, shop_id: int, customer_ids: Iterable[int]) -> None:
    """Take the subject locks (D6), in ascending order.

    It is a statement of its own: what is read after it is all that was committed before us.
    """
    ids = sorted(set(customer_ids))
    if ids:
        session.execute(
            select(Customer.id)
            .where(Customer.shop_id == shop_id, one_of(Customer.id, ids))
            .order_by(Customer.id)
            .with_for_update()
        )


def learn_facts(session: Session, shop_id: int, told: Sequence[tuple[int, Person, datetime]]) -> None:
    """Fold names, address, locale and country into the customers, field by field, the newest by the platform's clock."""
    news: dict[int, dict[str, list[str]]] = defaultdict(dict)
    for customer_id, person, at in told:
        told_at = at.astimezone(UTC).isoformat()
        for field in FACTS:
            if value := getattr(person, field):
                entry = [told_at, value]
                news[customer_id][field] = max(entry, news[customer_id].get(field, entry))
    if not news:
        return
    held = session.execute(
        select(Customer.id, Customer.facts).where(Customer.shop_id == shop_id, one_of(Customer.id, news))
    ).all()
    changes = [_facts_row(shop_id, c.id, merged) for c in held if (merged := _newer(c.facts, news[c.id])) != c.facts]
    if changes:
        _change(session, shop_id, changes)


def record_consent(session: Session, shop_id: int, hash_key: bytes, told: Sequence[tuple[int, Statement]]) -> None:
    """Add statements to the ledger and fold them into their addresses: the newest wins, of one instant the stricter.

    Beside it the newest times are kept at which the person agreed, refused and proved the address (domain/consent.py).
    """
    if not told:
        return
    rows = {
        (s.email, s.consent.at, s.consent.state, s.consent.source): {
            "shop_id": shop_id, "customer_id": customer_id, "email_hash": crypto.hash_email(hash_key, s.email),
            "state": s.consent.state, "at": s.consent.at, "source": s.consent.source, "level": s.consent.level,
            "wording": s.consent.wording, "evidence": s.evidence,
        }
        for customer_id, s in told
    }  # fmt: skip
    session.execute(insert_rows(ConsentRow, list(rows.values())).on_conflict_do_nothing())
    by_email: dict[str, list[Consent]] = defaultdict(list)
    for _, statement in told:
        by_email[statement.email].append(statement.consent)
    _fold_consent(session, shop_id, [newest_words(email, said) for email, said in by_email.items()])


def newest_words(email: str, said: Sequence[Consent]) -> dict[str, Any]:
    """Return what an address's statements come to: the newest one, and the newest times of three kinds."""
    newest = max(said, key=lambda c: (c.at, STRICTNESS.index(c.state)))
    own = [c for c in said if c.source not in SECOND_HAND]
    agreed = [c for c in own if c.state is ConsentState.SUBSCRIBED]
    return {
        "value": email,
        "consent_state": newest.state,
        "consent_at": newest.at,
        "agreed_at": max((c.at for c in agreed), default=None),
        "refused_at": max((c.at for c in own if c.state is ConsentState.UNSUBSCRIBED), default=None),
        "confirmed_at": max((c.at for c in said if _is_proof(c)), default=None),
    }


def _is_proof(consent: Consent) -> bool:
    return consent.state is ConsentState.SUBSCRIBED and consent.level == "confirmed_opt_in"


def _fold_consent(session: Session, shop_id: int, words: list[dict[str, Any]]) -> None:
    told, held = as_table(CustomerIdentity, words), CustomerIdentity
    strictness = {s.value: n for n, s in enumerate(STRICTNESS)}
    is_newer = held.consent_at.is_(None) | (
        tuple_(held.consent_at, case(strictness, value=held.consent_state))
        < tuple_(told.c.consent_at, case(strictness, value=told.c.consent_state))
    )
    times = {name: func.greatest(getattr(held, name), told.c[name]) for name in ("agreed_at", "refused_at", "confirmed_at")}
    is_news = or_(is_newer, *(getattr(held, name).is_distinct_from(latest) for name, latest in times.items()))
    session.execute(
        update(held)
        .where(held.shop_id == shop_id, held.kind == "email", held.value == told.c.value, is_news)
        .values(
            consent_state=case((is_newer, told.c.consent_state), else_=held.consent_state),
            consent_at=case((is_newer, told.c.consent_at), else_=held.consent_at),
            **times,
        )
        .execution_options(synchronize_session=False)
    )


def _components(groups: Iterable[Sequence[Identity]]) -> list[list[Identity]]:
    """Join groups that share an identity: connected components, whatever the order."""
    parent: dict[Identity, Identity] = {}

    def root(i: Identity) -> Identity:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for group in groups:
        for identity in group:
            parent.setdefault(identity, identity)
            parent[root(identity)] = root(group[0])
    found: dict[Identity, list[Identity]] = defaultdict(list)
    for identity in parent:
        found[root(identity)].append(identity)
    return list(found.values())


def _create(session: Session, shop_id: int, count: int) -> list[int]:
    if not count:
        return []
    return list(session.scalars(insert_rows(Customer, [{"shop_id": shop_id}] * count).returning(Customer.id)))


def _change(session: Session, shop_id: int, changes: list[dict[str, Any]]) -> None:
    told = as_table(Customer, changes)
    session.execute(
        update(Customer)
        .where(Customer.shop_id == shop_id, Customer.id == told.c.id)
        .values({name: told.c[name] for name in ("facts", *FACTS)})
        .execution_options(synchronize_session=False)
    )


def _merge(session: Session, shop_id: int, keep: int, others: list[int]) -> None:
    """Make several customers one.

    Consent needs no merging: it lives with each address, and the strictest of a person's addresses counts.
    """
    lock(session, shop_id, [keep, *others])
    held = session.scalars(select(Customer).where(Customer.shop_id == shop_id, Customer.id.in_([keep, *others]))).all()
    for model in _POINTS_AT_CUSTOMER:
        session.execute(
            update(model)
            .where(model.shop_id == shop_id, model.customer_id.in_(others))
            .values(customer_id=keep)
            .execution_options(synchronize_session=False)
        )
    # Only from now on is it known that these purchases are this person's.
    session.execute(
        update(PurchaseMark)
        .where(PurchaseMark.shop_id == shop_id, PurchaseMark.customer_id == keep)
        .values(marked_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )
    one = next(c for c in held if c.id == keep)
    for other in (c for c in held if c.id != keep):
        one.facts = _newer(one.facts, other.facts)
        one.tags = _newer(one.tags, other.tags)
        one.unhappy_since = max((t for t in (one.unhappy_since, other.unhappy_since) if t), default=None)
        one.deleted_at = max((t for t in (one.deleted_at, other.deleted_at) if t), default=None)
        one.created_at = min(one.created_at, other.created_at)
        if _sum_of(other) > _sum_of(one):
            one.orders_count, one.spent_minor, one.summed_at = other.orders_count, other.spent_minor, other.summed_at
    for field in FACTS:
        setattr(one, field, one.facts.get(field, [None, None])[1])
    session.flush()
    session.execute(delete(Customer).where(Customer.shop_id == shop_id, Customer.id.in_(others)))


def _newer(held: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    return held | {f: max(entry, held.get(f, entry)) for f, entry in told.items()}


def _facts_row(shop_id: int, customer_id: int, merged: dict[str, Any]) -> dict[str, Any]:
    values = {field: merged.get(field, [None, None])[1] for field in FACTS}
    return {"shop_id": shop_id, "id": customer_id, "facts": merged, **values}


def _sum_of(customer: Customer) -> tuple[float, int, int]:
    """Sort platform's sums: the newest first, and of one instant the larger."""
    at = customer.summed_at.timestamp() if customer.summed_at else 0.0
    return at, customer.orders_count or 0, customer.spent_minor or 0
