"""What holds sending back: pauses of one shop or of everybody, and how fast a shop may go."""

from datetime import datetime

from sqlalchemy import Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, ShopRow


class Pause(ShopRow, Base):
    """No mail of this shop, or of any under NO_SHOP, is handed over before `retry_at`; then one is, to see.

    `is_refusal` where the way out refused us and a person has to mend something (401, 403); else it is only busy or away.
    """

    __tablename__ = "pauses"
    __table_args__ = (Index("uq_pauses_shop", "shop_id", unique=True),)

    reason: Mapped[str]
    is_refusal: Mapped[bool]
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    since: Mapped[datetime]
    retry_at: Mapped[datetime]


class Meter(ShopRow, Base):
    """How fast a shop may send: `free_at` moves ahead with every mail, and never lies far behind now."""

    __tablename__ = "meters"
    __table_args__ = (Index("uq_meters_shop", "shop_id", unique=True),)

    free_at: Mapped[datetime]
