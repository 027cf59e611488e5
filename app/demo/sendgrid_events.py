"""The pretend SendGrid's event webhook: real shapes, really signed, with copies, another order and late ones."""

import base64
import json
import random
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.demo.sendgrid import Accepted

SIGNATURE, TIMESTAMP = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"
# What each event has beside what all have.
_MORE: dict[str, dict[str, Any]] = {
    "processed": {},
    "deferred": {"response": "421 4.7.0 try again later", "attempt": "1", "tls": 1},
    "delivered": {"response": "250 OK", "ip": "198.51.100.7", "tls": 1},
    "bounce": {"type": "bounce", "status": "5.1.1", "reason": "550 no user", "bounce_classification": "Invalid Address"},
    "blocked": {"event": "bounce", "type": "blocked", "status": "4.7.1", "reason": "421 too many", "ip": "198.51.100.7"},
    "dropped": {"reason": "Bounced Address", "status": "5.0.0"},
    "spamreport": {},
    "unsubscribe": {},
    "open": {"useragent": "Mozilla/5.0", "ip": "203.0.113.9", "sg_machine_open": False},
    "machine_open": {"event": "open", "useragent": "Mozilla/5.0", "ip": "203.0.113.9", "sg_machine_open": True},
    "click": {"useragent": "Mozilla/5.0", "ip": "203.0.113.9", "url": "https://teaandtin.example/cart"},
}  # fmt: skip


def event(mail: Accepted, kind: str, at: datetime, *, n: int = 0, is_bare: bool = False) -> dict[str, Any]:
    """Return one event as SendGrid writes it; a bare one has no custom arguments, as late bounces have none."""
    found: dict[str, Any] = {
        "email": mail.to, "timestamp": int(at.timestamp()), "event": kind, "sg_event_id": f"{mail.message_id}-{kind}-{n}",
        "smtp-id": f"<{mail.message_id}@geopod-ismtpd-1>",
    }  # fmt: skip
    if not is_bare:
        found |= {"sg_message_id": f"{mail.message_id}.recvd-5f-1-0", "category": mail.body["categories"]}
        found |= mail.body["personalizations"][0]["custom_args"]
    return found | _MORE[kind]


class EventSender:
    """Signs batches of events as SendGrid does, and posts them.

    Args:
        url: our event webhook.
    """

    def __init__(self, url: str = "") -> None:
        self._url = url
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> str:
        """What CARTWHEEL_SENDGRID_EVENT_PUBLIC_KEY is set to."""
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        """Return the headers of a signed post."""
        timestamp = str(int(at.timestamp()))
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {
            "Content-Type": "application/json",
            SIGNATURE: base64.b64encode(signature).decode(),
            TIMESTAMP: timestamp,
        }

    def batches(
        self, events: Sequence[dict[str, Any]], rng: random.Random, *, copies: int = 1, size: int = 1000
    ) -> Iterable[bytes]:
        """Yield bodies that hold every event `copies` times, copies under another id, in any order; each ends with CRLF."""
        told = [e | {"sg_event_id": f"{e['sg_event_id']}-{n}"} if n else e for e in events for n in range(copies)]
        rng.shuffle(told)
        for start in range(0, len(told), size):
            yield json.dumps(told[start : start + size]).encode() + b"\r\n"

    def post(self, body: bytes, at: datetime) -> int:
        """Post a batch and return the answer's status."""
        return requests.post(self._url, data=body, headers=self.signed(body, at), timeout=10).status_code
