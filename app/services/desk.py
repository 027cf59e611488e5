"""What the desk lists: webhooks and mails of all shops, newest first, and what leads from a word to them.

A list over all shops is merged from the shops' own, each read from its index: the keys begin with the shop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, literal, or_, select, true, union_all
from sqlalchemy.orm import Session, defer

from app.domain.events import Event
from app.domain.people import normalise_email
from app.models import (
    NO_SHOP,
    AuditRow,
    Customer,
    CustomerIdentity,
    Delivery,
    DeliveryState,
    EventRow,
    Order,
    Shop,
    Webhook,
    WebhookState,
)
from app.models.bulk import one_of

PAGE = 50
MOST_FOUND = 200  # webhooks that a search leads to
MOST_COUNTED = 10_000  # what a number on a page counts up to


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the inbox is asked for; None is all. `words` is an order number, an address, or an id of any kind."""

    shop_id: int | None = None
    state: WebhookState | None = None
    topic: str | None = None
    words: str | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class ShopLine:
    """A shop and its last sign of life."""

    id: int
    name: str
    domain: str
    platform: str
    state: str
    webhook_at: datetime | None
    failed: int


def list_webhooks(session: Session, asked: Asked) -> tuple[list[Webhook], int | None]:
    """Return a page of webhooks without their bodies, and where the next one begins, None at the end."""
    owners = _owners(asked.shop_id)
    query = select(Webhook.shop_id, Webhook.id).where(Webhook.shop_id == owners.c.shop_id)
    if asked.state is not None:
        query = query.where(Webhook.state == asked.state)
    if asked.topic:
        query = query.where(Webhook.topic == asked.topic)
    if asked.before is not None:
        query = query.where(Webhook.id < asked.before)
    if asked.words:
        query = query.where(one_of(Webhook.id, find_webhooks(session, asked.words, asked.shop_id)))
    keys = _merged(session, query, Webhook, owners)
    return _load(session, Webhook, keys), (keys[PAGE - 1] if len(keys) > PAGE else None)


def list_mails(
    session: Session, states: Sequence[DeliveryState], *, shop_id: int | None, before: int | None
) -> tuple[list[Delivery], int | None]:
    """Return a page of mails, and where the next one begins, None at the end; no states is all states."""
    owners = _owners(shop_id)
    query = select(Delivery.shop_id, Delivery.id).where(Delivery.shop_id == owners.c.shop_id)
    if states:
        query = query.where(Delivery.state.in_(states))
    if before is not None:
        query = query.where(Delivery.id < before)
    keys = _merged(session, query, Delivery, owners)
    return _load(session, Delivery, keys), (keys[PAGE - 1] if len(keys) > PAGE else None)


def find_webhooks(session: Session, words: str, shop_id: int | None) -> list[int]:
    """Return the ids of webhooks that a word leads to: its own ids, an order's number, a platform's id, an address."""
    word = words.strip()
    owner = Webhook.shop_id == shop_id if shop_id is not None else true()
    of_events = EventRow.shop_id == shop_id if shop_id is not None else true()
    named = [Webhook.external_id == word, Webhook.delivery_id == word]
    if word.isascii() and word.isdecimal():
        named.append(Webhook.id == int(word[:18]))
    ways: list[Select[Any]] = [select(Webhook.id).where(owner, or_(*named))]
    by_number = select(Order.shop_id, Order.external_id).where(Order.number.in_([word, word.removeprefix("#"), f"#{word}"]))
    for object_shop, object_id in [*session.execute(by_number.limit(20)).all(), (None, word)]:
        of_shop = EventRow.shop_id == object_shop if object_shop is not None else of_events
        ways.append(select(EventRow.webhook_id).where(of_shop, EventRow.object_id == object_id))
    if email := normalise_email(word):
        people = select(CustomerIdentity.shop_id, CustomerIdentity.customer_id)
        people = people.where(CustomerIdentity.kind == "email", CustomerIdentity.value == email)
        for person_shop, customer_id in session.execute(people.limit(20)):
            mine = (EventRow.shop_id == person_shop, EventRow.customer_id == customer_id)
            ways.append(select(EventRow.webhook_id).where(of_events, *mine))
    found = union_all(*ways).subquery()
    column = next(iter(found.c))
    return list(
        session.scalars(select(column).where(column.is_not(None)).distinct().order_by(column.desc()).limit(MOST_FOUND))
    )


