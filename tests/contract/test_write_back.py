"""What people say to us is told to their shop: once it can be, the newest word only, and never twice harmfully."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

import jobs.inbox
import jobs.runner
import jobs.scheduler
import jobs.shops
from app import clock
from app.domain.errors import Ambiguous, NotAllowed, Permanent, Transient
from app.domain.ports import ConsentWord
from app.queues import QueueName
from app.services import unsubscribe
from app.services.content import unsubscribe_token
from integrations import PLATFORMS
from integrations.shopify.consent import consent_input
from integrations.woocommerce.consent import consent_fields
from tests import builders

WORD = ConsentWord(customer_id="71", state="unsubscribed", level=None, said_at=datetime(2026, 11, 19, 12, 0, tzinfo=UTC))


@pytest.fixture
def refused(house, monkeypatch):
    """Alice, who has an account at Tea & Tin, unsubscribed; what the shop is told, and what it answers."""
    told: list[ConsentWord] = []
    faults: list[Exception] = []

    def write(access, word):
        told.append(word)
        if faults:
            raise faults.pop(0)

    monkeypatch.setattr(PLATFORMS["shopify"], "write_consent", write)
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        body = builders.checkout_body("t1", clock.now(session), customer_id=71)
        builders.store_webhook(session, shop_id, "checkouts/update", body, key="c1")
    jobs.inbox.drain()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()
    say_no(house)
    return house, told, faults


def say_no(house) -> None:
    from app.models import Delivery

    with house.begin() as session:
        token = unsubscribe_token(session.query(Delivery).first())
        unsubscribe.unsubscribe(session, token, source="one_click", now=clock.now(session))


def rows(house) -> list[tuple]:
    with house() as session:
        query = "SELECT state, attempts, error FROM consent_writes ORDER BY id"
        return [tuple(row) for row in session.execute(text(query))]


def test_refusal_is_told_to_the_shop(refused):
    house, told, _ = refused

    assert QueueName.SHOPS in jobs.scheduler.tick()
    jobs.shops.drain()
    jobs.shops.drain()
    assert [(w.customer_id, w.state) for w in told] == [("71", "unsubscribed")]
    assert rows(house) == [("done", 1, None)]


def test_only_the_newest_word_is_told(refused):
    house, told, _ = refused
    say_no(house)
    jobs.shops.drain()

    assert len(told) == 1
    assert sorted(state for state, _, _ in rows(house)) == ["done", "ignored"]


@pytest.mark.parametrize("fault", [Transient("busy"), Ambiguous("no answer"), NotAllowed("no right"), RuntimeError("a bug")])
def test_shop_that_does_not_answer_is_told_later_by_the_same_row(refused, fault):
    house, told, faults = refused
    faults.append(fault)
    jobs.shops.drain()
    waiting = rows(house)[0][:2]
    builders.skip_clock(house, timedelta(hours=2))
    jobs.shops.drain()

    assert waiting == ("pending", 1)
    assert (len(told), rows(house)[0][:2]) == (2, ("done", 2))


def test_shop_that_refuses_for_good_is_shown_as_failed(refused):
    house, _, faults = refused
    faults.append(Permanent("Shopify did not accept the consent (INVALID)."))
    jobs.shops.drain()

    assert rows(house) == [("failed", 1, "Shopify did not accept the consent (INVALID).")]


def test_person_without_account_is_passed_over(refused):
    house, told, _ = refused
    with house.begin() as session:
        session.execute(text("DELETE FROM customer_identities WHERE kind = 'id'"))
    jobs.shops.drain()

    assert (told, rows(house)[0][0]) == ([], "ignored")


@pytest.mark.parametrize(
    ("state", "level", "expected"),
    [
        ("unsubscribed", None, ("UNSUBSCRIBED", "SINGLE_OPT_IN")),
        ("pending", "confirmed_opt_in", ("PENDING", "CONFIRMED_OPT_IN")),
        ("pending", None, ("PENDING", "CONFIRMED_OPT_IN")),
        ("subscribed", "confirmed_opt_in", ("SUBSCRIBED", "CONFIRMED_OPT_IN")),
        ("subscribed", "single_opt_in", ("SUBSCRIBED", "SINGLE_OPT_IN")),
    ],
)
def test_words_of_shopify(state, level, expected):
    told = consent_input(ConsentWord(customer_id="71", state=state, level=level, said_at=WORD.said_at))

    assert told["customerId"] == "gid://shopify/Customer/71"
    assert tuple(told["emailMarketingConsent"].values()) == expected
    assert list(told["emailMarketingConsent"]) == ["marketingState", "marketingOptInLevel"]


def test_fields_of_woocommerce():
    fields = {f["key"]: f["value"] for f in consent_fields(WORD)}

    assert fields == {
        "_cartwheel_marketing_consent": "unsubscribed",
        "_cartwheel_marketing_level": "",
        "_cartwheel_marketing_at": "2026-11-19T12:00:00",
    }
