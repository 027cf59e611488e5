"""What becomes of an import when the shop has a bad day: each fault is told in words, and then it goes on."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

import jobs.reconcile
from app import config
from app.cli import cli
from app.demo.fakes import Fakes
from app.demo.shopify_admin import price
from app.domain.polling import Kind
from app.services import reconcile
from integrations.shopify import client, listing
from integrations.shopify.documents import is_query, operation_text
from tests.contract.test_shopify_fake import Held
from tests.contract.test_shopify_operations import NAMES, VARIABLES
from tests.shop_cast import connect, poll, pretend_shops, rows, wait

ORDERS = 10


@pytest.fixture
def fakes(house: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    with pretend_shops(Held()) as fakes:
        monkeypatch.setenv("CARTWHEEL_SHOPIFY_API_BASE", fakes.shopify.home_url)
        config.settings.cache_clear()
        yield fakes


@pytest.fixture
def shop(house: sessionmaker[Session], fakes: Fakes) -> int:
    """Tea & Tin in the middle of the import of its orders: one page is in, and nothing else is due."""
    for number in range(ORDERS):
        fakes.shopify.place_order(f"s{number}@example.com")
    shop_id = connect(house, fakes)
    listed = listing.changed_since

    def one_page_then_stop(*arguments: Any) -> Any:
        page = listed(*arguments)
        fakes.shopify_api.faults.fail = 1
        return page

    with house.begin() as session:
        session.execute(text("UPDATE cursors SET due_at = now() + interval '9 days' WHERE kind <> 'orders'"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "changed_since", one_page_then_stop)
        poll()
    fakes.shopify_api.faults.fail = 0
    with house.begin() as session:
        session.execute(text("UPDATE cursors SET due_at = now(), attempts = 0, error = NULL WHERE kind = 'orders'"))
    return shop_id


def orders_cursor(house: sessionmaker[Session]) -> dict[str, Any]:
    query = "SELECT state, done, page, error, due_at - now() AS wait, attempts FROM cursors WHERE kind = 'orders'"
    with house() as session:
        return dict(session.execute(text(query)).mappings().one())


def held_orders(house: sessionmaker[Session]) -> int:
    return int(rows(house, "SELECT count(*) FROM orders")[0][0])


@pytest.mark.parametrize(
    ("status", "retry_after", "at_least", "at_most", "words"),
    [
        (402, None, timedelta(minutes=59), timedelta(hours=2), "frozen"),
        (403, None, timedelta(minutes=59), timedelta(hours=2), "rights"),
        (423, None, timedelta(minutes=59), timedelta(hours=2), "locked"),
        (404, None, timedelta(minutes=59), timedelta(hours=2), "no such shop"),
        (429, 7, timedelta(0), timedelta(seconds=7), "busy"),
        (503, None, timedelta(seconds=30), timedelta(minutes=2), "busy"),
        (500, None, timedelta(seconds=30), timedelta(minutes=2), "no usable answer"),
        (502, None, timedelta(seconds=30), timedelta(minutes=2), "no usable answer"),
    ],
)
def test_a_refusal_is_shown_and_the_run_goes_on_where_it_was(
    house, fakes, shop, status, retry_after, at_least, at_most, words
):
    """I15, I16: nothing is asked again before its time, nothing ends for good."""
    faults = fakes.shopify_api.faults
    faults.fail, faults.fail_status, faults.retry_after = 1, status, retry_after
    before = orders_cursor(house)
    poll()
    failed = orders_cursor(house)
    wait(house, fakes, at_most)
    poll()
    ended = orders_cursor(house)

    assert (failed["state"], failed["page"], failed["done"]) == ("pending", before["page"], 4)
    assert words in failed["error"]
    assert at_least - timedelta(seconds=20) < failed["wait"] <= at_most
    assert (ended["done"], ended["error"], held_orders(house)) == (ORDERS, None, ORDERS)


def test_a_throttled_page_comes_when_the_bucket_holds_it(house, fakes, shop):
    fakes.shopify_api.faults.throttle = 1
    jobs.reconcile.drain(time.monotonic() + 0.01)  # one look: on a slow machine the bucket has filled before the next
    failed = orders_cursor(house)
    wait(house, fakes, timedelta(seconds=20))
    poll()

    assert (failed["error"], failed["attempts"]) == ("Shopify is busy (THROTTLED).", 0)
    assert failed["wait"] < timedelta(seconds=20)
    assert held_orders(house) == ORDERS


def test_an_answer_that_was_lost_is_asked_for_again(house, fakes, shop):
    fakes.shopify_api.faults.lose = 1
    poll()
    failed = orders_cursor(house)
    wait(house, fakes, timedelta(minutes=2))
    poll()

    assert "no usable answer" in failed["error"]
    assert held_orders(house) == ORDERS


def test_a_shop_that_hangs_does_not_hold_the_worker(house, fakes, shop):
    """I15: the call has a time-out."""
    fakes.shopify_api.faults.delay = 1.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "TIMEOUT", (1, 0.2))
        poll()
    failed = orders_cursor(house)
    fakes.shopify_api.faults.delay = 0.0
    wait(house, fakes, timedelta(minutes=2))
    poll()

    assert "did not answer in time" in failed["error"]
    assert held_orders(house) == ORDERS


def test_a_dead_token_stops_the_shop_and_a_new_one_goes_on(house, fakes, shop):
    """I16: the merchant must come; afterwards the import goes on where it was."""
    fakes.shopify_api.faults.is_revoked = True
    poll()
    failed, states = orders_cursor(house), rows(house, "SELECT state FROM shops")
    fakes.shopify_api.faults.is_revoked = False
    connect(house, fakes)
    poll()

    assert states == [("needs_reconnect",)]
    assert (failed["state"], failed["done"], failed["error"] is not None) == ("pending", 4, True)
    assert held_orders(house) == ORDERS


def test_what_the_app_may_not_see_is_left_out_and_the_rest_is_taken_in(house, fakes, shop):
    """Level 2 protected customer data that is not granted: no name and no address, but the order."""
    fakes.shopify_api.faults.redacted = frozenset({"email", "firstName", "lastName", "emailAddress", "shippingAddress"})
    poll()

    assert held_orders(house) == ORDERS
    assert orders_cursor(house)["error"] is None
    assert rows(house, "SELECT count(*) FROM customers WHERE email IS NOT NULL OR first_name IS NOT NULL") == [(4,)]
    assert rows(house, "SELECT count(*) FROM orders WHERE customer_id IS NOT NULL") == [(ORDERS,)]


def test_a_page_that_costs_too_much_is_halved(house, fakes, shop, monkeypatch):
    listed = listing._LISTS[Kind.ORDERS]
    assert listed.first == 4
    with house.begin() as session:
        session.execute(text("UPDATE cursors SET page = '64 ' || split_part(page, ' ', 2) WHERE kind = 'orders'"))
    poll()

    assert (held_orders(house), orders_cursor(house)["error"]) == (ORDERS, None)


def test_a_page_that_will_never_come_begins_the_run_again(house, fakes, shop):
    with house.begin() as session:
        session.execute(text("UPDATE cursors SET page = '999 x' WHERE kind = 'orders'"))
    poll()
    failed = orders_cursor(house)
    wait(house, fakes, timedelta(minutes=2))
    poll()

    assert (failed["page"], "did not accept" in failed["error"]) == (None, True)
    assert (held_orders(house), orders_cursor(house)["done"]) == (ORDERS, ORDERS)


def test_one_order_that_cannot_be_understood_stops_no_other(house, fakes, shop, monkeypatch):
    """I16: it is named, and without a value of it."""
    respelled = listing._LISTS[Kind.ORDERS].read

    def strange(node: Any) -> Any:
        return respelled({**node, "createdAt": "alice@example.com"} if node["name"] == "#1006" else node)

    monkeypatch.setitem(listing._LISTS, Kind.ORDERS, replace(listing._LISTS[Kind.ORDERS], read=strange))
    poll()
    error = orders_cursor(house)["error"]

    assert held_orders(house) == ORDERS - 1
    assert error.startswith("Not understood: Order")
    assert "created_at" in error
    assert "alice" not in error


def test_a_shop_that_cannot_be_read_for_long_is_named_by_status(house, fakes, shop):
    """I16: after the third try in a row, and not after the first."""
    fakes.shopify_api.faults.fail, fakes.shopify_api.faults.fail_status = 99, 500
    named = []
    for _ in range(3):
        poll()
        with house.begin() as session:
            named.append(reconcile.in_trouble(session))
        wait(house, fakes, timedelta(hours=1))
    shown = json.loads(CliRunner().invoke(cli, ["status", "--json"]).stdout)["shops_not_read"]

    assert [shop in each for each in named] == [False, False, True]
    assert shown == {str(shop): ["orders"]}


@pytest.mark.parametrize("name", [name for name in NAMES if is_query(name)])
def test_no_query_asks_for_more_than_shopify_gives_at_once(name):
    """1,000 points a query, as the pretend Shopify charges them: by Shopify's published prices."""
    from app.demo.graphql import read

    kinds = {each.operation: each.first for each in listing._LISTS.values()}
    given = VARIABLES[name] | ({"first": kinds[name]} if name in kinds else {})

    assert 0 < price(read(operation_text(name), given)) <= 1000
