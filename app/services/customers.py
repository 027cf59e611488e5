"""The people of a shop as its merchant looks through them: in pages of one cost, and found by an address or a name."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, true
from sqlalchemy.orm import Session

from app import crypto
from app.domain.events import ConsentState
from app.domain.people import normalise_email
from app.models import ConsentRow, Customer, CustomerIdentity, Order, Shop, Suppression
from app.models.bulk import one_of
from app.services import snapshots
from app.services.people import STRICTNESS

PAGE = 50
FOUND_MOST = 50  # people that a search shows
SHORTEST = 2  # letters of a name or an address to look for
ORDERS_MOST = 500  # newest orders of a person that are added up
LEDGER_MOST = 50
_LAST = "\U0010ffff"  # sorts behind every other character


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A person as they are listed. Money is what the shop says they spent, else the sum of their orders that we hold."""

    customer: Customer
    consent: str
    orders: int
    spent_minor: int
    ordered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerPage:
    """One page; `older` is where the next one starts, None at the end. `is_cut` when a search found more than it shows."""

    lines: list[Line]
    older: int | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Who a person is to the shop: their addresses with their consent, the ledger behind it, and what stops their mail."""

    line: Line
    identities: list[CustomerIdentity]
    ledger: list[ConsentRow]
    suppressions: dict[str, list[Suppression]]  # by address


def list_page(session: Session, shop: Shop, *, before: int | None) -> CustomerPage:
    """Return the page of people below an id, the newest first."""
    query = _there(shop.id).order_by(Customer.id.desc()).limit(PAGE + 1)
    if before is not None:
        query = query.where(Customer.id < before)
    found = list(session.scalars(query))
    older = found[PAGE - 1].id if len(found) > PAGE else None
    return CustomerPage(lines=_lines(session, shop, found[:PAGE]), older=older)


def search(session: Session, shop: Shop, words: str) -> CustomerPage:
    """Return the people whose address, first or last name begins with these words, or whose names these are."""
    wanted = " ".join(unicodedata.normalize("NFC", words).casefold().split())
    if len(wanted) < SHORTEST:
        return CustomerPage(lines=[])
    ids: set[int] = set()
    for query in _ways(shop.id, wanted):
        ids |= set(session.scalars(query.limit(FOUND_MOST + 1)))
    newest = sorted(ids, reverse=True)
    query = _there(shop.id).where(one_of(Customer.id, newest[: FOUND_MOST + 1])).order_by(Customer.id.desc())
    found = list(session.scalars(query))
    return CustomerPage(lines=_lines(session, shop, found[:FOUND_MOST]), is_cut=len(ids) > FOUND_MOST)


def find(session: Session, shop: Shop, customer_id: int) -> Known | None:
    """Return one person, or None when the shop has none of this id."""
    customer = session.scalar(select(Customer).where(Customer.shop_id == shop.id, Customer.id == customer_id))
    if customer is None:
        return None
    mine = select(CustomerIdentity).where(CustomerIdentity.shop_id == shop.id, CustomerIdentity.customer_id == customer_id)
    ledger = select(ConsentRow).where(ConsentRow.shop_id == shop.id, ConsentRow.customer_id == customer_id)
    identities = list(session.scalars(mine.order_by(CustomerIdentity.id).limit(LEDGER_MOST)))
    return Known(
        line=_lines(session, shop, [customer])[0],
        identities=identities,
        ledger=list(session.scalars(ledger.order_by(ConsentRow.at.desc(), ConsentRow.id.desc()).limit(LEDGER_MOST))),
        suppressions=_suppressions(session, shop, [i.value for i in identities if i.kind == "email"]),
    )


def _there(shop_id: int) -> Select[Any]:
    return select(Customer).where(Customer.shop_id == shop_id)


def _ways(shop_id: int, wanted: str) -> list[Select[Any]]:
    """Return a query for each way that the words may lead to somebody; each walks an index of its own."""
    address = normalise_email(wanted) or wanted
    identity = select(CustomerIdentity.customer_id).where(
        CustomerIdentity.shop_id == shop_id, CustomerIdentity.kind == "email", _begins(CustomerIdentity.value, address)
    )
    first, last = Customer.first_lowered, Customer.last_lowered
    named = [select(Customer.id).where(Customer.shop_id == shop_id, _begins(column, wanted)) for column in (first, last)]
    one, _, other = wanted.partition(" ")
    if other:
        both = select(Customer.id).where(Customer.shop_id == shop_id, first == one)
        named.append(both.where(_begins(last, other)))
    return [identity, *named]


def _begins(column: Any, words: str) -> ColumnElement[bool]:
    """Say that a text begins with these words, by the bytes.

    Not by LIKE: row-level security keeps it away from an index, as PostgreSQL cannot know that it tells nothing of rows
    behind the wall. It knows that of these operators.
    """
    found: ColumnElement[bool] = column.op("~>=~", is_comparison=True)(words) & column.op("~<~", is_comparison=True)(
        words + _LAST
    )
    return found


def _lines(session: Session, shop: Shop, customers: Sequence[Customer]) -> list[Line]:
    ids = [customer.id for customer in customers]
    consents = _consents(session, shop.id, ids)
    sums = _sums(session, shop, ids)
    lines = []
    for customer in customers:
        orders, spent, ordered_at = sums.get(customer.id, (0, 0, None))
        lines.append(
            Line(
                customer=customer,
                consent=consents.get(customer.id, ConsentState.NONE.value),
                orders=max(orders, customer.orders_count or 0),
                spent_minor=spent if customer.spent_minor is None else customer.spent_minor,
                ordered_at=ordered_at,
            )
        )
    return lines


def _consents(session: Session, shop_id: int, ids: Sequence[int]) -> dict[int, str]:
    """Return what counts for each person: the strictest of their addresses that said anything (D20)."""
    query = select(CustomerIdentity).where(
        CustomerIdentity.shop_id == shop_id, one_of(CustomerIdentity.customer_id, ids), CustomerIdentity.kind == "email"
    )
    found: dict[int, str] = {}
    for identity in session.scalars(query):
        held = found.get(identity.customer_id, ConsentState.NONE.value)
        found[identity.customer_id] = max(held, identity.standing, key=_weight)
    return found


def _weight(state: str) -> int:
    """Weigh what is shown of several addresses: who never said anything counts least, who unsubscribed most."""
    return -1 if state == ConsentState.NONE else STRICTNESS.index(ConsentState(state))


def _sums(session: Session, shop: Shop, ids: Sequence[int]) -> dict[int, tuple[int, int, datetime | None]]:
    """Add up the newest orders of each person; one with thousands, such as a till's account, costs no more than others."""
    if not ids:
        return {}
    people = select(Customer.id).where(Customer.shop_id == shop.id, one_of(Customer.id, ids)).subquery()
    newest = (
        select(Order.placed_at, Order.currency, (Order.total_minor - Order.refunded_minor).label("kept"))
        .where(
            Order.shop_id == shop.id,
            Order.customer_id == people.c.id,
            Order.placed_at.is_not(None),
            Order.cancelled_at.is_(None),
            Order.deleted_at.is_(None),
            Order.is_test.is_(False),
        )
        .order_by(Order.placed_at.desc())
        .limit(ORDERS_MOST)
        .lateral("newest")
    )
    # What an order in another currency was worth is not guessed.
    spent = func.coalesce(func.sum(newest.c.kept).filter(newest.c.currency == shop.currency), 0)
    rows = session.execute(
        select(people.c.id, func.count(), spent, func.max(newest.c.placed_at))
        .select_from(people.join(newest, true()))
        .group_by(people.c.id)
    )
    return {customer_id: (orders, int(minor), at) for customer_id, orders, minor, at in rows}


def _suppressions(session: Session, shop: Shop, emails: Sequence[str]) -> dict[str, list[Suppression]]:
    key = snapshots.hash_key(shop)
    by_hash = {crypto.hash_email(key, email): email for email in emails}
    query = select(Suppression).where(Suppression.shop_id == shop.id, one_of(Suppression.email_hash, by_hash))
    found: dict[str, list[Suppression]] = {}
    for row in session.scalars(query.order_by(Suppression.id)):
        found.setdefault(by_hash[bytes(row.email_hash)], []).append(row)
    return found
