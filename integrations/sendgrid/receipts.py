"""SendGrid's event webhook: is it theirs, and what does it say.

Source: Twilio, "Event Webhook Reference" and "Getting started with the Event Webhook security features".
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.errors import BadPayload
from app.domain.json_input import parse_json
from app.domain.machines import is_robot
from app.domain.people import normalise_email
from app.domain.receipts import Receipt, ReceiptKind
from integrations.sendgrid.body import DELIVERY, SHOP

SIGNATURE, TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"
OLDEST = timedelta(hours=25)  # an unanswered post is repeated for 24 hours, perhaps with its first signature
_NEWEST = timedelta(minutes=10)  # a clock that is ahead of ours
_LONGEST = 300  # characters of a reason

KINDS = {
    "processed": ReceiptKind.QUEUED,
    "deferred": ReceiptKind.DEFERRED,
    "delivered": ReceiptKind.DELIVERED,
    "dropped": ReceiptKind.REJECTED,
    "bounce": ReceiptKind.BOUNCED,
    "open": ReceiptKind.OPENED,
    "click": ReceiptKind.CLICKED,
    "spamreport": ReceiptKind.COMPLAINED,
    "unsubscribe": ReceiptKind.UNSUBSCRIBED,
    "group_unsubscribe": ReceiptKind.UNSUBSCRIBED,
    "group_resubscribe": ReceiptKind.SUBSCRIBED,
}
_BLOCKS = {ReceiptKind.COMPLAINED: "complained", ReceiptKind.UNSUBSCRIBED: "unsubscribed"}
_DROPS = {
    "bounced address": "bounced", "invalid": "bounced", "spam reporting address": "complained",
    "unsubscribed address": "unsubscribed",
}  # fmt: skip


def is_authentic(public_key: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Say whether the raw body is signed with SendGrid's key for us; never raises.

    Args:
        public_key: the verification key, base64 of a SubjectPublicKeyInfo.
        headers: under lower-case names.
        body: as received: one byte more or less, and it fails.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    signature, timestamp = headers.get(SIGNATURE, ""), headers.get(TIMESTAMP, "")
    if not (public_key and signature and timestamp.isascii() and timestamp.isdigit()):
        return False
    try:
        key = load_der_public_key(base64.b64decode(public_key))
        assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101  (for the type checker)
        key.verify(base64.b64decode(signature, validate=True), timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError, AssertionError):
        return False
    return True


def is_timely(headers: Mapping[str, str], now: datetime) -> bool:
    """Say whether an authentic post is of our days."""
    sent = int(headers[TIMESTAMP][:15])
    return -_NEWEST.total_seconds() <= now.timestamp() - sent <= OLDEST.total_seconds()


def read(body: bytes) -> list[Receipt]:
    """Read a batch of events; one that cannot be understood is left out, the others count.

    Raises:
        BadPayload: it is no list of events.
    """
    events = parse_json(body)
    if not isinstance(events, list):
        raise BadPayload("The events are not a list.")
    return [receipt for event in events if isinstance(event, dict) and (receipt := _receipt(event))]


def _receipt(event: dict[str, Any]) -> Receipt | None:
    timestamp = event.get("timestamp")
    if not isinstance(timestamp, int | float) or not 0 < timestamp < 4e9:
        return None
    kind = KINDS.get(_word(event, "event"), ReceiptKind.UNKNOWN)
    is_soft = kind is ReceiptKind.BOUNCED and _word(event, "type") == "blocked"
    if kind is ReceiptKind.BOUNCED and not is_soft:
        blocks: str | None = "bounced"
    elif kind is ReceiptKind.REJECTED:
        blocks = _DROPS.get(_word(event, "reason").lower())
    else:
        blocks = _BLOCKS.get(kind)
    robot = event.get("sg_machine_open") is True or is_robot(_word(event, "useragent"))
    return Receipt(
        kind=kind,
        key=_key(event),
        happened_at=datetime.fromtimestamp(timestamp, UTC),
        delivery_id=_number(event, DELIVERY),
        shop_id=_number(event, SHOP),
        message_id=_message_id(event),
        event_id=_word(event, "sg_event_id")[:128] or None,
        email=normalise_email(_word(event, "email")),
        status=_word(event, "status")[:16] or None,
        reason=_reason(event),
        blocks=blocks,
        is_soft=is_soft,
        is_machine=kind in {ReceiptKind.OPENED, ReceiptKind.CLICKED} and robot,
    )


def _key(event: dict[str, Any]) -> bytes:
    """Return what copies of an event share: a repeated one may come with another `sg_event_id`."""
    whose = event.get(DELIVERY) or event.get("smtp-id") or event.get("sg_message_id")
    parts = [event.get(SHOP), whose, *(event.get(p) for p in ("event", "type", "timestamp", "url", "attempt", "email"))]
    return hashlib.sha256(json.dumps(["sendgrid", *parts], default=str).encode()).digest()


def _message_id(event: dict[str, Any]) -> str | None:
    """Return what the answer to the call named `X-Message-Id`: `sg_message_id` and `smtp-id` begin with it."""
    told = _word(event, "sg_message_id").partition(".")[0] or _word(event, "smtp-id").strip("<>").partition("@")[0]
    return told[:128] or None


def _reason(event: dict[str, Any]) -> str | None:
    said = " ".join((_word(event, "reason") or _word(event, "response")).split())
    return re.sub(r"\S+@\S+", "(address)", said)[:_LONGEST] or None


def _word(event: dict[str, Any], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""


def _number(event: dict[str, Any], name: str) -> int | None:
    value = str(event.get(name, ""))
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
