"""Runs that are about an order or a customer, on the real database: who enters, when, once, and what their mails show."""

from datetime import timedelta

import pytest
from sqlalchemy import text

import jobs.inbox
import jobs.runner
from app import clock, schema
from app.db import engine
from app.flows import FLOWS
from app.flows.conditions import has_email, ordered
from app.flows.vocabulary import Flow, On, Send, Wait
from app.models import Delivery
from app.services import content, edit_flow
from tests import builders

THANKS = Flow(
    key="thanks",
    title="Thanks",
    trigger=On("order_paid", when=(has_email(),)),
    exits=(ordered(),),
    steps=(
        Wait(days=1, since="ordered"),
        Send("thanks", message_class="transactional"),
        Wait(days=7, since="ordered"),
        Send("tips"),
    ),
)
ARRIVED = Flow(
    key="arrived",
    title="Arrived",
    trigger=On("order_fulfilled", when=(has_email(),)),
    exits=(),
    steps=(Wait(days=14, since="delivered", transit_days=4), Send("ask")),
)
HELLO = Flow(
    key="hello",
    title="Hello",
    trigger=On("customer_subscribed", when=(has_email(),), again_after_days=90),
    exits=(ordered(),),
    steps=(Send("hello"), Wait(days=2, since="entered"), Send("more")),
)


@pytest.fixture
def shop(house, monkeypatch):
    """Tea & Tin with three flows over orders and customers on, and no cart flow."""
    for flow in (THANKS, ARRIVED, HELLO):
        monkeypatch.setitem(FLOWS, flow.key, flow)
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session, flow_on=False)
        now = clock.now(session)
        for key in ("thanks", "arrived", "hello"):
            edit_flow.switch(session, shop_id, key, on=True, actor="test", now=now)
    return house, shop_id, now


def receive(house, shop_id, topic, body, key):
    with house.begin() as session:
        builders.store_webhook(session, shop_id, topic, body, key=key)
    decide()


def decide():
    jobs.inbox.drain()
    jobs.runner.drain()


def later(house, **by):
    builders.skip_clock(house, timedelta(**by))
    decide()


def order(order_id, at, **more):
    line = {"title": "Stoneware Mug", "quantity": 2, "price": "24.00", "product_id": 11, "variant_id": 12, "sku": "MUG"}
    return builders.order_body(order_id, at, **more) | {"line_items": [line]}


def mails(house, flow):
    with house() as session:
        query = text("SELECT step, state, reason FROM deliveries WHERE flow = :f ORDER BY id")
        return [tuple(row) for row in session.execute(query, {"f": flow})]


def runs(house):
    with house() as session:
        rows = session.execute(text("SELECT flow, subject_key, episode, state, reason FROM enrollments ORDER BY id"))
        return [tuple(row) for row in rows]


def test_paid_order_starts_a_run_once_and_its_mail_needs_no_consent_where_it_is_no_marketing(shop):
    house, shop_id, now = shop
    for n in range(3):
        receive(house, shop_id, "orders/updated", order(1, now), f"w{n}")
    later(house, days=1, hours=1)
    assert runs(house) == [("thanks", "order", "1", "active", None)]
    assert mails(house, "thanks") == [("thanks", "pending", None)]

    later(house, days=6)
    assert mails(house, "thanks")[1:] == [("tips", "skipped", "not_subscribed")]


def test_second_order_ends_the_run_of_the_first_and_starts_its_own(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "orders/create", order(1, now), "w1")
    later(house, hours=2)
    receive(house, shop_id, "orders/create", order(2, now + timedelta(hours=2)), "w2")

    assert runs(house) == [("thanks", "order", "1", "exited", "ordered"), ("thanks", "order", "2", "active", None)]
    assert mails(house, "thanks") == [("thanks", "skipped", "ordered")]


def test_order_of_an_import_starts_nothing(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "orders/create", order(1, now - timedelta(days=4)), "w1")

    assert runs(house) == []


