"""Shops are asked what changed: what webhooks lost is found, what they told is no second event, a killed run goes on."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

import jobs.housekeeping
import jobs.inbox
import jobs.reconcile
from app import clock, config
from app.cli import cli
from app.demo import shopify_wares
from app.demo.fakes import Fakes
from app.domain.polling import Kind
from app.domain.ports import ShopAccess
from app.services import edit_flow, reconcile
from integrations import SOURCES
from integrations.shopify.client import AdminClient
from jobs import catch_up
from tests import builders
from tests.builders import order_body
from tests.contract.test_erase import everything, hits
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


def cursor_of(maker: sessionmaker[Session], kind: str = Kind.ORDERS) -> dict[str, Any]:
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


def test_a_live_webhook_during_the_import_wins_where_it_is_newer(house, fakes, held, shop, monkeypatch):
    """I3: an order changes while the page that shows its older state is under way; what is old is not written over it."""
    order = fakes.shopify.place_order("alice@example.com")
    held.take()
    take_in = reconcile.take_in
    newer = order_body(order.id, order.updated_at + timedelta(minutes=5), email="alice@example.com") | {"name": "#1001"}

    def overtaken(session, cursor, run, page, **more):
        if cursor.kind == Kind.ORDERS:
            monkeypatch.setattr(reconcile, "take_in", take_in)
            with house.begin() as live:
                builders.store_webhook(live, shop, "orders/updated", newer | {"financial_status": "refunded"}, key="w1")
            jobs.inbox.drain()
        return take_in(session, cursor, run, page, **more)

    monkeypatch.setattr(reconcile, "take_in", overtaken)
    poll()

    assert rows(house, "SELECT number, status, total_minor FROM orders") == [("#1001", "refunded", 4800)]
    assert rows(house, "SELECT count(*) FROM events WHERE kind = 'order_updated'") == [(2,)]


def test_an_import_starts_no_flow_over_what_is_older_than_three_days(house, fakes, held, shop):
    """Old facts may stop a flow and not start one: nobody is mailed about a cart of last week."""
    with house.begin() as session:
        edit_flow.switch(session, shop, "abandoned_cart", on=True, actor="test", now=clock.now(session))
    fakes.shopify.begin_checkout(email="old@example.com")
    wait(house, fakes, timedelta(hours=73))
    fakes.shopify.begin_checkout(email="new@example.com")
    held.take()
    poll()

    assert rows(house, "SELECT c.email FROM enrollments e JOIN checkouts c ON c.token = e.episode") == [("new@example.com",)]


def test_a_killed_command_is_gone_on_with_by_the_worker(house, fakes, held, shop, monkeypatch):
    for number in range(9):
        fakes.shopify.place_order(f"s{number}@example.com")
    pages = []

    def killed_at_the_second(cursor):
        pages.append(cursor.done)
        if len(pages) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catch_up.reconcile_kind(shop, Kind.ORDERS, None, killed_at_the_second)
    killed = cursor_of(house)["done"]
    poll()

    assert (killed, cursor_of(house)["done"]) == (8, 9)
    assert rows(house, "SELECT count(*) FROM orders") == [(9,)]


def test_what_the_counts_show_to_be_missing_is_looked_for_in_all_of_it(house, fakes, held, shop):
    fakes.shopify.place_order("alice@example.com")
    poll()
    with house.begin() as session:  # as if it had never been told, and were older than the watermark
        session.execute(text("DELETE FROM orders"))
        session.execute(text("UPDATE cursors SET watermark = now() + interval '1 hour' WHERE kind = 'orders'"))
    told = catch_up.reconcile_kind(shop, Kind.ORDERS, None, lambda _cursor: None)

    assert (told.shop_says, told.we_hold, told.found, told.is_equal) == (1, 1, 1, True)


def test_what_the_shop_deleted_without_a_word_is_taken_out(house, fakes, held, shop):
    fakes.shopify.place_order("alice@example.com")
    gone = fakes.shopify.place_order("bob@example.com")
    poll()
    fakes.shopify.store._db.execute("DELETE FROM documents WHERE kind = 'Order' AND key = ?", (str(gone.id),))
    fakes.shopify.store._db.execute("DELETE FROM documents WHERE kind = 'Customer' AND key = 'bob@example.com'")
    told = [catch_up.reconcile_kind(shop, kind, None, lambda _cursor: None) for kind in (Kind.ORDERS, Kind.CUSTOMERS)]

    assert [(each.shop_says, each.we_hold, each.is_equal) for each in told] == [(1, 1, True)] * 2
    assert rows(house, "SELECT external_id FROM orders WHERE deleted_at IS NOT NULL") == [(str(gone.id),)]


def test_what_the_app_may_not_see_is_not_taken_for_gone(house, fakes, held, shop):
    """A null that means "not approved" says nothing about the shop."""
    order = fakes.shopify.place_order("alice@example.com")
    fakes.shopify_api.faults.redacted = frozenset({"id"})
    found = SOURCES["shopify"].gone(access(fakes), Kind.ORDERS, [str(order.id), "9"])
    fakes.shopify_api.faults.redacted = frozenset()

    assert found == frozenset()
    assert SOURCES["shopify"].gone(access(fakes), Kind.ORDERS, [str(order.id), "9"]) == {"9"}


def test_woocommerce_is_asked_by_id_as_well(house, fakes, monkeypatch):
    woo = fakes.woocommerce
    order, source = woo.place_order("alice@example.com"), SOURCES["woocommerce"]
    keys = ShopAccess(shop_id=2, domain="lamp-loft", base_url=woo.home_url, key="ck", secret="cs")
    found = source.gone(keys, Kind.ORDERS, [str(order.id), "999999"])
    binned = woo.catalogue.products[0].id
    woo.binned.add(binned)

    assert found == {"999999"}
    assert source.gone(keys, Kind.PRODUCTS, [str(p.id) for p in woo.catalogue.products]) == {str(binned)}


def test_the_command_says_when_something_still_differs_or_cannot_be_read(house, fakes, held, shop):
    """I16: exit code 3, and why."""
    fakes.shopify.begin_checkout(email="alice@example.com")
    poll()
    with house.begin() as session:
        other = 'json_populate_record(c, \'{"id"\\: 99, "token"\\: "t", "cart_token"\\: "c"}\')'
        session.execute(text(f"INSERT INTO checkouts SELECT ({other}).* FROM checkouts c"))
    differs = CliRunner().invoke(cli, ["reconcile"])
    fakes.shopify_api.faults.fail, fakes.shopify_api.faults.fail_status = 9, 402
    unread = CliRunner().invoke(cli, ["reconcile", "--json"])

    assert (differs.exit_code, unread.exit_code) == (3, 3)
    assert "checkouts: the shop says 1, we hold 2" in differs.stdout
    assert "frozen" in json.loads(unread.stdout.splitlines()[0])["error"]


def test_a_shop_that_removed_us_is_not_asked_and_one_that_comes_back_is(house, fakes, held, shop):
    """I7: uninstalled is uninstalled."""
    poll()
    with house.begin() as session:
        session.execute(text("UPDATE shops SET state = 'uninstalled'"))
        session.execute(text("UPDATE cursors SET due_at = now()"))
    poll()
    stopped = rows(house, "SELECT DISTINCT state FROM cursors")
    fakes.shopify.place_order("alice@example.com")
    connect(house, fakes)
    poll()

    assert stopped == [("stopped",)]
    assert rows(house, "SELECT count(*) FROM orders") == [(1,)]


def test_missing_subscriptions_are_shown_and_set_everything_due(house, fakes, held, shop, monkeypatch):
    """I16: what a shop does not send is named, and asked for at once."""
    poll()
    monkeypatch.setattr(shopify_wares, "_SUBSCRIBED", shopify_wares._SUBSCRIBED[3:])
    wait(house, fakes, timedelta(hours=1, seconds=1))
    fakes.shopify.set_consent(fakes.shopify.begin_checkout(email="alice@example.com").email, "unsubscribed")
    poll()

    assert cursor_of(house, "webhooks")["error"] == "The shop does not send app/uninstalled, app/scopes_update, shop/update."
    assert rows(house, "SELECT value FROM customer_identities WHERE kind = 'email'") == [("alice@example.com",)]


def test_nothing_of_somebody_who_was_forgotten_comes_back_by_asking(house, fakes, held, shop):
    """I12: the shop still lists her; the place where the reading stands may not name her either."""
    cart = fakes.shopify.begin_checkout(email="alice@example.com", first_name="Alisanda")
    fakes.shopify.place_order(cart)
    poll()
    account = rows(house, "SELECT value FROM customer_identities WHERE kind = 'id'")[0][0]
    page = "100 " + base64.b64encode(json.dumps({"last_id": int(account)}).encode()).decode()
    with house.begin() as session:
        values = {"p": page}
        session.execute(text("UPDATE cursors SET page = :p, began_at = now() WHERE kind IN ('customers', 'orders')"), values)
    wait(house, fakes, timedelta(minutes=1))
    body = {"shop_domain": fakes.shopify.catalogue.domain, "customer": {"id": int(account), "email": "alice@example.com"}}
    with house.begin() as session:
        builders.store_webhook(session, shop, "customers/redact", body | {"orders_to_redact": []}, key="r1")
    builders.work_off()
    pages = rows(house, "SELECT page FROM cursors WHERE page IS NOT NULL")
    with house.begin() as session:
        session.execute(text("UPDATE cursors SET watermark = NULL, due_at = now(), lease_until = NULL"))
    jobs.housekeeping.drain()
    poll()
    after = everything(house)
    personal = {
        "email": "alice@example.com",
        "name": "Alisanda",
        "id": account,
        "cart": cart.cart_token,
        "token": cart.token,
    }

    assert pages == []
    assert hits(after, personal) == set()
    assert cursor_of(house)["done"] == 1
