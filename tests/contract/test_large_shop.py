"""Pages of a shop with many rows: every one of them finds its rows by an index, whoever asks (I10)."""

import re
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from app.db import engine
from app.models import Role
from app.services import signin, staff
from tests.admin_cast import client_of
from tests.bench import inside, large_shop
from tests.bench.large_shop import Size
from tests.bench.page_list import Page, desk_pages, merchant_pages

WEBHOOKS, OTHERS = 30_000, 600
# A row read costs the planner this many times as much as it thinks: it decides as if there were so many more of them.
DEARER = 20
GROW = (
    "webhooks", "events", "customers", "customer_identities", "consents", "checkouts", "orders", "order_lines",
    "purchase_marks", "shipments", "enrollments", "scheduled_steps", "decisions", "deliveries", "delivery_events", "links",
    "engagements", "coupons", "attributions", "answers", "replies", "audit_log",
)  # fmt: skip
READ_WHOLE = re.compile(rf"Seq Scan on ({'|'.join(GROW)})\b")
# Staff wait for these; they look at every mail of a time, and where that is many the runs are read in one go.
BATCHES = ("proof of a day", "proof of 30 days")


@pytest.fixture
def shop_id(house) -> Iterator[int]:
    """Tea & Tin with very many rows, and two small shops."""
    shop_ids = [large_shop.connect(n) for n in range(3)]
    with engine().begin() as connection:
        for place, shop in enumerate(shop_ids):
            size = Size(OTHERS if place else WEBHOOKS)
            large_shop.fill(connection, shop, size, place=place, largest=WEBHOOKS)
    large_shop.agree(engine().url.render_as_string(hide_password=False).replace("+psycopg", ""), shop_ids[0])
    cost = float(told("ANALYZE", "SHOW cpu_tuple_cost"))
    told(f"ALTER DATABASE {engine().url.database} SET cpu_tuple_cost = {cost * DEARER}")
    engine().dispose()  # the next connections know it
    yield shop_ids[0]
    told(f"ALTER DATABASE {engine().url.database} RESET cpu_tuple_cost")


def told(*statements: str) -> str:
    """Run statements that want no transaction, and return what the last one says, if anything."""
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        results = [connection.execute(text(statement)) for statement in statements]
        return str(results[-1].scalar()) if results[-1].returns_rows else ""


@pytest.mark.timeout(300)
def test_no_page_reads_a_table_whole(house, shop_id):
    """I10: asked as the shop for the merchant's pages, behind its wall; as the owner for the desk."""
    with house.begin() as session:
        token = staff.invite(session, "ida@example.com", Role.ADMIN, actor="test", now=signin.real_now(session))
    with psycopg.connect(engine().url.render_as_string(hide_password=False).replace("+psycopg", "")) as plain:
        of_merchant, of_desk = merchant_pages(plain, shop_id), desk_pages(plain, shop_id)
    merchant, desk = client_of(house, shop_id), inside.client_of(f"/support/sign-in/{token}")
    asked: list[tuple[object, Page]] = [*((merchant, p) for p in of_merchant), *((desk, p) for p in of_desk)]

    read_whole = {
        (page.name, found[1]): plan
        for client, page in asked
        if page.name not in BATCHES
        for plan in inside.plans(client, page)
        if (found := READ_WHOLE.search(plan))
    }

    assert read_whole == {}, "\n\n".join(read_whole.values())
