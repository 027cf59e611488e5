"""Reconcile a shop here and now, kind by kind, and compare the counts: what a person asks for on the command line.

It moves the same cursors as the housekeeping worker, one page at a time. Killed, it leaves them where they are: the worker
goes on, and so does the next call.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select, update

from app import clock
from app.config import settings
from app.db import sessions
from app.domain.errors import Transient
from app.domain.events import CustomerDeleted, Event, OrderDeleted, ProductDeleted
from app.domain.polling import Kind, Page
from app.models import Cursor, Shop, claims
from app.services import counts, reconcile
from integrations import SOURCES
from jobs.access import call_shop
from jobs.reconcile import step

LONGEST_WAIT = timedelta(seconds=90)  # for a shop that asks us to come back; after that the worker goes on
_LOOK = 0.2  # seconds between two looks at a row that a worker has
_MOST_TROUBLES = 5  # tries in a row that failed; a busy shop's do not count
_MOST_WAITS = 100  # tries in a row that brought nothing, busy or not

_DELETIONS: dict[Kind, type[Event]] = {
    Kind.ORDERS: OrderDeleted,
    Kind.CUSTOMERS: CustomerDeleted,
    Kind.PRODUCTS: ProductDeleted,
}

Watch = Callable[[Cursor], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the shop says it has of a kind, None where it cannot tell, what we hold, and how many of that are new."""

    kind: Kind
    shop_says: int | None
    we_hold: int
    found: int

    @property
    def is_equal(self) -> bool:
        """Whether nothing is missing and nothing is too much, as far as the shop can tell."""
        return self.shop_says is None or self.shop_says == self.we_hold


def reconcile_kind(shop_id: int, kind: Kind, since: datetime | None, watch: Watch) -> Comparison:
    """Read what changed, compare, read all of it where the counts differ, and take out what the shop has no longer.

    Raises:
        Transient, NotAllowed: the shop could not be read to the end now; the worker goes on.
    """
    with sessions().begin() as session:
        now = clock.now(session)
        before = counts.held(session, shop_id, kind, counts.since(kind, now))
        cursor = reconcile.ask_from(session, shop_id, kind, since, now=now)
        is_whole = cursor.since is None and cursor.watermark is None
    _read(cursor, now, watch)
    shop_says, we_hold = _compare(shop_id, kind)
    if shop_says not in {None, we_hold} and not is_whole:
        with sessions().begin() as session:
            now = clock.now(session)
            cursor = reconcile.read_all_again(session, shop_id, kind, now=now)
        _read(cursor, now, watch)
        shop_says, we_hold = _compare(shop_id, kind)
    if shop_says is not None and shop_says < we_hold:
        _take_out_what_is_gone(shop_id, kind)
        shop_says, we_hold = _compare(shop_id, kind)
    return Comparison(kind=kind, shop_says=shop_says, we_hold=we_hold, found=we_hold - before)


def _read(cursor: Cursor, since_when: datetime, watch: Watch) -> None:
    """Move a cursor on until a run that ended after this moment."""
    key, done, waits = (cursor.shop_id, cursor.id), cursor.done, 0
    while True:
        with sessions().begin() as session:
            taken = claims.claim_one(session, Cursor, key, lease=timedelta(seconds=settings().lease_seconds))
        if taken is not None:
            step(taken)
        else:
            time.sleep(_LOOK)
        with sessions().begin() as session:
            now = clock.now(session)
            held = session.scalars(select(Cursor).where(Cursor.shop_id == key[0], Cursor.id == key[1])).one()
        watch(held)
        if held.began_at is None and held.watermark is not None and held.watermark >= since_when:
            return
        if held.state != "pending":
            raise Transient(held.error or "The shop is not connected any more.")
        waits, done = (0 if held.done != done else waits), held.done
        if taken is not None and held.due_at > now:
            waits += 1
            _wait(held, now, waits)


def _wait(cursor: Cursor, now: datetime, waits: int) -> None:
    wait = cursor.due_at - now
    if wait > LONGEST_WAIT or cursor.attempts > _MOST_TROUBLES or waits > _MOST_WAITS:
        raise Transient(cursor.error or "The shop cannot be asked now.", wait)
    time.sleep(wait.total_seconds())


def _take_out_what_is_gone(shop_id: int, kind: Kind) -> None:
    """Ask for what we hold by its id: a deletion that was not told is in no list."""
    last = ""
    while True:
        with sessions().begin() as session:
            ids = counts.ids(session, shop_id, kind, counts.since(kind, clock.now(session)), after=last)
            source = SOURCES[session.get_one(Shop, shop_id).platform]
        if not ids:
            return
        last = ids[-1]
        gone = call_shop(shop_id, partial(source.gone, kind=kind, ids=ids))
        with sessions().begin() as session:
            now = clock.now(session)
            events = [_DELETIONS[kind](object_id=each, happened_at=now) for each in sorted(gone)]
            reconcile.fold(session, shop_id, Page(events=events, objects=len(events), next=None), now=now)


def _compare(shop_id: int, kind: Kind) -> tuple[int | None, int]:
    with sessions().begin() as session:
        since = counts.since(kind, clock.now(session))
        source = SOURCES[session.get_one(Shop, shop_id).platform]
    told = call_shop(shop_id, lambda access: source.count(access, kind, since))
    with sessions().begin() as session:
        if told is None or not told.is_exact:
            return None, counts.held(session, shop_id, kind, since)
        values = counts.compare(session, shop_id, kind, told, since, now=clock.now(session))
        mine = (Cursor.shop_id == shop_id, Cursor.kind == kind)
        session.execute(update(Cursor).where(*mine).values(values).execution_options(synchronize_session=False))
    return told.number, values["held_count"]
