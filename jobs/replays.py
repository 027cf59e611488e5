"""Replays that staff asked for: slice by slice, so that they can be watched and stopped; forecasts in one go."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.models import Replay, ReplayState, claims
from app.queues import QueueName, ring
from app.services import replays
from jobs import drain as draining
from jobs.forecast import MOST_WEBHOOKS, Forecast, foretell

MOST_SHOWN = 300  # effects of a forecast that are kept; their numbers are kept of all


def drain() -> None:
    """Work off what was asked for."""
    work = draining.Work(queue=QueueName.HOUSEKEEPING, model=Replay, do=_advance, batch=1, give_up=_give_up)
    if draining.drain(work):
        ring(QueueName.INBOX)


def _advance(session: Session, rows: Sequence[Replay], now: datetime) -> None:
    for asked in rows:
        values = _foretell(session, asked, now) if asked.is_dry_run else replays.advance(session, asked, now=now)
        claims.finish(session, Replay, [asked], values)


def _foretell(session: Session, asked: Replay, now: datetime) -> dict[str, Any]:
    which = replays.Which.from_json(asked.which)
    keys = replays.next_keys(session, which, after=0, until=asked.asked_at, limit=MOST_WEBHOOKS)
    found = foretell(keys)
    return {
        "state": ReplayState.DONE,
        "ended_at": now,
        "done": found.webhooks,
        "refused": sum(count for _, count in found.refused),
        "forecast": to_json(found),
    }


def _give_up(session: Session, asked: Replay, now: datetime) -> None:
    mine = (Replay.shop_id == asked.shop_id, Replay.id == asked.id)
    session.execute(update(Replay).where(*mine).values(ended_at=now))


def to_json(found: Forecast) -> dict[str, Any]:
    """Return a forecast as it is kept: every number, and the first effects."""
    numbers: dict[str, dict[str, int]] = {}
    for effect in found.effects.found:
        of_noun = numbers.setdefault(effect.noun, {})
        of_noun[effect.sign] = of_noun.get(effect.sign, 0) + 1
    return {
        "webhooks": found.webhooks,
        "numbers": numbers,
        "effects": [asdict(effect) for effect in found.effects.found[:MOST_SHOWN]],
        "is_cut": found.effects.is_cut or len(found.effects.found) > MOST_SHOWN,
        "ends": [{"state": state, "reason": reason, "webhooks": count} for (state, reason), count in found.ends],
        "left_out": found.left_out,
    }
