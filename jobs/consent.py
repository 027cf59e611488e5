"""Tell shops what people said to us about marketing mail.

One row for each statement; the newest of a person counts, older ones are passed over. No transaction is open during a call;
saying the same twice does no harm.
"""

import time
from datetime import timedelta
from random import SystemRandom
from typing import Any

from app import clock
from app.db import sessions
from app.domain.backoff import MAIL_WAITS, backoff
from app.domain.errors import AdapterError, NotAllowed, Permanent, Transient
from app.log import fault, get_logger
from app.models import ConsentWrite, claims
from app.queues import QueueName, ring
from app.services import writing_back
from integrations import PLATFORMS
from jobs import drain as draining
from jobs.access import call_shop

REFUSED_WAIT = timedelta(hours=1)  # a person has to mend it

log = get_logger()
_rng = SystemRandom()


def drain(until: float) -> None:
    """Write what is due; with the time up and more left, ring again.

    Args:
        until: by `time.monotonic`.
    """
    work = draining.Work(queue=QueueName.SHOPS, model=ConsentWrite, do=lambda *_: None, batch=20)
    while time.monotonic() < until:
        rows = draining.take(work)
        if not rows:
            return
        for row in rows:
            _record(row, _write(row))
    ring(QueueName.SHOPS)


def _write(row: ConsentWrite) -> dict[str, Any]:
    """Tell the shop and return what the row becomes."""
    with sessions().begin() as session:
        told = writing_back.telling(session, row)
    if isinstance(told, str):
        return {"state": "ignored", "error": told}
    platform, word = told
    try:
        call_shop(row.shop_id, lambda access: PLATFORMS[platform].write_consent(access, word))
    except Permanent as exc:
        return {"state": "failed", "error": str(exc)}
    except AdapterError as exc:
        return _later(row, exc)
    except Exception as exc:  # noqa: BLE001  (one shop's strange answer must not stop the others)
        fault("consent.write_failed", exc, row_id=row.id, shop_id=row.shop_id)
        return _later(row, exc)
    return {"state": "done", "error": None}


def _later(row: ConsentWrite, exc: Exception) -> dict[str, Any]:
    at_least = exc.retry_after if isinstance(exc, Transient) else REFUSED_WAIT if isinstance(exc, NotAllowed) else None
    wait = backoff(row.attempts, MAIL_WAITS, _rng, at_least=at_least)
    error = str(exc) if isinstance(exc, AdapterError) else f"It could not be written ({type(exc).__name__})."
    return {"wait": wait, "error": error} if wait else {"state": "failed", "error": error}


def _record(row: ConsentWrite, values: dict[str, Any]) -> None:
    with sessions().begin() as session:
        now = clock.now(session)
        wait = values.pop("wait", None)
        values |= {"due_at": now + wait} if wait else {"done_at": now}
        try:
            claims.finish(session, ConsentWrite, [row], values)
        except claims.FenceLost:
            session.rollback()
