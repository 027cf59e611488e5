"""The main job on the real database, with the clock moved by hand: who gets which mail, who does not, and why."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app import clock
from app.config import settings
from tests import builders


@pytest.fixture
def shop(house, monkeypatch):
    """Tea & Tin with its flow on, and a pretend Shopify that makes every coupon."""
    monkeypatch.setattr("integrations.shopify.platform.mint_coupon", lambda access, spec: f"gid://coupon/{spec.code}")
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
    return house, shop_id, now


def receive(house, shop_id, topic, body, key):
    with house.begin() as session:
        builders.store_webhook(session, shop_id, topic, body, key=key)
    builders.work_off()


def later(house, **by):
    builders.skip_clock(house, timedelta(**by))
    builders.work_off()


def outbox() -> list[Path]:
    return sorted(settings().outbox_dir.glob("*.eml"))


def test_left_cart_gets_a_reminder_and_then_a_coupon(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    later(house, minutes=59)
    assert builders.ledger(house) == []

    later(house, minutes=2)
    assert builders.ledger(house) == [("reminder", "sent", None)]

    later(house, hours=23)
    assert builders.ledger(house) == [("reminder", "sent", None), ("coupon", "sent", None)]
    assert len(outbox()) == 2
    with house() as session:
        coupon = session.execute(text("SELECT code, state, external_id FROM coupons")).one()
    assert coupon.state == "minted"
    assert coupon.code in outbox()[1].read_text()


def test_buying_before_the_first_hour_gets_no_mail_and_a_reason(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    receive(house, shop_id, "orders/create", builders.order_body(1, now + timedelta(minutes=5), token="t1"), "w2")
    later(house, hours=2)

    assert builders.ledger(house) == [("reminder", "skipped", "ordered")]
    assert outbox() == []


def test_buying_between_the_mails_stops_the_second(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    later(house, hours=1, minutes=1)
    receive(house, shop_id, "orders/create", builders.order_body(1, now + timedelta(hours=2), token="t1"), "w2")
    later(house, hours=24)

    assert builders.ledger(house) == [("reminder", "sent", None), ("coupon", "skipped", "ordered")]


def test_order_that_came_before_its_checkout_stops_the_flow(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "orders/create", builders.order_body(1, now + timedelta(minutes=5), token="t1"), "w2")
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    later(house, hours=2)

    assert builders.ledger(house) == [("reminder", "skipped", "ordered")]


def test_order_that_shares_only_the_address_stops_the_flow(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now, email="Alice@Example.com"), "w1")
    receive(
        house, shop_id, "orders/create", builders.order_body(1, now + timedelta(minutes=5), email="alice@example.com "), "w2"
    )
    later(house, hours=2)

    assert builders.ledger(house) == [("reminder", "skipped", "ordered")]


def test_order_of_the_account_that_the_guest_turns_out_to_be_stops_the_flow(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now, email="a@example.com"), "w1")
    order = builders.order_body(1, now + timedelta(minutes=5), email="b@example.com", customer_id=5)
    receive(house, shop_id, "orders/create", order, "w2")
    assert builders.ledger(house) == []

    receive(
        house, shop_id, "checkouts/update", builders.checkout_body("t2", now, email="a@example.com", customer_id=5), "w3"
    )
    later(house, hours=2)
    assert ("reminder", "skipped", "ordered") in builders.ledger(house)
    assert outbox() == []


def test_purchase_before_the_cart_was_begun_does_not_stop_the_flow(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "orders/create", builders.order_body(1, now - timedelta(days=1)), "w2")
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    later(house, hours=2)

    assert builders.ledger(house) == [("reminder", "sent", None)]


def test_changed_cart_restarts_the_clock(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    changed = builders.checkout_body("t1", now + timedelta(minutes=50), quantity=3, started_at=now)
    receive(house, shop_id, "checkouts/update", changed, "w2")
    later(house, minutes=70)
    assert builders.ledger(house) == []

    later(house, minutes=41)
    assert builders.ledger(house) == [("reminder", "sent", None)]


def test_emptied_cart_leaves(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    emptied = builders.checkout_body("t1", now + timedelta(minutes=5), quantity=0, started_at=now)
    receive(house, shop_id, "checkouts/update", emptied, "w2")
    later(house, hours=2)

    assert builders.ledger(house) == [("reminder", "skipped", "cart_emptied")]


def test_deleted_checkout_leaves_also_when_its_deletion_comes_first(shop):
    house, shop_id, now = shop
    deletion = {"id": 1, "cart_token": "cart-t1"}
    with house.begin() as session:
        builders.store_webhook(
            session, shop_id, "checkouts/delete", deletion, key="w0", triggered_at=now + timedelta(minutes=5)
        )
    builders.work_off()
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    later(house, hours=2)

    assert builders.ledger(house) == [("reminder", "skipped", "cart_emptied")]


def test_who_did_not_agree_gets_no_mail_and_stays_in_the_flow(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now, consent=False), "w1")
    later(house, hours=2)
    assert builders.ledger(house) == [("reminder", "skipped", "not_subscribed")]

    consent = {
        "customer_id": 5,
        "email_address": "alice@example.com",
        "email_marketing_consent": {"state": "subscribed", "consent_updated_at": (now + timedelta(hours=2)).isoformat()},
    }
    receive(house, shop_id, "customers_email_marketing_consent/update", consent, "w2")
    later(house, hours=24)
    assert builders.ledger(house)[1:] == [("coupon", "sent", None)]


def test_switched_off_flow_sends_nothing(shop):
    from app.services import edit_flow

    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    with house.begin() as session:
        edit_flow.switch(session, shop_id, "abandoned_cart", on=False, actor="test", now=now)
    later(house, hours=2)

    assert builders.ledger(house) == [("reminder", "skipped", "flow_off")]


def test_uninstalled_shop_sends_nothing(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    receive(house, shop_id, "app/uninstalled", {"id": 1, "domain": builders.TEA_AND_TIN, "name": "Tea & Tin"}, "w2")
    later(house, hours=2)

    assert builders.ledger(house) == [("reminder", "skipped", "shop_uninstalled")]


def test_of_two_open_carts_the_newer_is_followed(shop):
    house, shop_id, now = shop
    newer = builders.checkout_body("t2", now + timedelta(minutes=5))
    receive(house, shop_id, "checkouts/update", newer, "w2")
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    later(house, hours=2)

    assert sorted(builders.ledger(house, ("step", "state", "reason"))) == [
        ("reminder", "sent", None),
        ("reminder", "skipped", "superseded"),
    ]


def test_long_outage_ends_in_stale_not_in_a_flood(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    later(house, hours=60)

    assert builders.ledger(house) == [("reminder", "skipped", "stale"), ("coupon", "sent", None)]


def test_held_out_person_gets_nothing_and_is_counted(shop):
    from app.services import edit_flow

    house, shop_id, now = shop
    with house.begin() as session:
        edit_flow.set_holdout(session, shop_id, "abandoned_cart", 0.5, actor="test", now=now)
    for n in range(20):
        body = builders.checkout_body(f"t{n}", now, email=f"shopper{n}@example.com")
        with house.begin() as session:
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"w{n}")
    builders.work_off()
    later(house, hours=2)
    rows = builders.ledger(house)
    held = rows.count(("reminder", "skipped", "held_out"))

    assert held + rows.count(("reminder", "sent", None)) == 20
    assert 3 <= held <= 17


def test_broken_body_fails_with_words_and_can_be_replayed(shop):
    from app.services import replay

    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", b'{"token": ', "w1")
    with house() as session:
        row = session.execute(text("SELECT id, state, error FROM webhooks")).one()
    assert (row.state, row.error) == ("failed", "The body is not valid JSON.")

    with house.begin() as session:
        replay.replay_one(session, shop_id, row.id, actor="test", reason="try again", now=now)
    builders.work_off()
    with house() as session:
        states = session.execute(text("SELECT state, attempts FROM webhooks")).one()
        audit = session.execute(text("SELECT count(*) FROM audit_log WHERE action = 'webhook.replayed'")).scalar()
    assert tuple(states) == ("failed", 1)
    assert audit == 1


def test_one_poison_row_does_not_stop_the_others(shop, monkeypatch):
    from integrations import PLATFORMS

    house, shop_id, now = shop
    real = PLATFORMS["shopify"].normalise

    def explode(topic, payload, *, at):
        if payload["token"] == "bad":
            raise ZeroDivisionError("a bug of ours")
        return real(topic, payload, at=at)

    monkeypatch.setattr(PLATFORMS["shopify"], "normalise", explode)
    with house.begin() as session:
        for token in ("t1", "bad", "t2"):
            body = builders.checkout_body(token, now, email=f"{token}@example.com")
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=token)
    builders.work_off()
    with house() as session:
        rows = session.execute(text("SELECT dedupe_key, state, error, due_at > now() FROM webhooks ORDER BY id")).all()

    assert [tuple(r) for r in rows] == [
        ("t1", "done", None, False),
        ("bad", "pending", "ZeroDivisionError: a bug of ours", True),
        ("t2", "done", None, False),
    ]


def test_request_to_be_forgotten_stops_the_mail_at_once_and_ends_when_all_is_searched(shop):
    import jobs.housekeeping

    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    redact = {"shop_id": 1, "shop_domain": builders.TEA_AND_TIN, "customer": {"id": 5, "email": "alice@example.com"}}
    receive(house, shop_id, "customers/redact", redact | {"orders_to_redact": []}, "w2")
    state = text("SELECT state FROM webhooks WHERE dedupe_key = 'w2'")
    with house() as session:
        assert session.scalar(state) == "pending"
    jobs.housekeeping.drain()
    later(house, hours=2)

    assert builders.ledger(house) == [("reminder", "skipped", "person_gone")]
    with house() as session:
        assert session.scalar(state) == "redacted"


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0), (1, 0, 2)])
def test_emptied_and_refilled_cart_is_followed_again_in_whatever_order_the_news_comes(shop, order):
    house, shop_id, now = shop
    states = [
        builders.checkout_body("t1", now, quantity=2),
        builders.checkout_body("t1", now + timedelta(minutes=5), quantity=0, started_at=now),
        builders.checkout_body("t1", now + timedelta(minutes=10), quantity=1, started_at=now),
    ]
    for n in order:
        receive(house, shop_id, "checkouts/update", states[n], f"w{n}")
    later(house, minutes=69)
    assert builders.ledger(house) == []

    later(house, minutes=2)
    assert builders.ledger(house) == [("reminder", "sent", None)]


def test_cart_emptied_after_the_reminder_and_refilled_gets_only_the_coupon(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    later(house, hours=1, minutes=1)
    emptied = builders.checkout_body("t1", now + timedelta(hours=2), quantity=0, started_at=now)
    receive(house, shop_id, "checkouts/update", emptied, "w2")
    assert builders.ledger(house)[1:] == [("coupon", "skipped", "cart_emptied")]

    refilled = builders.checkout_body("t1", now + timedelta(hours=3), quantity=1, started_at=now)
    receive(house, shop_id, "checkouts/update", refilled, "w3")
    later(house, hours=27)
    assert builders.ledger(house) == [("reminder", "sent", None), ("coupon", "sent", None)]


def test_paused_shop_holds_its_mail_and_sends_it_when_it_goes_on(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    with house.begin() as session:
        session.execute(text("UPDATE shops SET state = 'paused'"))
    later(house, hours=2)
    assert builders.ledger(house) == []

    with house.begin() as session:
        session.execute(text("UPDATE shops SET state = 'active'"))
    later(house, minutes=20)
    assert builders.ledger(house) == [("reminder", "sent", None)]


def test_step_that_fails_for_good_ends_its_run_instead_of_stranding_it(shop, monkeypatch):
    import jobs.runner

    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    monkeypatch.setattr(jobs.runner, "decide", lambda *args, **more: 1 / 0)
    for _ in range(7):
        later(house, hours=8)
    with house() as session:
        step = session.execute(text("SELECT state, error FROM scheduled_steps")).one()
        run = session.execute(text("SELECT state, reason FROM enrollments")).one()

    assert tuple(step) == ("failed", "ZeroDivisionError: division by zero")
    assert tuple(run) == ("exited", "step_failed")
