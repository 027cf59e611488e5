"""The sums by day: what was sent and followed, on the day of the sending, and what was bought, on the day of the order.

A day is the shop's own. A day that something changed is counted anew from the rows, so counting twice changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.models import DailyStat, Shop
from app.services import watch

EVERY = timedelta(minutes=5)
PROCESS = "statistics"  # whose sign of life says when it was done last
OVERLAP = timedelta(minutes=10)  # a transaction that began before the last count may have been committed after it
_LOCK = 4_205_117  # of pg_try_advisory_xact_lock: one counts at a time


@dataclass(frozen=True, slots=True)
class Earned:
    """What a mail of a flow brought in a span of days; money in minor units of its currency."""

    flow: str
    step: str
    currency: str
    orders: int
    revenue_minor: int


def is_due(session: Session) -> bool:
    """Say whether it was not done within five minutes."""
    silent = watch.silence(session, PROCESS)
    return silent is None or silent >= EVERY


def roll(session: Session, *, now: datetime) -> int:
    """Count the days anew on which something changed since the last time, and return how many."""
    watch.beat(session, PROCESS)
    if not session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
        return 0
    last = session.scalar(select(func.max(DailyStat.rolled_at)))
    since = last - OVERLAP if last else datetime.min.replace(tzinfo=now.tzinfo, year=2000)
    shop_ids = session.scalars(text(_CHANGED_SHOPS), {"since": since}).all()
    zones = dict(session.execute(select(Shop.id, Shop.timezone).where(Shop.id.in_(shop_ids))).all())
    return sum(_roll_shop(session, shop_id, _zone(zones[shop_id]), since, now) for shop_id in sorted(zones))


def earned(session: Session, shop_id: int, *, since: date) -> list[Earned]:
    """Return what each mail of each flow brought since a day, the most first."""
    revenue = func.sum(DailyStat.revenue_minor)
    rows = session.execute(
        select(DailyStat.flow, DailyStat.step, DailyStat.currency, func.sum(DailyStat.orders), revenue)
        .where(DailyStat.shop_id == shop_id, DailyStat.day >= since, DailyStat.orders > 0)
        .group_by(DailyStat.flow, DailyStat.step, DailyStat.currency)
        .order_by(revenue.desc(), DailyStat.flow, DailyStat.step)
    )
    return [Earned(flow, step, currency, int(orders), int(minor)) for flow, step, currency, orders, minor in rows]


def _roll_shop(session: Session, shop_id: int, zone: str, since: datetime, now: datetime) -> int:
    known = {"shop": shop_id, "zone": zone, "since": since, "now": now}
    days: Sequence[date] = session.scalars(text(_CHANGED_DAYS), known).all()
    if days:
        of_days = {**known, "days": list(days)}
        session.execute(text("DELETE FROM daily_stats WHERE shop_id = :shop AND day = ANY(:days)"), of_days)
        session.execute(text(_COUNT), of_days)
    return len(days)


def _zone(name: str) -> str:
    return name if name in available_timezones() and ZoneInfo(name) else "UTC"


_CHANGED_SHOPS = (
    "SELECT shop_id FROM deliveries WHERE sent_at >= :since UNION SELECT shop_id FROM engagements WHERE at >= :since "
    "UNION SELECT shop_id FROM attributions WHERE decided_at >= :since"
)
_CHANGED_DAYS = (
    "SELECT (sent_at AT TIME ZONE :zone)::date FROM deliveries WHERE shop_id = :shop AND sent_at >= :since "
    "UNION SELECT (d.sent_at AT TIME ZONE :zone)::date FROM engagements e JOIN deliveries d "
    "ON d.shop_id = e.shop_id AND d.id = e.delivery_id WHERE e.shop_id = :shop AND e.at >= :since AND d.sent_at IS NOT NULL "
    "UNION SELECT (ordered_at AT TIME ZONE :zone)::date FROM attributions "
    "WHERE shop_id = :shop AND decided_at >= :since AND ordered_at IS NOT NULL"
)
_COUNT = """
WITH span AS (SELECT min(day)::timestamp AT TIME ZONE :zone AS first, (max(day) + 1)::timestamp AT TIME ZONE :zone AS last
              FROM unnest(cast(:days AS date[])) AS day),
mails AS (
    SELECT d.id, (d.sent_at AT TIME ZONE :zone)::date AS day, d.flow, d.step FROM deliveries d, span
    WHERE d.shop_id = :shop AND d.sent_at >= span.first AND d.sent_at < span.last),
seen AS (
    SELECT e.delivery_id, bool_or(e.kind = 'opened' AND e.machine IS NULL) AS is_opened,
        bool_or(e.kind = 'clicked' AND e.machine IS NULL) AS is_clicked,
        count(*) FILTER (WHERE e.kind = 'clicked' AND e.machine IS NOT NULL) AS by_machines
    FROM engagements e WHERE e.shop_id = :shop AND e.delivery_id IN (SELECT id FROM mails) GROUP BY 1),
counted AS (
    SELECT m.day, m.flow, m.step, '' AS currency, count(*) AS sent, count(*) FILTER (WHERE s.is_opened) AS opened,
        count(*) FILTER (WHERE s.is_clicked) AS clicked, coalesce(sum(s.by_machines), 0) AS machine_clicks,
        0 AS orders, 0 AS revenue
    FROM mails m LEFT JOIN seen s ON s.delivery_id = m.id GROUP BY 1, 2, 3
    UNION ALL
    SELECT (a.ordered_at AT TIME ZONE :zone)::date, a.flow, a.step, a.currency, 0, 0, 0, 0, count(*), sum(a.amount_minor)
    FROM attributions a, span
    WHERE a.shop_id = :shop AND a.delivery_id IS NOT NULL AND a.amount_minor > 0
        AND a.ordered_at >= span.first AND a.ordered_at < span.last
    GROUP BY 1, 2, 3, 4)
INSERT INTO daily_stats
    (shop_id, day, flow, step, currency, sent, opened, clicked, machine_clicks, orders, revenue_minor, rolled_at)
SELECT :shop, day, flow, step, currency, sent, opened, clicked, machine_clicks, orders, revenue, :now
FROM counted WHERE day = ANY(cast(:days AS date[]))
"""
