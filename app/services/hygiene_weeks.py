"""Keep how healthy each shop's mail was, a row for each week that is over: bounces show a trend, not a day."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import HygieneWeek
from app.models.bulk import insert_rows
from app.services import hygiene, watch

EVERY = timedelta(days=1)
LATE = 2  # so many weeks that are over are counted each time: most bounces and complaints are told within days
KEPT_MOST = 53  # weeks that are shown

PROCESS = "hygiene"  # whose sign of life says when it was done last
_DAY = timedelta(days=1)


def is_due(session: Session) -> bool:
    """Say whether the weeks were not counted within a day."""
    silent = watch.silence(session, PROCESS)
    return silent is None or silent >= EVERY


def mark_done(session: Session) -> None:
    """Note that the weeks were counted; the next time is in a day."""
    watch.beat(session, PROCESS)


def over(now: datetime) -> list[date]:
    """Return the Mondays of the weeks that are counted, the newest first."""
    today = now.astimezone(UTC).date()
    monday = today - timedelta(days=today.weekday())
    return [monday - timedelta(weeks=n) for n in range(1, LATE + 1)]


def count(session: Session, monday: date, *, now: datetime) -> int:
    """Count a week of every shop that mailed in it, keep the counts, and return how many shops that were.

    Each mail belongs to the day on which it went out, so the counts of days add up, and no statement reads more than one
    day. Counted again, by another scheduler's ring too, the same rows are written.
    """
    shops: dict[int, Counter[str]] = {}
    for n in range(7):
        since = datetime.combine(monday, time(), UTC) + n * _DAY
        for row in hygiene.counts(session, since=since, until=since + _DAY):
            shops.setdefault(row["shop_id"], Counter()).update({name: row[name] for name in hygiene.COUNTED})
    rows = [
        {
            "shop_id": shop_id, "week_on": monday.isoformat(), **counts, "counted_at": now,
            "verdict": hygiene.verdict(counts["sent"], counts["delivered"], counts["bounced"], counts["complained"]),
        }
        for shop_id, counts in sorted(shops.items())
    ]  # fmt: skip
    if rows:
        _write(session, rows)
    return len(rows)


def kept(session: Session, shop_id: int, weeks: int = 12) -> Sequence[HygieneWeek]:
    """Return the last weeks of a shop, the newest first."""
    query = select(HygieneWeek).where(HygieneWeek.shop_id == shop_id).order_by(HygieneWeek.week_on.desc())
    return session.scalars(query.limit(min(weeks, KEPT_MOST))).all()


def _write(session: Session, rows: list[dict[str, object]]) -> None:
    statement = insert_rows(HygieneWeek, rows)
    changed = {name: statement.excluded[name] for name in (*hygiene.COUNTED, "verdict", "counted_at")}
    session.execute(statement.on_conflict_do_update(index_elements=["shop_id", "week_on"], set_=changed))
