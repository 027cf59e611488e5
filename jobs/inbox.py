"""The inbox: stored webhooks become events, events are folded, flows react; one transaction for a batch."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.errors import BadPayload
from app.domain.events import CustomerRedacted, DataRequested, Event, ShopRedacted
from app.domain.json_input import parse_json
from app.models import Shop, Webhook, WebhookState, claims
from app.queues import QueueName
from app.services import react
from app.services.ingest import Fact, ingest, lock_shop
from integrations import PLATFORMS
from jobs import drain as draining

# What the law asks and this release cannot do yet stays visible and replayable, instead of ending as "done".
_ERASE = "This release stops all mail to the person but cannot erase them yet. Replay this when the release that can is in."
_OWED: dict[type[Event], str] = {
    DataRequested: "This release cannot export a shopper's data yet. Replay this when the release that can is in.",
    CustomerRedacted: _ERASE,
    ShopRedacted: "This release cannot erase a shop yet. Replay this when the release that can is in.",
}


def drain() -> None:
    """Work off the inbox; RQ calls it by name."""
    draining.drain(draining.Work(queue=QueueName.INBOX, model=Webhook, do=work))


def work(session: Session, webhooks: Sequence[Webhook], now: datetime) -> None:
    """Handle claimed webhooks, shop by shop in ascending order, so that two batches do not wait for each other in a ring."""
    by_shop: dict[int, list[Webhook]] = defaultdict(list)
    for webhook in webhooks:
        by_shop[webhook.shop_id].append(webhook)
    for shop_id in sorted(by_shop):
        _work_shop(session, shop_id, by_shop[shop_id], now)


def _work_shop(session: Session, shop_id: int, webhooks: Sequence[Webhook], now: datetime) -> None:
    lock_shop(session, shop_id)
    shop = session.scalars(select(Shop).where(Shop.id == shop_id)).one()
    facts: list[Fact] = []
    ends: dict[tuple[str, str | None], list[Webhook]] = defaultdict(list)
    for webhook in webhooks:
        try:
            events = _events(webhook)
        except BadPayload as exc:
            # The same body cannot be read better tomorrow: no tries, failed at once, replayable when we can.
            ends[WebhookState.FAILED, str(exc)].append(webhook)
            continue
        facts += [Fact(event, webhook.id) for event in events]
        ends[_end(events)].append(webhook)
    if facts:
        react.react(session, shop, ingest(session, shop, facts, now=now), now=now)
    for (state, error), rows in ends.items():
        values = {
            "state": state,
            "error": error,
            "error_class": BadPayload.__name__ if error and state == "failed" else None,
        }
        claims.finish(session, Webhook, rows, {**values, "processed_at": func.now()})


def _end(events: Sequence[Event]) -> tuple[WebhookState, str | None]:
    """Say how a webhook that was understood ends."""
    if not events:
        return WebhookState.IGNORED, "Nothing here uses this topic."
    owed = next((_OWED[type(event)] for event in events if type(event) in _OWED), None)
    return (WebhookState.FAILED, owed) if owed else (WebhookState.DONE, None)


def _events(webhook: Webhook) -> list[Event]:
    if webhook.body is None:
        raise BadPayload("Its content was erased.")
    at = webhook.triggered_at or webhook.received_at
    events = PLATFORMS[webhook.platform].normalise(webhook.topic, parse_json(webhook.body), at=at)
    return [replace(event, told_at=at) for event in events]
