"""The only reader of time (D19): the database's clock, plus the demo's offset.

Durations inside one process (a drain's time budget, a breaker) are measured with `time.monotonic` and are not "the time".
"""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

# The row exists in the demo only, where "skip ahead" adds to it; everywhere else the sum adds nothing.
_NOW = text("SELECT now() + coalesce((SELECT offset_seconds FROM demo_clock) * interval '1 second', interval '0')")
_SKIP = text(
    "INSERT INTO demo_clock (id, offset_seconds) VALUES (1, :seconds) "
    "ON CONFLICT (id) DO UPDATE SET offset_seconds = demo_clock.offset_seconds + excluded.offset_seconds"
)


def now(session: Session) -> datetime:
    """Return the time by which things are due; the same for the whole transaction. Leases use the bare `now()` instead."""
    moment: datetime = session.execute(_NOW).scalar_one()
    return moment


def real(session: Session) -> datetime:
    """Return the bare time of the database, without the demo's offset: what tokens and signatures live by."""
    moment: datetime = session.execute(text("SELECT now()")).scalar_one()
    return moment


def skip(session: Session, by: timedelta) -> None:
    """Move the demo's clock ahead."""
    session.execute(_SKIP, {"seconds": int(by.total_seconds())})
