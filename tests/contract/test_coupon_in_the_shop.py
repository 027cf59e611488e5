"""The whole way of a coupon whose making was cut off: the shop has it once, and the shopper gets that one code (I5)."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app import clock, config
from app.demo.fakes import Fakes
from app.demo.store import Coupon
from app.services import edit_flow
from integrations.shopify import client
from tests import builders
from tests.contract.test_shopify_fake import Held
from tests.shop_cast import connect, pretend_shops, receive, rows, wait

HELD = Held()
CODE = re.compile(r"\b[A-Z]{3}-[A-Z0-9]{4}-[A-Z0-9]{4}\b")


@pytest.fixture
def fakes(house: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    with pretend_shops(HELD) as fakes:
        monkeypatch.setenv("CARTWHEEL_SHOPIFY_API_BASE", fakes.shopify.home_url)
        config.settings.cache_clear()
        yield fakes


@pytest.fixture
def left_cart(house: sessionmaker[Session], fakes: Fakes) -> Fakes:
    """A cart that was left 24 hours ago, whose reminder went out: the coupon is due."""
    shop = connect(house, fakes)
    with house.begin() as session:
        edit_flow.switch(session, shop, "abandoned_cart", on=True, actor="test", now=clock.now(session))
    fakes.shopify.begin_checkout(email="alice@example.com")
    receive(house, shop, HELD.take())
    for by in (timedelta(hours=1, minutes=1), timedelta(hours=22, minutes=58)):
        wait(house, fakes, by)
        builders.work_off()
    wait(house, fakes, timedelta(minutes=3))
    return fakes


def mailed_codes() -> list[set[str]]:
    """Return the codes in each mail's text, oldest first."""
    files = sorted(config.settings().outbox_dir.glob("*.eml"))
    texts = [message_from_bytes(file.read_bytes(), policy=default).get_body(("plain",)).get_content() for file in files]
    return [set(CODE.findall(text)) for text in texts]


def made(fakes: Fakes) -> list[str]:
    return [coupon.code for coupon in fakes.shopify.store.all(Coupon)]


def try_again(house: sessionmaker[Session], fakes: Fakes) -> None:
    wait(house, fakes, timedelta(minutes=2))
    builders.work_off()


def test_a_coupon_whose_answer_was_lost_is_found_and_mailed_once(house, left_cart):
    """I5: the shop made it and answered 502."""
    left_cart.shopify_api.faults.lose = 1
    builders.work_off()
    first, waiting = made(left_cart), builders.ledger(house)
    try_again(house, left_cart)

    assert (len(first), [state for _, state, _ in waiting]) == (1, ["sent", "pending"])
    assert "502" in waiting[1][2]
    assert made(left_cart) == first
    assert builders.ledger(house) == [("reminder", "sent", None), ("coupon", "sent", None)]
    assert mailed_codes() == [set(), set(first)]


def test_a_coupon_that_was_made_after_we_stopped_waiting_is_found_and_mailed_once(house, left_cart):
    """I5: the call timed out, and the shop made it all the same."""
    left_cart.shopify_api.faults.delay = 1.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "TIMEOUT", (1, 0.2))
        builders.work_off()
    before = builders.ledger(house)
    deadline = time.monotonic() + 30
    while not made(left_cart) and time.monotonic() < deadline:
        time.sleep(0.05)
    left_cart.shopify_api.faults.delay = 0.0
    first = made(left_cart)
    try_again(house, left_cart)

    assert before[1][:2] == ("coupon", "pending")
    assert "did not answer in time" in before[1][2]
    assert len(first) == 1
    assert made(left_cart) == first
    assert mailed_codes() == [set(), set(first)]
    assert rows(house, "SELECT state, external_id IS NOT NULL FROM coupons") == [("minted", True)]
