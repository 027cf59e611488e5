"""Customers: one row for a person in a shop (D20), the identities that lead to it, and what the person consented to."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Computed, Index, LargeBinary, case, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from app.domain import consent
from app.domain.events import ConsentState
from app.models.base import Base, ShopRow


class Customer(ShopRow, Base):
    """A person in a shop. Its row is the subject lock that send-claim, order, unsubscribe and redact share (D6)."""

    __tablename__ = "customers"
    __table_args__ = (
        # For people found by the beginning of a name, whatever the collation of the database.
        Index("ix_customers_first_name", "shop_id", "first_lowered", postgresql_ops={"first_lowered": "text_pattern_ops"}),
        Index("ix_customers_last_name", "shop_id", "last_lowered", postgresql_ops={"last_lowered": "text_pattern_ops"}),
    )

    email: Mapped[str | None]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    # Columns and not expressions of an index: behind the wall (D14) the planner takes no index for what calls lower().
    first_lowered: Mapped[str | None] = mapped_column(Computed("lower(first_name)", persisted=True), deferred=True)
    last_lowered: Mapped[str | None] = mapped_column(Computed("lower(last_name)", persisted=True), deferred=True)
    locale: Mapped[str | None]
    country: Mapped[str | None]
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))  # field -> [time it was told, value]
    tags: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))  # tag -> [time, present]
    orders_count: Mapped[int | None]  # the platform's own sum, where it tells one
    spent_minor: Mapped[int | None] = mapped_column(BigInteger)
    summed_at: Mapped[datetime | None]
    unhappy_since: Mapped[datetime | None]  # a low score that nobody has settled yet: no marketing meanwhile
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class CustomerIdentity(ShopRow, Base):
    """A platform customer id or a normalised address that leads to one customer.

    Two people who share one are one person, whatever the order of arrival (D20); the consent of an address is the newest
    statement about it.
    """

    __tablename__ = "customer_identities"
    __table_args__ = (
        Index("uq_customer_identities_value", "shop_id", "kind", "value", unique=True),
        Index("ix_customer_identities_customer", "shop_id", "customer_id"),
        Index(
            "ix_customer_identities_prefix",
            "shop_id",
            "value",
            postgresql_ops={"value": "text_pattern_ops"},
            postgresql_where=text("kind = 'email'"),
        ),
        Index(
            "ix_customer_identities_subscribed",
            "shop_id",
            "consent_at",
            postgresql_where=text("kind = 'email' AND consent_state = 'subscribed'"),
        ),
    )

    kind: Mapped[str]  # "id" or "email"
    value: Mapped[str]
    customer_id: Mapped[int] = mapped_column(BigInteger)
    consent_state: Mapped[str] = mapped_column(server_default=text("'none'"))
    consent_at: Mapped[datetime | None]
    # The newest times of three kinds of statements: the person agreed, refused through us, proved the address.
    agreed_at: Mapped[datetime | None]
    refused_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]

    @hybrid_property
    def standing(self) -> str:
        """What counts of the address now (`domain.consent.standing`); in a query, the same as SQL."""
        return consent.standing(ConsentState(self.consent_state), agreed_at=self.agreed_at, refused_at=self.refused_at)

    @standing.inplace.expression
    @classmethod
    def _standing(cls) -> ColumnElement[str]:
        is_refused = cls.refused_at.is_not(None) & (cls.agreed_at.is_(None) | (cls.agreed_at <= cls.refused_at))
        return case((is_refused, ConsentState.UNSUBSCRIBED.value), else_=cls.consent_state)


class ConsentRow(ShopRow, Base):
    """The consent ledger: who said what, when, where and under which wording. Rows are added, never changed."""

    __tablename__ = "consents"
    __table_args__ = (
        Index("uq_consents_statement", "shop_id", "email_hash", "at", "state", "source", unique=True),
        Index("ix_consents_customer", "shop_id", "customer_id"),
        Index("ix_consents_at", "shop_id", "at"),
    )

    customer_id: Mapped[int] = mapped_column(BigInteger)
    email_hash: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str]
    at: Mapped[datetime]
    source: Mapped[str]
    level: Mapped[str | None]
    wording: Mapped[str | None]
    evidence: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    recorded_at: Mapped[datetime | None] = mapped_column(server_default=text("clock_timestamp()"))  # as `marked_at`


class Suppression(ShopRow, Base):
    """Never mail this address again. Survives erasure, as a keyed hash (I12)."""

    __tablename__ = "suppressions"
    __table_args__ = (Index("uq_suppressions_address", "shop_id", "email_hash", "scope", "reason", unique=True),)

    email_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scope: Mapped[str]  # "all", "marketing"
    reason: Mapped[str]  # bounced complained unsubscribed manual
    source: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    expires_at: Mapped[datetime | None]  # of a rest after soft bounces; None is for good
