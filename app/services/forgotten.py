"""What was forgotten stays forgotten: late news of a person from before the erasure is not taken in again (I12).

The rule: an event is dropped when anything that it names was forgotten at or after the time it happened. What happens after
the erasure is a new beginning, which the suppression still keeps from being mailed.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import crypto
from app.domain import events as e
from app.domain.traces import addresses_in
from app.models import Forgotten, Shop, Suppression
from app.services import snapshots

REASON = "The person asked to be forgotten."
SOURCE = "redact"
Key = tuple[str, str]


def email_key(email: str) -> Key:
    """Return how an address is remembered: some platforms tell only its SHA-256."""
    return "email", hashlib.sha256(email.encode()).hexdigest()


def remember(session: Session, shop: Shop, keys: Iterable[Key], *, now: datetime, is_suppressed: bool = True) -> None:
    """Keep the hashes of what a person was recognised by."""
    secret = snapshots.hash_key(shop)
    rows = [
        {"shop_id": shop.id, "identity_hash": _hash(secret, key), "forgotten_at": now, "is_suppressed": is_suppressed}
        for key in set(keys)
    ]
    if rows:
        statement = insert(Forgotten).values(rows)
        news = {"forgotten_at": statement.excluded.forgotten_at, "is_suppressed": statement.excluded.is_suppressed}
        session.execute(statement.on_conflict_do_update(index_elements=["shop_id", "identity_hash"], set_=news))


def suppress(session: Session, shop: Shop, emails: Iterable[str], *, now: datetime) -> None:
    """Never mail these addresses again, until a person lifts it."""
    secret = snapshots.hash_key(shop)
    rows = [
        {
            "shop_id": shop.id, "email_hash": crypto.hash_email(secret, email), "scope": "all", "reason": "manual",
            "source": SOURCE, "created_at": now,
        }
        for email in set(emails)
    ]  # fmt: skip
    if rows:
        statement = insert(Suppression).values(rows)
        columns = ["shop_id", "email_hash", "scope", "reason"]
        session.execute(statement.on_conflict_do_update(index_elements=columns, set_={"source": SOURCE}))


def late(session: Session, shop: Shop, found: Sequence[e.Event], *, now: datetime) -> set[int]:
    """Return the `id()` of the events that come from before an erasure of whom they are about."""
    secret = snapshots.hash_key(shop)
    hashes = {id(event): {_hash(secret, key) for key in keys_of(event)} for event in found}
    wanted = set().union(*hashes.values()) if hashes else set()
    if not wanted:
        return set()
    query = select(Forgotten).where(Forgotten.shop_id == shop.id, Forgotten.identity_hash.in_(wanted))
    held = {row.identity_hash: row for row in session.scalars(query)}
    if not held:
        return set()
    _suppress_newcomers(session, shop, found, held, now=now)
    forgotten_at = {identity: row.forgotten_at for identity, row in held.items()}
    return {
        id(event)
        for event in found
        if any(forgotten_at[h] >= event.happened_at for h in hashes[id(event)] & forgotten_at.keys())
    }


def is_named_in(session: Session, shop: Shop, body: bytes | None, told_at: datetime) -> bool:
    """Say whether a body that gave no events holds the address of somebody who was forgotten after it was sent."""
    query = select(Forgotten.id).where(Forgotten.shop_id == shop.id, Forgotten.forgotten_at >= told_at).limit(1)
    if body is None or session.scalar(query) is None:
        return False
    secret = snapshots.hash_key(shop)
    hashes = [_hash(secret, email_key(address)) for address in addresses_in(body)]
    return session.scalar(query.where(Forgotten.identity_hash.in_(hashes))) is not None


def keys_of(event: e.Event) -> list[Key]:
    """Return everything that an event names a person by, also through their orders and checkouts."""
    named: list[tuple[str, str | None]] = []
    match event:
        case e.CheckoutUpdated(object_id=token, cart_token=cart):
            named = [("token", token), ("token", cart)]
        case e.CheckoutDeleted(object_id=object_id, token=token, cart_token=cart):
            named = [("token", object_id), ("token", token), ("token", cart)]
        case e.OrderUpdated(object_id=order, checkout_token=token, cart_token=cart):
            named = [("order", order), ("token", token), ("token", cart)]
        case e.OrderDeleted(object_id=order) | e.RefundCreated(order_id=order) | e.ShipmentUpdated(order_id=order):
            named = [("order", order)]
        case e.CustomersMerged(object_id=kept, merged_id=merged):
            named = [("id", kept), ("id", merged)]
        case e.CustomerDeleted(object_id=i) | e.CustomerTagged(object_id=i) | e.PurchasesSummed(object_id=i):
            named = [("id", i)]
    person = getattr(event, "person", None)
    if isinstance(person, e.Person):
        named += [("id", person.external_id), email_key(person.email) if person.email else ("email", None)]
    return [(kind, value) for kind, value in named if value]


def _suppress_newcomers(
    session: Session, shop: Shop, found: Sequence[e.Event], held: dict[bytes, Forgotten], *, now: datetime
) -> None:
    """Suppress an address that was told as a hash only, now that it shows itself."""
    secret = snapshots.hash_key(shop)
    unknown = {identity for identity, row in held.items() if not row.is_suppressed}
    people = [person for event in found if isinstance(person := getattr(event, "person", None), e.Person)]
    shown = {p.email for p in people if p.email and _hash(secret, email_key(p.email)) in unknown}
    learn(session, shop, shown, now=now)


def learn(session: Session, shop: Shop, emails: Iterable[str], *, now: datetime) -> None:
    """Suppress addresses that were told as hashes, and note that it was done: a person may lift it afterwards."""
    shown = set(emails)
    if not shown:
        return
    secret = snapshots.hash_key(shop)
    suppress(session, shop, shown, now=now)
    session.execute(
        update(Forgotten)
        .where(Forgotten.shop_id == shop.id, Forgotten.identity_hash.in_({_hash(secret, email_key(m)) for m in shown}))
        .values(is_suppressed=True)
    )


def _hash(secret: bytes, key: Key) -> bytes:
    # Of the shop's key as addresses are; the word in front keeps the kinds apart, and apart from addresses.
    return crypto.hash_email(secret, ":".join(key))
