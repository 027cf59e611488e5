"""How every drain works: claim a batch, work it in one transaction, row by row when that raises, until none is due (D4)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any

from sqlalchemy.orm import Session

from app import clock
from app.config import settings
from app.db import sessions
from app.domain.backoff import WEBHOOK_WAITS, backoff
from app.log import fault, get_logger
from app.models import claims
from app.queues import QueueName, ring

BUDGET = 20.0  # seconds; far below RQ's time-out, and a SIGTERM waits for it
BATCH = 200

log = get_logger()
_rng = SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One kind of work: its queue, its table, and what is done with a claimed batch inside a transaction.

    `only` leaves rows to another drain. `before` is called before each claim, outside any transaction; `give_up` with a
    row that failed for good, in the transaction that says so.
    """

    queue: QueueName
    model: Any
    do: Callable[[Session, Sequence[Any], datetime], None]
    batch: int = BATCH
    before: Callable[[], None] = lambda: None
    only: Any = None
    give_up: Callable[[Session, Any, datetime], None] = lambda _session, _row, _now: None


def drain(work: Work) -> int:
    """Work off what is due and return how many rows that was; when the time is up with more left, ring again."""
    started = time.monotonic()
    done = 0
    while time.monotonic() - started < BUDGET:
        work.before()
        rows = take(work)
        if not rows:
            return done
        _work(work, rows)
        done += len(rows)
    ring(work.queue)
    return done


def take(work: Work) -> list[Any]:
    """Claim a batch in a transaction of its own; rows that killed their process too often end as failed."""
    with sessions().begin() as session:
        now = clock.now(session)
        lease = timedelta(seconds=settings().lease_seconds)
        rows = claims.claim(session, work.model, limit=work.batch, lease=lease, now=now, only=work.only)
        poison = [r for r in rows if r.deaths >= claims.MOST_DEATHS]
        error = f"{claims.MOST_DEATHS} processes died while working on it."
        claims.finish(session, work.model, poison, {"state": "failed", "error": error})
        for row in poison:
            work.give_up(session, row, now)
        if poison and len(poison) == len(rows):
            return take(work)
        return [r for r in rows if r not in poison]


def _work(work: Work, rows: Sequence[Any]) -> None:
    try:
        with sessions().begin() as session:
            work.do(session, rows, clock.now(session))
    except Exception as exc:  # noqa: BLE001  (one bad row must not stop the others: each is tried alone)
        if len(rows) == 1:
            _put_back(work, rows[0], exc)
            return
        log.warning("drain.row_by_row", queue=work.queue, rows=len(rows), error_class=type(exc).__name__)
        for row in rows:
            _work(work, [row])


def _put_back(work: Work, row: Any, exc: Exception) -> None:
    """Give a row its error and a later time, or its end; a row that somebody else took since is theirs."""
    if isinstance(exc, claims.FenceLost):
        return
    fault("drain.row_failed", exc, queue=work.queue, row_id=row.id, shop_id=row.shop_id)
    wait = backoff(row.attempts, WEBHOOK_WAITS, _rng)
    with sessions().begin() as session:
        values: dict[str, Any] = {"error": f"{type(exc).__name__}: {_first_line(exc)}"}
        now = clock.now(session)
        values |= {"due_at": now + wait} if wait else {"state": "failed"}
        try:
            claims.finish(session, work.model, [row], values)
        except claims.FenceLost:
            session.rollback()
        else:
            if not wait:
                work.give_up(session, row, now)


def _first_line(exc: Exception) -> str:
    """What support needs of an error: its first line, short. A database's second line would quote the row."""
    return (str(exc).splitlines() or [""])[0][:300]
