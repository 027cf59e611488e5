"""A rehearsal says what the flow does: stories told to twin shops, played by all drains in one, rehearsed in the other."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.events import ConsentState
from app.flows.audience import Line
from app.flows.conditions import has_tag, never_bought, worth_at_least
from app.flows.edits import with_audience
from app.services import suppress
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


def deleted_for_good(twins):
    twins.cart()
    twins.wait(hours=2)
    twins.drop()
    twins.wait(days=2)


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


def carts_of_some_worth_with_a_coupon_for_new_buyers(twins):
    twins.edit(
        lambda flow: replace(
            with_audience(flow, [Line(worth_at_least(3_000))]),
            steps=(*flow.steps[:-1], replace(flow.steps[-1], when=(never_bought(),))),
        )
    )
    twins.cart("t1")
    twins.wait(days=2)
    twins.order(token="t1")
    twins.wait(days=1)
    twins.cart("t2")
    twins.wait(days=2)


def carts_of_those_with_a_tag(twins):
    twins.order()
    twins.both('UPDATE customers SET tags = \'{"Gift Club": ["2026-08-03T12:00:00+00:00", true]}\' WHERE shop_id = :shop')
    twins.edit(lambda flow: with_audience(flow, [Line(has_tag("gift club"))]))
    twins.wait(hours=1)
    twins.cart("t1")
    twins.cart("t2", who="dora")
    twins.wait(days=2)


CARTS = (
    reminded_and_given_a_coupon, bought_after_the_reminder, bought_within_the_hour_without_a_token, never_agreed,
    began_a_newer_cart, deleted_for_good,
    deleted_and_came_back, refused_between_the_mails, two_people_with_carts, carts_through_the_night,
    carts_under_a_cap, carts_of_some_worth_with_a_coupon_for_new_buyers, carts_of_those_with_a_tag,
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


def reviewed_between_the_questions(twins):
    twins.order(sent_off_at=twins.now, consents=True)
    twins.wait(days=20)
    if twins.platform == "woocommerce":  # Shopify's reviews are other apps'
        twins.review()
    twins.wait(days=40)


REVIEWS = (
    sent_off_and_asked_twice, delivered_early, some_money_back_before_the_question, second_parcel_too_soon,
    reviewed_between_the_questions,
)  # fmt: skip


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


def address_that_bounces(twins):
    twins.cart()
    twins.wait(hours=3)
    twins.heed(
        lambda session, shop, _: suppress.suppress(
            session, shop, "alice@example.com", "bounced", source="test", now=twins.now
        )
    )
    twins.wait(days=2)


def mail_of_another_flow_that_fills_the_cap(twins):
    twins.both("UPDATE shops SET mail_caps = '[[48, 1]]' WHERE id = :shop")
    twins.order(consents=True)
    twins.wait(days=20, hours=23, minutes=30)
    twins.cart()
    twins.wait(days=5)


def no_cart_mails_please(twins):
    twins.cart()
    twins.wait(hours=2)
    choose(twins, topics='["cart"]')
    twins.wait(days=2)


def one_mail_a_week_please(twins):
    twins.cart("t1")
    twins.wait(minutes=20)
    choose(twins, frequency="weekly")
    twins.wait(days=3)
    twins.cart("t2")
    twins.wait(days=8)


def choose(twins, *, topics="[]", frequency="all"):
    statement = (
        "INSERT INTO preferences (shop_id, customer_id, email_hash, topics_off, frequency, updated_at) "
        "VALUES (:shop, :who, :hash, CAST(:topics AS jsonb), :frequency, :at)"
    )
    values = {"hash": b"h", "topics": topics, "frequency": frequency, "at": twins.now}
    twins.heed(lambda session, shop, who: session.execute(text(statement), {"shop": shop.id, "who": who, **values}) and None)


def low_score_that_somebody_settles(twins):
    twins.cart()
    twins.wait(minutes=10)
    statement = (
        "INSERT INTO answers (shop_id, delivery_id, enrollment_id, customer_id, score, is_low, answered_at, settled_at) "
        "VALUES (:shop, 1, 1, :who, 1, true, :at, :settled_at)"
    )

    def answer(session, shop, who):
        session.execute(text(statement), {"shop": shop.id, "who": who, "at": twins.now, "settled_at": T0 + 5 * HOUR})
        session.execute(text("UPDATE customers SET unhappy_since = :at WHERE id = :who"), {"who": who, "at": twins.now})

    twins.heed(answer)
    twins.wait(hours=5)
    twins.both("UPDATE customers SET unhappy_since = NULL WHERE shop_id = :shop")
    twins.wait(days=2)


def mailed_without_a_yes_where_the_law_lets(twins):
    twins.both("INSERT INTO mail_rules (shop_id, mode) VALUES (:shop, 'regional')")
    twins.cart(consents=False)  # from the United States
    twins.wait(days=2)


def silent_for_a_month(twins):
    twins.both("INSERT INTO mail_rules (shop_id, sunset_days) VALUES (:shop, 10)")
    for day in range(6):
        twins.cart(f"t{day}", consents=day == 0)
        twins.wait(days=9)


def account_that_is_deleted(twins):
    twins.cart(customer_id=9)
    twins.wait(hours=2)
    twins.delete(9)
    twins.wait(days=2)


def bought_often_before_we_came(twins):
    twins.cart(consents=False)
    twins.wait(days=4)
    twins.both("UPDATE customers SET orders_count = 7, summed_at = :at WHERE shop_id = :shop")
    twins.order(1)
    twins.wait(days=2)


MORE = {
    address_that_bounces: "abandoned_cart", mail_of_another_flow_that_fills_the_cap: "abandoned_cart",
    no_cart_mails_please: "abandoned_cart", one_mail_a_week_please: "abandoned_cart",
    low_score_that_somebody_settles: "abandoned_cart", mailed_without_a_yes_where_the_law_lets: "abandoned_cart",
    silent_for_a_month: "abandoned_cart", account_that_is_deleted: "abandoned_cart",
    bought_often_before_we_came: "post_purchase",
}  # fmt: skip


@pytest.mark.parametrize("story", MORE, ids=lambda story: story.__name__)
def test_so_is_what_lies_outside_carts_and_orders(house, story):
    """Choices, scores, suppressions, rules by country, silence, mails of other flows: no platform tells these."""
    others = ("post_purchase",) if story is mail_of_another_flow_that_fills_the_cap else ()
    twins = Twins(house, "shopify", MORE[story], others=others)
    story(twins)

    assert twins.rehearsed() == twins.happened() != []


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
