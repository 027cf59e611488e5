"""A rehearsal says what the flow does: stories told to twin shops, played by all drains in one, rehearsed in the other."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from app.domain.events import ConsentState
from integrations import PLATFORMS
from tests.rehearsal_cast import T0, Twins

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Story = Callable[[Twins], None]


@pytest.fixture(autouse=True)
def shops_that_take_everything(monkeypatch):
    for platform in PLATFORMS.values():
        monkeypatch.setattr(platform, "mint_coupon", lambda access, spec: f"id-{spec.code}")
        monkeypatch.setattr(platform, "tag_customer", lambda *args, **more: None)


def reminded_and_given_a_coupon(twins):
    twins.cart()
    twins.wait(minutes=30)
    twins.cart(pieces=3, started_at=T0)
    twins.wait(days=3)


def bought_after_the_reminder(twins):
    twins.cart()
    twins.wait(hours=2)
    twins.order(token="t1")
    twins.wait(days=3)


def bought_within_the_hour_without_a_token(twins):
    twins.cart()
    twins.wait(minutes=20)
    twins.order()
    twins.wait(days=2)


def never_agreed(twins):
    twins.cart(consents=False)
    twins.wait(days=2)


def began_a_newer_cart(twins):
    twins.cart("t1")
    twins.wait(minutes=40)
    twins.cart("t2")
    twins.wait(days=2)


def deleted_and_came_back(twins):
    twins.cart()
    twins.wait(minutes=20)
    twins.drop()
    twins.wait(hours=5)
    twins.cart(started_at=T0)
    twins.wait(days=3)


def refused_between_the_mails(twins):
    twins.cart()
    twins.wait(hours=3)
    twins.say(ConsentState.UNSUBSCRIBED)
    twins.wait(days=2)


def two_people_with_carts(twins):
    twins.cart("a1", who="alice")
    twins.wait(minutes=10)
    twins.cart("d1", who="dora")
    twins.wait(hours=2)
    twins.order(who="dora", token="d1")
    twins.wait(days=2)


def carts_through_the_night(twins):
    twins.both("UPDATE shops SET quiet_from = 1200, quiet_until = 480, timezone = 'Europe/Berlin' WHERE id = :shop")
    twins.wait(hours=6)
    twins.cart()
    twins.wait(days=3)


def carts_under_a_cap(twins):
    twins.both("UPDATE shops SET mail_caps = '[[24, 1], [168, 2]]' WHERE id = :shop")
    for day in range(4):
        twins.cart(f"t{day}")
        twins.wait(days=1, hours=2)
    twins.wait(days=14)


CARTS = (
    reminded_and_given_a_coupon, bought_after_the_reminder, bought_within_the_hour_without_a_token, never_agreed,
    began_a_newer_cart, deleted_and_came_back, refused_between_the_mails, two_people_with_carts, carts_through_the_night,
    carts_under_a_cap,
)  # fmt: skip


def first_order_by_a_subscriber(twins):
    twins.order(consents=True)
    twins.wait(days=30)


def first_order_by_a_stranger(twins):
    twins.order()
    twins.wait(days=30)


def second_order_in_between(twins):
    twins.order(1, consents=True)
    twins.wait(days=2)
    twins.order(2, consents=True)
    twins.wait(days=40)


def order_that_is_cancelled(twins):
    twins.order(consents=True)
    twins.wait(days=2)
    twins.order(placed_at=T0, cancelled=True, consents=True)
    twins.wait(days=30)


def order_whose_money_went_back(twins):
    twins.order(consents=True)
    twins.wait(hours=5)
    twins.order(placed_at=T0, refunded="48.00", consents=True)
    twins.wait(days=30)


ORDERS = (
    first_order_by_a_subscriber, first_order_by_a_stranger, second_order_in_between, order_that_is_cancelled,
    order_whose_money_went_back,
)  # fmt: skip


def sent_off_and_asked_twice(twins):
    twins.order(consents=True)
    twins.wait(days=1)
    twins.order(placed_at=T0, sent_off_at=twins.now, consents=True)
    twins.wait(days=40)


def delivered_early(twins):
    twins.order(sent_off_at=twins.now, consents=True)
    twins.wait(days=1)
    if twins.platform == "shopify":  # WooCommerce's core tells of no delivery
        twins.deliver()
    twins.wait(days=40)


def some_money_back_before_the_question(twins):
    twins.order(sent_off_at=twins.now, consents=True)
    twins.wait(days=5)
    twins.order(placed_at=T0, sent_off_at=T0, refunded="20.00", consents=True)
    twins.wait(days=40)


def second_parcel_too_soon(twins):
    twins.order(1, sent_off_at=twins.now, consents=True)
    twins.wait(days=10)
    twins.order(2, sent_off_at=twins.now, consents=True)
    twins.wait(days=60)


REVIEWS = (sent_off_and_asked_twice, delivered_early, some_money_back_before_the_question, second_parcel_too_soon)


def four_orders_and_three_months(twins):
    for n in range(1, 5):
        twins.order(n, consents=True)
        twins.wait(days=2)
    twins.wait(days=80)


def much_spent_and_some_taken_back(twins):
    twins.order(1, total="400.00", consents=True)
    twins.wait(days=1)
    second_at = twins.now
    twins.order(2, total="150.00", consents=True)
    twins.wait(days=1)
    twins.order(2, total="150.00", placed_at=second_at, refunded="120.00", consents=True)
    twins.wait(days=40)
    twins.order(3, total="600.00", consents=True)
    twins.wait(days=40)


VIPS = (four_orders_and_three_months, much_spent_and_some_taken_back)


def agreed_at_the_till_and_left(twins):
    twins.cart()
    twins.wait(days=12)


def agreed_and_bought(twins):
    twins.cart()
    twins.wait(hours=2)
    twins.order(consents=True)
    twins.wait(days=12)


def bought_before_and_agrees(twins):
    twins.order()
    twins.wait(hours=1)
    twins.cart()
    twins.wait(days=12)


def agreed_refused_and_agreed_again(twins):
    twins.cart()
    twins.wait(days=1)
    twins.say(ConsentState.UNSUBSCRIBED)
    twins.wait(days=1)
    twins.say(ConsentState.SUBSCRIBED)
    twins.wait(days=12)


WELCOMES = (agreed_at_the_till_and_left, agreed_and_bought, bought_before_and_agrees, agreed_refused_and_agreed_again)

CASES = [
    pytest.param(flow, story, id=f"{flow}: {story.__name__}")
    for flow, stories in {
        "abandoned_cart": CARTS, "post_purchase": ORDERS, "review_request": REVIEWS, "vip": VIPS, "welcome": WELCOMES,
    }.items()
    for story in stories
]  # fmt: skip


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
@pytest.mark.parametrize(("flow", "story"), CASES)
def test_what_is_rehearsed_is_what_happens(house, platform, flow, story):
    twins = Twins(house, platform, flow)
    story(twins)

    happened = twins.happened()
    assert twins.rehearsed() == happened
    assert happened or story is bought_before_and_agrees  # a story in which nothing happens would prove nothing


def test_the_comparison_group_is_the_same_people_and_true_mails_of_the_flow_do_not_count(house):
    """Over the very shop in which the flow was on: by the address the same arm, and no mail pushes its own likeness back."""
    twins = Twins(house, "shopify", "abandoned_cart")
    twins.both("UPDATE flow_settings SET holdout_share = 0.5 WHERE shop_id = :shop AND flow = 'abandoned_cart'")
    twins.both("UPDATE shops SET mail_caps = '[[24, 1]]' WHERE id = :shop")
    for n in range(8):
        twins.cart(f"t{n}", who=f"shopper{n}")
    twins.wait(days=3)

    happened = twins.happened()
    assert {run[2] for run in happened} == {True, False}
    assert twins.rehearsed(shop_id=twins.real) == happened
