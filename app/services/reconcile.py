"""Ask shops what changed, so that a lost webhook costs minutes: which kinds are asked for, since when, how far it is.

A run reads everything that changed since the watermark, less an overlap, page by page. The first run of a kind reads all:
that is the import. Each page is folded like webhooks are, so what was told before is no second event (design 8.8).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.polling import Kind, Page
from app.models import Cursor, Shop, ShopState
from app.models.cursor import WEBHOOKS
from app.services import counts, erase, forgotten, react, reviews
from app.services.ingest import Fact, ingest
from app.services.people import lock_shop

# The shop's clock and ours, and what its lists show late (Shopify docs, "Best practices for webhooks"; shopify.md 2.1).
OVERLAP = timedelta(minutes=10)
HEALTH_EVERY = timedelta(hours=1)
# Reviews have no time of their last change. So those of these days are read anew once a day: what was hidden, changed or
# taken away since is found, and what somebody wrote who became a customer later. Older ones answer no question of ours.
WATCHED = timedelta(days=90)
# What a shop waits for after it was connected. Reviews may be forbidden to our keys, and no flow begins with one.
IMPORTED = tuple(kind for kind in Kind if kind is not Kind.REVIEWS)
_LATER = timedelta(days=1)  # when it is looked again whether a kind can be asked for by now
_TROUBLE = 3  # tries in a row that failed, before somebody is told
_LONGEST_ERROR = 300  # characters
Values = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The run that a cursor is in: since when it reads, and when it began."""

    since: datetime | None
    began_at: datetime


def plan(session: Session, shop_id: int, *, now: datetime) -> None:
    """Have everything of this shop asked for from now on: what was never read in full is read in full."""
    rows = [{"shop_id": shop_id, "kind": kind, "due_at": now} for kind in (*Kind, WEBHOOKS)]
    again = {"state": "pending", "due_at": now, "attempts": 0, "deaths": 0, "error": None}
    session.execute(insert(Cursor).values(rows).on_conflict_do_update(index_elements=["shop_id", "kind"], set_=again))


def run_of(cursor: Cursor, *, now: datetime) -> Run:
    """Return the run that goes on, or the one that begins now."""
    if cursor.began_at is not None:
        return Run(since=cursor.since, began_at=cursor.began_at)
    since = cursor.watermark - OVERLAP if cursor.watermark else None
    if cursor.kind == Kind.REVIEWS and (since is None or counts.is_due(cursor, now)):
        since = min(since or now, now - WATCHED)
    return Run(since=since, began_at=now)


def take_in(session: Session, cursor: Cursor, run: Run, page: Page, *, every: timedelta, now: datetime) -> Values:
    """Fold a page and return what is to be written into the cursor's row."""
    if not fold(session, cursor.shop_id, page, now=now):
        return stopped()
    reviews.miss(session, cursor.shop_id, page, now=now)
    done = page.objects if cursor.began_at is None else cursor.done + page.objects
    values: Values = {"attempts": 0, "deaths": 0, "done": done, "error": _unread(cursor, page)}
    if page.next is not None:
        return values | {"page": page.next, "since": run.since, "began_at": run.began_at, "due_at": now}
    values |= {"page": None, "since": None, "began_at": None, "watermark": run.began_at, "due_at": run.began_at + every}
    if cursor.kind == Kind.REVIEWS and run.since is not None and run.since <= run.began_at - WATCHED:
        values["counted_at"] = run.began_at  # they are not counted, and were all looked through
    _note_import(session, cursor)
    return values | ({"imported_at": now} if cursor.imported_at is None else {})


def fold(session: Session, shop_id: int, page: Page, *, now: datetime) -> bool:
    """Take in what may be taken in; False when the shop is not ours any more."""
    lock_shop(session, shop_id)
    shop = session.scalar(select(Shop).where(Shop.id == shop_id), execution_options={"populate_existing": True})
    if shop is None or shop.state == ShopState.UNINSTALLED or erase.is_erased(shop):
        return False
    late = forgotten.late(session, shop, page.events, now=now)
    facts = [Fact(event, None) for event in page.events if id(event) not in late]
    if facts:
        react.react(session, shop, ingest(session, shop, facts, now=now), now=now)
    return True


def none_of(session: Session, cursor: Cursor, *, now: datetime) -> Values:
    """Return what is written into a cursor whose kind this platform cannot be asked for; a later release may."""
    _note_import(session, cursor)
    return {"attempts": 0, "imported_at": now, "due_at": now + _LATER}


