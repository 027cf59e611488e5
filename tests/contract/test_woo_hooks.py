"""WooCommerce's webhooks as real shops send them: switched off, lost, out of order, wrong. Nothing is lost."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, sessionmaker

from app.cli import cli
from app.demo.webhook import SignedWebhook
from app.models import Connection, Cursor, Doubt, Order, Shop, Webhook
from app.services import edit_flow
from integrations.woocommerce import hooks
from integrations.woocommerce.topics import COMPANION_TOPICS, TOPICS
from integrations.woocommerce.verify import is_authentic, secret_of
from jobs import connecting, doubts, reconcile
from jobs.access import shop_access
from tests import builders
from tests.woo_cast import KEY, SECRET, WAIT, Town, town

ALL = len(TOPICS) + len(COMPANION_TOPICS)


@pytest.fixture
def place(house: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Town]:
    """A connected shop whose first import is over, and whose deliveries come when the test says so."""
    with town(house, monkeypatch, tmp_path) as opened:
        opened.connect()
        assert opened.fakes.sender.wait_until_idle(WAIT)
        work(opened)
        yield opened


def work(place: Town) -> None:
    """Do everything that is due: connecting, doubts, polling, webhooks, steps, mails."""
    connecting.drain(float("inf"))
    builders.work_off()
    doubts.drain(float("inf"))
    reconcile.drain(float("inf"))
    builders.work_off()


def delivered(place: Town) -> None:
    """Wait until the shop has sent all it has to send, and work it off."""
    assert place.fakes.sender.wait_until_idle(WAIT)
    builders.work_off()


def send(webhook: SignedWebhook) -> int:
    return requests.post(webhook.url, data=webhook.body, headers=webhook.headers, timeout=WAIT).status_code


def due(place: Town, *kinds: str) -> None:
    """Let the time come at which these are asked for again."""
    with place.house.begin() as session:
        session.execute(text("UPDATE cursors SET due_at = now() WHERE kind = ANY(:kinds)"), {"kinds": list(kinds)})


def rows(place: Town, query: str) -> list[tuple[Any, ...]]:
    with place.house() as session:
        return [tuple(row) for row in session.execute(text(query))]


def test_two_orders_of_one_second_with_one_delivery_id_are_two_orders(place: Town) -> None:
    """I3: the delivery id is a hash of webhook and second; it is the body that tells two deliveries apart (D12)."""
    one, two = (place.shop.build_order_webhook(f"{name}@example.com") for name in ("ann", "ben"))
    same = {"X-WC-Webhook-Delivery-ID": "d" * 32}
    answers = [send(SignedWebhook(w.url, {**w.headers, **same}, w.body)) for w in (one, two, one)]
    builders.work_off()

    assert answers == [200, 200, 200]
    assert rows(place, "SELECT count(*) FROM webhooks WHERE topic = 'order.created'") == [(2,)]
    assert rows(place, "SELECT count(DISTINCT external_id) FROM orders") == [(2,)]


def test_after_seven_failures_the_webhook_is_made_anew_and_the_gap_is_filled(place: Town) -> None:
    """I2: nothing is sent twice by WooCommerce; what came while we were away is found by asking."""
    before = {hook.topic: hook.id for hook in place.shop.hooks.values()}
    target = place.shop.hook("order.created").target
    for hook in place.shop.hooks.values():
        hook.target = "http://127.0.0.1:9/away"
    orders = [place.shop.place_order(f"guest{n}@example.com") for n in range(7)]
    assert place.fakes.sender.wait_until_idle(WAIT)
    for hook in place.shop.hooks.values():
        hook.target = target
    assert not place.shop.hook("order.created").is_active
    assert rows(place, "SELECT count(*) FROM orders") == [(0,)]
    due(place, "webhooks")
    work(place)

    fresh = place.shop.hook("order.created")
    assert fresh.id != before["order.created"]
    assert (fresh.is_active, fresh.failures) == (True, 0)
    assert sorted(r[0] for r in rows(place, "SELECT external_id FROM orders")) == sorted(str(o.id) for o in orders)
    place.shop.place_order("after@example.com")
    delivered(place)
    assert rows(place, "SELECT count(*) FROM orders") == [(8,)]


def test_a_webhook_that_was_switched_on_again_by_hand_keeps_its_count_and_ends_again(place: Town) -> None:
    """Why it is made anew and not switched on: one more failure would end it."""
    hook = place.shop.hook("order.created")
    for _ in range(7):
        hook.count(False)
    hook.reactivate()
    hook.count(False)

    assert hook.status == "disabled"


def test_a_webhook_that_a_person_paused_is_left_alone_and_shown(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.demo.woocommerce_hooks import Hook

    number = place.shop.hook("order.created").id
    status = Hook.status.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Hook, "status", property(lambda hook: "paused" if hook.id == number else status(hook)))
    due(place, "webhooks")
    work(place)

    assert place.shop.hook("order.created").id == number
    told = CliRunner().invoke(cli, ["shop", "show", "--json"])
    assert '"webhooks": "The shop does not send order.created."' in told.stdout


def test_copies_and_what_somebody_deleted_are_set_right(place: Town) -> None:
    shop = place.shop
    first = shop.hook("order.created")
    shop.add_hook("order.created", first.target, first.secret)
    del shop.hooks[shop.hook("order.updated").id]
    strange = shop.add_hook("order.created", "https://elsewhere.example/hook", "theirs")
    due(place, "webhooks")
    work(place)

    ours = [hook.topic for hook in shop.hooks.values() if hook.target == first.target]
    assert sorted(ours) == sorted({*ours})
    assert len(ours) == ALL
    assert strange.id in shop.hooks


def test_a_plugin_that_comes_later_is_found_and_gets_its_webhooks(place: Town) -> None:
    shop = place.shop
    for topic in COMPANION_TOPICS:
        del shop.hooks[shop.hook(topic).id]
    del shop.plugins["cartwheel"]
    due(place, "webhooks")
    work(place)
    assert len(shop.hooks) == len(TOPICS)
    shop.plugins["cartwheel"] = "1.1.0"
    due(place, "webhooks")
    work(place)

    assert len(shop.hooks) == ALL


def test_an_update_that_comes_before_the_creation_is_one_order_and_one_purchase(place: Town) -> None:
    order = place.shop.draft_order("alice@example.com")
    place.shop.store.put(order)
    for topic in ("order.updated", "order.created"):
        assert send(place.shop.order_webhook(order, topic)) == 200
        builders.work_off()

    assert rows(place, "SELECT status, paid_at IS NOT NULL FROM orders") == [("processing", True)]
    assert rows(place, "SELECT count(*) FROM purchase_marks") == [(1,)]


def test_the_first_time_an_order_was_paid_stays(place: Town) -> None:
    order = place.shop.place_order("alice@example.com")
    delivered(place)
    first = rows(place, "SELECT paid_at FROM orders")
    place.shop.set_order_status(order, "completed")
    delivered(place)

    assert rows(place, "SELECT status FROM orders") == [("completed",)]
    assert rows(place, "SELECT paid_at FROM orders") == first


def test_a_draft_is_no_order_and_starts_nothing_but_a_cart(place: Town) -> None:
    from dataclasses import replace

    draft = replace(place.shop.draft_order("alice@example.com"), status="checkout-draft")
    place.shop.store.put(draft)
    assert send(place.shop.order_webhook(draft, "order.updated")) == 200
    due(place, "orders")
    work(place)

    assert rows(place, "SELECT status, placed_at FROM orders") == [("checkout-draft", None)]
    assert rows(place, "SELECT count(*) FROM purchase_marks") == [(0,)]
    assert rows(place, "SELECT count(*) FROM enrollments") == [(0,)]


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


def test_a_body_that_is_an_error_is_parked_and_the_connection_complains(place: Town) -> None:
    """I16: validly signed, and no order in it: the webhook's owner lost the right to see orders."""
    place.shop.owner_lost_rights = True
    place.shop.place_order("alice@example.com")
    delivered(place)

    parked = rows(place, "SELECT state, error FROM webhooks WHERE topic LIKE 'order.%'")
    assert {state for state, _ in parked} == {"failed"}
    assert all("woocommerce_rest_cannot_view" in error for _, error in parked)
    assert rows(place, "SELECT count(*) FROM orders") == [(0,)]
    with place.house() as session:
        known = session.scalars(select(Connection)).one()
    assert "connect the shop again" in str(known.problem)
    page = place.post("/woocommerce/connect/session")
    assert "connect the shop again" in page.text


