"""Webhooks come in here: verify over the raw bytes, one durable row, a ring, 200. Nothing is parsed, no ORM (house 3)."""

import hashlib
import json
from queue import Empty

import psycopg
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, abort

from app import clock
from app.config import settings
from app.db import engine, sessions
from app.domain.errors import BadPayload
from app.domain.json_input import is_too_deep
from app.domain.ports import Envelope, Platform
from app.log import get_logger
from app.models.base import NO_SHOP
from app.queues import QueueName, ring_soon
from app.services import connections
from app.web.directory import KnownShop, directory
from app.web.guards import Guard, guarded
from app.web.inbox import inbox
from integrations import PLATFORMS
from integrations.woocommerce import verify as woocommerce_verify

MAX_BODY_BYTES = 8 * 1024 * 1024  # a 413 counts towards WooCommerce switching us off, so far above any real body

blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")
RECEIVED = Counter("cartwheel_webhooks_received_total", "Webhooks by platform and answer.", ["platform", "status"])


@blueprint.post("/shopify")
@guarded(Guard.SIGNED)
def shopify() -> ResponseReturnValue:
    """Receive a webhook of any Shopify shop; signed with the app's client secret."""
    platform = PLATFORMS["shopify"]
    body, headers = read_body(), read_headers()
    if not platform.is_authentic(headers, body, settings().shopify_secrets):
        return _answer("shopify", 401)
    try:
        envelope = platform.read_envelope(headers, body)
    except BadPayload:
        return _answer("shopify", 400)
    shop = directory().by_domain("shopify", envelope.shop_domain or "")
    if shop is None and envelope.topic not in platform.COMPLIANCE_TOPICS:
        return _answer("shopify", 404)
    return _accept(platform, shop, envelope, body)


@blueprint.post("/woocommerce/<connection_id>")
@guarded(Guard.SIGNED)
def woocommerce(connection_id: str) -> ResponseReturnValue:
    """Receive a webhook of one WooCommerce shop; signed with the connection's secret."""
    platform = PLATFORMS["woocommerce"]
    body, headers = read_body(), read_headers()
    shop = directory().by_connection(connection_id)
    if shop is None:
        return _answer("woocommerce", 404)
    if woocommerce_verify.is_ping(request.headers.get("Content-Type", ""), body):
        _note_ping(shop)
        return _answer("woocommerce", 200)  # unsigned by nature; it needs exactly 200, and its content is not kept
    if not platform.is_authentic(headers, body, shop.secrets):
        return _answer("woocommerce", 401)
    try:
        envelope = platform.read_envelope(headers, body)
    except BadPayload:
        return _answer("woocommerce", 400)
    return _accept(platform, shop, envelope, body)


@blueprint.errorhandler(HTTPException)
def refuse(error: HTTPException) -> ResponseReturnValue:
    """Answer a refusal with its status and nothing else; a machine reads it."""
    return _answer(request.path.split("/")[2] if request.path.count("/") > 1 else "", error.code or 500)


@blueprint.errorhandler(Empty)
@blueprint.errorhandler(psycopg.Error)
@blueprint.errorhandler(SQLAlchemyError)
def database_down(error: Exception) -> ResponseReturnValue:
    """Answer 503 when the row could not be written: the platform tries again, or polling finds it."""
    get_logger().error("webhook.not_stored", error_class=type(error).__name__)
    return _answer("", 503)


def read_body(largest: int = MAX_BODY_BYTES) -> bytes:
    """Read exactly the announced bytes.

    A chunked body has no announced length, and the server would cut it at the limit and let it pass; a broken-off one
    arrives short without an error. Both are refused.
    """
    if request.headers.get("Content-Encoding", "identity") not in {"", "identity"}:
        abort(415)
    length = request.environ.get("CONTENT_LENGTH") or ""
    if not length.isascii() or not length.isdigit():
        abort(411)
    if int(length) > largest:
        abort(413)
    body: bytes = request.environ["wsgi.input"].read(int(length))
    if len(body) != int(length):
        abort(400)
    return body


def read_headers() -> dict[str, str]:
    """Read the headers once, under lower-case names; werkzeug's mapping is worked out anew at every look."""
    environ = request.environ
    said = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    return {**said, "content-type": environ.get("CONTENT_TYPE", "")}


def _accept(platform: Platform, shop: KnownShop | None, envelope: Envelope, body: bytes) -> ResponseReturnValue:
    if is_too_deep(body):
        return _answer(platform.NAME, 413)
    row = {
        "shop_id": shop.id if shop else NO_SHOP,
        "platform": platform.NAME,
        "topic": envelope.topic[:200],
        "dedupe_key": envelope.dedupe_key[:400],
        "external_id": envelope.external_id,
        "delivery_id": envelope.delivery_id,
        "body": body,
        "sha256": hashlib.sha256(body).digest(),
        "headers": json.dumps(envelope.headers),
        "triggered_at": envelope.triggered_at,
        "state": "pending" if shop else "ignored",
        "error": None if shop else "unknown shop",
    }
    if inbox(engine()).store(row) and shop is not None:
        ring_soon(QueueName.INBOX)
    return _answer(platform.NAME, 200)


def _note_ping(shop: KnownShop) -> None:
    """Note that the shop tried our address, for the page that connects it."""
    with sessions().begin() as session:
        connections.heard(session, shop.id, now=clock.now(session))


def _answer(platform: str, status: int) -> Response:
    RECEIVED.labels(platform, str(status)).inc()
    return Response(status=status)
