"""Fold what the platform says of customer accounts and of the shop itself."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Update, func, select, tuple_, update
from sqlalchemy.orm import Session

from app.domain import events as e
from app.models import Customer, Shop, ShopState
from app.services import audit, sender_checks, tokens

ASK_AGAIN = timedelta(minutes=5)  # of a shop that did not answer
_SOME = 20  # shops asked in one go
# Real time: a shop is asked by the clock on the wall, in the demo too.
_FACTS_DUE = (Shop.facts_due_at <= func.now(), Shop.state.in_((ShopState.ACTIVE, ShopState.PAUSED)))
_SHOP_FACTS = ("name", "email", "currency", "timezone", "locale")


def fold_customers(session: Session, shop_id: int, found: Sequence[e.Event], customer_of: dict[int, int | None]) -> None:
    """Fold tags, the platform's own sums and deletions."""
    tags: dict[int, dict[str, Any]] = defaultdict(dict)
    whole: dict[int, str] = {}  # when somebody was told to have these tags and no others
    for event in found:
        customer_id = customer_of[id(event)]
        if customer_id is None:
            continue
        match event:
            case e.CustomerTagged(added=added, removed=removed, happened_at=at):
                told_at = at.astimezone(UTC).isoformat()
                for tag, present in [*((t, True) for t in added), *((t, False) for t in removed)]:
                    entry = [told_at, present]
                    tags[customer_id][tag] = max(entry, tags[customer_id].get(tag, entry))
                if event.is_all:
                    whole[customer_id] = max(told_at, whole.get(customer_id, told_at))
            case e.PurchasesSummed():
                _fold_sum(session, shop_id, customer_id, event)
            case e.CustomerDeleted(happened_at=at):
                session.execute(_customer(shop_id, customer_id).values(deleted_at=func.greatest(Customer.deleted_at, at)))
    _fold_tags(session, shop_id, tags, whole)


def fold_shop(session: Session, shop: Shop, found: Iterable[e.Event], *, now: datetime) -> None:
    """Fold the shop's own facts, and stop at once when it removed us (I7)."""
    for event in found:
        match event:
            case e.ShopUpdated(happened_at=at) if shop.facts_at is None or at >= shop.facts_at:
                shop.facts_at = at
                for fact in _SHOP_FACTS:
                    if value := getattr(event, fact):
                        setattr(shop, fact, value)
            case e.ScopesChanged(scopes=scopes):
                shop.scopes = ",".join(scopes)
            case e.AppUninstalled(happened_at=at) if at > shop.installed_at:
                # An uninstall that arrives after a quick reinstall is older than it, and says nothing any more.
                shop.state, shop.uninstalled_at = ShopState.UNINSTALLED, now
                tokens.forget(session, shop.id)
                audit.record(
                    session, shop.id, actor="platform", action="shop.uninstalled", object_kind="shop", object_id=shop.id
                )
            case _:
                continue
    session.flush()


def learn(session: Session, shop_id: int, told: e.ShopUpdated, *, now: datetime) -> None:
    """Fold what a shop answered when it was asked; what the merchant has chosen to send with stays."""
    shop = session.get_one(Shop, shop_id, with_for_update=True, populate_existing=True)
    fold_shop(session, shop, [told], now=now)
    if told.email and shop.sender_email == f"hello@{shop.domain}":  # nobody reads that address: it was made up
        shop.sender_email = told.email
        sender_checks.plan(session, shop_id)
    shop.postal_address = shop.postal_address or told.postal_address or ""
    shop.facts_due_at = None


def take_facts_due(session: Session) -> Sequence[int]:
    """Return some shops that are to be asked for their facts, and leave the others time to be asked by nobody else."""
    due = select(Shop.id).where(*_FACTS_DUE).order_by(Shop.facts_due_at).limit(_SOME).with_for_update(skip_locked=True)
    taken = update(Shop).where(Shop.id.in_(due)).values(facts_due_at=func.now() + ASK_AGAIN).returning(Shop.id)
    return session.scalars(taken.execution_options(synchronize_session=False)).all()


def are_facts_due(session: Session) -> bool:
    """Say whether there is such a shop."""
    return session.scalar(select(Shop.id).where(*_FACTS_DUE).limit(1)) is not None


def _fold_sum(session: Session, shop_id: int, customer_id: int, told: e.PurchasesSummed) -> None:
    held = tuple_(Customer.summed_at, Customer.orders_count, Customer.spent_minor)
    session.execute(
        _customer(shop_id, customer_id)
        .where(Customer.summed_at.is_(None) | (held < tuple_(told.happened_at, told.orders_count, told.spent_minor)))
        .values(orders_count=told.orders_count, spent_minor=told.spent_minor, summed_at=told.happened_at)
    )


def _fold_tags(session: Session, shop_id: int, news: dict[int, dict[str, Any]], whole: dict[int, str]) -> None:
    if not (news or whole):
        return
    ids = {*news, *whole}
    held = session.execute(select(Customer.id, Customer.tags).where(Customer.shop_id == shop_id, Customer.id.in_(ids))).all()
    for customer_id, tags in held:
        told, at = news[customer_id], whole.get(customer_id)
        # A tag that was held before, and that a whole list does not name, went in between.
        gone = {t: [at, False] for t, (since, _) in tags.items() if at and t not in told and since < at}
        merged = tags | gone | {t: max(entry, tags.get(t, entry)) for t, entry in told.items()}
        if merged != tags:
            session.execute(_customer(shop_id, customer_id).values(tags=merged))


def _customer(shop_id: int, customer_id: int) -> Update:
    return (
        update(Customer)
        .where(Customer.shop_id == shop_id, Customer.id == customer_id)
        .execution_options(synchronize_session=False)
    )