def test_the_complaint_goes_when_the_shop_shows_itself_again(place: Town) -> None:
    place.shop.owner_lost_rights = True
    place.shop.place_order("alice@example.com")
    delivered(place)
    connecting.drain(float("inf"))

    with place.house() as session:
        assert session.scalars(select(Connection.problem)).one() is None


def test_keys_that_are_refused_again_and_again_hold_the_shops_mail(place: Town) -> None:
    """I16: one refusal may be a firewall's bad minute; three in a row are a revoked key, and the shop says so."""
    place.fakes.woocommerce_api.faults.is_revoked = True
    states = []
    for _ in range(3):
        with place.house.begin() as session:
            session.execute(text("UPDATE connections SET due_at = now()"))
        connecting.drain(float("inf"))
        with place.house() as session:
            states.append(session.scalars(select(Shop.state)).one())

    assert states == ["active", "active", "needs_reconnect"]
    place.fakes.woocommerce_api.faults.is_revoked = False
    assert place.connect().state == "active"


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


@pytest.mark.parametrize(
    ("fault", "status"), [("redirect", "redirect"), ("html", "no JSON"), ("fail", "busy"), ("lose", "")]
)
def test_webhooks_are_made_once_though_answers_are_lost(place: Town, fault: str, status: str) -> None:
    place.shop.hooks.clear()
    setattr(place.fakes.woocommerce_api.faults, fault, 1)
    due(place, "webhooks")
    reconcile.drain(float("inf"))
    said = rows(place, "SELECT error FROM cursors WHERE kind = 'webhooks'")[0][0]
    assert status in said
    due(place, "webhooks")
    work(place)

    assert sorted(hook.topic for hook in place.shop.hooks.values()) == sorted({h.topic for h in place.shop.hooks.values()})
    assert len(place.shop.hooks) == ALL


