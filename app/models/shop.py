"""Shops: the tenants, and the secrets with which we call them."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, Numeric, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, ShopRow


class ShopState(StrEnum):
    """Whether we work for this shop."""

    ACTIVE = "active"
    PAUSED = "paused"
    UNINSTALLED = "uninstalled"
    RECONNECT = "needs_reconnect"


class Shop(Base):
    """One shop: the tenant (D14). `connection_id` is the unguessable part of its WooCommerce webhook address."""

    __tablename__ = "shops"
    __table_args__ = (
        UniqueConstraint("platform", "domain", name="uq_shops_domain"),
        UniqueConstraint("connection_id", name="uq_shops_connection_id"),
        Index("ix_shops_facts_due", "facts_due_at", postgresql_where=text("facts_due_at IS NOT NULL")),
        Index("ix_shops_import_wanted", "import_wanted_at", postgresql_where=text("import_wanted_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    platform: Mapped[str]
    domain: Mapped[str]
    url: Mapped[str]
    name: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'active'"))
    connection_id: Mapped[str | None]
    email: Mapped[str | None]
    sender_email: Mapped[str]
    reply_to: Mapped[str | None]
    postal_address: Mapped[str] = mapped_column(server_default=text("''"))
    currency: Mapped[str] = mapped_column(server_default=text("'USD'"))
    timezone: Mapped[str] = mapped_column(server_default=text("'UTC'"))
    locale: Mapped[str] = mapped_column(server_default=text("'en'"))
    page_language: Mapped[str | None]  # of our pages for its people; None: as the back office around them
    scopes: Mapped[str] = mapped_column(server_default=text("''"))
    # Nothing is marketed between these minutes of the shopper's day; None is off.
    quiet_from: Mapped[int | None] = mapped_column(SmallInteger)
    quiet_until: Mapped[int | None] = mapped_column(SmallInteger)
    # At most so many marketing mails to one person in so many hours: [[hours, mails], ...].
    mail_caps: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    default_holdout: Mapped[Decimal] = mapped_column(Numeric(4, 3), server_default=text("0"))  # of flows that come new
    facts_at: Mapped[datetime | None]  # the platform's time of the newest facts above
    facts_due_at: Mapped[datetime | None]  # real time; from then on a job asks the shop for these facts
    import_wanted_at: Mapped[datetime | None]  # set at each install; whoever imports sets it back to None
    hash_key: Mapped[bytes] = mapped_column(LargeBinary)  # encrypted; the key of this shop's address hashes, never rotated
    installed_at: Mapped[datetime]
    uninstalled_at: Mapped[datetime | None]

    @property
    def is_active(self) -> bool:
        """Whether mails of this shop may go out."""
        return self.state == ShopState.ACTIVE


class TokenKind(StrEnum):
    """What a secret is for."""

    ACCESS_TOKEN = "access_token"  # noqa: S105  (the word, not the secret)
    REFRESH_TOKEN = "refresh_token"  # noqa: S105
    CONSUMER_KEY = "consumer_key"
    CONSUMER_SECRET = "consumer_secret"  # noqa: S105
    WEBHOOK_SECRET = "webhook_secret"  # noqa: S105


class ShopToken(ShopRow, Base):
    """One secret of a shop, encrypted (app/crypto.py).

    Lease and fence stand on the refresh token: who holds them is the one that renews the shop's tokens (D11). `due_at` is
    when it is renewed though nobody needed it. All times are real, never the demo's.
    """

    __tablename__ = "shop_tokens"
    __table_args__ = (
        Index("uq_shop_tokens_kind", "shop_id", "kind", unique=True),
        Index("ix_shop_tokens_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    kind: Mapped[str]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    due_at: Mapped[datetime | None]
