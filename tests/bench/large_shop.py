"""Shops with very many rows, for benches of pages: one of a million webhooks, and the same shop a hundredth of its size."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from sqlalchemy import Connection, text

from tests import builders
from tests.bench import rig

STATEMENTS = Path(__file__).with_suffix(".sql")
MOST_SHOPS = 32  # whose ids lie between each other's
_STEP = re.compile(r"^--: (.+)\n", re.MULTILINE)
_COUNT = re.compile(r"(?<![:\w]):(shop|webhooks|people|carts|orders)\b")
_BODIES = {"cart_body": "checkouts/update", "customer_body": "customers/update"}
_NUMBERED = ("customers", "customer_identities", "products", "checkouts", "orders", "order_lines", "purchase_marks",
             "shipments", "webhooks", "enrollments", "scheduled_steps", "deliveries", "coupons")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each there are: a fifth as many people as webhooks, three carts for ten, an order for every other cart."""

    webhooks: int

    @property
    def people(self) -> int:
        """Who left a cart or bought."""
        return self.webhooks // 5

    @property
    def carts(self) -> int:
        """Each is told of by two webhooks."""
        return self.webhooks * 3 // 10

    @property
    def orders(self) -> int:
        """One in a hundred is of the first person."""
        return self.webhooks * 3 // 20


def fill(connection: Connection, shop_id: int, size: Size, *, place: int, largest: int) -> None:
    """Give a shop so many rows of everything.

    Args:
        connection: the owner's; committed by the caller.
        shop_id: a connected shop without rows.
        size: how many.
        place: which of the shops it is, under MOST_SHOPS.
        largest: the webhooks of the largest shop, over whose span of ids this one's are spread.
    """
    assert 0 <= place < MOST_SHOPS
    spread = largest // size.webhooks * MOST_SHOPS
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    for name, formula in (("bench_id", f"$1 * {spread} + {place}"), ("bench_n", f"($1 - {place}) / {spread}")):
        function = f"CREATE OR REPLACE FUNCTION {name}(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE"
        connection.execute(text(f"{function} AS 'SELECT {formula}'"))
    counts = {"shop": shop_id, **{name: getattr(size, name) for name in ("webhooks", "people", "carts", "orders")}}
    bodies = {name: _recorded(topic) for name, topic in _BODIES.items()}
    for name, statements in _steps():
        began = time.perf_counter()
        for statement in statements:
            told = text(_COUNT.sub(lambda found: str(counts[found[1]]), statement))
            connection.execute(told, {name: body for name, body in bodies.items() if f":{name}" in statement})
        if size.webhooks == largest:
            rig.say(f"  {name:16}{time.perf_counter() - began:6.1f} s")


def agree(plain_url: str, shop_id: int) -> None:
    """Write who agreed into the ledger of consent: its keyed hashes are made here and not in SQL."""
    from app import crypto
    from app.db import sessions
    from app.models import Shop
    from app.services import snapshots

    with sessions().begin() as session:
        key = snapshots.hash_key(session.get_one(Shop, shop_id))
    columns = "shop_id, customer_id, email_hash, state, at, source, recorded_at"
    with psycopg.connect(plain_url) as connection:
        agreed = connection.execute(
            "SELECT customer_id, value, agreed_at FROM customer_identities WHERE shop_id = %s AND agreed_at IS NOT NULL",
            (shop_id,),
        ).fetchall()
        with connection.cursor().copy(f"COPY consents ({columns}) FROM STDIN") as copy:
            for customer_id, email, at in agreed:
                copy.write_row((shop_id, customer_id, crypto.hash_email(key, email), "subscribed", at, "checkout", at))


def settle(connection: Connection) -> None:
    """Let the ids go on behind the largest, and the planner know the tables. The connection commits by itself."""
    connection.execute(text("SET statement_timeout = 0"))
    for table in _NUMBERED:
        connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"))
    connection.execute(text("VACUUM ANALYZE"))


def roll_up() -> None:
    """Count the sums that pages read, as the housekeeping does."""
    from app import clock
    from app.db import sessions
    from app.services import comparison, hygiene_weeks, statistics

    with sessions().begin() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        now = clock.now(session)
        statistics.roll(session, now=now)
        for shop_id in comparison.begin(session):
            comparison.count(session, shop_id, now=now)
        for monday in hygiene_weeks.over(now):
            hygiene_weeks.count(session, monday, now=now)


def connect(number: int) -> int:
    """Connect the n-th shop, the first of which is Tea & Tin, and return its id."""
    from app import clock
    from app.db import sessions
    from app.services import edit_flow, install
    from app.services.install import ShopFacts

    with sessions().begin() as session:
        if number == 0:
            return builders.tea_and_tin(session)
        now = clock.now(session)
        facts = ShopFacts(name=f"Shop {number}", sender_email=f"hello@shop-{number}.example")
        domain = f"shop-{number}.myshopify.com"
        shop = install.connect_shopify(session, domain, "shpat_x", facts, actor="bench", now=now - timedelta(days=60))
        edit_flow.switch(session, shop.id, "abandoned_cart", on=True, actor="bench", now=now)
        return shop.id


def _steps() -> Iterator[tuple[str, list[str]]]:
    _, *parts = _STEP.split(STATEMENTS.read_text())
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        told = "\n".join(line for line in body.splitlines() if not line.startswith("--"))
        yield name, [statement for statement in told.split(";") if statement.strip()]


def _recorded(topic: str) -> str:
    return (builders.PAYLOADS / "shopify" / f"{topic}.json").read_text()
