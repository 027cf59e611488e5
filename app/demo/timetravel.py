"""Skip ahead as if the time had passed: from one due moment to the next, each worked off before the clock moves on.

A plain jump would find a day's waits all late at once, and a mail that is hours late is stale and rightly not sent.
"""

import time
from contextlib import closing
from datetime import datetime, timedelta

import psycopg

from app.demo.clock import DemoClock

_GRACE = timedelta(seconds=1)  # past the due moment, so that it is surely over
_PATIENCE = 15.0  # seconds for one moment's work; a stopped worker must not hang the page
_POLL = 0.1  # seconds
_DUE = """
    SELECT min(due_at), bool_or(lease_until IS NOT NULL) FROM (
        SELECT due_at, lease_until FROM webhooks WHERE state = 'pending'
        UNION ALL SELECT due_at, lease_until FROM scheduled_steps WHERE state = 'pending'
        UNION ALL SELECT due_at, lease_until FROM deliveries WHERE state IN ('pending', 'sending')
    ) waiting
"""


class TimeTravel:
    """Moves the demo's clock, watching what Cartwheel has to do on the way."""

    def __init__(self, clock: DemoClock, database_url: str) -> None:
        self._clock = clock
        self._url = database_url.replace("postgresql+psycopg:", "postgresql:", 1)

    def skip(self, step: timedelta) -> datetime:
        """Let so much time pass and return the demo's new time."""
        target = self._clock.now() + step
        with closing(psycopg.connect(self._url, connect_timeout=2, autocommit=True)) as connection:
            self._settle(connection)
            while (now := self._clock.now()) < target:
                due = self._next_due(connection)
                moment = min(due + _GRACE, target) if due and due > now else target
                self._clock.skip(max(moment - now, _GRACE))
                self._settle(connection)
        return self._clock.now()

    def _next_due(self, connection: psycopg.Connection) -> datetime | None:
        row = connection.execute(_DUE).fetchone()
        return row[0] if row else None

    def _settle(self, connection: psycopg.Connection) -> None:
        """Wait until nothing is due and nothing is being worked on."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            row = connection.execute(_DUE).fetchone()
            due, is_leased = row or (None, None)
            if not is_leased and (due is None or due > self._clock.now()):
                return
            time.sleep(_POLL)
