"""Replays of many webhooks, and their forecasts: asked for by staff, carried out by a job."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Claimable, ShopRow, claim_indexes


class ReplayState(StrEnum):
    """How far it is."""

    PENDING = "pending"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class Replay(ShopRow, Claimable, Base):
    """One order to replay webhooks, or to foretell what that would do. Under shop 0 when all shops are meant.

    `which` says which webhooks (services/replays.py); `after_id` is how far it came. `forecast` is what a dry run found.
    """

    __tablename__ = "replays"
    __table_args__ = claim_indexes("replays")

    is_dry_run: Mapped[bool]
    which: Mapped[dict[str, Any]]
    asked_by: Mapped[str]
    reason: Mapped[str]
    asked_at: Mapped[datetime]
    total: Mapped[int]  # webhooks when it was asked for
    after_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    done: Mapped[int] = mapped_column(server_default=text("0"))
    refused: Mapped[int] = mapped_column(server_default=text("0"))
    is_stop_wanted: Mapped[bool] = mapped_column(server_default=text("false"))
    ended_at: Mapped[datetime | None]
    forecast: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
