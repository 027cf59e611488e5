"""Record events and fold them into what we hold about a shop. Repeated and reordered events end in the same state (I3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import events as e
from app.models import EventRow, Order, Shop
from app.models.bulk import insert_rows, one_of
from app.services import account, attribution, doubts, listed, opt_in, people, reviews, snapshots, trade
from app.services.candidates import Touched
from app.services.people import Identity, Statement


@dataclass(frozen=True, slots=True)
class Fact:
    """An event and the webhook it came by; None when it was found by asking the shop."""

    event: e.Event
    webhook_id: int | None


def ingest(session: Session, shop: Shop, facts: Sequence[Fact], *, now: datetime) -> Touched:
    """Fold a batch of one shop's facts. The caller holds the shop's lock and commits."""
    links = listed.links(session, shop.id, [f.event for f in facts])
    facts = [replace(f, event=links.named(f.event)) for f in facts]
    found = [f.event for f in facts]
    who = people.resolve(session, shop.id, [g for event in found if (g := _group(event))])
    written = reviews.sift(session, shop.id, found)
    facts = [f for f in facts if id(f.event) not in written.stale]
    found = [f.event for f in facts]
    customer_of = {id(event): written.owners.get(id(event)) or _customer(event, who) for event in found}
    # A parcel and a refund name only their order: its owner's runs hear of them too, so their lock is taken with the others.
    about = {order_id for event in found if (order_id := _order_of(event))}
    owners = _owners(session, shop.id, about) | links.owners
    people.lock(session, shop.id, {*(c for c in customer_of.values() if c), *owners, *written.people})
    links.rename(session, shop.id)
    _record(session, shop.id, facts, customer_of)
    statements = _learn(session, shop, found, customer_of)
    touched = Touched(
        opt_ins=opt_in.ask_unproven(session, shop, statements, now=now),
        customers={*(c for c in customer_of.values() if c), *owners, *written.people},
        orders=about,
    )
    touched.consenting = {c for event in found if getattr(event, "consent", None) and (c := customer_of[id(event)])}
    touched.buying = {c for event in found if isinstance(event, e.OrderUpdated) and (c := customer_of[id(event)])}
    touched.entering = trade.fold_checkouts(session, shop.id, found, customer_of)
    touched.tokens = touched.entering | trade.fold_orders(session, shop.id, found, customer_of, snapshots.hash_key(shop))
    attribution.note(session, shop.id, about, now=now)
    trade.fold_products(session, shop, found)
    reviews.fold(session, shop.id, found, written, now=now)
    doubts.note(session, shop.id, found, now=now)
    touched.tokens |= trade.fold_deletions(session, shop.id, found)
    account.fold_customers(session, shop.id, found, customer_of)
    account.fold_shop(session, shop, found, now=now)
    return touched


def _group(event: e.Event) -> list[Identity]:
    """Return what the person of an event is recognised by."""
    match event:
        case e.CustomersMerged(object_id=kept, merged_id=merged):
            return [("id", kept), ("id", merged)]
        case e.CustomerDeleted(object_id=customer_id) | e.CustomerTagged(object_id=customer_id):
            return [("id", customer_id)]
        case e.PurchasesSummed(object_id=customer_id):
            return [("id", customer_id)]
        case e.CheckoutUpdated() | e.OrderUpdated() | e.CustomerUpdated() | e.ConsentChanged():
            return people.identities(event.person)
    return []


def _customer(event: e.Event, who: dict[Identity, int]) -> int | None:
    group = _group(event)
    return who[group[0]] if group else None


def _order_of(event: e.Event) -> str | None:
    match event:
        case e.OrderUpdated(object_id=order_id) | e.OrderDeleted(object_id=order_id):
            return order_id
        case e.ShipmentUpdated(order_id=order_id) | e.RefundCreated(order_id=order_id):
            return order_id
    return None


def _owners(session: Session, shop_id: int, order_ids: set[str]) -> set[int]:
    """Return the customers of orders that are held already."""
    if not order_ids:
        return set()
    rows = session.scalars(select(Order.customer_id).where(Order.shop_id == shop_id, one_of(Order.external_id, order_ids)))
    return {customer_id for customer_id in rows if customer_id}


def _record(session: Session, shop_id: int, facts: Sequence[Fact], customer_of: dict[int, int | None]) -> None:
    """Keep the fact itself; a webhook and a poll of the same change are one row (design 8.8)."""
    rows = [
        {
            "shop_id": shop_id, "kind": f.event.kind, "object_id": f.event.object_id, "happened_at": f.event.happened_at,
            "webhook_id": f.webhook_id, "customer_id": customer_of[id(f.event)],
        }
        for f in facts
    ]  # fmt: skip
    if rows:
        session.execute(insert_rows(EventRow, rows).on_conflict_do_nothing())


def _learn(
    session: Session, shop: Shop, found: Sequence[e.Event], customer_of: dict[int, int | None]
) -> list[tuple[int, Statement]]:
    told = []
    statements: list[tuple[int, Statement]] = []
    for event in found:
        customer_id = customer_of[id(event)]
        if customer_id is None or not isinstance(
            event, e.CheckoutUpdated | e.OrderUpdated | e.CustomerUpdated | e.ConsentChanged
        ):
            continue
        told.append((customer_id, event.person, event.happened_at))
        consent = None if isinstance(event, e.CustomerUpdated) else event.consent
        if consent and event.person.email:
            statements.append((customer_id, Statement(event.person.email, consent, {"object_id": event.object_id})))
    people.learn_facts(session, shop.id, told)
    people.record_consent(session, shop.id, snapshots.hash_key(shop), statements)
    return statements
