"""Flows of a shop: settings, versions, who is in them, what waits, and why things were decided."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, Numeric, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Claimable, ShopRow, claim_indexes


class EnrollmentState(StrEnum):
    """Where a person stands in a flow."""

    ACTIVE = "active"
    FINISHED = "finished"
    EXITED = "exited"


class Arm(StrEnum):
    """Treated people get mails; held-out people are only watched, so that a flow's effect can be told."""

    TREATED = "treated"
    HOLDOUT = "holdout"


class FlowSettings(ShopRow, Base):
    """A shop's settings of one flow. What the steps do is the version; whether and for whom is here (design 8.6)."""

    __tablename__ = "flow_settings"
    __table_args__ = (Index("uq_flow_settings_flow", "shop_id", "flow", unique=True),)

    flow: Mapped[str]
    is_on: Mapped[bool] = mapped_column(server_default=text("false"))
    holdout_share: Mapped[Decimal] = mapped_column(Numeric(4, 3), server_default=text("0"))  # 0 to 1
    version: Mapped[int] = mapped_column(server_default=text("1"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class FlowVersion(ShopRow, Base):
    """One version of a flow's tree, as JSON. Never changed: people in a flow keep the version they entered with."""

    __tablename__ = "flow_versions"
    __table_args__ = (Index("uq_flow_versions_version", "shop_id", "flow", "version", unique=True),)

    flow: Mapped[str]
    version: Mapped[int]
    tree: Mapped[dict[str, Any]]
    # What the shop wrote itself: step -> locale -> message (app/flows/messages.py). Texts belong to the version.
    texts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Enrollment(ShopRow, Base):
    """One person in one flow, once per episode.

    `subject_key` says what the run is about: a checkout, whose token is the episode; an order, by the platform's id; or a
    customer, by our id and which time it is.
    """

    __tablename__ = "enrollments"
    __table_args__ = (
        # One run per episode, however often and in whatever order its events come (I3).
        Index("uq_enrollments_episode", "shop_id", "flow", "subject_key", "episode", unique=True),
        Index("ix_enrollments_customer", "shop_id", "customer_id", "id"),  # a person's newest runs
        Index("ix_enrollments_flow", "shop_id", "flow", "state"),
    )

    flow: Mapped[str]
    version: Mapped[int]
    subject_key: Mapped[str]
    episode: Mapped[str]
    customer_id: Mapped[int] = mapped_column(BigInteger)
    arm: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'active'"))
    reason: Mapped[str | None]
    entered_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ScheduledStep(ShopRow, Claimable, Base):
    """The next step of an enrollment and when it is due. States: pending, done, failed."""

    __tablename__ = "scheduled_steps"
    __table_args__ = (
        Index("uq_scheduled_steps_step", "shop_id", "enrollment_id", "step_no", unique=True),
        *claim_indexes("scheduled_steps"),
        ForeignKeyConstraint(
            ["shop_id", "enrollment_id"], ["enrollments.shop_id", "enrollments.id"], name="fk_scheduled_steps_enrollment"
        ),
    )

    enrollment_id: Mapped[int] = mapped_column(BigInteger)
    step_no: Mapped[int]
    came_at: Mapped[datetime | None]  # when the person came to this step; None in rows from before there was this column


class TagWrite(ShopRow, Claimable, Base):
    """A tag that the shop is to give a customer, or to take away.

    States: pending, done, failed, ignored (a newer row is about the same tag, or the shop has no account for the person).
    """

    __tablename__ = "tag_writes"
    __table_args__ = (*claim_indexes("tag_writes"), Index("ix_tag_writes_customer", "shop_id", "customer_id", "id"))

    customer_id: Mapped[int] = mapped_column(BigInteger)
    enrollment_id: Mapped[int] = mapped_column(BigInteger)
    tag: Mapped[str]
    is_given: Mapped[bool]
    created_at: Mapped[datetime]


class Answer(ShopRow, Base):
    """What somebody thinks: the stars of a mail, by pressing a button on its page, or a review that they wrote in the shop.

    A mail's answer has `delivery_id` and `enrollment_id`, a review `review_id` and `product_id`. A changed mind changes the
    row. A low score is open until a person of the shop has settled it (`settled_at`).
    """

    __tablename__ = "answers"
    __table_args__ = (
        Index("uq_answers_delivery", "shop_id", "delivery_id", unique=True),
        Index("uq_answers_review", "shop_id", "review_id", unique=True),
        Index("ix_answers_written", "shop_id", "answered_at", postgresql_where=text("review_id IS NOT NULL")),
        Index("ix_answers_enrollment", "shop_id", "enrollment_id"),
        Index("ix_answers_customer", "shop_id", "customer_id"),
        Index("ix_answers_open", "shop_id", "id", postgresql_where=text("is_low AND settled_at IS NULL")),
    )

    delivery_id: Mapped[int | None] = mapped_column(BigInteger)
    enrollment_id: Mapped[int | None] = mapped_column(BigInteger)
    review_id: Mapped[str | None]  # the shop's own
    product_id: Mapped[str | None]  # the shop's own, of what was reviewed
    customer_id: Mapped[int] = mapped_column(BigInteger)
    score: Mapped[int | None] = mapped_column(SmallInteger)  # 1 to 5; None: a review without stars
    is_low: Mapped[bool]
    words: Mapped[str | None]  # the person's own, 2,000 characters at the most
    answered_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[str | None]


class DecisionRow(ShopRow, Base):
    """Why something was done, or not done: the rule, the values it saw, the time, the flow version."""

    __tablename__ = "decisions"
    __table_args__ = (
        Index("ix_decisions_enrollment", "shop_id", "enrollment_id", "id"),
        Index("ix_decisions_decided", "decided_at", postgresql_using="brin"),
        ForeignKeyConstraint(
            ["shop_id", "enrollment_id"], ["enrollments.shop_id", "enrollments.id"], name="fk_decisions_enrollment"
        ),
    )

    enrollment_id: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int]
    step_no: Mapped[int]
    because: Mapped[str]
    saw: Mapped[dict[str, Any]]
    effects: Mapped[list[Any]]
    decided_at: Mapped[datetime]
