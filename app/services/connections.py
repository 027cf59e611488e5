"""What is known of a connected WooCommerce shop, and what is wrong with the connection."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import Connection, Shop, ShopState
from app.services import audit

LOOK_EVERY = timedelta(days=1)
TRIES = 3  # refusals in a row before the shop counts as lost: a firewall may have a bad minute
# Flows that a shop's own software may be sending already; two mails about one cart are worse than none.
RIVALLED = frozenset({"abandoned_cart", "failed_payment"})
Values = dict[str, Any]


def of(session: Session, shop_id: int) -> Connection | None:
    """Return what is known of a shop's connection; None for a shop that has none, such as one on Shopify."""
    return session.scalar(select(Connection).where(Connection.shop_id == shop_id))


def rivals(session: Session, shop_id: int, flows: Iterable[str]) -> list[str]:
    """Return who else in the shop may be sending what these flows send, by the names that people know."""
    known = of(session, shop_id) if RIVALLED & {*flows} else None
    return [str(name) for name in known.senders] if known else []


def look_soon(session: Session, shop_id: int, *, now: datetime) -> None:
    """Have a connected shop looked at: which versions, which plugins."""
    session.execute(_upsert(shop_id, now, due_at=now))


def learn(session: Session, shop_id: int, inside: Mapping[str, Any], *, now: datetime) -> None:
    """Keep what the shop shows the holder of its keys; nothing is wrong then."""
    session.execute(_upsert(shop_id, now, **learned(inside, now=now)))


def learned(inside: Mapping[str, Any], *, now: datetime) -> Values:
    """Return what is written of a shop that showed itself."""
    shown = {name: inside[name] or None for name in ("version", "wordpress", "companion")}
    return {
        **shown, "senders": list(inside["senders"]), "looked_at": now, "due_at": now + LOOK_EVERY, "problem": None,
        "problem_at": None, "attempts": 0, "deaths": 0, "error": None,
    }  # fmt: skip


def heard(session: Session, shop_id: int, *, now: datetime) -> None:
    """Note that the shop tried our address. The ping is unsigned: it says that something came through, and no more."""
    session.execute(_upsert(shop_id, now, pinged_at=now))


def hooked(session: Session, shop_id: int, *, now: datetime) -> None:
    """Note that all webhooks are in order."""
    session.execute(_upsert(shop_id, now, hooked_at=now))


def unhook(session: Session, shop_id: int) -> None:
    """Note that nothing comes from the shop any more: the next connection makes its webhooks anew."""
    values = {"pinged_at": None, "hooked_at": None, "hooks_are_stale": True}
    session.execute(update(Connection).where(Connection.shop_id == shop_id).values(values))


def cleared(session: Session, shop_id: int) -> None:
    """Note that no webhook of a connection that ended is left in the shop."""
    session.execute(update(Connection).where(Connection.shop_id == shop_id).values(hooks_are_stale=False))


def complain(session: Session, shop_id: int, problem: str, *, now: datetime) -> None:
    """Note what is wrong; it is shown until the shop shows itself again, and the shop is looked at soon."""
    session.execute(_upsert(shop_id, now, problem=problem, problem_at=now, due_at=now))


def lose(session: Session, shop_id: int) -> None:
    """Hold the shop's mail until it is connected again: its keys are refused again and again."""
    lost = update(Shop).where(Shop.id == shop_id, Shop.state == ShopState.ACTIVE).values(state=ShopState.RECONNECT)
    if session.execute(lost.returning(Shop.id)).first():
        audit.record(session, shop_id, actor="platform", action="shop.keys_refused", object_kind="shop", object_id=shop_id)


def _upsert(shop_id: int, now: datetime, **values: Any) -> Any:
    row = {"shop_id": shop_id, "due_at": now, **values}
    changes = {**values, "fence": Connection.fence + 1, "lease_until": None} if "looked_at" in values else dict(values)
    if "due_at" in values and "looked_at" not in values:
        changes["due_at"] = func.least(Connection.due_at, values["due_at"])
    return insert(Connection).values(row).on_conflict_do_update(index_elements=["shop_id"], set_=changes)