def test_a_body_of_one_topic_does_not_pass_under_the_name_of_another(place: Town) -> None:
    """I11: the topic is not signed, so each webhook has a secret of its own."""
    webhook = place.shop.build_order_webhook("alice@example.com")
    moved = {**webhook.headers, "X-WC-Webhook-Topic": "order.deleted"}

    assert send(SignedWebhook(webhook.url, moved, webhook.body)) == 401
    assert send(webhook) == 200


def test_a_shop_that_was_connected_by_hand_signs_with_its_one_secret() -> None:
    body = b'{"id":1}'
    by_hand = {"X-WC-Webhook-Topic": "order.created", "X-WC-Webhook-Signature": builders.sign("whole", body)}
    ours = {**by_hand, "X-WC-Webhook-Signature": builders.sign(secret_of("whole", "order.created"), body)}

    assert is_authentic(by_hand, body, ["whole"])
    assert is_authentic(ours, body, ["whole"])
    assert not is_authentic({**ours, "X-WC-Webhook-Topic": "order.updated"}, body, ["whole"])


def test_our_webhooks_are_removed_when_we_leave(place: Town) -> None:
    access = shop_access(1)
    address = place.shop.hook("order.created").target
    place.shop.add_hook("order.created", "https://elsewhere.example/hook", "theirs")

    assert hooks.remove_all(access, address) == ALL
    assert [hook.target for hook in place.shop.hooks.values()] == ["https://elsewhere.example/hook"]


def test_a_failed_look_says_so_and_comes_again(place: Town) -> None:
    place.fakes.woocommerce_api.faults.html = 1
    with place.house.begin() as session:
        session.execute(text("UPDATE connections SET due_at = now()"))
    connecting.drain(float("inf"))

    with place.house() as session:
        known = session.scalars(select(Connection)).one()
        now = session.scalar(select(func.now()))
    assert "no JSON" in str(known.problem)
    assert known.due_at - now < timedelta(hours=1)
    assert rows(place, f"SELECT count(*) FROM {Webhook.__tablename__} WHERE state = 'failed'") == [(0,)]
    assert rows(place, f"SELECT count(*) FROM {Order.__tablename__}") == [(0,)]


def test_who_else_mails_about_carts_is_named_before_the_flow_is_switched_on(place: Town) -> None:
    place.shop.plugins |= {"automatewoo": "6.1", "akismet": "5"}
    own = {"enabled": "yes", "automated": "yes", "suppressed": "no"}
    place.shop.settings["email_customer_abandoned_cart_recovery"] = own
    with place.house.begin() as session:
        session.execute(text("UPDATE connections SET due_at = now()"))
    connecting.drain(float("inf"))
    page = place.post("/woocommerce/connect/session").text
    flow = place.get("/admin/flows/abandoned_cart").text
    told = CliRunner().invoke(cli, ["flow", "enable", "abandoned_cart"])

    for said in (page, flow, told.stderr):
        assert "AutomateWoo" in said
        assert "own abandoned cart mail" in said
        assert "kismet" not in said


def test_a_mail_of_woocommerces_own_that_is_switched_off_is_no_rival(place: Town) -> None:
    place.shop.settings["email_customer_abandoned_cart_recovery"] = {"enabled": "yes", "automated": "no"}
    with place.house.begin() as session:
        session.execute(text("UPDATE connections SET due_at = now()"))
    connecting.drain(float("inf"))

    assert rows(place, "SELECT senders FROM connections") == [([],)]


def test_what_is_known_of_a_connection_is_shown_to_support(place: Town) -> None:
    told = json.loads(CliRunner().invoke(cli, ["shop", "show", "--json"]).stdout)

    assert told["webhooks"] == "in order"
    assert (told["connection"]["version"], told["connection"]["problem"]) == ("10.5.0", None)


def test_old_attempts_go_with_all_that_came_for_them(place: Town) -> None:
    """I12: also the sealed keys of one that came to nothing."""
    from app.services import retention

    with place.house.begin() as session:
        session.execute(text("UPDATE oauth_states SET created_at = now() - interval '3 days', keys = 'sealed'"))
        for rule in retention.RULES:
            retention.apply(session, rule)

    assert rows(place, "SELECT count(*) FROM oauth_states") == [(0,)]


def test_a_shop_that_was_connected_by_hand_is_looked_at_too(place: Town) -> None:
    with place.house.begin() as session:
        session.execute(text("DELETE FROM connections"))
    told = CliRunner().invoke(
        cli,
        ["shop", "connect", "woocommerce", "--url", place.address, "--key", KEY, "--secret", SECRET,
         "--webhook-secret", "w" * 40, "--json"],
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    connecting.drain(float("inf"))

    assert rows(place, "SELECT version, companion FROM connections") == [("10.5.0", "1.0.0")]
