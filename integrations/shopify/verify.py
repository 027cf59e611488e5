"""Trust and read the outside of a Shopify webhook. Standard library only: the web process imports this.

Source: Shopify docs, "Verify webhook deliveries" and the webhooks reference 2026-07, "Headers".
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from app.domain.errors import BadPayload
from app.domain.ports import Envelope, Headers
from integrations.shopify.domains import is_shop_domain
from integrations.signatures import fingerprint, is_signed, kept, lowered, read_topic, short

# The newer "Events" deliveries use the same names without X-.
_NAMES = ("topic", "shop-domain", "webhook-id", "event-id", "triggered-at", "api-version", "name", "sub-topic")
_KEPT = ("content-type", "user-agent", *(f"{prefix}shopify-{name}" for name in _NAMES for prefix in ("x-", "")))


def is_authentic(headers: Headers, body: bytes, secrets: Sequence[str]) -> bool:
    """Say whether the body is signed with one of the app's client secrets; never raises."""
    return is_signed(_said(lowered(headers), "hmac-sha256"), body, secrets)


def read_envelope(headers: Headers, body: bytes) -> Envelope:
    """Read the outside of an authentic webhook.

    `external_id` is the event id, which all deliveries of one merchant action share; `delivery_id` the webhook id,
    which is the same on every retry of one delivery and therefore the dedupe key (D12).

    Raises:
        BadPayload: topic or shop domain is missing or is not one.
    """
    said = lowered(headers)
    topic = read_topic(_said(said, "topic"), "X-Shopify-Topic")
    triggered_at = short(_said(said, "triggered-at"), "X-Shopify-Triggered-At")
    delivery_id = short(_said(said, "webhook-id"), "X-Shopify-Webhook-Id")
    event_id = short(_said(said, "event-id"), "X-Shopify-Event-Id")
    # Without a webhook id one action may still come under several topics: the event id alone would swallow some.
    stand_in = f"{topic}:{fingerprint(body)}:{event_id or triggered_at or ''}"
    return Envelope(
        topic=topic,
        dedupe_key=delivery_id or stand_in,
        shop_domain=_shop_domain(_said(said, "shop-domain")),
        external_id=event_id,
        delivery_id=delivery_id,
        triggered_at=_instant(triggered_at),
        headers=kept(said, _KEPT),
    )


def _said(headers: Mapping[str, str], name: str) -> str | None:
    return headers.get(f"x-shopify-{name}") or headers.get(f"shopify-{name}")


def _shop_domain(value: str | None) -> str:
    if not value:
        raise BadPayload("The header X-Shopify-Shop-Domain is missing.")
    domain = value.lower()
    if not is_shop_domain(domain):
        raise BadPayload("The header X-Shopify-Shop-Domain does not hold a myshopify.com domain.")
    return domain


def _instant(value: str | None) -> datetime | None:
    """Read RFC 3339; what follows microseconds is cut off. Not signed and not needed, so nonsense is no error."""
    try:
        instant = datetime.fromisoformat(value or "")
        return instant.astimezone(UTC) if instant.tzinfo else None
    except (ValueError, OverflowError):
        return None