def test_delivery_moves_the_wait_that_was_counted_from_the_fulfilment(shop):
    house, shop_id, now = shop
    sent_off = order(1, now) | {"fulfillments": [fulfilment(now)], "fulfillment_status": "fulfilled"}
    receive(house, shop_id, "orders/updated", sent_off, "w1")
    assert due(house, "arrived") == now + timedelta(days=18)

    builders.skip_clock(house, timedelta(days=2))
    told = {**fulfilment(now + timedelta(days=2)), "shipment_status": "delivered"}
    receive(house, shop_id, "fulfillments/update", told, "w2")
    assert due(house, "arrived") == now + timedelta(days=16)


def fulfilment(at):
    return {
        "id": 77, "order_id": 1, "status": "success", "created_at": at.isoformat(), "updated_at": at.isoformat(),
        "shipment_status": None, "tracking_company": "Post", "tracking_number": "1", "line_items": [],
    }  # fmt: skip


def due(house, flow):
    with house() as session:
        return session.scalar(
            text(
                "SELECT s.due_at FROM scheduled_steps s JOIN enrollments e ON e.id = s.enrollment_id "
                "WHERE e.flow = :f AND s.state = 'pending'"
            ),
            {"f": flow},
        )


def test_consent_starts_a_run_once_and_again_only_after_the_gap(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now), "w1")
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t2", now + timedelta(minutes=1)), "w2")
    assert [(flow, key, state) for flow, key, _, state, _ in runs(house)] == [("hello", "customer", "active")]
    assert mails(house, "hello") == [("hello", "pending", None)]

    later(house, days=3)
    assert runs(house)[0][3] == "finished"
    for days in (30, 60):
        builders.skip_clock(house, timedelta(days=days))
        with house() as session:
            at = clock.now(session)
        receive(house, shop_id, "checkouts/update", builders.checkout_body(f"t-{days}", at), f"w-{days}")
    assert len(runs(house)) == 2


def test_two_people_who_turn_out_to_be_one_go_on_in_one_run(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t1", now, email="alice@example.com"), "w1")
    receive(
        house, shop_id, "checkouts/update", builders.checkout_body("t2", now, email="a@example.com", customer_id=5), "w2"
    )
    assert [run[3] for run in runs(house)] == ["active", "active"]

    receive(
        house, shop_id, "checkouts/update", builders.checkout_body("t3", now, email="alice@example.com", customer_id=5), "w3"
    )
    assert [run[3:] for run in runs(house)] == [("active", None), ("exited", "merged")]


def test_mail_shows_the_lines_of_its_order_and_none_where_it_is_about_a_person(shop):
    house, shop_id, now = shop
    body = order(1, now) | {"buyer_accepts_marketing": True}
    receive(house, shop_id, "orders/create", body, "w1")
    receive(house, shop_id, "checkouts/update", builders.checkout_body("t9", now, email="eve@example.com"), "w2")
    later(house, days=1, hours=1)
    with house() as session:
        drafts = content.gather(
            session, session.query(Delivery).order_by(Delivery.id).all(), "http://127.0.0.1", now=clock.now(session)
        )
    shown = {d.delivery.flow: ([(n.title, n.quantity) for n in d.content.lines], d.content.because) for d in drafts}

    assert shown == {"hello": ([], "subscriber"), "thanks": ([("Stoneware Mug", 2)], "order")}
    assert {d.delivery.flow: d.delivery.message_class for d in drafts} == {"hello": "marketing", "thanks": "transactional"}


def test_shop_that_was_there_before_a_flow_gets_it_with_the_release_and_off(house, monkeypatch):
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        session.execute(text("UPDATE shops SET default_holdout = 0.1"))
    monkeypatch.setitem(FLOWS, "hello", HELLO)
    schema.migrate(engine())
    with house() as session:
        new, old = edit_flow.current(session, shop_id, "hello"), edit_flow.current(session, shop_id, "abandoned_cart")

    assert (new.settings.is_on, float(new.settings.holdout_share), new.flow) == (False, 0.1, HELLO)
    assert (old.settings.is_on, float(old.settings.holdout_share)) == (True, 0.0)
