"""How a shop is doing with us, from what is stored: its connection, its webhooks, its mail, what waits. Nobody is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

from app.models import (
    Connection,
    ConsentWrite,
    Cursor,
    Delivery,
    DeliveryState,
    FlowSettings,
    Pause,
    ScheduledStep,
    Shop,
    TagWrite,
    Webhook,
    WebhookState,
)
from app.services import answers, connections, pauses, reconcile, sender_checks, watch

COUNTED_MOST = 1_000  # rows that a number on the page is counted up to
CAUSES_MOST = 5
DUE_MOST = 10_000  # due steps of all shops that are looked through for one shop's
LONGEST_CAUSE = 160  # characters


@dataclass(frozen=True, slots=True)
class Cause:
    """Why webhooks failed, and how many of the newest failed ones did so."""

    error: str
    topic: str
    count: int


@dataclass(frozen=True, slots=True)
class Waits:
    """How much of one kind waits for us, COUNTED_MOST at the most, and since when the oldest is due."""

    count: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Untold:
    """What the shop was to keep and could not be told: consents and tags, and why, of the newest."""

    consents: int = 0
    tags: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What a shop's own rows say."""

    connection: Connection | None
    webhook_ailment: str | None
    webhook_at: datetime | None
    cursors: Sequence[Cursor]
    causes: list[Cause]
    unknown_mails: int
    untold: Untold
    webhooks_wait: Waits
    mails_wait: Waits
    rivals: list[str]
    unhappy: int  # low scores that nobody has settled
    sender: sender_checks.Held | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What rows of nobody, or of all shops, say: no shop's own role may see them."""

    pauses: list[Pause]
    steps_wait: Waits
    scheduler_silence: timedelta | None


def inside(session: Session, shop: Shop, *, now: datetime) -> Inside:
    """Read what a shop's own rows say: a fixed number of bounded queries."""
    newest = select(Webhook.received_at).where(Webhook.shop_id == shop.id).order_by(Webhook.id.desc()).limit(1)
    flows_on = select(FlowSettings.flow).where(FlowSettings.shop_id == shop.id, FlowSettings.is_on)
    progress = reconcile.progress(session, shop.id)
    return Inside(
        connection=connections.of(session, shop.id) if shop.connection_id else None,
        webhook_ailment=reconcile.webhook_ailment(session, shop.id),
        webhook_at=session.scalar(newest),
        cursors=[progress[kind] for kind in sorted(progress)],
        causes=_causes(session, shop.id),
        unknown_mails=_count_unknown(session, shop.id),
        untold=_untold(session, shop.id),
        webhooks_wait=_waits(session, Webhook, shop.id, WebhookState.PENDING, now),
        mails_wait=_waits(session, Delivery, shop.id, DeliveryState.PENDING, now),
        rivals=connections.rivals(session, shop.id, session.scalars(flows_on)),
        unhappy=answers.count_open(session, shop.id),
        sender=sender_checks.of(session, shop),
    )


def outside(session: Session, shop_id: int, *, now: datetime) -> Outside:
    """Read what lies beyond a shop's wall, of which only what concerns this shop is told. The session is the owner's."""
    due = (
        select(ScheduledStep.shop_id, ScheduledStep.due_at)
        .where(ScheduledStep.state == "pending", ScheduledStep.lease_until.is_(None), ScheduledStep.due_at <= now)
        .order_by(ScheduledStep.due_at)
        .limit(DUE_MOST)
        .subquery()
    )
    count, since = session.execute(select(func.count(), func.min(due.c.due_at)).where(due.c.shop_id == shop_id)).one()
    return Outside(
        pauses=pauses.of(session, [shop_id]),
        steps_wait=Waits(count, since),
        scheduler_silence=watch.silence(session, "scheduler"),
    )


def _causes(session: Session, shop_id: int) -> list[Cause]:
    newest = (
        select(func.left(func.coalesce(Webhook.error, ""), LONGEST_CAUSE).label("error"), Webhook.topic)
        .where(Webhook.shop_id == shop_id, Webhook.state == WebhookState.FAILED)
        .order_by(Webhook.id.desc())
        .limit(COUNTED_MOST)
        .subquery()
    )
    rows = session.execute(
        select(newest.c.error, newest.c.topic, func.count())
        .group_by(newest.c.error, newest.c.topic)
        .order_by(func.count().desc(), newest.c.error, newest.c.topic)
        .limit(CAUSES_MOST)
    )
    return [Cause(*row) for row in rows]


def _count_unknown(session: Session, shop_id: int) -> int:
    rows = select(Delivery.id).where(Delivery.shop_id == shop_id, Delivery.state == DeliveryState.UNKNOWN)
    return session.scalar(select(func.count()).select_from(rows.limit(COUNTED_MOST).subquery())) or 0


def _untold(session: Session, shop_id: int) -> Untold:
    """Count among the newest rows those that were given up, without those that the person's newer word made idle."""
    consents, why_consent = _given_up(session, ConsentWrite, shop_id)
    tags, why_tag = _given_up(session, TagWrite, shop_id)
    return Untold(consents, tags, (why_consent or why_tag)[:LONGEST_CAUSE])


def _given_up(session: Session, model: type[ConsentWrite] | type[TagWrite], shop_id: int) -> tuple[int, str]:
    newest = (
        select(model.id, model.customer_id, model.state, model.error)
        .where(model.shop_id == shop_id)
        .order_by(model.id.desc())
        .limit(COUNTED_MOST)
        .subquery()
    )
    later = aliased(newest)
    made_idle = exists().where(later.c.customer_id == newest.c.customer_id, later.c.id > newest.c.id)
    rows = session.execute(
        select(newest.c.error).where(newest.c.state == "failed", ~made_idle).order_by(newest.c.id.desc())
    ).all()
    return len(rows), (rows[0].error or "") if rows else ""


def _waits(session: Session, model: type[Webhook] | type[Delivery], shop_id: int, state: str, now: datetime) -> Waits:
    """Look at the oldest rows that wait: what is put off to a better time is not late."""
    rows = select(model.due_at).where(model.shop_id == shop_id, model.state == state).order_by(model.id)
    due = rows.limit(COUNTED_MOST).subquery()
    count, since = session.execute(select(func.count(), func.min(due.c.due_at)).where(due.c.due_at <= now)).one()
    return Waits(count, since)
