"""What the merchant's pages list: webhooks and mails of one shop, newest first, in pages of one cost at any size.

A page starts below an id (keyset), so the hundredth costs what the first does. What has no index of its own (topic,
platform) is looked for in the newest LOOK rows; the page then says how far it looked and goes on from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.models import (
    Checkout,
    Coupon,
    Customer,
    DecisionRow,
    Delivery,
    DeliveryState,
    Enrollment,
    EventRow,
    Webhook,
    WebhookState,
)

PAGE = 50  # rows
LOOK = 20_000  # rows that one page looks through for a filter without an index
COUNT_LIMIT = 1_000  # what is counted for a badge or a button; beyond it "1,000 or more" says enough
TOPICS_FROM = 1_000  # the newest rows, out of which the topics to choose from are taken


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFilter:
    """Which webhooks to list; None is all."""

    state: WebhookState | None = None
    topic: str | None = None
    platform: str | None = None

    @property
    def is_indexed(self) -> bool:
        """Whether an index leads to these rows alone."""
        return self.topic is None and self.platform is None


@dataclass(frozen=True, slots=True)
class WebhookLine:
    """One webhook as it is listed, without its body."""

    kinds: tuple[str, ...]  # of the events it became
    id: int
    platform: str
    topic: str
    state: str
    attempts: int
    due_at: datetime
    received_at: datetime
    processed_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPage:
    """One page; `older` is where the next one starts, None at the end; `is_cut` when it looked through LOOK rows."""

    lines: list[WebhookLine]
    older: int | None
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPage:
    """One page of mails; `older` is where the next one starts, None at the end."""

    mails: list[Delivery]
    older: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailStory:
    """A mail and everything that led to it."""

    mail: Delivery
    run: Enrollment
    checkout: Checkout | None
    customer: Customer | None
    decisions: list[DecisionRow]
    coupon: Coupon | None
    siblings: list[Delivery]  # every mail of this run, this one too


def list_webhooks(session: Session, shop_id: int, which: WebhookFilter, *, before: int | None) -> WebhookPage:
    """Return the page of webhooks below an id."""
    rows = select(*_LISTED).where(Webhook.shop_id == shop_id).order_by(Webhook.id.desc())
    if which.state is not None:
        rows = rows.where(Webhook.state == which.state)
    if before is not None:
        rows = rows.where(Webhook.id < before)
    found = session.execute(rows.limit(PAGE + 1) if which.is_indexed else _among_the_newest(rows, which)).all()
    older, is_cut = (found[PAGE - 1].id if len(found) > PAGE else None), False
    if older is None and not which.is_indexed:
        older = session.scalar(rows.with_only_columns(Webhook.id).offset(LOOK - 1).limit(1))
        is_cut = older is not None
    kinds = _kinds(session, shop_id, [r.id for r in found[:PAGE]])
    lines = [_line(r, kinds) for r in found[:PAGE]]
    return WebhookPage(lines=lines, older=older, is_cut=is_cut)


def webhook_line(session: Session, shop_id: int, webhook_id: int) -> WebhookLine | None:
    """Return one webhook as it is listed, or None when the shop has none of this id."""
    row = session.execute(select(*_LISTED).where(Webhook.shop_id == shop_id, Webhook.id == webhook_id)).one_or_none()
    if row is None:
        return None
    return _line(row, _kinds(session, shop_id, [webhook_id]))


def find_webhook(session: Session, shop_id: int, webhook_id: int) -> Webhook | None:
    """Return one webhook with its body, or None when the shop has none of this id."""
    return session.scalar(select(Webhook).where(Webhook.shop_id == shop_id, Webhook.id == webhook_id))


def events_of(session: Session, shop_id: int, webhook_id: int) -> Sequence[EventRow]:
    """Return the facts that a webhook became."""
    query = select(EventRow).where(EventRow.shop_id == shop_id, EventRow.webhook_id == webhook_id)
    return session.scalars(query.order_by(EventRow.id).limit(PAGE)).all()


def count_failed(session: Session, shop_id: int, topic: str | None = None) -> int:
    """Count failed webhooks, up to COUNT_LIMIT."""
    failed = select(Webhook.id).where(Webhook.shop_id == shop_id, Webhook.state == WebhookState.FAILED)
    if topic is not None:
        failed = failed.where(Webhook.topic == topic)
    return session.scalar(select(func.count()).select_from(failed.limit(COUNT_LIMIT).subquery())) or 0


def recent_topics(session: Session, shop_id: int) -> list[str]:
    """Return the topics of the newest webhooks, in order of the alphabet."""
    newest = select(Webhook.topic).where(Webhook.shop_id == shop_id).order_by(Webhook.id.desc())
    topics = newest.limit(TOPICS_FROM).subquery()
    return sorted(session.scalars(select(topics.c.topic).distinct()))


def list_mails(
    session: Session, shop_id: int, states: Sequence[DeliveryState], *, before: int | None, limit: int = PAGE
) -> MailPage:
    """Return the page of mails below an id; no states is all states."""
    query = select(Delivery).where(Delivery.shop_id == shop_id).order_by(Delivery.id.desc()).limit(limit + 1)
    if states:
        query = query.where(Delivery.state.in_(states))
    if before is not None:
        query = query.where(Delivery.id < before)
    found = list(session.scalars(query))
    return MailPage(mails=found[:limit], older=found[limit - 1].id if len(found) > limit else None)


def mail_story(session: Session, shop_id: int, mail_id: int) -> MailStory | None:
    """Return a mail and what led to it, or None when the shop has none of this id."""
    mail = session.scalar(select(Delivery).where(Delivery.shop_id == shop_id, Delivery.id == mail_id))
    if mail is None:
        return None
    run = session.scalars(select(Enrollment).where(Enrollment.shop_id == shop_id, Enrollment.id == mail.enrollment_id)).one()
    decisions = select(DecisionRow).where(DecisionRow.shop_id == shop_id, DecisionRow.enrollment_id == run.id)
    siblings = select(Delivery).where(Delivery.shop_id == shop_id, Delivery.enrollment_id == run.id)
    coupon = select(Coupon).where(Coupon.shop_id == shop_id, Coupon.enrollment_id == run.id, Coupon.step == mail.step)
    return MailStory(
        mail=mail,
        run=run,
        checkout=session.scalar(select(Checkout).where(Checkout.shop_id == shop_id, Checkout.token == run.episode)),
        customer=session.scalar(select(Customer).where(Customer.shop_id == shop_id, Customer.id == mail.customer_id)),
        decisions=list(session.scalars(decisions.order_by(DecisionRow.id).limit(PAGE))),
        coupon=session.scalar(coupon),
        siblings=list(session.scalars(siblings.order_by(Delivery.id))),
    )


_LISTED = (
    Webhook.id,
    Webhook.platform,
    Webhook.topic,
    Webhook.state,
    Webhook.attempts,
    Webhook.due_at,
    Webhook.received_at,
    Webhook.processed_at,
    func.left(Webhook.error, 300).label("error"),
)


def _among_the_newest(rows: Select[tuple[object, ...]], which: WebhookFilter) -> Select[tuple[object, ...]]:
    newest = rows.limit(LOOK).subquery()
    query = select(newest).order_by(newest.c.id.desc()).limit(PAGE + 1)
    if which.topic is not None:
        query = query.where(newest.c.topic == which.topic)
    if which.platform is not None:
        query = query.where(newest.c.platform == which.platform)
    return query


def _line(row: Any, kinds: dict[int, tuple[str, ...]]) -> WebhookLine:
    return WebhookLine(kinds.get(row.id, ()), *row)


def _kinds(session: Session, shop_id: int, webhook_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    rows = session.execute(
        select(EventRow.webhook_id, func.array_agg(EventRow.kind.distinct()))
        .where(EventRow.shop_id == shop_id, EventRow.webhook_id.in_(webhook_ids))
        .group_by(EventRow.webhook_id)
    )
    return {webhook_id: tuple(kinds) for webhook_id, kinds in rows if webhook_id is not None}
