"""Cursors: how far a shop was asked for what changed, one row for each kind of objects."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Claimable, ShopRow, claim_indexes

WEBHOOKS = "webhooks"  # the kind of the row that looks after the shop's webhooks themselves


class Cursor(ShopRow, Claimable, Base):
    """How far one kind was read. States: pending (due_at says when it is asked again), failed, stopped (no longer ours).

    A run reads everything that changed since `since` (None: all), page by page; `began_at` is None between runs.
    """

    __tablename__ = "cursors"
    __table_args__ = (
        Index("uq_cursors_kind", "shop_id", "kind", unique=True),
        *claim_indexes("cursors"),
    )

    kind: Mapped[str]
    watermark: Mapped[datetime | None]  # all changes before it are held; None: never read to the end
    imported_at: Mapped[datetime | None]  # when the first run came to its end
    began_at: Mapped[datetime | None]  # the next watermark
    since: Mapped[datetime | None]
    page: Mapped[str | None]  # where the run goes on, in the adapter's words
    done: Mapped[int] = mapped_column(server_default=text("0"))  # objects that this run, or the last one, took in
    total: Mapped[int | None]  # as the shop said when a run for all began
    shop_count: Mapped[int | None]
    held_count: Mapped[int | None]
    counted_at: Mapped[datetime | None]
