"""What the DNS said of the domain that a shop sends from."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import text

from app.models.base import Base, ShopRow


class SenderCheck(ShopRow, Base):
    """The last look at a shop's domain; before the first one, only when it is due. Both times are real ones.

    `records` are those of services/sender_domain.py, as JSON.
    """

    __tablename__ = "sender_checks"
    __table_args__ = (
        Index("uq_sender_checks_shop", "shop_id", unique=True),
        Index("ix_sender_checks_due", "due_at"),
    )

    due_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    domain: Mapped[str | None]
    records: Mapped[list[Any] | None]
    checked_at: Mapped[datetime | None]
