"""What a shop asks of consent, what people chose for themselves, who was asked to confirm, and what the shop is told."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Claimable, ShopRow, claim_indexes


class MailRules(ShopRow, Base):
    """A shop's rules of consent and of measuring, at most one row; without one the defaults hold."""

    __tablename__ = "mail_rules"
    __table_args__ = (
        Index("uq_mail_rules_shop", "shop_id", unique=True),
        Index("uq_mail_rules_form_token", "form_token", unique=True),
    )

    mode: Mapped[str] = mapped_column(server_default=text("'subscribers'"))
    modes: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))  # country or region -> mode
    acknowledged_by: Mapped[str | None]  # who took it on themselves to mail everybody
    acknowledged_at: Mapped[datetime | None]
    offers_refusal: Mapped[bool] = mapped_column(server_default=text("false"))
    double_opt_in_since: Mapped[datetime | None]  # None is off
    double_opt_in_in: Mapped[list[Any]] = mapped_column(
        server_default=text("'[]'")
    )  # countries, regions; none is everywhere
    form_token: Mapped[str | None]  # names the shop in the address of its sign-up form
    form_wording: Mapped[str | None]
    tracks_clicks: Mapped[bool] = mapped_column(server_default=text("true"))
    tracks_opens: Mapped[bool] = mapped_column(server_default=text("false"))
    adds_utm: Mapped[bool] = mapped_column(server_default=text("true"))
    click_hours: Mapped[int] = mapped_column(server_default=text("120"))  # how long a click counts for an order
    window_hours: Mapped[int] = mapped_column(server_default=text("0"))  # how long a mail without a click does; 0 is not
    sunset_days: Mapped[int] = mapped_column(server_default=text("180"))  # how long mails may go unanswered; 0 is for ever
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Preference(ShopRow, Base):
    """What a person chose on the preference page, by address. Of several addresses the stricter choice counts."""

    __tablename__ = "preferences"
    __table_args__ = (
        Index("uq_preferences_address", "shop_id", "email_hash", unique=True),
        Index("ix_preferences_customer", "shop_id", "customer_id"),
    )

    customer_id: Mapped[int] = mapped_column(BigInteger)
    email_hash: Mapped[bytes] = mapped_column(LargeBinary)
    topics_off: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    frequency: Mapped[str] = mapped_column(server_default=text("'all'"))
    paused_until: Mapped[datetime | None]
    locale: Mapped[str | None]
    birthday: Mapped[str | None]  # "MM-DD": the year is nobody's business
    updated_at: Mapped[datetime]


class OptInState(StrEnum):
    """How a request to confirm stands."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    EXPIRED = "expired"


class OptIn(ShopRow, Base):
    """Somebody signed up and has to prove the address. The token is sealed for the mails and kept as a hash to be found."""

    __tablename__ = "opt_ins"
    __table_args__ = (
        Index("uq_opt_ins_token", "token_hash", unique=True),
        # One question at a time for an address.
        Index("uq_opt_ins_open", "shop_id", "email_hash", unique=True, postgresql_where=text("state = 'pending'")),
        Index("ix_opt_ins_customer", "shop_id", "customer_id"),
        Index("ix_opt_ins_ip", "shop_id", "ip_hash", "asked_at", postgresql_where=text("ip_hash IS NOT NULL")),
        Index("ix_opt_ins_expires", "expires_at", postgresql_where=text("state = 'pending'")),
    )

    customer_id: Mapped[int] = mapped_column(BigInteger)
    email: Mapped[str | None]
    email_hash: Mapped[bytes] = mapped_column(LargeBinary)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    token_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    source: Mapped[str]
    wording: Mapped[str | None]
    locale: Mapped[str | None]
    ip_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ConsentWrite(ShopRow, Claimable, Base):
    """A consent that the shop is told. States: pending, done, failed, ignored (the shop has no account for the address)."""

    __tablename__ = "consent_writes"
    __table_args__ = (
        *claim_indexes("consent_writes"),
        Index("ix_consent_writes_customer", "shop_id", "customer_id"),
    )

    customer_id: Mapped[int] = mapped_column(BigInteger)
    email: Mapped[str | None]
    consent_state: Mapped[str]
    level: Mapped[str | None]
    said_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
