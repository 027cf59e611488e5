"""Rehearsals that were asked for: slice by slice, so that they can be watched and stopped. Only their row is written."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app import clock
from app.config import settings
from app.db import sessions
from app.models import Rehearsal, claims
from app.queues import QueueName
from app.services import rehearsals
from jobs import drain as draining

Key = tuple[int, int]


def drain() -> None:
    """Work off what was asked for."""
    draining.drain(draining.Work(queue=QueueName.HOUSEKEEPING, model=Rehearsal, do=_advance, batch=1, give_up=_give_up))


def work_one(key: Key) -> Rehearsal | None:
    """Rehearse the next slice of this one, due or not, and return it as it is then; None when there is none."""
    with sessions().begin() as session:
        lease = timedelta(seconds=settings().lease_seconds)
        asked = claims.claim_one(session, Rehearsal, key, lease=lease)
    if asked is not None:
        with suppress(claims.FenceLost), sessions().begin() as session:
            _advance(session, [asked], clock.now(session))
    with sessions()() as session:
        return rehearsals.find(session, *key)


def _advance(session: Session, rows: Sequence[Rehearsal], now: datetime) -> None:
    for asked in rows:
        with sessions()() as past:
            rehearsals.for_reading(past)
            values = rehearsals.advance(past, asked, now=now)
            past.rollback()
        claims.finish(session, Rehearsal, [asked], values)


def _give_up(session: Session, asked: Rehearsal, now: datetime) -> None:
    rehearsals.give_up(session, asked, now=now)
