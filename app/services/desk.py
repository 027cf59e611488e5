"""What the desk lists: webhooks and mails of all shops, newest first, and what leads from a word to them.

A list over all shops is merged from the shops' own, each read from its index: the keys begin with the shop.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Select, cast, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, defer

from app.domain.events import Event
from app.models import (
    NO_SHOP,
    AuditRow,
    Delivery,
    DeliveryState,
    EventRow,
    Shop,
    Webhook,
    WebhookState,
)
from app.models.bulk import one_of
from app.services import desk_search
from app.services.desk_search import Key

PAGE = 50
MOST_COUNTED = 1_000  # what a number on a page counts up to
LOOK = 20_000  # webhooks that one page looks through for what no index leads to, of all shops together
LOOK_LEAST = 100  # but of each shop at least so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the inbox is asked for; None is all. `words` is an order number, an address, or an id of any kind."""

    shop_id: int | None = None
    state: WebhookState | None = None
    topic: str | None = None
    words: str | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPage:
    """One page; `older` is where the next one starts, None at the end; `is_cut` when more was there to look through."""

    lines: list[Webhook]
    older: int | None
    is_cut: bool = False


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


def list_webhooks(session: Session, asked: Asked) -> WebhookPage:
    """Return a page of webhooks without their bodies."""
    if asked.topic and not asked.words:
        return _of_topic(session, asked)
    found = desk_search.webhooks(session, asked.words, asked.shop_id) if asked.words else None
    owners = _owners(asked.shop_id, among=None if found is None else {shop_id for shop_id, _ in found})
    query = _asked_for(asked, owners)
    if asked.topic:
        query = query.where(Webhook.topic == asked.topic)
    if found is not None:
        query = query.where(one_of(Webhook.id, [webhook_id for _, webhook_id in found]))
    keys = _merged(session, query, Webhook, owners)
    return WebhookPage(lines=_load(session, Webhook, keys), older=_older(keys))


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
    return _load(session, Delivery, keys), _older(keys)


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


def audit_page(session: Session, *, shop_id: int | None, before: int | None) -> tuple[list[AuditRow], int | None]:
    """Return a page of the audit log, newest first, and where the next one begins."""
    owners = _owners(shop_id)
    query = select(AuditRow.shop_id, AuditRow.id).where(AuditRow.shop_id == owners.c.shop_id)
    if before is not None:
        query = query.where(AuditRow.id < before)
    keys = _merged(session, query, AuditRow, owners)
    return _load(session, AuditRow, keys), _older(keys)


def names(session: Session, shop_ids: Iterable[int]) -> dict[int, str]:
    """Return what these shops are called."""
    return dict(session.execute(select(Shop.id, Shop.name).where(one_of(Shop.id, set(shop_ids)))).all())


def looked_through(session: Session) -> int:
    """Return how many of each shop's newest rows are looked through for what no index leads to: fewer, the more shops."""
    shops = session.scalar(select(func.count()).select_from(Shop)) or 0
    return max(LOOK_LEAST, LOOK // max(1, shops))


def _asked_for(asked: Asked, owners: Any) -> Select[int, int]:
    query = select(Webhook.shop_id, Webhook.id).where(Webhook.shop_id == owners.c.shop_id)
    if asked.state is not None:
        query = query.where(Webhook.state == asked.state)
    if asked.before is not None:
        query = query.where(Webhook.id < asked.before)
    return query


def _of_topic(session: Session, asked: Asked) -> WebhookPage:
    """Look through the newest webhooks of each shop, down to where the first shop's look ended: so none is passed over."""
    depth = LOOK if asked.shop_id is not None else looked_through(session)
    owners = _owners(asked.shop_id)
    newest = _asked_for(asked, owners).add_columns(Webhook.topic).order_by(Webhook.id.desc()).limit(depth)
    each = newest.correlate(owners).lateral()
    looked = select(each).select_from(owners.join(each, true())).cte("looked")
    cut = select(func.min(looked.c.id).label("lowest")).group_by(looked.c.shop_id).having(func.count() == depth).subquery()
    floor = select(func.max(cut.c.lowest).label("floor")).subquery()
    fits = select(looked.c.shop_id, looked.c.id).where(
        looked.c.topic == asked.topic, looked.c.id >= func.coalesce(floor.c.floor, 0)
    )
    fitting = fits.order_by(looked.c.id.desc()).limit(PAGE + 1).correlate(floor).lateral()
    rows = session.execute(select(floor.c.floor, *fitting.c).select_from(floor.outerjoin(fitting, true()))).all()
    keys = [(row.shop_id, row.id) for row in rows if row.id is not None]
    older = _older(keys)
    is_cut = older is None and rows[0].floor is not None
    return WebhookPage(lines=_load(session, Webhook, keys), older=rows[0].floor if is_cut else older, is_cut=is_cut)


def _owners(shop_id: int | None, among: set[int] | None = None) -> Any:
    if among is not None:
        return select(func.unnest(cast(sorted(among), ARRAY(BigInteger))).label("shop_id")).subquery()
    if shop_id is not None:
        return select(literal(shop_id).label("shop_id")).subquery()
    return select(Shop.id.label("shop_id")).union_all(select(literal(NO_SHOP))).subquery()


def _merged(session: Session, query: Any, model: Any, owners: Any) -> list[Key]:
    each = query.order_by(model.id.desc()).limit(PAGE + 1).correlate(owners).lateral()
    merged = select(each.c.shop_id, each.c.id).select_from(owners.join(each, true()))
    return [(row[0], row[1]) for row in session.execute(merged.order_by(each.c.id.desc()).limit(PAGE + 1))]


def _older(keys: Sequence[Key]) -> int | None:
    return keys[PAGE - 1][1] if len(keys) > PAGE else None


def _load(session: Session, model: Any, keys: Sequence[Key]) -> list[Any]:
    shown = keys[:PAGE]
    query = select(model).where(
        one_of(model.shop_id, {key[0] for key in shown}), one_of(model.id, [key[1] for key in shown])
    )
    if model is Webhook:
        query = query.options(defer(Webhook.body))  # up to 8 MiB each, and no list shows it
    return list(session.scalars(query.order_by(model.id.desc())))
