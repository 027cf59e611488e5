"""The demo's time: real time plus an offset that can only grow."""

import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from threading import Lock

import psycopg

from app.domain.errors import CartwheelError

_FRESH_FOR = 1.0  # seconds that a read offset is believed; Cartwheel's own command line may move it too
_CONNECT_TIMEOUT = 2  # seconds
_READ = "SELECT offset_seconds FROM demo_clock WHERE id = 1"
_SKIP = """
    INSERT INTO demo_clock (id, offset_seconds) VALUES (1, %s)
    ON CONFLICT (id) DO UPDATE SET offset_seconds = demo_clock.offset_seconds + EXCLUDED.offset_seconds
    RETURNING offset_seconds
"""


class DemoClock:
    """What the pretend shops' clocks on the wall show.

    Args:
        database_url: the database that holds the row `demo_clock`, in SQLAlchemy's or libpq's spelling; None keeps the
            offset in memory.
        real: the real time, in seconds since 1970.
    """

    def __init__(
        self,
        database_url: str | None = None,
        real: Callable[[], float] = time.time,  # noqa: TID251  (a clock of its own: this process stands outside the house)
    ) -> None:
        self._url = database_url.replace("postgresql+psycopg:", "postgresql:", 1) if database_url else None
        self._real = real
        self._lock = Lock()
        self._offset = 0
        self._read_at = float("-inf")

    def now(self) -> datetime:
        """Return the demo's time, in UTC."""
        return datetime.fromtimestamp(self._real(), UTC) + self.offset()

    def offset(self) -> timedelta:
        """Return how far the demo is ahead; the last known value when the database does not answer."""
        with self._lock:
            if self._url and time.monotonic() - self._read_at > _FRESH_FOR:
                self._read_at = time.monotonic()
                with suppress(psycopg.Error):  # not migrated yet, or restarting: the shops go on with what they know
                    self._offset = self._ask(_READ) or 0
            return timedelta(seconds=self._offset)

    def skip(self, step: timedelta) -> datetime:
        """Move the demo's time ahead and return it.

        Raises:
            CartwheelError: time cannot go back, or the database did not take it.
        """
        seconds = int(step.total_seconds())
        if seconds <= 0:
            raise CartwheelError("The demo's clock only goes forward.")
        with self._lock:
            try:
                self._offset = self._ask(_SKIP, seconds) or 0 if self._url else self._offset + seconds
            except psycopg.Error as exc:
                raise CartwheelError("The clock could not be moved: the demo's database does not answer.") from exc
            self._read_at = time.monotonic()
        return self.now()

    def _ask(self, query: str, *values: int) -> int | None:
        with closing(psycopg.connect(self._url or "", connect_timeout=_CONNECT_TIMEOUT, autocommit=True)) as connection:
            row = connection.execute(query, values).fetchone()
            return int(row[0]) if row else None
