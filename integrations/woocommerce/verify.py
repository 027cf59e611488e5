"""Trust and read the outside of a WooCommerce webhook. Standard library only: the web process imports this.

Source: WooCommerce 10.5.0, includes/class-wc-webhook.php. Only the body is signed: topic, source and ids are not.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from app.domain.ports import Envelope, Headers
from integrations.signatures import fingerprint, is_signed, kept, lowered, read_topic, short

_FORM = "application/x-www-form-urlencoded"
_PING = re.compile(rb"webhook_id=[0-9]{1,20}")
_LONGEST_SOURCE = 255  # characters
_LONGEST_TOPIC = 100  # characters
_KEPT = (
    "content-type",
    "user-agent",  # names the versions of WooCommerce and WordPress
    "x-wc-webhook-source",
    "x-wc-webhook-topic",
    "x-wc-webhook-resource",
    "x-wc-webhook-event",
    "x-wc-webhook-id",
    "x-wc-webhook-delivery-id",
)


def is_ping(content_type: str | None, body: bytes) -> bool:
    """Say whether this is the unsigned test request that WooCommerce sends when a webhook is made or moved.

    Exactly that is answered 200 and forgotten; everything else that is unsigned is a stranger's.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return media_type == _FORM and _PING.fullmatch(body) is not None


def is_authentic(headers: Headers, body: bytes, secrets: Sequence[str]) -> bool:
    """Say whether the body is signed with one of the connection's secrets; never raises.

    The topic is not signed, so each webhook that we make signs with a secret made from the connection's and the topic:
    a body of one topic does not pass under the name of another. A shop that was connected by hand signs with the
    connection's own.
    """
    said = lowered(headers)
    topic = said.get("x-wc-webhook-topic", "")[:_LONGEST_TOPIC]
    return is_signed(said.get("x-wc-webhook-signature"), body, [*(secret_of(secret, topic) for secret in secrets), *secrets])


def secret_of(connection_secret: str, topic: str) -> str:
    """Return what the webhook of a topic signs with: 64 hexadecimal digits, because the shop decodes HTML in secrets."""
    said = f"cartwheel:{topic}".encode(errors="replace")
    return hmac.digest(connection_secret.encode(errors="replace"), said, hashlib.sha256).hex()


def read_envelope(headers: Headers, body: bytes) -> Envelope:
    """Read the outside of an authentic webhook.

    `external_id` is the webhook's id in the shop; `delivery_id` a hash of that id and the current second. Two orders
    delivered in one second share it, so the dedupe key holds the body's hash too (D12). `shop_domain` is what the
    unsigned source header says: to be shown, never to find the shop by.

    Raises:
        BadPayload: the topic is missing or is not one.
    """
    said = lowered(headers)
    topic = read_topic(said.get("x-wc-webhook-topic"), "X-WC-Webhook-Topic")
    webhook_id = short(said.get("x-wc-webhook-id"), "X-WC-Webhook-ID")
    delivery_id = short(said.get("x-wc-webhook-delivery-id"), "X-WC-Webhook-Delivery-ID")
    return Envelope(
        topic=topic,
        dedupe_key=f"{webhook_id or ''}:{delivery_id or ''}:{fingerprint(body)}",
        shop_domain=_host(said.get("x-wc-webhook-source")),
        external_id=webhook_id,
        delivery_id=delivery_id,
        triggered_at=None,
        headers=kept(said, _KEPT),
    )


def _host(source: str | None) -> str | None:
    try:
        return urlsplit((source or "")[:_LONGEST_SOURCE]).hostname
    except ValueError:
        return None
