"""Orders are credited to mails by what people did, never by what robots did, and the days add up."""

from datetime import timedelta

import pytest
from sqlalchemy import text

import jobs.crediting
import jobs.inbox
from app import clock
from app.services import edit_rules, statistics
from app.web import create_app
from integrations import PLATFORMS
from tests import builders
from tests.contract.test_tracking import BROWSER, mails, visible


@pytest.fixture
def mailed(house, monkeypatch):
    """Alice has her reminder."""
    monkeypatch.setattr(PLATFORMS["shopify"], "mint_coupon", lambda access, spec: f"gid://{spec.code}")
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        body = builders.checkout_body("t1", clock.now(session), customer_id=71)
        builders.store_webhook(session, shop_id, "checkouts/update", body, key="c1")
    builders.work_off()
    pass_time(house, hours=1, minutes=1)
    return house, shop_id


def pass_time(house, **span) -> None:
    builders.skip_clock(house, timedelta(**span))
    builders.work_off()


def buy(house, shop_id, *, key="o1", order_id=1, **more):
    with house.begin() as session:
        now = clock.now(session)
        body = builders.order_body(order_id, now, token="t1", customer_id=71) | more
        builders.store_webhook(session, shop_id, "orders/updated", body, key=key)
    jobs.inbox.drain()
    return roll(house)


def roll(house) -> list[tuple]:
    """Let the job run; its five minutes are over."""
    with house.begin() as session:
        session.execute(text("DELETE FROM heartbeats WHERE process = 'statistics'"))
    jobs.crediting.drain()
    with house() as session:
        query = "SELECT flow, step, rule, amount_minor, currency FROM attributions ORDER BY order_external_id"
        return [tuple(row) for row in session.execute(text(query))]


def stats(house) -> list[tuple]:
    with house() as session:
        query = (
            "SELECT step, currency, sent, opened, clicked, machine_clicks, orders, revenue_minor FROM daily_stats "
            "ORDER BY step, currency"
        )
        return [tuple(row) for row in session.execute(text(query))]


def click(house, headers=BROWSER) -> None:
    create_app().test_client().get(visible(house, mails()[0][0])[0], headers=headers)


def test_order_after_a_click_is_credited_to_the_mail_and_the_day(mailed):
    house, shop_id = mailed
    pass_time(house, minutes=5)
    click(house)
    pass_time(house, minutes=5)

    assert buy(house, shop_id) == [("abandoned_cart", "reminder", "click", 4800, "USD")]
    assert stats(house) == [("reminder", "", 1, 0, 1, 0, 0, 0), ("reminder", "USD", 0, 0, 0, 0, 1, 4800)]


def test_click_of_a_robot_earns_nothing(mailed):
    house, shop_id = mailed
    pass_time(house, minutes=5)
    click(house, {"User-Agent": "Mozilla/5.0 (compatible; Barracuda Scanner)"})

    assert buy(house, shop_id) == [(None, None, None, 4800, "USD")]
    assert stats(house) == [("reminder", "", 1, 0, 0, 1, 0, 0)]


def test_code_of_a_mail_is_credited_to_it_whoever_redeems_it(mailed):
    house, shop_id = mailed
    pass_time(house, hours=24)
    with house() as session:
        code = session.execute(text("SELECT code FROM coupons")).scalar_one()
    found = buy(
        house, shop_id, email="friend@example.com", customer=None, discount_codes=[{"code": code.lower(), "amount": "5"}]
    )

    assert found == [("abandoned_cart", "coupon", "coupon", 4800, "USD")]


def test_window_counts_only_where_the_shop_wants_it(mailed):
    house, shop_id = mailed
    before = buy(house, shop_id)
    with house.begin() as session:
        edit_rules.change(session, shop_id, {"window_hours": 24}, actor="test", now=clock.now(session))
    pass_time(house, minutes=1)

    assert before[0][2] is None
    assert buy(house, shop_id, key="o2")[0][2] == "window"


def test_refund_and_cancellation_take_the_money_back(mailed):
    house, shop_id = mailed
    pass_time(house, minutes=5)
    click(house)
    pass_time(house, minutes=5)
    buy(house, shop_id)
    pass_time(house, minutes=5)
    with house() as session:
        at = clock.now(session).isoformat()
    cancelled = buy(house, shop_id, key="o2", cancelled_at=at)

    assert cancelled == [("abandoned_cart", "reminder", "click", 0, "USD")]
    assert stats(house) == [("reminder", "", 1, 0, 1, 0, 0, 0)]


def test_counting_again_changes_nothing_and_a_late_click_does(mailed):
    house, _ = mailed
    pass_time(house, minutes=5)
    roll(house)
    first = stats(house)
    roll(house)
    again = stats(house)
    click(house)
    roll(house)

    assert first == again == [("reminder", "", 1, 0, 0, 0, 0, 0)]
    assert stats(house) == [("reminder", "", 1, 0, 1, 0, 0, 0)]


def test_a_day_is_the_shops_own(mailed):
    house, _ = mailed
    with house.begin() as session:
        session.execute(text("UPDATE shops SET timezone = 'Pacific/Kiritimati'"))  # 14 hours ahead
        session.execute(text("UPDATE deliveries SET sent_at = '2026-11-19 11:00+00'"))
    roll(house)
    with house() as session:
        east = session.execute(text("SELECT day::text FROM daily_stats")).scalar_one()

    assert east == "2026-11-20"


def test_earnings_are_summed_by_mail_and_currency(mailed):
    house, shop_id = mailed
    pass_time(house, minutes=5)
    click(house)
    pass_time(house, minutes=5)
    buy(house, shop_id)
    with house() as session:
        found = statistics.earned(session, shop_id, since=clock.now(session).date() - timedelta(days=7))

    assert [(e.flow, e.step, e.currency, e.orders, e.revenue_minor) for e in found] == [
        ("abandoned_cart", "reminder", "USD", 1, 4800)
    ]


def test_test_order_is_not_credited(mailed):
    house, shop_id = mailed

    assert buy(house, shop_id, test=True) == []
