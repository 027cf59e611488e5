"""Mail that comes back enters here, from SendGrid's inbound parse. A 4xx would lose it, so all but a stranger's is taken."""

import hashlib
import hmac

import psycopg
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import abort

from app.config import settings
from app.db import engine
from app.models import NO_SHOP
from app.queues import QueueName, ring_soon
from app.web.guards import Guard, guarded
from app.web.inbox import inbox
from app.web.webhooks import database_down
from integrations.sendgrid import inbound as sendgrid

LARGEST = 30 * 1024 * 1024  # bytes, SendGrid's own limit
_MOST_PARTS = 200  # of a form; attachments are parts and are dropped

blueprint = Blueprint("inbound", __name__, url_prefix="/inbound")
for kind in (psycopg.Error, SQLAlchemyError):
    blueprint.register_error_handler(kind, database_down)


@blueprint.post("/sendgrid/<secret>")
@guarded(Guard.SIGNED)
def mail(secret: str) -> ResponseReturnValue:
    """Receive a mail; the unguessable end of the address says who posts it."""
    ours = settings().inbound_secret
    if not ours or not hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), ours.encode()):
        return Response(status=401)
    if request.content_length is None:
        abort(411)
    if request.content_length > LARGEST:
        abort(413)
    request.max_content_length = LARGEST
    request.max_form_memory_size = LARGEST
    request.max_form_parts = _MOST_PARTS
    body = sendgrid.pack({name: request.form.get(name, "") for name in sendgrid.FIELDS})
    digest = hashlib.sha256(body)
    row = {
        "shop_id": NO_SHOP, "platform": "sendgrid", "topic": "inbound", "dedupe_key": digest.hexdigest(),
        "external_id": None, "delivery_id": None, "body": body, "sha256": digest.digest(), "headers": "{}",
        "triggered_at": None, "state": "pending", "error": None,
    }  # fmt: skip
    if inbox(engine()).store(row):
        ring_soon(QueueName.RECEIPTS)
    return Response(status=200)
