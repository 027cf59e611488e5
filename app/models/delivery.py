"""The send ledger: one row for each mail to one recipient, sent or not, and the coupons that go with them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Claimable, ShopRow, claim_indexes


class DeliveryState(StrEnum):
    """How a mail stands. `sending` is only the hand-over; a crash in it ends as `unknown`, never as a second mail (D7)."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class CouponState(StrEnum):
    """Whether the shop knows the code."""

    PENDING = "pending"
    MINTED = "minted"
    FAILED = "failed"


class Delivery(ShopRow, Claimable, Base):
    """One mail to one recipient. `reason` says why it was skipped or failed, or why it waits."""

    __tablename__ = "deliveries"
    __table_args__ = (
        # A step mails once (I5).
        Index("uq_deliveries_step", "shop_id", "enrollment_id", "step", unique=True),
        Index("uq_deliveries_token", "token", unique=True),
        *claim_indexes("deliveries"),
        Index("ix_deliveries_sending", "lease_until", postgresql_where=text("state = 'sending'")),
        Index("ix_deliveries_customer", "shop_id", "customer_id", "id"),
        Index("ix_deliveries_provider", "provider_id", postgresql_where=text("provider_id IS NOT NULL")),
        Index("ix_deliveries_shop_state", "shop_id", "state", "id"),
        # For the proof: mails are claimed in about the order in which they were written.
        Index("ix_deliveries_sent", "sent_at", postgresql_using="brin"),
        Index("ix_deliveries_proved", text("coalesce(claimed_at, created_at)"), postgresql_using="brin"),
        ForeignKeyConstraint(
            ["shop_id", "enrollment_id"], ["enrollments.shop_id", "enrollments.id"], name="fk_deliveries_enrollment"
        ),
    )

    enrollment_id: Mapped[int] = mapped_column(BigInteger)
    flow: Mapped[str]
    step: Mapped[str]
    message_class: Mapped[str] = mapped_column(server_default=text("'marketing'"))
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("3"))  # of its flow; the lowest goes first
    customer_id: Mapped[int] = mapped_column(BigInteger)
    recipient: Mapped[str | None]
    token: Mapped[bytes] = mapped_column(LargeBinary)  # 16 random bytes: the key of its unsubscribe link
    reason: Mapped[str | None]
    subject: Mapped[str | None]
    provider_id: Mapped[str | None]
    step_due_at: Mapped[datetime]  # when the flow wanted it: an outage ages it, a deferral does not
    created_at: Mapped[datetime]
    sending_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]  # the same moment by the running clock, while the person's lock was held
    sent_at: Mapped[datetime | None]
    progress: Mapped[str | None]  # how far it came, as the provider tells: queued deferred delivered rejected bounced ...


class Coupon(ShopRow, Base):
    """A single-use code, fixed here before the shop is asked to make it, so that a retry finds it (I5)."""

    __tablename__ = "coupons"
    __table_args__ = (
        Index("uq_coupons_step", "shop_id", "enrollment_id", "step", unique=True),
        Index("uq_coupons_code", "shop_id", "code", unique=True),
        Index("ix_coupons_shop_state", "shop_id", "state", "id"),
        Index("ix_coupons_redeemed", "shop_id", "id", postgresql_where=text("order_external_id IS NOT NULL")),
        ForeignKeyConstraint(
            ["shop_id", "enrollment_id"], ["enrollments.shop_id", "enrollments.id"], name="fk_coupons_enrollment"
        ),
    )

    enrollment_id: Mapped[int] = mapped_column(BigInteger)
    step: Mapped[str]
    code: Mapped[str]
    percent: Mapped[int]
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    external_id: Mapped[str | None]
    order_external_id: Mapped[str | None]  # of the order that redeemed it
    starts_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
