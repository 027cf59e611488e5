"""Shops are asked what changed: what webhooks lost is found, what they told is no second event, a killed run goes on."""

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.serving import make_server

import jobs.inbox
import jobs.reconcile
from app import clock, config
from app.demo.clock import DemoClock
from app.demo.config import DemoConfig
from app.demo.fakes import Fakes
from app.demo.server import create_app
from app.demo.webhook import SignedWebhook
from app.domain.polling import Kind
from app.services import install, reconcile
from app.services.install import ShopFacts
from tests import builders
from tests.contract.test_shopify_fake import Held

FIXED = "shpat_fixed"


@pytest.fixture
def held() -> Held:
    """The webhooks that the shop sends, kept back: each test says which of them arrive."""
    return Held()


@pytest.fixture
def fakes(house: sessionmaker[Session], held: Held, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    """The pretend Shopify on loopback, whose time is the house's."""
    server = make_server("127.0.0.1", 0, lambda _environ, _start: [], threaded=True)
    made = DemoConfig(
        cartwheel_url="http://127.0.0.1:8000", shops_url=f"http://127.0.0.1:{server.server_port}",
        shopify_client_secret=builders.SHOPIFY_SECRET, shopify_access_token=FIXED, woo_connection_path="/w",
        woo_webhook_secret="w", woo_consumer_key="ck", woo_consumer_secret="cs", announces=False,
    )  # fmt: skip
    fakes = Fakes(made, clock=DemoClock(), outgoing=held)
    server.app = create_app(made, fakes)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("CARTWHEEL_SHOPIFY_API_BASE", fakes.shopify.home_url)
    config.settings.cache_clear()
    yield fakes
    server.shutdown()
    thread.join()
    server.server_close()
    fakes.stop()


@pytest.fixture
def shop(house: sessionmaker[Session], fakes: Fakes) -> int:
    """Tea & Tin, connected just now."""
    with house.begin() as session:
        facts = ShopFacts(name="Tea & Tin", sender_email="hello@tea-and-tin.example")
        domain = fakes.shopify.catalogue.domain
        return install.connect_shopify(session, domain, FIXED, facts, actor="test", now=clock.now(session)).id


def poll() -> None:
    """Ask the shops until nothing is due."""
    jobs.reconcile.drain(time.monotonic() + 60)


def wait(maker: sessionmaker[Session], fakes: Fakes, by: timedelta) -> None:
    """Let time pass, here and there."""
    builders.skip_clock(maker, by)
    fakes.clock.skip(by)


def receive(maker: sessionmaker[Session], shop_id: int, webhooks: list[SignedWebhook]) -> None:
    """Let these webhooks arrive, in this order."""
    with maker.begin() as session:
        for webhook in webhooks:
            triggered = datetime.fromisoformat(webhook.headers["X-Shopify-Triggered-At"])
            key = webhook.headers["X-Shopify-Webhook-Id"]
            builders.store_webhook(session, shop_id, webhook.topic, webhook.body, key=key, triggered_at=triggered)
    jobs.inbox.drain()


def rows(maker: sessionmaker[Session], query: str) -> list[tuple[Any, ...]]:
    with maker() as session:
        return [tuple(row) for row in session.execute(text(query))]


def cursor_of(maker: sessionmaker[Session], kind: Kind = Kind.ORDERS) -> dict[str, Any]:
    with maker() as session:
        return dict(session.execute(text("SELECT * FROM cursors WHERE kind = :k"), {"k": kind}).mappings().one())


def test_an_order_whose_webhook_was_lost_is_found(house, fakes, held, shop):
    fakes.shopify.place_order("alice@example.com")
    poll()

    assert rows(house, "SELECT number, status, total_minor, customer_id IS NOT NULL FROM orders") == [
        ("#1001", "paid", 1450, True)
    ]
    assert cursor_of(house)["error"] is None


def test_a_webhook_and_a_poll_of_the_same_change_are_one_event(house, fakes, held, shop):
    """I3: whichever of the two comes first."""
    fakes.shopify.place_order(fakes.shopify.begin_checkout(email="alice@example.com"))
    fakes.shopify.place_order("bob@example.com")
    mine = [w for w in held.take() if w.topic == "orders/create"]
    receive(house, shop, mine[:1])
    first = rows(house, "SELECT * FROM orders")
    poll()
    receive(house, shop, mine[1:])
    events = rows(house, "SELECT kind, object_id, count(*) FROM events WHERE kind = 'order_updated' GROUP BY 1, 2")

    assert rows(house, "SELECT * FROM orders ORDER BY id LIMIT 1") == first
    assert [count for *_, count in events] == [1, 1]


def test_an_import_that_is_killed_goes_on_where_it_was(house, fakes, held, shop, monkeypatch):
    for number in range(25):
        fakes.shopify.place_order(f"s{number}@example.com")
    with house.begin() as session:
        session.execute(text("UPDATE cursors SET due_at = now() + interval '1 hour' WHERE kind <> 'orders'"))
    pages = []
    take_in = reconcile.take_in

    def die_at_the_third(session, cursor, run, page, **more):
        pages.append(page.objects)
        if len(pages) == 3:
            raise KeyboardInterrupt
        return take_in(session, cursor, run, page, **more)

    monkeypatch.setattr(reconcile, "take_in", die_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        poll()
    killed = cursor_of(house)
    with house.begin() as session:  # the lease of the dead process runs out
        session.execute(text("UPDATE cursors SET lease_until = now() - interval '1 second' WHERE kind = 'orders'"))
    poll()
    ended = cursor_of(house)

    assert (killed["done"], killed["total"], killed["imported_at"]) == (20, 25, None)
    assert pages == [10, 10, 5, 5]
    assert (ended["done"], ended["page"], ended["imported_at"] is not None) == (25, None, True)
    assert rows(house, "SELECT count(*) FROM orders") == [(25,)]


def test_it_asks_again_after_a_quarter_of_an_hour_and_only_for_what_changed(house, fakes, held, shop, monkeypatch):
    asked = []
    changed_since = jobs.reconcile.SOURCES["shopify"].changed_since

    def look(access, kind, since, cursor):
        asked.append(since)
        return changed_since(access, kind, since, cursor)

    monkeypatch.setattr(jobs.reconcile.SOURCES["shopify"], "changed_since", look)
    poll()
    wait(house, fakes, timedelta(minutes=14))
    poll()
    fakes.shopify.place_order("alice@example.com")
    wait(house, fakes, timedelta(minutes=2))
    poll()
    began = cursor_of(house)["watermark"]

    assert asked[0] is None
    assert len(asked) == 2
    assert timedelta(minutes=25) < began - asked[1] < timedelta(minutes=27)
    assert rows(house, "SELECT count(*) FROM orders") == [(1,)]
