"""WooCommerce's webhooks as real shops send them: switched off, copied, out of order. Nothing is lost or counts twice."""

import pytest
from click.testing import CliRunner

from app.cli import cli
from app.demo.webhook import SignedWebhook
from integrations.woocommerce import hooks
from integrations.woocommerce.topics import COMPANION_TOPICS, TOPICS
from integrations.woocommerce.verify import is_authentic, secret_of
from jobs import reconcile
from jobs.access import shop_access
from tests import builders, woo_cast
from tests.woo_cast import WAIT, Town, delivered, due, rows, send, switch_on, work

place = woo_cast.connected
ALL = len(TOPICS) + len(COMPANION_TOPICS)


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
    """I3: and it starts what follows a purchase once."""
    switch_on(place, "post_purchase")
    order = place.shop.draft_order("alice@example.com")
    place.shop.store.put(order)
    for topic in ("order.updated", "order.created"):
        assert send(place.shop.order_webhook(order, topic)) == 200
        builders.work_off()

    assert rows(place, "SELECT status, paid_at IS NOT NULL FROM orders") == [("processing", True)]
    assert rows(place, "SELECT count(*) FROM purchase_marks") == [(1,)]
    assert rows(place, "SELECT flow, state FROM enrollments") == [("post_purchase", "active")]


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
