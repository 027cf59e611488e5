"""What a shop's flows did lately: counted from the ledger itself, over a bounded number of rows.

Everything is counted over the newest WINDOW mails and 30 days, whichever is less, so a page costs the same in a shop
with a thousand mails and with ten million. Once `daily_stats` is rolled up, the window goes.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Subquery, case, func, select, true
from sqlalchemy.orm import Session

from app.models import (
    Delivery,
    DeliveryState,
    Enrollment,
    EnrollmentState,
    PurchaseMark,
    ScheduledStep,
    Webhook,
    WebhookState,
)

WINDOW = 5_000  # mails; counting them takes a few milliseconds
WAITING_MOST = 2_000  # people in a flow whose step is looked up
PERIOD = timedelta(days=30)
PULSE_WINDOW = 2_000  # webhooks
HALF_HOUR = timedelta(minutes=30)
HALF_HOURS = 48
ANSWER_WITHIN = timedelta(days=5)  # an order this long after a mail is shown beside it; it proves nothing


@dataclass(frozen=True, slots=True)
class Count:
    """So many mails of one kind; `days_ago` counts back whole days of 24 h, 0 to 29."""

    flow: str
    step: str
    state: str
    reason: str | None  # of skipped mails only
    days_ago: int
    mails: int


@dataclass(frozen=True, slots=True)
class Results:
    """The counts of a shop; `is_partial` when over WINDOW mails fell into the period and older ones are missing."""

    counts: tuple[Count, ...]
    is_partial: bool

    def total(self, state: str, *, flow: str | None = None, step: str | None = None) -> int:
        """How many mails ended in this state."""
        return sum(c.mails for c in self._of(flow, step) if c.state == state)

    def sent_by_day(self, flow: str | None = None) -> list[int]:
        """Mails sent on each day of the period, the oldest first."""
        days = Counter[int]()
        for c in self._of(flow, None):
            if c.state == DeliveryState.SENT:
                days[c.days_ago] += c.mails
        return [days[n] for n in reversed(range(PERIOD.days))]

    def skipped_because(self, flow: str, step: str | None = None) -> list[tuple[str, int]]:
        """Why mails were skipped, the commonest reason first."""
        reasons = Counter[str]()
        for c in self._of(flow, step):
            if c.state == DeliveryState.SKIPPED and c.reason:
                reasons[c.reason] += c.mails
        return reasons.most_common()

    def _of(self, flow: str | None, step: str | None) -> list[Count]:
        return [c for c in self.counts if flow in {None, c.flow} and step in {None, c.step}]


@dataclass(frozen=True, slots=True)
class Milestones:
    """The first signs that a shop's set-up works."""

    first_webhook_at: datetime | None
    first_mail_at: datetime | None


@dataclass(frozen=True, slots=True)
class Pulse:
    """The webhooks of the last 24 hours: (handled, failed) for each half hour, the oldest first.

    `is_partial` when more than PULSE_WINDOW came, so that the earlier half hours are missing.
    """

    buckets: list[tuple[int, int]]
    is_partial: bool
    newest_at: datetime | None

    @property
    def received(self) -> int:
        """How many came."""
        return sum(handled + failed for handled, failed in self.buckets)

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(failed for _, failed in self.buckets)


def results(session: Session, shop_id: int, *, now: datetime) -> Results:
    """Count the mails of the last 30 days by flow, step, state, reason and day."""
    newest = _newest(shop_id)
    at = func.coalesce(newest.c.sent_at, newest.c.created_at)
    day = func.floor(func.extract("epoch", now - at) / 86_400)
    reason = case((newest.c.state == DeliveryState.SKIPPED, newest.c.reason))
    rows = session.execute(
        select(newest.c.flow, newest.c.step, newest.c.state, reason, day, func.count())
        .where(newest.c.created_at > now - PERIOD)
        .group_by(newest.c.flow, newest.c.step, newest.c.state, reason, day)
    )
    counts = tuple(
        Count(flow, step, state, why, max(0, min(int(ago), PERIOD.days - 1)), mails)
        for flow, step, state, why, ago, mails in rows
    )
    return Results(counts, is_partial=sum(c.mails for c in counts) >= WINDOW)


