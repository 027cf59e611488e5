"""What became of mails after they were handed over, as providers and mail servers tell."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, ShopRow


class DeliveryEvent(ShopRow, Base):
    """One event of one mail. Without a delivery it lies under NO_SHOP: it could not be told whose it is."""

    __tablename__ = "delivery_events"
    __table_args__ = (
        # Any number of copies of an event are one row: by our own key, and by the provider's where it tells one (D12).
        Index("uq_delivery_events_key", "shop_id", "dedupe_key", unique=True),
        Index(
            "uq_delivery_events_theirs", "shop_id", "event_id", unique=True, postgresql_where=text("event_id IS NOT NULL")
        ),
        Index("ix_delivery_events_delivery", "shop_id", "delivery_id"),
        Index("ix_delivery_events_address", "shop_id", "email_hash", "happened_at"),
        Index("ix_delivery_events_recorded", "recorded_at", postgresql_using="brin"),
        ForeignKeyConstraint(
            ["shop_id", "delivery_id"], ["deliveries.shop_id", "deliveries.id"], name="fk_delivery_events_delivery"
        ),
    )

    delivery_id: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str]
    is_soft: Mapped[bool]
    is_machine: Mapped[bool]
    dedupe_key: Mapped[bytes] = mapped_column(LargeBinary)
    event_id: Mapped[str | None]
    email_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    status: Mapped[str | None]
    reason: Mapped[str | None]
    happened_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
