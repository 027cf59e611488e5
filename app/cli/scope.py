"""What most commands begin with: the transaction with its time, the shop that is meant, who acts."""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import click
from sqlalchemy import Select, literal, select, true
from sqlalchemy.orm import Session

from app import clock
from app.db import sessions
from app.domain.errors import Refused
from app.models import NO_SHOP, Shop
from app.services import shops

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T", bound=Any)  # a table with the mixin ShopRow

DEFAULT_LIMIT = 100
HARD_LIMIT = 1000


@contextmanager
def transaction() -> Iterator[tuple[Session, datetime]]:
    """Open a transaction, and read the time once in it."""
    with sessions().begin() as session:
        yield session, clock.now(session)


def actor() -> str:
    """Return who acts, for the audit log: the account on this machine."""
    return f"cli:{getpass.getuser()}"


def shop_option(command: F) -> F:
    """Give a command the option --shop."""
    return click.option("--shop", metavar="ID|DOMAIN", help="The shop's id or domain.")(command)


def list_options(command: F) -> F:
    """Give a list its limits: --limit and --after (keyset, oldest first)."""
    after = click.option("--after", type=int, metavar="ID", help="Go on behind this id, where a list ended.")
    limit = click.option(
        "--limit", type=click.IntRange(1, HARD_LIMIT), default=DEFAULT_LIMIT, show_default=True, help="At most so many rows."
    )
    return limit(after(command))


def page(session: Session, model: type[T], *, shop: str | None, state: str | None, after: int | None, limit: int) -> list[T]:
    """Return rows of a table, oldest first, of one shop or of all."""
    if shop:
        query = _of(model, shops.find(session, shop).id, state, after)
        return list(session.scalars(query.order_by(model.id).limit(limit)))
    # The keys begin with the shop, so each shop's page is read from its index, and the pages are merged.
    owners = select(Shop.id.label("shop_id")).union_all(select(literal(NO_SHOP))).subquery()
    each = _of(model, owners.c.shop_id, state, after).order_by(model.id).limit(limit).correlate(owners).lateral()
    merged = select(each.c.shop_id, each.c.id).select_from(owners.join(each, true())).order_by(each.c.id).limit(limit)
    keys = merged.subquery()
    query = select(model).join(keys, (model.shop_id == keys.c.shop_id) & (model.id == keys.c.id))
    return list(session.scalars(query.order_by(model.id)))


def one(session: Session, model: type[T], row_id: int, what: str) -> T:
    """Return a row by its id alone, which is unique over all shops.

    Raises:
        Refused: there is none.
    """
    owners = select(Shop.id).union_all(select(literal(NO_SHOP)))  # the key begins with the shop: without, all is read
    row: T | None = session.scalar(select(model).where(model.shop_id.in_(owners), model.id == row_id))
    if row is None:
        raise Refused(f"There is no {what} {row_id}.")
    return row


def _of(model: type[T], shop_id: Any, state: str | None, after: int | None) -> Select[Any]:
    query = select(model).where(model.shop_id == shop_id)
    if state:
        query = query.where(model.state == state)
    return query if after is None else query.where(model.id > after)
