"""What people did, the links they sign in with, and the signs of life of our processes."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, SmallInteger, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Claimable, ShopRow, claim_indexes


class Role(StrEnum):
    """What staff may do: look, with people masked; act for shops; also invite staff. Each includes the one before."""

    VIEWER = "viewer"
    SUPPORT = "support"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Say whether who has this role may do what the other may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Staff(ShopRow, Base):
    """Somebody of ours, who looks after all shops; under shop 0, as no shop owns them."""

    __tablename__ = "staff"
    __table_args__ = (Index("uq_staff_email", "shop_id", "email", unique=True),)

    email: Mapped[str]
    role: Mapped[str]
    invited_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    disabled_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]


class AuditRow(ShopRow, Base):
    """Who did what to which object, when and why. Rows are added, never changed."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_shop", "shop_id", "id"),)

    actor: Mapped[str]
    action: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class SignInLink(Base):
    """A one-time link into the standalone admin, or for staff to the desk; kept as a hash."""

    __tablename__ = "sign_in_links"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    shop_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    staff_id: Mapped[int | None] = mapped_column(BigInteger)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SignInMail(ShopRow, Claimable, Base):
    """A link to the desk that one of the staff wants by mail, under shop 0. The link itself is made when it is sent."""

    __tablename__ = "sign_in_mails"
    __table_args__ = (
        *claim_indexes("sign_in_mails"),
        Index("ix_sign_in_mails_staff", "shop_id", "staff_id", "created_at"),
    )

    staff_id: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class Heartbeat(Base):
    """The last sign of life of each kind of process that has no door of its own."""

    __tablename__ = "heartbeats"

    process: Mapped[str] = mapped_column(primary_key=True)
    beat_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class DemoClock(Base):
    """How far the demo's clock was skipped ahead; empty everywhere else."""

    __tablename__ = "demo_clock"

    id: Mapped[int] = mapped_column(SmallInteger, Identity(always=False), primary_key=True)
    offset_seconds: Mapped[int] = mapped_column(BigInteger)
