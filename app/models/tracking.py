"""What mails lead to: their links, who followed them, the orders they are credited with, and the sums by day."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Claimable, ShopRow, claim_indexes


class Link(ShopRow, Base):
    """A link of one mail: the token in the mail leads to the stored address, and to nothing that a visitor names."""

    __tablename__ = "links"
    __table_args__ = (
        # A mail that is rendered again has the same links.
        Index("uq_links_position", "shop_id", "delivery_id", "position", unique=True),
        Index("uq_links_token", "token", unique=True),
        ForeignKeyConstraint(["shop_id", "delivery_id"], ["deliveries.shop_id", "deliveries.id"], name="fk_links_delivery"),
    )

    delivery_id: Mapped[int] = mapped_column(BigInteger)
    position: Mapped[int]  # 0 is the open pixel, 1 the hidden link, then as they stand in the mail
    token: Mapped[bytes] = mapped_column(LargeBinary)  # 16 random bytes
    url: Mapped[str | None]  # None for the pixel and after an erasure
    is_hidden: Mapped[bool] = mapped_column(server_default=text("false"))


class EngagementKind(StrEnum):
    """What somebody, or something, did with a mail."""

    OPENED = "opened"
    CLICKED = "clicked"


class Engagement(ShopRow, Base):
    """An open or a click. `machine` says why it is taken for a robot's; only what has none counts or drives anything."""

    __tablename__ = "engagements"
    __table_args__ = (
        Index("ix_engagements_delivery", "shop_id", "delivery_id", "at"),
        Index("ix_engagements_at", "at", postgresql_using="brin"),
        ForeignKeyConstraint(
            ["shop_id", "delivery_id"], ["deliveries.shop_id", "deliveries.id"], name="fk_engagements_delivery"
        ),
    )

    delivery_id: Mapped[int] = mapped_column(BigInteger)
    link_id: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str]
    machine: Mapped[str | None]  # too_soon hidden_link robot burst
    ip_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    at: Mapped[datetime]


class Attribution(ShopRow, Claimable, Base):
    """Which mail an order is credited to, if any, and by what rule. States: pending, done, failed."""

    __tablename__ = "attributions"
    __table_args__ = (
        # An order is credited once.
        Index("uq_attributions_order", "shop_id", "order_external_id", unique=True),
        *claim_indexes("attributions"),
        Index("ix_attributions_delivery", "shop_id", "delivery_id"),
        Index("ix_attributions_decided", "decided_at", postgresql_using="brin"),
    )

    order_external_id: Mapped[str]
    delivery_id: Mapped[int | None] = mapped_column(BigInteger)
    flow: Mapped[str | None]
    step: Mapped[str | None]
    rule: Mapped[str | None]  # coupon click window
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)  # after refunds
    currency: Mapped[str | None]
    ordered_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]


class DailyStat(ShopRow, Base):
    """The sums of one mail of a flow on one day of the shop's calendar; always counted anew, never added to."""

    __tablename__ = "daily_stats"
    __table_args__ = (
        Index("uq_daily_stats_day", "shop_id", "day", "flow", "step", "currency", unique=True),
        Index("ix_daily_stats_rolled", "rolled_at"),
    )

    day: Mapped[date]
    flow: Mapped[str]
    step: Mapped[str]
    currency: Mapped[str]  # of the revenue; empty beside the counts of mails
    sent: Mapped[int] = mapped_column(server_default=text("0"))
    opened: Mapped[int] = mapped_column(server_default=text("0"))  # mails, not opens
    clicked: Mapped[int] = mapped_column(server_default=text("0"))  # mails, not clicks
    machine_clicks: Mapped[int] = mapped_column(server_default=text("0"))
    orders: Mapped[int] = mapped_column(server_default=text("0"))
    revenue_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    rolled_at: Mapped[datetime]
