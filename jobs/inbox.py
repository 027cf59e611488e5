"""The inbox: stored webhooks become events, events are folded, flows react; one transaction for a batch."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.errors import BadPayload, RightsLost
from app.domain.events import AppUninstalled, Event, ShopRedacted, ShopUpdated
from app.domain.json_input import parse_json
from app.models import NO_SHOP, Shop, Webhook, WebhookState, claims
from app.queues import QueueName
from app.services import connections, erase, forgotten, react
from app.services.erasing import SHOP_REASON
from app.services.ingest import Fact, ingest
from app.services.people import lock_shop
from integrations import PLATFORMS
from jobs import compliance
from jobs import drain as draining
from jobs.compliance import End

ONLY_SHOPS = Webhook.shop_id != NO_SHOP  # what belongs to no shop is the receipts' drain's


def drain() -> None:
    """Work off the inbox; RQ calls it by name."""
    draining.drain(draining.Work(queue=QueueName.INBOX, model=Webhook, do=work, only=ONLY_SHOPS))


def work(session: Session, webhooks: Sequence[Webhook], now: datetime) -> None:
    """Handle claimed webhooks, shop by shop in ascending order, so that two batches do not wait for each other in a ring."""
    by_shop: dict[int, list[Webhook]] = defaultdict(list)
    for webhook in webhooks:
        by_shop[webhook.shop_id].append(webhook)
    for shop_id in sorted(by_shop):
        _work_shop(session, shop_id, by_shop[shop_id], now)


def events_of(webhook: Webhook) -> list[Event]:
    """Translate a stored webhook.

    Raises:
        BadPayload: it cannot be understood; the message says why.
    """
    if webhook.body is None:
        raise BadPayload("Its content was erased.")
    at = _told_at(webhook)
    events = PLATFORMS[webhook.platform].normalise(webhook.topic, parse_json(webhook.body), at=at)
    return [replace(event, told_at=at) for event in events]


def _about(shop: Shop, events: list[Event]) -> list[Event]:
    """Return the events if none is about another shop: headers are not signed, so a shop that the body names must agree.

    Raises:
        BadPayload: it names another.
    """
    named = {e.object_id for e in events if isinstance(e, ShopUpdated | AppUninstalled | ShopRedacted)}
    if shop.platform == "shopify" and not erase.is_erased(shop) and any("." in n and n != shop.domain for n in named):
        raise BadPayload("The body names another shop than the headers.")
    return events


def _work_shop(session: Session, shop_id: int, webhooks: Sequence[Webhook], now: datetime) -> None:
    lock_shop(session, shop_id)
    shop = session.scalars(select(Shop).where(Shop.id == shop_id), execution_options={"populate_existing": True}).one()
    ends: dict[End, list[Webhook]] = defaultdict(list)
    told: list[tuple[Webhook, list[Event]]] = []
    for webhook in webhooks:
        try:
            events = _about(shop, events_of(webhook))
        except BadPayload as exc:
            if isinstance(exc, RightsLost):
                connections.complain(session, shop.id, str(exc), now=now)
            # The same body cannot be read better tomorrow: no tries, failed at once, replayable when we can.
            ends[_unread(session, shop, webhook, WebhookState.FAILED, str(exc))].append(webhook)
            continue
        # A request to forget comes first: what else is in the batch may be from before it.
        if request := compliance.asks(events):
            ends[compliance.answer(session, shop, webhook, request, now=now)].append(webhook)
        else:
            told.append((webhook, events))
    _fold(session, shop, told, ends, now)
    for end, rows in ends.items():
        claims.finish(session, Webhook, rows, _values(end))


def _fold(
    session: Session,
    shop: Shop,
    told: Sequence[tuple[Webhook, list[Event]]],
    ends: dict[End, list[Webhook]],
    now: datetime,
) -> None:
    """Take in what may be taken in, and say how each webhook ends."""
    if erase.is_erased(shop):
        ends[End(WebhookState.IGNORED, SHOP_REASON, is_erased=True)] += [webhook for webhook, _ in told]
        return
    late = forgotten.late(session, shop, [event for _, events in told for event in events], now=now)
    facts: list[Fact] = []
    for webhook, events in told:
        news = [event for event in events if id(event) not in late]
        facts += [Fact(event, webhook.id) for event in news]
        if news:
            ends[End(WebhookState.DONE)].append(webhook)
        elif events:
            ends[End(WebhookState.IGNORED, forgotten.REASON, is_erased=True)].append(webhook)
        else:
            ends[_unread(session, shop, webhook, WebhookState.IGNORED, "Nothing here uses this topic.")].append(webhook)
    if facts:
        react.react(session, shop, ingest(session, shop, facts, now=now), now=now)


def _unread(session: Session, shop: Shop, webhook: Webhook, state: WebhookState, why: str) -> End:
    """Say how a webhook ends that gave no events; one that comes late and holds a forgotten address is not kept."""
    if not erase.is_erased(shop) and forgotten.is_named_in(session, shop, webhook.body, _told_at(webhook)):
        return End(WebhookState.IGNORED, forgotten.REASON, is_erased=True)
    return End(state, why, is_erased=erase.is_erased(shop))


def _values(end: End) -> dict[str, Any]:
    """Return what is written into a webhook that ends so."""
    values: dict[str, Any] = {"state": end.state, "error": end.error, "error_class": None}
    if end.state == WebhookState.FAILED:
        values["error_class"] = BadPayload.__name__
    if end.is_erased:
        values |= {"body": None, "headers": {}}
    if end.due_at is not None:
        return values | {"due_at": end.due_at}
    return values | {"processed_at": func.now()}


def _told_at(webhook: Webhook) -> datetime:
    return webhook.triggered_at or webhook.received_at