def orders_after_mail(session: Session, shop_id: int, *, now: datetime) -> int:
    """Count orders of people within five days of a mail to them; some would have come anyway."""
    newest = _newest(shop_id)
    answered = (
        select(func.count(PurchaseMark.order_external_id.distinct()))
        .select_from(newest)
        .join(PurchaseMark, PurchaseMark.customer_id == newest.c.customer_id)
        .where(
            PurchaseMark.shop_id == shop_id,
            newest.c.state == DeliveryState.SENT,
            newest.c.created_at > now - PERIOD,
            PurchaseMark.ordered_at > newest.c.sent_at,
            PurchaseMark.ordered_at <= newest.c.sent_at + ANSWER_WITHIN,
        )
    )
    return session.scalar(answered) or 0


def waiting_by_step(session: Session, shop_id: int, flow: str) -> dict[int, int]:
    """Count who waits at which step of a flow, over at most WAITING_MOST of the people in it."""
    runs = (
        select(Enrollment.id)
        .where(Enrollment.shop_id == shop_id, Enrollment.flow == flow, Enrollment.state == EnrollmentState.ACTIVE)
        .limit(WAITING_MOST)
        .subquery()
    )
    waits = (
        select(ScheduledStep.step_no)
        .where(ScheduledStep.shop_id == shop_id, ScheduledStep.enrollment_id == runs.c.id, ScheduledStep.state == "pending")
        .limit(1)  # a run has one; this makes the database look it up run by run, and not read all steps of the shop
        .correlate(runs)
        .lateral()
    )
    rows = session.execute(
        select(waits.c.step_no, func.count().label("people")).select_from(runs.join(waits, true())).group_by(waits.c.step_no)
    )
    return {row.step_no: row.people for row in rows}


def milestones(session: Session, shop_id: int) -> Milestones:
    """Return when the shop's first webhook came and its first mail went."""
    webhook = select(Webhook.received_at).where(Webhook.shop_id == shop_id).order_by(Webhook.id).limit(1)
    mail = select(Delivery.sent_at).where(Delivery.shop_id == shop_id, Delivery.state == DeliveryState.SENT)
    return Milestones(session.scalar(webhook), session.scalar(mail.order_by(Delivery.id).limit(1)))


def pulse(session: Session, shop_id: int) -> Pulse:
    """Count the webhooks of the last 24 hours, by real time: they are stamped when they come, whatever the demo's clock."""
    newest = select(Webhook.received_at, Webhook.state).where(Webhook.shop_id == shop_id).order_by(Webhook.id.desc())
    rows = newest.limit(PULSE_WINDOW).subquery()
    ago = func.floor(func.extract("epoch", func.now() - rows.c.received_at) / HALF_HOUR.total_seconds())
    failed = func.count().filter(rows.c.state == WebhookState.FAILED)
    counted = session.execute(
        select(ago.label("ago"), func.count().label("all"), failed.label("failed"), func.max(rows.c.received_at).label("at"))
        .group_by(ago)
        .having(ago < HALF_HOURS)
    ).all()
    buckets = [(0, 0)] * HALF_HOURS
    for row in counted:
        buckets[HALF_HOURS - 1 - max(0, int(row.ago))] = (row.all - row.failed, row.failed)
    came = sum(row.all for row in counted)
    return Pulse(buckets, is_partial=came >= PULSE_WINDOW, newest_at=max((row.at for row in counted), default=None))


def _newest(shop_id: int) -> Subquery:
    columns = (
        Delivery.flow, Delivery.step, Delivery.state, Delivery.reason, Delivery.customer_id, Delivery.created_at,
        Delivery.sent_at,
    )  # fmt: skip
    return select(*columns).where(Delivery.shop_id == shop_id).order_by(Delivery.id.desc()).limit(WINDOW).subquery()
