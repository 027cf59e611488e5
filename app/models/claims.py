"""Take due rows for work: by lease and fence, oldest first, no shop more than its share, no row twice (D4, D5)."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, func, or_, select, true, tuple_, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from app.domain.errors import CartwheelError
from app.models.bulk import as_table

MOST_DEATHS = 3  # processes that died on a row before it counts as poison


T = TypeVar("T", bound=Any)  # a table with the mixins ShopRow and Claimable
Key = tuple[int, int]


class FenceLost(CartwheelError):
    """Another worker has taken these rows since: nothing of this transaction may stay."""


def claim(
    session: Session,
    model: type[T],
    *,
    limit: int,
    lease: timedelta,
    now: datetime,
    only: ColumnElement[bool] | None = None,
) -> list[T]:
    """Lease up to `limit` due rows, oldest first. While other shops wait, one shop gets at most a quarter (reliability 2.7).

    `only` leaves the others to somebody else.

    A row whose lease ran out is taken alone: its process died, and if the row is the cause, it must not take others along.
    """
    only = true() if only is None else only
    lost = select(model.shop_id, model.id).where(model.state == "pending", model.lease_until < func.now(), only)
    orphans = session.execute(lost.order_by(model.lease_until).limit(1).with_for_update(skip_locked=True)).all()
    if orphans:
        return _lease(session, model, [_key(orphans[0])], lease, died=True)
    keys = _fair(session, model, limit, now, only)
    return _lease(session, model, keys, lease, died=False) if keys else []


def claim_one(session: Session, model: type[T], key: Key, *, lease: timedelta) -> T | None:
    """Lease this waiting row, due or not; None while somebody else has it, or when it does not wait."""
    free = or_(model.lease_until.is_(None), model.lease_until < func.now())
    query = select(model.shop_id, model.id).where(
        model.shop_id == key[0], model.id == key[1], model.state == "pending", free
    )
    found = session.execute(query.with_for_update(skip_locked=True)).one_or_none()
    return _lease(session, model, [key], lease, died=False)[0] if found else None


def renew(session: Session, model: type[T], rows: Sequence[T], *, lease: timedelta) -> set[int]:
    """Let leases end no sooner than that; return the ids of the rows that are still ours, by fence, and not ended.

    A row that is locked is left out: whoever renews waits for nobody, so it can be part of no deadlock.
    """
    if not rows:
        return set()
    ours = as_table(model, [{"shop_id": r.shop_id, "id": r.id, "fence": r.fence} for r in rows])
    free = (
        select(model.shop_id, model.id)
        .join(ours, (model.shop_id == ours.c.shop_id) & (model.id == ours.c.id) & (model.fence == ours.c.fence))
        .where(model.lease_until.is_not(None))
        .with_for_update(skip_locked=True, of=model)
    )
    return set(
        session.scalars(
            update(model)
            .where(tuple_(model.shop_id, model.id).in_(free))
            .values(lease_until=func.greatest(model.lease_until, func.now() + lease))
            .returning(model.id)
            .execution_options(synchronize_session=False)
        )
    )


def finish(session: Session, model: type[T], rows: Sequence[T], values: dict[str, Any]) -> None:
    """Write the end of claimed rows, all or none.

    Raises:
        FenceLost: one of them was taken by somebody else since our claim.
    """
    if not rows:
        return
    ours = as_table(model, [{"shop_id": r.shop_id, "id": r.id, "fence": r.fence} for r in rows])
    result = session.execute(
        update(model)
        .where(model.shop_id == ours.c.shop_id, model.id == ours.c.id, model.fence == ours.c.fence)
        .values({"lease_until": None, **values})
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)  # noqa: S101  (for the type checker: an UPDATE has a row count)
    if result.rowcount != len(rows):
        raise FenceLost(f"{len(rows) - result.rowcount} of {len(rows)} rows were taken by another worker.")


def finish_each(
    session: Session, model: type[T], rows: Sequence[dict[str, Any]], common: dict[str, Any] | None = None
) -> None:
    """Write the end of claimed rows, to each its own values, all or none.

    Args:
        session: the caller's transaction.
        model: the table.
        rows: the same columns in each: `shop_id`, `id`, the `fence` of our claim, and what is written.
        common: what is written into all of them.

    Raises:
        FenceLost: one of them was taken by somebody else since our claim.
    """
    told = as_table(model, rows)
    values = {name: told.c[name] for name in rows[0] if name not in {"shop_id", "id", "fence"}}
    result = session.execute(
        update(model)
        .where(model.shop_id == told.c.shop_id, model.id == told.c.id, model.fence == told.c.fence)
        .values({"lease_until": None, **values, **(common or {})})
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)  # noqa: S101  (for the type checker: an UPDATE has a row count)
    if result.rowcount != len(rows):
        raise FenceLost(f"{len(rows) - result.rowcount} of {len(rows)} rows were taken by another worker.")


def _fair(session: Session, model: type[T], limit: int, now: datetime, only: ColumnElement[bool]) -> list[Key]:
    front = _due(session, model, limit, now, only)
    if len(front) < limit:
        return front
    share = max(1, limit // 4)
    greedy = [shop for shop, count in Counter(shop for shop, _ in front).items() if count > share]
    others = _due(session, model, limit, now, only & model.shop_id.not_in(greedy)) if greedy else []
    kept: list[Key] = []
    taken: Counter[int] = Counter()
    for key in front:
        if key[0] not in greedy or taken[key[0]] < share:
            kept.append(key)
            taken[key[0]] += 1
    picked = list(dict.fromkeys([*kept, *others]))[:limit]
    return picked + [k for k in front if k not in set(picked)][: limit - len(picked)]


def _due(session: Session, model: type[T], limit: int, now: datetime, only: ColumnElement[bool]) -> list[Key]:
    query = (
        select(model.shop_id, model.id)
        .where(model.state == "pending", model.due_at <= now, model.lease_until.is_(None), only)
        .order_by(model.due_at, model.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [_key(row) for row in session.execute(query)]


def _lease(session: Session, model: type[T], keys: list[Key], lease: timedelta, *, died: bool) -> list[T]:
    taken = as_table(model, [{"shop_id": shop_id, "id": row_id} for shop_id, row_id in keys])
    rows = session.scalars(
        update(model)
        .where(model.shop_id == taken.c.shop_id, model.id == taken.c.id)
        .values(
            lease_until=func.now() + lease,
            fence=model.fence + 1,
            attempts=model.attempts + 1,
            deaths=model.deaths + int(died),
        )
        .returning(model)
        .execution_options(synchronize_session=False)
    ).all()
    return sorted(rows, key=lambda r: (r.due_at, r.id))


def _key(row: Any) -> Key:
    return row.shop_id, row.id


def is_anything_due(session: Session, model: type[T], now: datetime, only: ColumnElement[bool] | None = None) -> bool:
    """Say whether a claim would find a row."""
    pending = select(model.id).where(model.state == "pending", true() if only is None else only)
    waiting = pending.where(model.due_at <= now, model.lease_until.is_(None))
    # Two questions, because each has its index and one with "or" in it would have none; one statement, for the way there.
    return bool(session.scalar(select(waiting.exists() | pending.where(model.lease_until < func.now()).exists())))
