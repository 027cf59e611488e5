"""What every table has: the shop first in its key, aware UTC times, words for states."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NO_SHOP = 0  # rows that no shop owns yet lie under this shop_id, for staff only


class Base(DeclarativeBase):
    """The root of all tables."""

    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy's own way to say it)
        datetime: DateTime(timezone=True),
        str: Text(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
    }


class ShopRow:
    """Mixin: the primary key is (shop_id, id), and `id` alone is unique too, so the tables can be distributed by shop."""

    shop_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)


class Claimable:
    """Mixin: a row that a job takes by lease and fence (D5). The row is the one retry mechanism.

    `attempts` counts at the claim, so that a crash counts; `deaths` counts leases that ran out: processes that died.
    """

    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    deaths: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    due_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    error: Mapped[str | None]


def claim_indexes(table: str) -> tuple[Index, Index]:
    """Return the indexes that a claim walks: waiting rows by due time, and leases that may have run out."""
    return (
        Index(f"ix_{table}_due", "due_at", postgresql_where=text("state = 'pending' AND lease_until IS NULL")),
        Index(f"ix_{table}_lease", "lease_until", postgresql_where=text("state = 'pending' AND lease_until IS NOT NULL")),
    )
