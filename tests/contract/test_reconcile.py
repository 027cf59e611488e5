"""Shops are asked what changed: what webhooks lost is found, what they told is no second event, a killed run goes on."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

import jobs.reconcile
from app import clock, config
from app.demo.fakes import Fakes
from app.domain.polling import Kind
from app.services import edit_flow, reconcile
from integrations.shopify.client import AdminClient
from tests import builders
from tests.contract.test_shopify_fake import Held, access
from tests.shop_cast import connect, poll, pretend_shops, receive, rows, wait


@pytest.fixture
def held() -> Held:
    """The webhooks that the shop sends, kept back: each test says which of them arrive."""
    return Held()


@pytest.fixture
def fakes(house: sessionmaker[Session], held: Held, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    """The pretend Shopify on loopback, whose time is the house's."""
    with pretend_shops(held) as fakes:
        monkeypatch.setenv("CARTWHEEL_SHOPIFY_API_BASE", fakes.shopify.home_url)
        config.settings.cache_clear()
        yield fakes


@pytest.fixture
def shop(house: sessionmaker[Session], fakes: Fakes) -> int:
    """Tea & Tin, connected just now."""
    return connect(house, fakes)


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

    assert (killed["done"], killed["total"], killed["imported_at"]) == (8, 25, None)
    assert pages == [4, 4, 4, 4, 4, 4, 4, 1]
    assert (ended["done"], ended["page"], ended["imported_at"] is not None) == (25, None, True)
    assert rows(house, "SELECT count(*) FROM orders") == [(25,)]


def test_it_asks_again_after_a_quarter_of_an_hour_and_only_for_what_changed(house, fakes, held, shop, monkeypatch):
    asked = []
    changed_since = jobs.reconcile.SOURCES["shopify"].changed_since

    def look(access, kind, since, cursor):
        asked.extend([since] if kind is Kind.ORDERS else [])
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


def test_a_checkout_whose_webhooks_were_lost_is_followed_and_mailed_once(house, fakes, held, shop):
    """I3: the list names no token; when a webhook tells it, the person is still in the flow once."""
    with house.begin() as session:
        edit_flow.switch(session, shop, "abandoned_cart", on=True, actor="test", now=clock.now(session))
    cart = fakes.shopify.begin_checkout(email="alice@example.com")
    held.take()
    poll()
    entered = rows(house, "SELECT episode FROM enrollments")
    wait(house, fakes, timedelta(minutes=5))
    fakes.shopify.change_cart(cart, [("TEA-DARJ-50", 3)])
    receive(house, shop, [w for w in held.take() if w.topic == "checkouts/update"])
    wait(house, fakes, timedelta(minutes=20))
    poll()
    wait(house, fakes, timedelta(minutes=50))
    builders.work_off()

    assert entered == [(cart.cart_token,)]
    assert rows(house, "SELECT token, cart_token, email FROM checkouts") == [
        (cart.token, cart.cart_token, "alice@example.com")
    ]
    assert rows(house, "SELECT episode FROM enrollments") == [(cart.token,)]
    assert builders.ledger(house) == [("reminder", "sent", None)]


def test_a_lost_purchase_found_by_asking_stops_the_mail(house, fakes, held, shop):
    """I6: the order's webhooks never came."""
    with house.begin() as session:
        edit_flow.switch(session, shop, "abandoned_cart", on=True, actor="test", now=clock.now(session))
    cart = fakes.shopify.begin_checkout(email="alice@example.com")
    receive(house, shop, held.take())
    poll()
    wait(house, fakes, timedelta(minutes=20))
    fakes.shopify.place_order(cart)
    held.take()
    poll()
    wait(house, fakes, timedelta(minutes=60))
    builders.work_off()

    assert builders.ledger(house) == [("reminder", "skipped", "ordered")]


def test_customers_come_with_consent_tags_and_sums(house, fakes, held, shop):
    fakes.shopify.begin_checkout(email="alice@example.com")
    fakes.shopify.place_order("alice@example.com")
    with AdminClient(access(fakes)) as client:
        who = client.run("CustomerByEmail", {"email": "alice@example.com"}).data["customerByIdentifier"]["id"]
        client.run("TagsAdd", {"id": who, "tags": ["vip", "tea"]})
    poll()
    tags = "(SELECT array_agg(t ORDER BY t) FROM jsonb_object_keys(tags) t)"
    first = rows(house, f"SELECT email, orders_count, spent_minor, {tags} FROM customers")
    consent = rows(house, "SELECT consent_state FROM customer_identities WHERE kind = 'email'")

    assert first == [("alice@example.com", 1, 1450, ["tea", "vip"])]
    assert consent == [("subscribed",)]


def test_what_was_unsubscribed_in_the_shop_is_found_and_tags_that_went_go(house, fakes, held, shop):
    """I7: also when the webhooks about it were lost."""
    fakes.shopify.begin_checkout(email="alice@example.com")
    with AdminClient(access(fakes)) as client:
        who = client.run("CustomerByEmail", {"email": "alice@example.com"}).data["customerByIdentifier"]["id"]
        client.run("TagsAdd", {"id": who, "tags": ["vip", "tea"]})
        poll()
        wait(house, fakes, timedelta(hours=7))
        client.run("TagsRemove", {"id": who, "tags": ["tea"]})
    fakes.shopify.set_consent("alice@example.com", "unsubscribed")
    poll()

    assert rows(house, "SELECT tags -> 'tea' -> 1, tags -> 'vip' -> 1 FROM customers") == [(False, True)]
    assert rows(house, "SELECT consent_state FROM customer_identities WHERE kind = 'email'") == [("unsubscribed",)]


def test_products_come_with_their_pictures_and_prices(house, fakes, held, shop):
    poll()
    shown = "is_available AND image_url IS NOT NULL AND url IS NOT NULL"
    found = rows(house, f"SELECT count(*), bool_and({shown}) FROM products")

    assert found == [(len(fakes.shopify.catalogue.products), True)]
    assert rows(house, "SELECT min(price_minor) > 0 FROM products") == [(True,)]


def test_the_import_is_over_when_its_last_kind_is(house, fakes, held, shop):
    poll()

    assert rows(house, "SELECT kind, error FROM cursors WHERE imported_at IS NULL OR error IS NOT NULL") == [
        ("webhooks", None)
    ]
    assert rows(house, "SELECT import_wanted_at FROM shops") == [(None,)]
