"""Receipts come in here: SendGrid's signed event webhook, stored verbatim and worked off by a job (D12)."""

import hashlib
from datetime import datetime

import psycopg
from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app.config import settings
from app.db import engine, sessions
from app.domain.json_input import is_too_deep
from app.models import NO_SHOP
from app.queues import QueueName, ring_soon
from app.web.guards import Guard, guarded
from app.web.inbox import inbox
from app.web.webhooks import database_down, read_body, read_headers, refuse
from integrations.sendgrid import receipts as sendgrid

LARGEST = 2 * 1024 * 1024  # bytes; SendGrid's batches have 768 kB at most

blueprint = Blueprint("receipts", __name__, url_prefix="/webhooks")
RECEIVED = Counter("cartwheel_receipts_received_total", "Posts of the mail provider by answer.", ["status"])

for kind in (psycopg.Error, SQLAlchemyError):
    blueprint.register_error_handler(kind, database_down)
for code in (400, 411, 413, 415):
    blueprint.register_error_handler(code, refuse)


@blueprint.post("/sendgrid")
@guarded(Guard.SIGNED)
def events() -> ResponseReturnValue:
    """Receive a batch of events; nothing of it is parsed before the answer."""
    body, headers = read_body(LARGEST), read_headers()
    if not sendgrid.is_authentic(settings().sendgrid_event_public_key, headers, body):
        return _answer(401)
    if not sendgrid.is_timely(headers, _now()):
        return _answer(401)
    if is_too_deep(body):
        return _answer(413)
    digest = hashlib.sha256(body)
    row = {
        "shop_id": NO_SHOP, "platform": "sendgrid", "topic": "events", "dedupe_key": digest.hexdigest(),
        "external_id": None, "delivery_id": None, "body": body, "sha256": digest.digest(), "headers": "{}",
        "triggered_at": None, "state": "pending", "error": None,
    }  # fmt: skip
    if inbox(engine()).store(row):
        ring_soon(QueueName.RECEIPTS)
    return _answer(200)


def _now() -> datetime:
    with sessions()() as session:
        return clock.real(session)


def _answer(status: int) -> Response:
    RECEIVED.labels(str(status)).inc()
    return Response(status=status)
