"""How Shopify's Admin API spells ids, times and money, and how its lists are searched and cut into pages."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.demo.graphql import GraphQLError
from app.demo.prices import amount

Arguments = Mapping[str, Any]
Answer = dict[str, Any]
_LONGEST_PAGE = 250
_TERM = re.compile(r"(\w+):(>=|<=|>|<)?(?:'([^']*)'|(\S+))")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "": lambda held, wanted: held == wanted,
    ">=": lambda held, wanted: held >= wanted,
    "<=": lambda held, wanted: held <= wanted,
    ">": lambda held, wanted: held > wanted,
    "<": lambda held, wanted: held < wanted,
}


def gid(kind: str, number: int) -> str:
    """Return a global id."""
    return f"gid://shopify/{kind}/{number}"


def read_time(text: str) -> datetime:
    """Read a time; one without an offset is in UTC."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def spell(at: datetime) -> str:
    """Spell a time."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fault(message: str, code: str, *path: str) -> Answer:
    """Return one of `userErrors`."""
    return {"field": list(path), "message": message, "code": code, "extraInfo": None}


def money(minor: int, currency: str) -> Answer:
    """Return an amount, in minor units, as MoneyV2."""
    return {"amount": amount(minor, currency), "currencyCode": currency}


def money_bag(minor: int, currency: str) -> Answer:
    """Return an amount as a MoneyBag; this shop sells in its own currency alone."""
    return {"shopMoney": money(minor, currency), "presentmentMoney": money(minor, currency)}


def found(query: object, facts: Mapping[str, object]) -> bool:
    """Say whether something fits a search, all of whose terms must hold. What it does not know it does not filter by.

    Args:
        query: in Shopify's search syntax, or None for everything.
        facts: by the name of the filter; times as `datetime`, everything else as text.

    Raises:
        GraphQLError: a time that is none, as Shopify says it.
    """
    for name, sign, quoted, plain in _TERM.findall(str(query or "")):
        held, wanted = facts.get(name), quoted or plain
        if name not in facts:
            continue
        try:
            term: object = read_time(wanted) if isinstance(held, datetime) else wanted
        except ValueError as exc:
            raise GraphQLError(f"Invalid timestamp in query: {name}", "BAD_REQUEST") from exc
        if not _COMPARE[sign](held, term):
            return False
    return True


def connection(rows: Sequence[tuple[str, Answer | Callable[[], Answer]]], arguments: Arguments) -> Answer:
    """Return a page of a list.

    Args:
        rows: each, or what makes it, with what it is sorted by, which must be unique; a row that moves while pages are
            read is met again.
        arguments: `first` and `after`.

    Raises:
        GraphQLError: no `first`, or too many.
    """
    first, after = arguments.get("first"), arguments.get("after")
    if not isinstance(first, int) or not 0 < first <= _LONGEST_PAGE:
        raise GraphQLError("you must provide one of first or last, at most 250", "BAD_REQUEST")
    try:
        behind = base64.b64decode(after).decode() if after else ""
    except ValueError as exc:
        raise GraphQLError("Invalid cursor for current pagination sort.", "BAD_REQUEST") from exc
    rest = sorted((row for row in rows if row[0] > behind), key=lambda row: row[0])
    nodes = [node() if callable(node) else node for _, node in rest[:first]]
    cursors = [base64.b64encode(key.encode()).decode() for key, _ in rest[:first]]
    return {
        "nodes": nodes,
        "edges": [{"cursor": cursor, "node": node} for cursor, node in zip(cursors, nodes, strict=True)],
        "pageInfo": {
            "hasNextPage": len(rest) > first, "hasPreviousPage": bool(after), "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }  # fmt: skip


def whole(nodes: Sequence[Answer]) -> Answer:
    """Return a short list inside something else, all of it in one page."""
    return connection([(f"{number:06}", node) for number, node in enumerate(nodes)], {"first": _LONGEST_PAGE})


def count(number: int) -> Answer:
    """Return an exact Count."""
    return {"count": number, "precision": "EXACT"}


def each_key(at: datetime, number: int) -> str:
    """Return what something is sorted by: its time, then its id."""
    return f"{at.astimezone(UTC).isoformat(timespec='microseconds')} {number:020}"
