"""What shoppers answer to our mails."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, ShopRow

_PLAIN = text("score IS NULL AND NOT is_automatic AND text IS NOT NULL")


class Reply(ShopRow, Base):
    """An answer to one mail. `text` is None once it is erased; `answered_at` says when our own answer was begun.

    `score` is how many stars were read in it; an answer without one is for people to read.
    """

    __tablename__ = "replies"
    __table_args__ = (
        # The same message any number of times is one answer.
        Index("uq_replies_message", "shop_id", "message_key", unique=True),
        Index("ix_replies_customer", "shop_id", "customer_id", "id"),
        Index("ix_replies_delivery", "shop_id", "delivery_id"),
        Index("ix_replies_plain", "shop_id", "id", postgresql_where=_PLAIN),
        ForeignKeyConstraint(
            ["shop_id", "delivery_id"], ["deliveries.shop_id", "deliveries.id"], name="fk_replies_delivery"
        ),
    )

    delivery_id: Mapped[int] = mapped_column(BigInteger)
    customer_id: Mapped[int] = mapped_column(BigInteger)
    message_key: Mapped[bytes] = mapped_column(LargeBinary)
    text: Mapped[str | None]
    is_automatic: Mapped[bool]
    score: Mapped[int | None] = mapped_column(SmallInteger)
    received_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
