"""Reconcile: cursors that are due are moved on, a page at a time, with no transaction open while a shop is asked."""

import time
from datetime import datetime, timedelta
from random import SystemRandom

from sqlalchemy import select

from app import clock
from app.config import settings
from app.db import sessions
from app.domain.backoff import WEBHOOK_WAITS, backoff
from app.domain.errors import AdapterError, NotAllowed, Permanent, Transient
from app.domain.polling import Count, Kind, Page, WebhookHealth
from app.domain.ports import ShopAccess, Source
from app.log import fault, get_logger
from app.models import Cursor, Shop, ShopState, claims
from app.models.cursor import WEBHOOKS
from app.queues import QueueName, ring
from app.services import counts, reconcile, shops
from app.services.reconcile import Values
from integrations import SOURCES
from jobs import drain as draining
from jobs.access import call_shop

SLICE = 5.0  # seconds; an import goes on for minutes, and in this queue somebody waits for their shop to be connected
SOON = timedelta(minutes=1)
REFUSED_WAIT = timedelta(hours=1)  # a person has to mend it; connecting the shop again sets it due at once

log = get_logger()
_rng = SystemRandom()


def drain(until: float) -> None:
    """Move due cursors on, at least one, until none is due or the slice is up; with more left, ring again.

    Args:
        until: by `time.monotonic`; where that is far, SLICE says when others of this queue have their turn.
    """
    until = min(until, time.monotonic() + SLICE)
    work = draining.Work(queue=QueueName.SHOPS, model=Cursor, do=lambda *_: None, batch=1)
    while rows := draining.take(work):
        step(rows[0])
        if time.monotonic() > until:
            ring(QueueName.SHOPS)
            return


def step(cursor: Cursor) -> None:
    """Move a claimed cursor on by one call and write what became of it, whatever became of it."""
    try:
        values = _ask(cursor)
    except claims.FenceLost:
        return  # somebody else took it since
    except AdapterError as exc:
        values = _later(cursor, exc)
    except Exception as exc:  # noqa: BLE001  (one shop's strange objects must not stop the others)
        fault("reconcile.failed", exc, cursor_id=cursor.id, shop_id=cursor.shop_id, kind=cursor.kind)
        values = _later(cursor, exc)
    if values is not None:
        _write(cursor, values)


def _ask(cursor: Cursor) -> Values | None:
    """Ask the shop. None when the row is written already, together with what the shop said."""
    with sessions().begin() as session:
        now = clock.now(session)
        shop = session.scalars(select(Shop).where(Shop.id == cursor.shop_id)).one()
        source, address = SOURCES.get(shop.platform), shops.webhook_url(shop, settings().public_url)
        is_ours = shop.state != ShopState.UNINSTALLED
    if not is_ours:
        return reconcile.stopped()
    if source is None or (cursor.kind != WEBHOOKS and cursor.kind not in source.EVERY):
        with sessions().begin() as session:
            return reconcile.none_of(session, cursor, now=now)
    if cursor.kind == WEBHOOKS:
        return _look_after_webhooks(source, address, cursor, now)
    _turn_page(source, cursor, Kind(cursor.kind), now)
    return None


def _turn_page(source: Source, cursor: Cursor, kind: Kind, now: datetime) -> None:
    run = reconcile.run_of(cursor, now=now)
    is_first, window = cursor.began_at is None, counts.since(kind, now)

    def ask(access: ShopAccess) -> tuple[Count | None, Page, Count | None]:
        total = source.count(access, kind, None) if is_first and run.since is None else None
        page = source.changed_since(access, kind, run.since, cursor.page)
        is_compared = page.next is None and counts.is_due(cursor, now)
        return total, page, source.count(access, kind, window) if is_compared else None

    total, page, told = call_shop(cursor.shop_id, ask)
    for which in page.unread:
        log.warning("reconcile.unread", shop_id=cursor.shop_id, kind=kind.value, what=which)
    with sessions().begin() as session:
        now = clock.now(session)
        values = reconcile.take_in(session, cursor, run, page, every=source.EVERY[kind], now=now)
        if is_first:
            values["total"] = total.number if total else None
        if told is not None:
            values |= counts.compare(session, cursor.shop_id, kind, told, window, now=now)
        claims.finish(session, Cursor, [cursor], values)


def _look_after_webhooks(source: Source, address: str, cursor: Cursor, now: datetime) -> Values:
    health = call_shop(cursor.shop_id, lambda access: source.webhook_health(access, address))
    if not health.is_good:
        log.warning("reconcile.webhooks", shop_id=cursor.shop_id, missing=health.missing, mended=health.mended)
        with sessions().begin() as session:
            reconcile.ask_at_once(session, cursor.shop_id, list(Kind), now=clock.now(session))
    return {"attempts": 0, "error": _ailments(health), "due_at": now + reconcile.HEALTH_EVERY, "watermark": now}


def _ailments(health: WebhookHealth) -> str | None:
    if not health.missing:
        return None
    return f"The shop does not send {', '.join(health.missing[:20])}."


def _later(cursor: Cursor, exc: Exception) -> Values:
    """Give a cursor its error and a later time. It never ends for good: a shop that was away for a day comes back."""
    with sessions().begin() as session:
        now = clock.now(session)
    at_least = exc.retry_after if isinstance(exc, Transient) else None
    error = (str(exc) if isinstance(exc, AdapterError) else type(exc).__name__)[:300]
    if at_least is not None and at_least <= SOON:
        return {"attempts": 0, "error": error, "due_at": now + at_least}  # a busy shop says when; that is no trouble
    if isinstance(exc, NotAllowed):
        at_least = REFUSED_WAIT
    tries = min(cursor.attempts, len(WEBHOOK_WAITS))
    wait = backoff(tries, WEBHOOK_WAITS, _rng, at_least=at_least) or WEBHOOK_WAITS[-1]
    if isinstance(exc, Permanent):
        return reconcile.begun_again(error, now + wait)
    return {"error": error, "due_at": now + wait}


def _write(cursor: Cursor, values: Values) -> None:
    try:
        with sessions().begin() as session:
            claims.finish(session, Cursor, [cursor], values)
    except claims.FenceLost:
        return
