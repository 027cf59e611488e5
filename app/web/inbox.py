"""The way into the inbox: a few connections that do nothing but store webhooks, one statement and one commit for each.

A pool that asks whether a connection lives before each use, and SQLAlchemy's layers above it, took a third of the request's
time (docs/performance.md). Here a broken connection is found by using it.
"""

from contextlib import suppress
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import Any

import psycopg
from sqlalchemy import Engine, event

from app.db import POOL_SIZE

PATIENCE = 3.0  # seconds that a request waits for a free connection; both platforms give up after 5

# A finished copy makes a duplicate; one that failed, or whose worker died, is set due again (I4).
_STORE = """
INSERT INTO webhooks (shop_id, platform, topic, dedupe_key, external_id, delivery_id, body, body_sha256, headers,
                      triggered_at, due_at, state, error)
VALUES (%(shop_id)s, %(platform)s, %(topic)s, %(dedupe_key)s, %(external_id)s, %(delivery_id)s, %(body)s, %(sha256)s,
        %(headers)s, %(triggered_at)s, now(), %(state)s, %(error)s)
ON CONFLICT (shop_id, platform, dedupe_key) DO UPDATE
   SET state = 'pending', due_at = now(), attempts = 0, deaths = 0, lease_until = NULL, fence = webhooks.fence + 1
 WHERE webhooks.body IS NOT NULL
   AND (webhooks.state = 'failed' OR (webhooks.state = 'pending' AND webhooks.lease_until < now()))
RETURNING id
"""


class Inbox:
    """Stores webhooks for all threads of a process; its connections have the engine's limits and end with it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._free: SimpleQueue[psycopg.Cursor[Any] | None] = SimpleQueue()
        for _ in range(POOL_SIZE):
            self._free.put(None)  # opened when it is first needed
        event.listen(engine, "engine_disposed", self._close)

    def store(self, row: dict[str, Any]) -> bool:
        """Commit a webhook, and say whether there is work: it is new, or its first copy failed.

        Raises:
            psycopg.Error, sqlalchemy.exc.SQLAlchemyError: it is not stored.
            queue.Empty: no connection was free in time.
        """
        cursor = self._free.get(timeout=PATIENCE)
        try:
            if cursor is not None:
                try:
                    return _execute(cursor, row)
                except psycopg.OperationalError:
                    if not cursor.connection.closed:
                        raise
            # Not opened yet, or broken since its last use. What was stored just before it broke is not stored twice.
            cursor = self._open()
            return _execute(cursor, row)
        finally:
            self._free.put(cursor)

    def _open(self) -> psycopg.Cursor[Any]:
        pooled = self._engine.raw_connection()
        connection = pooled.driver_connection
        pooled.detach()
        assert isinstance(connection, psycopg.Connection)  # noqa: S101  (for the type checker)
        connection.autocommit = True
        return connection.cursor()

    def _close(self, _engine: Engine) -> None:
        with suppress(Empty):
            for _ in range(POOL_SIZE):
                if cursor := self._free.get_nowait():
                    cursor.connection.close()
                self._free.put(None)


@lru_cache(maxsize=1)
def inbox(engine: Engine) -> Inbox:
    """Return this process's way into the inbox."""
    return Inbox(engine)


def _execute(cursor: psycopg.Cursor[Any], row: dict[str, Any]) -> bool:
    return cursor.execute(_STORE, row, prepare=True).fetchone() is not None