def stopped() -> Values:
    """Return what is written into a cursor whose shop is not ours any more; connecting it again sets it going."""
    return {"state": "stopped", "page": None, "since": None, "began_at": None, "error": None}


def begun_again(error: str, due_at: datetime) -> Values:
    """Return what is written into a cursor whose page will never come: the run begins again, from the same time."""
    return {"page": None, "since": None, "began_at": None, "error": error[:_LONGEST_ERROR], "due_at": due_at}


def ask_at_once(session: Session, shop_id: int, kinds: Iterable[str], *, now: datetime) -> None:
    """Set these kinds of a shop due, because its webhooks did not come for a while."""
    for cursor in session.scalars(
        select(Cursor).where(Cursor.shop_id == shop_id, Cursor.kind.in_(list(kinds)), Cursor.state == "pending")
    ):
        cursor.due_at = min(cursor.due_at, now)


def ask_from(session: Session, shop_id: int, kind: Kind, since: datetime | None, *, now: datetime) -> Cursor:
    """Set a kind due, to be read at least since then; None leaves it to the watermark.

    A run that is under way goes on where it is if it reaches back far enough, and begins again if not.
    """
    cursor = session.scalars(select(Cursor).where(Cursor.shop_id == shop_id, Cursor.kind == kind).with_for_update()).one()
    cursor.state, cursor.due_at, cursor.attempts, cursor.deaths = "pending", now, 0, 0
    is_far_enough = since is None or (cursor.began_at is not None and (cursor.since is None or cursor.since <= since))
    if since is not None and cursor.watermark is not None:
        cursor.watermark = min(cursor.watermark, since + OVERLAP)
    if not is_far_enough and cursor.began_at is not None:
        # Whoever has the row now must not write over this.
        cursor.page, cursor.since, cursor.began_at, cursor.lease_until = None, None, None, None
        cursor.fence += 1
    session.flush()
    return cursor


def read_all_again(session: Session, shop_id: int, kind: Kind, *, now: datetime) -> Cursor:
    """Set a kind due to be read in full; a full run that is under way goes on where it is."""
    cursor = ask_from(session, shop_id, kind, None, now=now)
    if cursor.began_at is None or cursor.since is not None:
        cursor.watermark, cursor.page, cursor.since, cursor.began_at, cursor.lease_until = None, None, None, None, None
        cursor.fence += 1
        session.flush()
    return cursor


def webhook_ailment(session: Session, shop_id: int) -> str | None:
    """Return what was wrong with a shop's webhooks when they were looked at last, None where nothing was."""
    return session.scalar(select(Cursor.error).where(Cursor.shop_id == shop_id, Cursor.kind == WEBHOOKS))


def progress(session: Session, shop_id: int) -> Mapping[str, Cursor]:
    """Return the cursors of a shop by kind: for each, how far its import is."""
    rows = session.scalars(select(Cursor).where(Cursor.shop_id == shop_id, Cursor.kind.in_(list(Kind))))
    return {row.kind: row for row in rows}


def in_trouble(session: Session) -> dict[int, list[str]]:
    """Return which kinds could not be read several times in a row, or not understood, by shop; at most 100 of them."""
    is_failing = (Cursor.attempts >= _TROUBLE) | Cursor.error.startswith("Not understood") | (Cursor.state == "failed")
    query = select(Cursor.shop_id, Cursor.kind).where(Cursor.error.is_not(None), is_failing, Cursor.state != "stopped")
    found: dict[int, list[str]] = {}
    for shop_id, kind in session.execute(query.order_by(Cursor.shop_id, Cursor.kind).limit(100)):
        found.setdefault(shop_id, []).append(kind)
    return found


def _note_import(session: Session, ended: Cursor) -> None:
    """Take back that the shop waits for its import, with the last kind of it."""
    is_left = (Cursor.shop_id == ended.shop_id, Cursor.kind.in_(IMPORTED), Cursor.id != ended.id)
    if session.scalar(select(Cursor.id).where(*is_left, Cursor.imported_at.is_(None)).limit(1)) is None:
        session.execute(update(Shop).where(Shop.id == ended.shop_id).values(import_wanted_at=None))


def _unread(cursor: Cursor, page: Page) -> str | None:
    """Keep a complaint about objects for as long as the run goes on: the last pages must not hide the first."""
    held = cursor.error if cursor.began_at is not None and (cursor.error or "").startswith("Not understood") else None
    told = f"Not understood: {'; '.join(page.unread)}"[:_LONGEST_ERROR] if page.unread else None
    return held or told
