"""Fold states of an object into one row, so that any order and any number of repeats ends in the same row (I3).

The newest state by the platform's clock wins; of two states of one second, the one that was told later, and of two told at
once the one whose content hashes higher. "First" times keep the earliest ever told.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import case, func, tuple_
from sqlalchemy.orm import Session

from app.models.bulk import insert_rows

Row = dict[str, Any]


def rank(content: Row, told_at: datetime | None) -> str:
    """Return a word that sorts states of one instant the same way everywhere: by when they were told, then by content."""
    told = told_at.astimezone(UTC).isoformat(timespec="microseconds") if told_at else ""
    return f"{told} {hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]}"


def newest(rows: Iterable[Row], *, key: str, earliest: Sequence[str] = ()) -> list[Row]:
    """Reduce a batch to one row for each key, as `fold` would one by one; PostgreSQL refuses a key twice in one upsert."""
    kept: dict[Any, Row] = {}
    for row in rows:
        held = kept.get(row[key])
        kept[row[key]] = row if held is None else _combine(held, row, earliest)
    return list(kept.values())


def fold(
    session: Session,
    model: Any,
    rows: Sequence[Row],
    *,
    key: str,
    earliest: Sequence[str] = (),
    known: Sequence[str] = (),
) -> list[Any]:
    """Upsert reduced rows, each with `shop_id`, `changed_at` and `rank`; return id, key, and which state each now holds.

    Args:
        session: the caller's transaction.
        model: the table; (shop_id, key) is unique in it.
        rows: all with the same columns.
        key: the platform's id of the object.
        earliest: columns that keep the earliest time told, whichever state told it.
        known: columns that not every telling has; what is known of them stays until another value is told.
    """
    if not rows:
        return []
    statement = insert_rows(model, rows)
    told = statement.excluded
    is_newer = tuple_(told.changed_at, told.rank) > tuple_(model.changed_at, model.rank)
    fixed = {"shop_id", key, *earliest}
    changes: dict[str, Any] = {
        column: case((is_newer, told[column]), else_=getattr(model, column)) for column in rows[0] if column not in fixed
    }
    changes |= {column: func.coalesce(changes[column], getattr(model, column), told[column]) for column in known}
    changes |= {column: func.least(getattr(model, column), told[column]) for column in earliest}
    upsert = statement.on_conflict_do_update(index_elements=["shop_id", key], set_=changes)
    return list(session.execute(upsert.returning(model.id, getattr(model, key), model.changed_at, model.rank)))


def _combine(one: Row, other: Row, earliest: Sequence[str]) -> Row:
    winner = max(one, other, key=lambda r: (r["changed_at"], r["rank"]))
    first = {c: min((t for t in (one[c], other[c]) if t is not None), default=None) for c in earliest}
    return {**winner, **first}
