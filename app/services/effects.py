"""What an open transaction would change, row by row, against what is committed: the `+ ~ - =` of a forecast.

The rows are found by the transaction that wrote them, so nothing that the code changes can be missed or made up here.
Values that tell who somebody is are never shown, only that they change.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping, select, text
from sqlalchemy.orm import Session

from app import models as m
from app.domain import events as e
from app.domain.money import to_decimal
from app.models.bulk import one_of

MOST_ROWS = 5_000  # of one table; a forecast of more says that it stopped
HIDDEN = "•••"
Sign = Literal["+", "~", "-", "="]

# Written by this transaction or one of its savepoints: transaction ids only grow, and age() knows where they wrap around.
_OURS = "age({table}.xmin) <= age(pg_current_xact_id()::xid)"


@dataclass(frozen=True, slots=True)
class Change:
    """One value before and after, as text; None is none."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that is added, changed, taken away or left as it is, by the name that people know it by."""

    sign: Sign
    noun: str
    name: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Effects:
    """All effects, in the order in which a person would tell them; `is_cut` when there are more than are listed."""

    found: tuple[Effect, ...]
    is_cut: bool

    def count(self, sign: Sign) -> int:
        """How many there are of one sign."""
        return sum(effect.sign == sign for effect in self.found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """A table, the column that names its rows for people, what is shown of a row, and what is only said to change."""

    model: Any
    noun: str
    name: tuple[str, ...]
    shown: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


_WATCHED = (
    _Watched(model=m.Order, noun="order", name=("number",), shown=(
        "status", "total_minor", "refunded_minor", "currency", "placed_at", "paid_at", "fulfilled_at", "cancelled_at",
        "deleted_at",
    )),
    _Watched(model=m.Checkout, noun="checkout", name=("token",), shown=(
        "subtotal_minor", "total_minor", "currency", "completed_at", "deleted_at",
    ), hidden=("lines", "email", "first_name")),
    _Watched(model=m.PurchaseMark, noun="purchase", name=("order_external_id",), shown=("ordered_at",)),
    _Watched(model=m.Refund, noun="refund", name=("external_id",), shown=("amount_minor", "currency")),
    _Watched(model=m.Shipment, noun="parcel", name=("external_id",), shown=("state", "delivered_at"), hidden=(
        "tracking_number",
    )),
    _Watched(model=m.Product, noun="product", name=("title",), shown=("price_minor", "is_available", "deleted_at")),
    _Watched(model=m.Customer, noun="customer", name=(), shown=("orders_count", "spent_minor", "deleted_at"), hidden=(
        "email", "first_name", "last_name", "locale", "country", "tags",
    )),
    _Watched(model=m.ConsentRow, noun="consent", name=("state", "source"), shown=("at",)),
    _Watched(model=m.Suppression, noun="suppression", name=("reason",), shown=("scope",)),
    _Watched(model=m.Enrollment, noun="run", name=("flow", "episode"), shown=("state", "reason")),
    _Watched(model=m.ScheduledStep, noun="step", name=("step_no",), shown=("state", "due_at")),
    _Watched(model=m.Delivery, noun="mail", name=("flow", "step"), shown=("state", "reason", "due_at")),
    _Watched(model=m.Coupon, noun="coupon", name=("step",), shown=("state",)),
    _Watched(model=m.Shop, noun="shop", name=("domain",), shown=(
        "state", "name", "currency", "timezone", "locale", "scopes",
    )),
)  # fmt: skip
# What a webhook may be about, and the column that its object id is in: to say what stays as it is.
_TOLD: tuple[tuple[tuple[str, ...], str, Any, str, str], ...] = (
    ((e.OrderUpdated.kind, e.OrderDeleted.kind), "order", m.Order, "external_id", "number"),
    ((e.CheckoutUpdated.kind,), "checkout", m.Checkout, "token", "token"),
    ((e.ProductUpdated.kind, e.ProductDeleted.kind), "product", m.Product, "external_id", "title"),
    ((e.RefundCreated.kind,), "refund", m.Refund, "external_id", "external_id"),
    ((e.ShipmentUpdated.kind,), "parcel", m.Shipment, "external_id", "external_id"),
)


def compare(changed: Session, committed: Session, shop_ids: Iterable[int], told: Iterable[e.Event]) -> Effects:
    """Say what the open transaction of `changed` would do to the rows of these shops.

    Args:
        changed: with the open transaction; it stays open and unchanged.
        committed: another session, which sees what is committed.
        shop_ids: the shops that the transaction worked for.
        told: what was told; objects of these that nothing happens to are listed as staying.
    """
    changed.flush()
    owners = sorted(shop_ids)
    found: list[Effect] = []
    is_cut = False
    for watched in _WATCHED:
        rows = _written(changed, watched.model, owners)
        is_cut |= len(rows) > MOST_ROWS
        found += _effects(watched, rows[:MOST_ROWS], committed)
    found += _taken(changed, committed, owners)
    found += _staying(committed, owners, told, {(effect.noun, effect.name) for effect in found})
    return Effects(tuple(found), is_cut)


def _written(changed: Session, model: Any, owners: list[int]) -> Sequence[RowMapping]:
    table = model.__table__
    query = select(*table.c).where(text(_OURS.format(table=table.name)))
    query = query.where(table.c.id.in_(owners)) if model is m.Shop else query.where(table.c.shop_id.in_(owners))
    return changed.execute(query.order_by(table.c.id).limit(MOST_ROWS + 1)).mappings().all()


def _effects(watched: _Watched, rows: Sequence[RowMapping], committed: Session) -> list[Effect]:
    table = watched.model.__table__
    held = committed.execute(select(*table.c).where(one_of(watched.model.id, [row["id"] for row in rows]))).mappings()
    before = {row["id"]: row for row in held}
    effects = []
    for row in rows:
        old = before.get(row["id"])
        changes = tuple(_changes(watched, old, row))
        if old is None:
            effects.append(Effect("+", watched.noun, _name(watched, row), changes))
        elif changes:
            effects.append(Effect("~", watched.noun, _name(watched, row), changes))
    return effects


def _changes(watched: _Watched, old: RowMapping | None, new: RowMapping) -> Iterable[Change]:
    was: Mapping[Any, Any] = old or {}
    for field in watched.shown:
        if was.get(field) != new[field]:
            yield Change(field.removesuffix("_minor"), _text(field, was), _text(field, new))
    for field in watched.hidden:
        if old is not None and was[field] != new[field]:
            yield Change(field, HIDDEN if was[field] else None, HIDDEN if new[field] else None)


def _taken(changed: Session, committed: Session, owners: list[int]) -> list[Effect]:
    """Mails are the one kind of row that a webhook may take away: a cart that is filled again is followed again."""
    runs = [row["id"] for row in _written(changed, m.Enrollment, owners)[:MOST_ROWS]]
    query = select(m.Delivery.id, m.Delivery.flow, m.Delivery.step).where(one_of(m.Delivery.enrollment_id, runs))
    kept = {row.id for row in changed.execute(query)}
    gone = [row for row in committed.execute(query.order_by(m.Delivery.id)) if row.id not in kept]
    return [Effect("-", "mail", f"{row.flow}/{row.step}") for row in gone]


def _staying(committed: Session, owners: list[int], told: Iterable[e.Event], moving: set[tuple[str, str]]) -> list[Effect]:
    events = list(told)
    found = []
    for kinds, noun, model, key, name in _TOLD:
        ids = {event.object_id for event in events if event.kind in kinds}
        if not ids:
            continue
        rows = committed.execute(
            select(getattr(model, name)).where(model.shop_id.in_(owners), one_of(getattr(model, key), ids)).limit(MOST_ROWS)
        )
        found += [Effect("=", noun, value) for (value,) in rows if (noun, value) not in moving]
    return found


def _name(watched: _Watched, row: RowMapping) -> str:
    if not watched.name:
        return ""  # a person is named by nothing that a page may show
    return "/".join(str(row[part]) for part in watched.name)


def _text(field: str, row: Mapping[Any, Any]) -> str | None:
    value = row.get(field)
    if value is None:
        return None
    if field.endswith("_minor") and row.get("currency"):
        return str(to_decimal(value, row["currency"]))
    return value.isoformat() if isinstance(value, datetime) else str(value)
