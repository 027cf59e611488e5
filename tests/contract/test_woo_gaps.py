"""What a WooCommerce shop did not tell, or told wrongly, is found by asking it."""

import pytest
from sqlalchemy import func, select, text

from app.models import Cursor, Doubt, Shop
from app.services import edit_flow
from jobs import doubts, reconcile
from tests import builders, woo_cast
from tests.woo_cast import WAIT, Town, delivered, due, rows, send, work

place = woo_cast.connected


def test_a_binned_order_is_gone_once_the_shop_confirms_it(place: Town) -> None:
    order = place.shop.place_order("alice@example.com")
    delivered(place)
    place.shop.set_order_status(order, "trash")
    delivered(place)
    assert rows(place, "SELECT deleted_at FROM orders") == [(None,)]
    work(place)

    assert rows(place, "SELECT deleted_at IS NOT NULL FROM orders") == [(True,)]
    assert rows(place, "SELECT count(*) FROM doubts") == [(0,)]


def test_what_is_said_to_be_gone_and_is_not_stays(place: Town) -> None:
    """A binned coupon comes as product.deleted with the coupon's number, which may be a product's too."""
    number = place.shop.catalogue.products[0].id
    assert send(place.shop.hook("product.deleted").sign({"id": number}, place.shop.clock.now())) == 200
    work(place)

    assert rows(place, f"SELECT deleted_at FROM products WHERE external_id = '{number}'") == [(None,)]
    assert rows(place, "SELECT count(*) FROM doubts") == [(0,)]


def test_a_product_that_is_really_gone_is_marked_so(place: Town) -> None:
    number = place.shop.catalogue.products[0].id
    place.shop.bin_product(number)
    delivered(place)
    work(place)

    assert rows(place, f"SELECT deleted_at IS NOT NULL FROM products WHERE external_id = '{number}'") == [(True,)]


def test_a_doubt_waits_while_the_shop_is_away(place: Town) -> None:
    assert send(place.shop.hook("product.deleted").sign({"id": 11}, place.shop.clock.now())) == 200
    builders.work_off()
    place.fakes.woocommerce_api.faults.fail = 1
    doubts.drain(float("inf"))

    with place.house() as session:
        (left,) = session.scalars(select(Doubt)).all()
    assert (left.state, left.attempts) == ("pending", 1)
    assert "busy (503, fault)" in str(left.error)


def test_polling_wakes_a_shop_whose_queue_sleeps(place: Town) -> None:
    place.shop.is_quiet = True
    place.shop.begin_checkout(email="alice@example.com")
    assert place.fakes.sender.wait_until_idle(WAIT)
    assert rows(place, "SELECT count(*) FROM checkouts") == [(0,)]
    due(place, "orders")
    work(place)
    delivered(place)

    assert rows(place, "SELECT count(*) FROM checkouts") == [(1,)]


def test_a_lost_delivery_is_found_by_polling_and_stops_the_cart_flow(place: Town) -> None:
    """I6: the webhook of the purchase never comes; the poll tells of it, and the cart's mail is not sent."""
    with place.house.begin() as session:
        shop_id = session.scalars(select(Shop.id)).one()
        edit_flow.switch(session, shop_id, "abandoned_cart", on=True, actor="test", now=session.scalar(select(func.now())))
    checkout = place.shop.begin_checkout(email="alice@example.com")
    delivered(place)
    assert rows(place, "SELECT state FROM enrollments") == [("active",)]
    for hook in place.shop.hooks.values():
        hook.is_active = False
    place.shop.place_order(checkout)
    due(place, "orders")
    work(place)

    assert rows(place, "SELECT state, reason FROM enrollments") == [("exited", "ordered")]


def test_a_first_import_goes_on_where_it_was_broken_off(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    from integrations.woocommerce import listing

    monkeypatch.setattr(listing, "PER_PAGE", 3)
    for hook in place.shop.hooks.values():
        hook.is_active = False
    for n in range(10):  # all within a few seconds, so that some pages hold one second alone
        place.shop.place_order(f"guest{n}@example.com")
    with place.house.begin() as session:
        session.execute(
            text("UPDATE cursors SET watermark = NULL, imported_at = NULL, due_at = now() WHERE kind = 'orders'")
        )
    (cursor,) = claimed(place, "orders")
    reconcile.step(cursor)
    half = rows(place, "SELECT count(*) FROM orders")
    place.fakes.woocommerce_api.faults.fail = 1
    reconcile.drain(float("inf"))
    due(place, "orders")
    work(place)

    assert half == [(3,)]
    assert rows(place, "SELECT count(*) FROM orders") == [(10,)]
    assert rows(place, "SELECT total, imported_at IS NOT NULL FROM cursors WHERE kind = 'orders'") == [(10, True)]


def claimed(place: Town, kind: str) -> list[Cursor]:
    from app.queues import QueueName
    from jobs import drain as draining

    with place.house.begin() as session:
        session.execute(text("UPDATE cursors SET due_at = now() + interval '1 day' WHERE kind <> :kind"), {"kind": kind})
    return draining.take(draining.Work(queue=QueueName.SHOPS, model=Cursor, do=lambda *_: None, batch=1))


def test_customers_and_products_are_read_as_well(place: Town) -> None:
    place.shop.register_customer("zoe@example.com", "Zoë")
    delivered(place)
    place.shop.hooks.clear()
    place.shop.register_customer("max@example.com", "Max")
    due(place, "customers", "products")
    work(place)

    assert rows(place, "SELECT count(*) FROM customers") == [(2,)]
    assert rows(place, "SELECT count(*) FROM products") == [(len(place.shop.catalogue.products),)]
