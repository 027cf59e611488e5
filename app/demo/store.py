"""What one pretend shop remembers: carts, orders, coupons, customers and reviews, kept over a restart."""

import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Item:
    """So many pieces of one variant."""

    variant_id: int
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """One cart, and what its shopper typed at the checkout. It is a checkout once `announced_at` is set.

    `secret` is what a recovery link must carry. `consent` is the tick box, `consent_at` when it was last changed.
    """

    token: str
    cart_token: str
    secret: str
    number: int
    created_at: datetime
    updated_at: datetime
    items: tuple[Item, ...] = ()
    email: str | None = None
    first_name: str = ""
    consent: bool = False
    consent_at: datetime | None = None
    code: str | None = None
    landing_site: str = "/"
    announced_at: datetime | None = None
    completed_at: datetime | None = None
    order_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A paid purchase; amounts in minor units. The tokens are None where it came from no cart of this shop front."""

    id: int
    number: int
    token: str
    checkout_token: str | None
    cart_token: str | None
    email: str
    first_name: str
    consent: bool
    items: tuple[Item, ...]
    code: str | None
    percent: float
    discount_minor: int
    total_minor: int
    created_at: datetime
    updated_at: datetime
    landing_site: str = "/"
    status: str = "processing"
    sent_off_at: datetime | None = None
    delivered_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """A percentage off; `percent` is 0 to 100. An empty `allowed_emails` means everybody."""

    id: int
    code: str
    percent: float
    title: str
    starts_at: datetime
    created_at: datetime
    ends_at: datetime | None = None
    usage_limit: int | None = None
    is_active: bool = True
    once_per_customer: bool = False
    allowed_emails: tuple[str, ...] = ()
    used_by: tuple[str, ...] = ()
    extra: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Somebody whose address the shop knows; `consent_state` is the platform's word, `meta` what plugins keep beside."""

    id: int
    email: str
    first_name: str
    created_at: datetime
    updated_at: datetime
    consent_state: str = "not_subscribed"
    consent_at: datetime | None = None
    meta: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What somebody wrote of a product. A rating of 0 means without stars; `status` is the platform's word."""

    id: int
    product_id: int
    email: str
    name: str
    rating: int
    words: str
    written_at: datetime
    status: str = "approved"
    is_verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBook:
    """Whether the app is in the shop, and the tokens it was given: when each ends, and which one it replaces."""

    is_installed: bool = True
    access: dict[str, float] = field(default_factory=dict)
    refresh: dict[str, tuple[float, str | None]] = field(default_factory=dict)


Document = Checkout | Order | Coupon | Customer | Review | TokenBook
D = TypeVar("D", Checkout, Order, Coupon, Customer, Review, TokenBook)
_KINDS = (Checkout, Order, Coupon, Customer, Review, TokenBook)
_CODECS: dict[str, TypeAdapter[Any]] = {k.__name__: TypeAdapter(k) for k in _KINDS}
THE_BOOK = "the"  # its key: a shop has one

_TABLES = """
    CREATE TABLE IF NOT EXISTS documents (kind TEXT, key TEXT, body TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
"""


class Store:
    """The memory of one shop. Hold `lock` over what must not be interleaved, such as "still unused? then use it".

    Args:
        path: the SQLite file, made with its folder; None keeps all in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.lock = RLock()
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + _TABLES)

    def put(self, document: Document) -> None:
        """Keep a document in place of the one with the same key."""
        kind, body = type(document).__name__, _CODECS[type(document).__name__].dump_json(document)
        with self.lock:
            self._db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, _key(document), body.decode()))

    def get(self, kind: type[D], key: str) -> D | None:
        """Fetch by key: a checkout's cart token, an order's id, a coupon's code, a customer's address."""
        query = "SELECT body FROM documents WHERE kind = ? AND key = ?"
        with self.lock:
            row = self._db.execute(query, (kind.__name__, key.casefold() if kind is Coupon else key)).fetchone()
        if row is None:
            return None
        found: D = _CODECS[kind.__name__].validate_json(row[0])
        return found

    def drop(self, document: Document) -> None:
        """Throw a document away."""
        with self.lock:
            self._db.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (type(document).__name__, _key(document)))

    def all(self, kind: type[D]) -> list[D]:
        """Fetch all of a kind, in no order."""
        with self.lock:
            rows = self._db.execute("SELECT body FROM documents WHERE kind = ?", (kind.__name__,)).fetchall()
        return [_CODECS[kind.__name__].validate_json(body) for (body,) in rows]

    def next_number(self, name: str, start: int, step: int = 1) -> int:
        """Return the next number of a series, the first time `start`."""
        query = """INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + ?
                   RETURNING value"""
        with self.lock:
            return int(self._db.execute(query, (name, start, step)).fetchone()[0])

    def note(self, name: str) -> None:
        """Remember that something was done."""
        self.next_number(name, 1)

    def has_noted(self, name: str) -> bool:
        """Say whether something was done before."""
        with self.lock:
            return self._db.execute("SELECT 1 FROM counters WHERE name = ?", (name,)).fetchone() is not None

    def forget(self, name: str) -> None:
        """Take back what was noted."""
        with self.lock:
            self._db.execute("DELETE FROM counters WHERE name = ?", (name,))

    def close(self) -> None:
        """Let the file go."""
        with self.lock:
            self._db.close()


def _key(document: Document) -> str:
    match document:
        case Checkout():
            return document.cart_token
        case Order() | Review():
            return str(document.id)
        case Coupon():
            return document.code.casefold()
        case Customer():
            return document.email
        case TokenBook():
            return THE_BOOK
