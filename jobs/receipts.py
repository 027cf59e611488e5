"""The drain of what providers tell about mails: events of a signed webhook become rows, each once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.domain.errors import BadPayload
from app.models import NO_SHOP, Webhook, WebhookState, claims
from app.queues import QueueName
from app.services import receipts
from integrations.sendgrid import receipts as sendgrid
from jobs import drain as draining

EVENTS = "events"  # the topic of a stored batch
BATCH = 10  # posts; each may hold thousands of events

ONLY_OURS = Webhook.shop_id == NO_SHOP


def drain() -> None:
    """Work off what came in; RQ calls it by name."""
    draining.drain(draining.Work(queue=QueueName.RECEIPTS, model=Webhook, do=work, batch=BATCH, only=ONLY_OURS))


def work(session: Session, webhooks: Sequence[Webhook], now: datetime) -> None:
    """Take in the events of claimed posts. What was read is not kept a second time: it holds everybody's addresses."""
    told = []
    for webhook in webhooks:
        try:
            told += sendgrid.read(webhook.body or b"")
        except BadPayload as exc:
            values: dict[str, Any] = {"state": WebhookState.FAILED, "error": str(exc), "error_class": BadPayload.__name__}
        else:
            values = {"state": WebhookState.DONE, "error": None, "body": None}
        claims.finish(session, Webhook, [webhook], {**values, "processed_at": func.now()})
    receipts.take_in(session, told, source="sendgrid", now=now)
