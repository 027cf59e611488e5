"""Shopify as the doors see it (`app.domain.ports.Platform`)."""

from datetime import datetime

from app.domain.events import Event
from integrations.links import with_parameter
from integrations.shopify.consent import write_consent
from integrations.shopify.coupons import mint_coupon
from integrations.shopify.tags import tag_customer
from integrations.shopify.topics import COMPLIANCE_TOPICS, NAME
from integrations.shopify.verify import is_authentic, read_envelope

__all__ = [
    "COMPLIANCE_TOPICS",
    "NAME",
    "add_coupon",
    "is_authentic",
    "mint_coupon",
    "normalise",
    "read_envelope",
    "tag_customer",
    "write_consent",
]


def normalise(topic: str, payload: object, *, at: datetime) -> list[Event]:
    """Translate a parsed body into our events; an unknown topic gives none.

    Raises:
        BadPayload: the body cannot be understood; the message says why.
    """
    from integrations.shopify import normalise as translation  # loads pydantic: not in the web process

    return translation.normalise(topic, payload, at=at)


def add_coupon(recovery_url: str, code: str) -> str:
    """Return the recovery link that also applies the coupon; other parameters of the link stay."""
    return with_parameter(recovery_url, "discount", code)