def find_webhook(session: Session, webhook_id: int) -> Webhook | None:
    """Return a webhook by its id alone, or None."""
    owners = select(Shop.id).union_all(select(literal(NO_SHOP)))
    return session.scalar(select(Webhook).where(Webhook.shop_id.in_(owners), Webhook.id == webhook_id))


def before_it(session: Session, webhook: Webhook, told: Event) -> Webhook | None:
    """Return the last webhook before this one that told the same of the same object, if its content is still held."""
    earlier = (
        select(Webhook)
        .join(EventRow, (EventRow.shop_id == Webhook.shop_id) & (EventRow.webhook_id == Webhook.id))
        .where(
            Webhook.shop_id == webhook.shop_id,
            EventRow.kind == told.kind,
            EventRow.object_id == told.object_id,
            Webhook.id < webhook.id,
            Webhook.body.is_not(None),
        )
    )
    return session.scalars(earlier.order_by(Webhook.id.desc()).limit(1)).first()


def shops(session: Session, *, most: int = 200) -> list[ShopLine]:
    """Return the shops with their last webhook and how many failed, those with failures first."""
    newest = (
        select(Webhook.received_at).where(Webhook.shop_id == Shop.id).order_by(Webhook.id.desc()).limit(1).scalar_subquery()
    )
    failed = select(Webhook.id).where(Webhook.shop_id == Shop.id, Webhook.state == WebhookState.FAILED).limit(MOST_COUNTED)
    count = select(func.count()).select_from(failed.correlate(Shop).lateral("f")).scalar_subquery()
    query = select(
        Shop.id, Shop.name, Shop.domain, Shop.platform, Shop.state, newest.label("webhook_at"), count.label("failed")
    )
    rows = session.execute(query.order_by(count.desc(), Shop.id).limit(most))
    return [ShopLine(*row) for row in rows]


def count_unknown(session: Session) -> int:
    """Count mails that wait for a person's word, up to MOST_COUNTED."""
    query = select(Delivery.id).where(Delivery.shop_id.in_(select(Shop.id)), Delivery.state == DeliveryState.UNKNOWN)
    return session.scalar(select(func.count()).select_from(query.limit(MOST_COUNTED).subquery())) or 0


def find_people(session: Session, words: str) -> list[Customer]:
    """Return the people whom an address or a platform's customer id leads to, in all shops."""
    word = words.strip()
    value = normalise_email(word) or word
    identities = select(CustomerIdentity.shop_id, CustomerIdentity.customer_id).where(CustomerIdentity.value == value)
    keys = {(row.shop_id, row.customer_id) for row in session.execute(identities.limit(PAGE))}
    return [found for key in sorted(keys) if (found := session.get(Customer, key)) is not None]


def audit_page(session: Session, *, shop_id: int | None, before: int | None) -> tuple[list[AuditRow], int | None]:
    """Return a page of the audit log, newest first, and where the next one begins."""
    owners = _owners(shop_id)
    query = select(AuditRow.shop_id, AuditRow.id).where(AuditRow.shop_id == owners.c.shop_id)
    if before is not None:
        query = query.where(AuditRow.id < before)
    keys = _merged(session, query, AuditRow, owners)
    return _load(session, AuditRow, keys), (keys[PAGE - 1] if len(keys) > PAGE else None)


def _owners(shop_id: int | None) -> Any:
    if shop_id is not None:
        return select(literal(shop_id).label("shop_id")).subquery()
    return select(Shop.id.label("shop_id")).union_all(select(literal(NO_SHOP))).subquery()


def _merged(session: Session, query: Any, model: Any, owners: Any) -> list[int]:
    each = query.order_by(model.id.desc()).limit(PAGE + 1).correlate(owners).lateral()
    merged = select(each.c.id).select_from(owners.join(each, true())).order_by(each.c.id.desc()).limit(PAGE + 1)
    return list(session.scalars(merged))


def _load(session: Session, model: Any, ids: list[int]) -> list[Any]:
    owners = select(Shop.id).union_all(select(literal(NO_SHOP)))
    query = select(model).where(model.shop_id.in_(owners), one_of(model.id, ids[:PAGE])).order_by(model.id.desc())
    if model is Webhook:
        query = query.options(defer(Webhook.body))  # up to 8 MiB each, and no list shows it
    return list(session.scalars(query))
