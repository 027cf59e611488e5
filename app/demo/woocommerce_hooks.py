"""The webhooks in the pretend WooCommerce's settings: signing, counting failures, switching off."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime

from app.demo.webhook import SignedWebhook
from app.demo.woocommerce_bodies import VERSION

MOST_FAILURES = 6  # counted; the next one in a row switches the webhook off (class-wc-webhook.php)
_AGENT = f"WooCommerce/{VERSION} Hookshot (WordPress/6.9.7)"


@dataclass(slots=True)
class Hook:
    """One webhook in the shop's settings."""

    id: int
    topic: str
    source: str
    target: str
    secret: str = field(repr=False)
    failures: int = 0
    is_active: bool = True

    @property
    def name(self) -> str:
        """The name in the shop's settings."""
        return f"Cartwheel: {self.topic}"

    @property
    def status(self) -> str:
        """The shop's word for whether it delivers."""
        return "active" if self.is_active else "disabled"

    def sign(self, body: object, now: datetime) -> SignedWebhook:
        """Make one delivery. Only the body is signed, and the delivery id tells no more than webhook and second."""
        raw = json.dumps(body, separators=(",", ":")).replace("/", "\\/").encode()  # as PHP spells it
        digest = hmac.digest(self.secret.encode(), raw, hashlib.sha256)
        resource, _, event = self.topic.partition(".")
        headers = {
            "User-Agent": _AGENT,
            "Content-Type": "application/json",
            "X-WC-Webhook-Source": self.source,
            "X-WC-Webhook-Topic": self.topic,
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": event,
            "X-WC-Webhook-Signature": base64.b64encode(digest).decode(),
            "X-WC-Webhook-ID": str(self.id),
            "X-WC-Webhook-Delivery-ID": hashlib.sha256(f"{self.id}{int(now.timestamp())}".encode()).hexdigest()[:32],
            "Connection": "close",
        }
        return SignedWebhook(self.target, headers, raw)

    def ping(self) -> SignedWebhook:
        """Make the test request that a new webhook sends: a form, unsigned."""
        headers = {
            "User-Agent": _AGENT,
            "Content-Type": "application/x-www-form-urlencoded",
            "Connection": "close",
        }
        return SignedWebhook(self.target, headers, f"webhook_id={self.id}".encode())

    def count(self, arrived: bool) -> None:
        """Take note of a delivery's end; the seventh failure in a row switches the webhook off."""
        if arrived:
            self.failures = 0
        elif self.failures >= MOST_FAILURES:
            self.is_active = False
        else:
            self.failures += 1

    def reactivate(self) -> None:
        """Switch it on again. The failures stay counted, as in the real shop: one more, and it is off."""
        self.is_active = True
