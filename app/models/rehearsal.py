"""Rehearsals: a flow played over a shop's past, asked for by a person and carried out by a job."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Float, Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Claimable, ShopRow, claim_indexes


class RehearsalState(StrEnum):
    """How far it is."""

    PENDING = "pending"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class Rehearsal(ShopRow, Claimable, Base):
    """One rehearsal and what it came to (app/flows/tally.py). Of people only our ids are kept, and times and reasons.

    `tree` is what is played, `version` its number where it is a saved one. `whom` are the people to look at, the newest
    first, None at the end; `looked_at` says how many of them are behind us.
    """

    __tablename__ = "rehearsals"
    __table_args__ = (
        # One at a time.
        Index("uq_rehearsals_under_way", "shop_id", unique=True, postgresql_where=text("state = 'pending'")),
        Index("ix_rehearsals_flow", "shop_id", "flow", "id"),
        Index("ix_rehearsals_expires", "expires_at"),
        *claim_indexes("rehearsals"),
    )

    flow: Mapped[str]
    version: Mapped[int | None]
    tree: Mapped[dict[str, Any]]
    tree_hash: Mapped[str]
    days: Mapped[int] = mapped_column(SmallInteger)
    since_at: Mapped[datetime]
    until_at: Mapped[datetime]
    asked_by: Mapped[str]
    whom: Mapped[list[Any] | None] = mapped_column(JSONB)
    total: Mapped[int | None]
    looked_at: Mapped[int] = mapped_column(server_default=text("0"))
    worked: Mapped[float] = mapped_column(Float, server_default=text("0"))  # seconds
    is_more: Mapped[bool] = mapped_column(server_default=text("false"))  # there were more people than are looked at
    is_late: Mapped[bool] = mapped_column(server_default=text("false"))  # its time was up before the last of them
    is_stop_wanted: Mapped[bool] = mapped_column(server_default=text("false"))
    tally: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    examples: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    ended_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
