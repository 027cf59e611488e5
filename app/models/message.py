"""How a shop's mails look, and the mails that somebody sends to see one."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Claimable, ShopRow, claim_indexes


class BrandKit(ShopRow, Base):
    """A shop's logo, colours, font, signature, links and voice, as app/services/brand.py reads and writes them."""

    __tablename__ = "brand_kits"
    __table_args__ = (Index("uq_brand_kits_shop", "shop_id", unique=True),)

    kit: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class TestMail(ShopRow, Claimable, Base):
    """A mail that somebody asked for to see it. It stands in no ledger of a flow, so it can count for none.

    States are those of a delivery, without `skipped`.
    """

    __tablename__ = "test_mails"
    __table_args__ = (*claim_indexes("test_mails"), Index("ix_test_mails_created", "shop_id", "created_at"))
    __test__ = False  # no test of pytest's

    flow: Mapped[str]
    step: Mapped[str]
    locale: Mapped[str | None]
    checkout_id: Mapped[int | None] = mapped_column(BigInteger)  # whose cart it shows; without one an example
    recipient: Mapped[str]
    token: Mapped[bytes] = mapped_column(LargeBinary)  # 16 random bytes that belong to nobody: its unsubscribe link
    requested_by: Mapped[str]
    subject: Mapped[str | None]
    provider_id: Mapped[str | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]

    @property
    def key(self) -> str:
        """The transport's key of it, and its file's name; no delivery has one like it."""
        return f"test-{self.id}"
