"""The inbox: one row for each webhook, verbatim."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Claimable, ShopRow, claim_indexes


class WebhookState(StrEnum):
    """How a webhook stands; only `pending` is not an end (I2)."""

    PENDING = "pending"
    DONE = "done"
    IGNORED = "ignored"
    FAILED = "failed"
    REDACTED = "redacted"


class Webhook(ShopRow, Claimable, Base):
    """One received platform message. `body` is None once erased."""

    __tablename__ = "webhooks"
    __table_args__ = (
        # The same delivery any number of times is one row (I3, D12).
        Index("uq_webhooks_dedupe", "shop_id", "platform", "dedupe_key", unique=True),
        *claim_indexes("webhooks"),
        Index("ix_webhooks_shop_state", "shop_id", "state", "id"),
        # For the desk's search; where both are the same, as Shopify's are, the dedupe key finds it and ingest pays nothing.
        Index("ix_webhooks_delivery", "shop_id", "delivery_id", postgresql_where=text("delivery_id <> dedupe_key")),
        # For the retention: rows come in the order of time, so a few kilobytes find the old ones.
        Index("ix_webhooks_received", "received_at", postgresql_using="brin"),
    )

    platform: Mapped[str]
    topic: Mapped[str]
    dedupe_key: Mapped[str]
    external_id: Mapped[str | None]
    delivery_id: Mapped[str | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    body_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    headers: Mapped[dict[str, Any]]
    triggered_at: Mapped[datetime | None]
    received_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    processed_at: Mapped[datetime | None]
    error_class: Mapped[str | None]


class EventRow(ShopRow, Base):
    """One normalised fact. A webhook and a poll of the same change are one row; the folded tables hold the content."""

    __tablename__ = "events"
    __table_args__ = (
        Index("uq_events_fact", "shop_id", "kind", "object_id", "happened_at", "n", unique=True),
        Index("ix_events_customer", "shop_id", "customer_id", "happened_at"),
        Index("ix_events_webhook", "shop_id", "webhook_id"),
    )

    kind: Mapped[str]
    object_id: Mapped[str]
    happened_at: Mapped[datetime]
    n: Mapped[int] = mapped_column(server_default=text("0"))  # for facts of one object and instant that must both stay
    webhook_id: Mapped[int | None] = mapped_column(BigInteger)
    customer_id: Mapped[int | None] = mapped_column(BigInteger)
    recorded_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
