"""Doubts are settled: the shop is asked for what it said is gone, and what it answers is taken in."""

import time
from datetime import timedelta
from random import SystemRandom

from app import clock
from app.db import sessions
from app.domain.backoff import WEBHOOK_WAITS, backoff
from app.domain.errors import AdapterError, BadPayload, Transient
from app.domain.polling import Kind, Page
from app.log import get_logger
from app.models import Doubt, claims
from app.queues import QueueName, ring
from app.services import doubts, reconcile
from integrations.woocommerce import listing
from jobs import drain as draining
from jobs.access import call_shop

log = get_logger()
_rng = SystemRandom()


def drain(until: float) -> None:
    """Settle what is due; ring again when the time is up.

    Args:
        until: by `time.monotonic`.
    """
    work = draining.Work(queue=QueueName.SHOPS, model=Doubt, do=lambda *_: None, batch=1)
    while rows := draining.take(work):
        _settle(rows[0])
        if time.monotonic() > until:
            ring(QueueName.SHOPS)
            return


def _settle(doubt: Doubt) -> None:
    """Ask the shop, outside any transaction, and take in what it says together with the end of the doubt."""
    kind = Kind(doubt.kind)
    try:
        events = call_shop(doubt.shop_id, lambda access: listing.one(access, kind, doubt.external_id, at=doubt.told_at))
    except (AdapterError, BadPayload) as exc:
        _later(doubt, exc)
        return
    with sessions().begin() as session:
        reconcile.fold(session, doubt.shop_id, Page(events=events, objects=1, next=None), now=clock.now(session))
        doubts.settle(session, doubt)
    log.info("doubt.settled", shop_id=doubt.shop_id, kind=doubt.kind, events=[event.kind for event in events])


def _later(doubt: Doubt, exc: Exception) -> None:
    """Ask again later; what cannot be asked for in all tries stays as we hold it, and the row says why."""
    at_least = exc.retry_after if isinstance(exc, Transient) else timedelta(0)
    wait = backoff(doubt.attempts, WEBHOOK_WAITS, _rng, at_least=at_least)
    with sessions().begin() as session:
        now = clock.now(session)
        values = {"error": str(exc)[:300], **({"due_at": now + wait} if wait else {"state": "failed"})}
        try:
            claims.finish(session, Doubt, [doubt], values)
        except claims.FenceLost:
            session.rollback()
