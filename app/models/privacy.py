"""What the law asks: answers to requests for one's data, erasures under way, and what was forgotten, as keyed hashes."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Claimable, ShopRow, claim_indexes


class ExportKind(StrEnum):
    """Who asked for an export."""

    DATA_REQUEST = "data_request"  # the shopper, through the platform
    MANUAL = "manual"  # a person on the command line


class Export(ShopRow, Base):
    """What is held about a person, for the store owner. `content` is JSON, encrypted (app/crypto.py)."""

    __tablename__ = "exports"
    __table_args__ = (
        # A request that is handled again has one answer (I3).
        Index("uq_exports_webhook", "shop_id", "webhook_id", unique=True),
        Index("ix_exports_customer", "shop_id", "customer_id", "id"),
    )

    kind: Mapped[str]
    customer_id: Mapped[int | None] = mapped_column(BigInteger)
    webhook_id: Mapped[int | None] = mapped_column(BigInteger)
    requested_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    content: Mapped[bytes | None] = mapped_column(LargeBinary)


class Forgotten(ShopRow, Base):
    """Something a forgotten person was recognised by, as a keyed hash: what happened before `forgotten_at` stays out.

    `is_suppressed` is False where the platform told only a hash of the address, and no address to suppress was found.
    """

    __tablename__ = "forgotten"
    __table_args__ = (Index("uq_forgotten_identity", "shop_id", "identity_hash", unique=True),)

    identity_hash: Mapped[bytes] = mapped_column(LargeBinary)
    forgotten_at: Mapped[datetime]
    is_suppressed: Mapped[bool] = mapped_column(server_default=text("true"))


class ErasureKind(StrEnum):
    """What is erased."""

    CUSTOMER = "customer"
    SHOP = "shop"


class Erasure(ShopRow, Claimable, Base):
    """An erasure that takes longer than a transaction. States: pending, done, failed.

    `traces` is what is searched for, encrypted, None at the end. `mail_ids` are the deliveries whose files go next.
    `swept_id` is how far the search came: webhooks up to `until_id`, or for a shop the mails whose files are gone.
    """

    __tablename__ = "erasures"
    __table_args__ = (
        Index("uq_erasures_webhook", "shop_id", "webhook_id", unique=True),
        *claim_indexes("erasures"),
    )

    kind: Mapped[str]
    webhook_id: Mapped[int | None] = mapped_column(BigInteger)
    traces: Mapped[bytes | None] = mapped_column(LargeBinary)
    mail_ids: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    swept_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    until_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    found: Mapped[int] = mapped_column(server_default=text("0"))  # stored webhooks that were erased
    requested_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
