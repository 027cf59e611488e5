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
