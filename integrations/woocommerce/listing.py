"""Lists of a shop: what changed since, page by page, in our words.

Orders and products are read by the time of their last change. A page is asked for by that time, not by its number: what
changes meanwhile moves to the end of the list, and everything behind it one place forward, past a reader who counts pages.
Reviews know no such time, and are read by when they were written: who wants to hear of changes reads a while back again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol

from app.domain.errors import BadPayload, Permanent
from app.domain.events import CustomerDeleted, Event, OrderDeleted, ProductDeleted, ReviewDeleted
from app.domain.polling import Count, Kind, Page
from app.domain.ports import ShopAccess
from integrations.http import dig
from integrations.woocommerce import reviews
from integrations.woocommerce.normalise import normalise
from integrations.woocommerce.rest import LARGEST_PAGE, Params, RestClient, failed, naive_utc, word

PER_PAGE = 50  # an order has up to 20 kB, and a lease is a minute
_SECOND = timedelta(seconds=1)
_MOST_UNREAD = 20
_BEGINNING, _END = datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_DRAFT, _BINNED = "checkout-draft", "trash"
_GONE: Final[Mapping[Kind, type[Event]]] = {
    Kind.ORDERS: OrderDeleted,
    Kind.CUSTOMERS: CustomerDeleted,
    Kind.PRODUCTS: ProductDeleted,
    Kind.REVIEWS: ReviewDeleted,
}


class _Reader(Protocol):
    def __call__(self, payload: object, *, at: datetime) -> list[Event]: ...


@dataclass(frozen=True, slots=True)
class _List:
    """How a kind is listed: its path, how its objects are translated, and what else to ask with."""

    path: str
    read: _Reader
    params: Mapping[str, str]


_LISTS: Final[Mapping[Kind, _List]] = {
    Kind.ORDERS: _List("orders", partial(normalise, "order.updated"), {"status": "any"}),
    Kind.PRODUCTS: _List("products", partial(normalise, "product.updated"), {}),
    Kind.CUSTOMERS: _List("customers", partial(normalise, "customer.updated"), {"orderby": "id"}),
    # "all" is what is shown and what waits for approval; the list's default leaves out the latter.
    Kind.REVIEWS: _List("products/reviews", reviews.read, {"status": "all"}),
}


def changed_since(access: ShopAccess, kind: Kind, since: datetime | None, cursor: str | None) -> Page:
    """Return a page of what changed, as the port says."""
    with RestClient(access) as shop:
        if kind is Kind.CUSTOMERS:
            return _by_number(shop, kind, since, cursor)
        return _by_time(shop, kind, since, cursor)


def count(access: ShopAccess, kind: Kind, since: datetime | None) -> Count | None:
    """Return how many there are; a draft of the checkout is no order. Customers cannot be counted by their beginning.

    Nor are reviews counted: of those that the shop has, we hold what its customers wrote.
    """
    if kind is Kind.REVIEWS or (kind is Kind.CUSTOMERS and since is not None):
        return None
    listed = _LISTS[kind]
    params: dict[str, Any] = {**listed.params, **_after("after", since)}
    with RestClient(access) as shop:
        total = _total(shop, listed.path, params)
        drafts = _total(shop, listed.path, {**params, "status": _DRAFT}) if kind is Kind.ORDERS else 0
    return None if total is None else Count(number=max(0, total - (drafts or 0)))


def gone(access: ShopAccess, kind: Kind, ids: Sequence[str]) -> frozenset[str]:
    """Return which of these the shop no longer lists; what is in its bin is not listed.

    Raises:
        Permanent: the shop did not list by id, so its answer says nothing about these.
    """
    listed = _LISTS[kind]
    with RestClient(access) as shop:
        rows = _rows(shop, listed.path, {**listed.params, "include": ",".join(ids), "_fields": "id"})
    there = {_plain(dig(row, "id")) for row in rows}
    if not there <= set(ids):
        raise Permanent("The shop does not list by id.")
    return frozenset(ids) - there


def one(access: ShopAccess, kind: Kind, object_id: str, *, at: datetime) -> list[Event]:
    """Ask for one object and say how it is now: changed, or gone, where the shop does not have it or has it in its bin.

    Args:
        access: the shop.
        kind: orders, customers, products or reviews.
        object_id: the shop's own number.
        at: when it was said to be gone.

    Raises:
        Transient, Ambiguous, NotAllowed, Permanent, BadPayload: as their names say.
    """
    listed = _LISTS[kind]
    with RestClient(access) as shop:
        answer = shop.get(f"{listed.path}/{object_id}")
    is_gone = answer.status in {400, 404} and word(answer).endswith("_invalid_id")
    if is_gone or dig(answer.body, "status") == _BINNED:
        return [_GONE[kind](object_id=object_id, happened_at=at)]
    if answer.status != 200 or answer.body is None:
        raise failed(answer)
    return listed.read(answer.body, at=at)


def _by_time(shop: RestClient, kind: Kind, since: datetime | None, cursor: str | None) -> Page:
    """Read what came after a time; the cursor is that time, and a page number for the case that one second is longer."""
    bound, number = _read_cursor(cursor) if cursor else ((since or _BEGINNING) - _SECOND, 1)
    in_turn = _written_after(bound) if kind is Kind.REVIEWS else _modified_after(bound)
    rows = _rows(shop, _LISTS[kind].path, {**_LISTS[kind].params, **in_turn, "order": "asc", "page": number})
    last = _changed_at(rows[-1]) if len(rows) == PER_PAGE else _END
    covers = (bound, last) if kind is Kind.REVIEWS and number == 1 and last else None
    if len(rows) < PER_PAGE:
        return _page(kind, rows, None, covers)
    # The bound is exclusive and in whole seconds, so the last second is asked for again, in full.
    reached = last - _SECOND if last else bound
    following = (reached, 1) if reached > bound else (bound, number + 1)
    return _page(kind, rows, f"{following[0].isoformat()}|{following[1]}", covers)


def _by_number(shop: RestClient, kind: Kind, since: datetime | None, cursor: str | None) -> Page:
    """Read the newest first, until those that were there at `since`: customers cannot be asked for by their last change.

    Who comes meanwhile moves everybody one place back, so some are read twice and nobody is left out.
    """
    number = int(cursor) if cursor else 1
    rows = _rows(shop, _LISTS[kind].path, {**_LISTS[kind].params, "order": "desc", "page": number})
    made = [at for row in rows if (at := _instant(dig(row, "date_created_gmt"))) is not None]
    is_over = len(rows) < PER_PAGE or (since is not None and bool(made) and min(made) < since)
    return _page(kind, rows, None if is_over else str(number + 1), None)


def _page(kind: Kind, rows: list[Any], following: str | None, covers: tuple[datetime, datetime] | None) -> Page:
    events: list[Event] = []
    unread: list[str] = []
    for row in rows:
        at = _changed_at(row) or _BEGINNING
        try:
            events += _LISTS[kind].read(row, at=at)
        except BadPayload as exc:
            unread.append(f"{kind.removesuffix('s')} {_plain(dig(row, 'id'))}: {exc}"[:200])
    return Page(events=tuple(events), objects=len(rows), next=following, unread=tuple(unread[:_MOST_UNREAD]), covers=covers)


def _rows(shop: RestClient, path: str, params: Params) -> list[Any]:
    answer = shop.get(path, {**params, "per_page": PER_PAGE}, largest=LARGEST_PAGE)
    if answer.status != 200 or not isinstance(answer.body, list):
        raise failed(answer)
    return answer.body


def _total(shop: RestClient, path: str, params: Params) -> int | None:
    """Return how many a list has, None where the shop's front strips the header that says it, or the status is unknown."""
    answer = shop.get(path, {**params, "per_page": 1, "_fields": "id"})
    if answer.status not in {200, 400}:
        raise failed(answer)
    said = answer.headers.get("x-wp-total", "")
    return int(said) if said.isdecimal() else None


def _after(name: str, at: datetime | None) -> dict[str, Any]:
    return {name: at, "dates_are_gmt": True} if at else {}


def _modified_after(bound: datetime) -> dict[str, Any]:
    return {"orderby": "modified", **_after("modified_after", bound)}


def _written_after(bound: datetime) -> dict[str, Any]:
    """Spell a bound of reviews, whose list knows no `dates_are_gmt`: without the Z it would be the shop's wall clock."""
    return {"orderby": "date_gmt", "after": f"{naive_utc(bound)}Z"}


def _read_cursor(cursor: str) -> tuple[datetime, int]:
    bound, _, number = cursor.partition("|")
    return datetime.fromisoformat(bound), int(number)


def _changed_at(row: object) -> datetime | None:
    return _instant(dig(row, "date_modified_gmt")) or _instant(dig(row, "date_created_gmt"))


def _instant(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
    except ValueError:
        return None


def _plain(value: object) -> str:
    return str(value) if isinstance(value, int) else "without an id"
