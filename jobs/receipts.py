"""The drain of what comes back after a mail: a provider's events, and mail to our own addresses; each has effect once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.config import settings
from app.db import sessions
from app.domain.errors import BadPayload
from app.domain.replies import read_message
from app.models import NO_SHOP, Reply, Webhook, WebhookState, claims
from app.queues import QueueName
from app.services import inbound, receipts
from app.services.cleaning import html_as_text
from app.services.inbound import Courtesy
from integrations.sendgrid import inbound as sendgrid_inbound
from integrations.sendgrid import receipts as sendgrid_receipts
from jobs import courtesy
from jobs import drain as draining

INBOUND = "inbound"  # the topic of a stored mail; everything else is a batch of events
BATCH = 10  # posts; each may hold thousands of events

ONLY_OURS = Webhook.shop_id == NO_SHOP


def drain() -> None:
    """Work off what came in; RQ calls it by name."""
    due: list[Courtesy] = []

    def do(session: Session, webhooks: Sequence[Webhook], now: datetime) -> None:
        due.extend(work(session, webhooks, now))

    draining.drain(draining.Work(queue=QueueName.RECEIPTS, model=Webhook, do=do, batch=BATCH, only=ONLY_OURS))
    if due:
        with sessions().begin() as session:  # a batch that was rolled back and worked again left answers to nothing
            held = set(session.scalars(select(Reply.id).where(Reply.id.in_([one.reply_id for one in due]))))
        courtesy.send([one for one in due if one.reply_id in held])


def work(session: Session, webhooks: Sequence[Webhook], now: datetime) -> list[Courtesy]:
    """Take claimed posts in. What was read is not kept a second time: it holds people's addresses and words."""
    told, due = [], []
    for webhook in webhooks:
        try:
            if webhook.topic == INBOUND:
                due += _mail(session, webhook, now)
            else:
                told += sendgrid_receipts.read(webhook.body or b"")
            values: dict[str, Any] = {"state": WebhookState.DONE, "error": None, "body": None}
        except BadPayload as exc:
            values = {"state": WebhookState.FAILED, "error": str(exc), "error_class": BadPayload.__name__}
        claims.finish(session, Webhook, [webhook], {**values, "processed_at": func.now()})
    receipts.take_in(session, told, source="sendgrid", now=now)
    return due


def _mail(session: Session, webhook: Webhook, now: datetime) -> list[Courtesy]:
    try:
        message, recipients = sendgrid_inbound.read(webhook.body or b"")
        told = read_message(message, recipients, settings().inbound_domain, as_text=html_as_text)
    except RecursionError as exc:  # a header of thousands of brackets, parts in parts: no person writes so
        raise BadPayload("The message is nested too deep to be read.") from exc
    at = now - (clock.real(session) - webhook.received_at)  # by the clock that `now` is of
    answer = inbound.take_in(session, told, at=at, now=now) if told else None
    return [answer] if answer else []
