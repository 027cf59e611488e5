"""The queue of shops: what waits for a shop's answer holds back nothing else."""

import threading

import pytest
from sqlalchemy import select, text

import jobs.housekeeping
import jobs.inbox
import jobs.scheduler
import jobs.shops
from app import clock
from app.models import ConsentWrite, Customer
from app.queues import QueueName
from app.services import proof, retention
from integrations import PLATFORMS
from tests import builders
from tests.conftest import T0

PATIENCE = 20.0  # seconds


@pytest.fixture
def answers(house, monkeypatch):
    """Tea & Tin, which is to be told that Alice wants no mail, and answers only when it is let; and whether it was asked."""
    asked, may_answer = threading.Event(), threading.Event()

    def write(_access, _word):
        asked.set()
        may_answer.wait(PATIENCE)

    monkeypatch.setattr(PLATFORMS["shopify"], "write_consent", write)
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        body = builders.checkout_body("t1", clock.now(session), customer_id=71)
        builders.store_webhook(session, shop_id, "checkouts/update", body, key="c1")
    jobs.inbox.drain()
    with house.begin() as session:
        alice = session.scalars(select(Customer)).one()
        session.add(ConsentWrite(shop_id=shop_id, customer_id=alice.id, email="alice@example.com", state="pending",
                                 consent_state="unsubscribed", said_at=T0, due_at=T0))  # fmt: skip
    yield asked, may_answer
    may_answer.set()


def test_a_shop_that_does_not_answer_holds_back_neither_retention_nor_proof(house, answers):
    """I16: housekeeping goes on while a worker of the shops waits for one."""
    asked, may_answer = answers
    assert QueueName.SHOPS in jobs.scheduler.tick()
    caller = threading.Thread(target=jobs.shops.drain)
    caller.start()
    try:
        assert asked.wait(PATIENCE)
        jobs.housekeeping.drain()
        with house() as session:
            left = retention.is_due(session), proof.is_night(session)
        assert (left, caller.is_alive()) == ((False, False), True)
    finally:
        may_answer.set()
        caller.join(PATIENCE)

    with house() as session:
        assert session.scalars(text("SELECT state FROM consent_writes")).all() == ["done"]


def test_housekeeping_asks_no_shop(house, answers):
    asked, may_answer = answers
    may_answer.set()
    jobs.housekeeping.drain()
    assert not asked.is_set()

    jobs.shops.drain()
    assert asked.is_set()
