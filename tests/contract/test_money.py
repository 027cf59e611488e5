"""The money page: what a flow earned beyond what would have come anyway, and what is not known is said to be unknown."""

from datetime import timedelta

import pytest

from app import clock
from app.models import DailyStat, Experiment
from app.services import comparison
from jobs import housekeeping, scheduler
from tests.admin_cast import link
from tests.contract.test_comparison import buy, enter


def count(house, cast, **sums: object) -> None:
    """Keep sums of the cart flow as the job would."""
    given = {
        "treated_people": 9_000, "treated_buyers": 900, "treated_minor": 4_500_000, "treated_squares": 9_000 * 3e6,
        "held_people": 1_000, "held_buyers": 80, "held_minor": 300_000, "held_squares": 1_000 * 2e6, "currency": "USD",
    }  # fmt: skip
    with house.begin() as session:
        now = clock.now(session)
        session.add(Experiment(shop_id=cast.tea, flow="abandoned_cart", counted_at=now, **{**given, **sums}))


def test_extra_revenue_comes_first_with_its_interval(house, client, cast):
    count(house, cast)

    page = client.get("/admin/money").text

    assert "$18,000.00" in page  # 9,000 people x (500 - 300) minor units
    assert "95 times in 100" in page
    assert "Earns more" in page


@pytest.mark.parametrize(
    ("sums", "words"),
    [
        ({"held_buyers": 2}, "Too early to say"),
        ({"held_people": 0, "held_buyers": 0, "held_minor": 0, "held_squares": 0.0}, "Hold some people out"),
        ({"held_minor": 490_000}, "No difference seen yet"),
        ({"held_minor": 900_000}, "Earns less"),
    ],
)
def test_what_is_not_known_is_not_claimed(house, client, cast, sums, words):
    count(house, cast, **sums)

    assert words in client.get("/admin/money").text


def test_money_that_is_credited_stands_second_and_by_currency(house, client, cast):
    count(house, cast)
    with house.begin() as session:
        now = clock.now(session)
        for step, minor in (("reminder", 1_450), ("coupon", 1_305)):
            session.add(
                DailyStat(
                    shop_id=cast.tea, day=now.date(), flow="abandoned_cart", step=step, currency="USD", orders=1,
                    revenue_minor=minor, rolled_at=now,
                )
            )  # fmt: skip

    page = client.get("/admin/money").text

    assert page.index("Extra revenue") < page.index("$27.55")
    assert "2 orders" in page


def test_an_empty_page_says_what_will_be_there(client):
    assert "Nothing to count yet" in client.get("/admin/money").text


def test_another_shops_money_is_not_seen(house, cast):
    """I10: the sums of one shop are behind its wall."""
    from app.web import create_app

    count(house, cast)
    client = create_app().test_client()
    client.application.config["WTF_CSRF_ENABLED"] = False
    client.post(link(house, cast.lamp))

    assert "Nothing to count yet" in client.get("/admin/money").text


def test_the_job_counts_every_flow_and_then_rests(house, cast):
    with house.begin() as session:
        at = clock.now(session) - timedelta(days=20)
        for customer, arm in ((1, "treated"), (2, "holdout"), (3, "holdout"), (4, "treated")):
            enter(session, cast.tea, customer, arm, at=at)
        buy(session, cast.tea, 1, 5_000, after=timedelta(0), placed_at=at + timedelta(days=1))
    due_before = "housekeeping" in scheduler.tick()
    housekeeping.drain()

    with house.begin() as session:
        kept = comparison.kept(session, cast.tea)["abandoned_cart"]
        assert not comparison.is_due(session)
    assert due_before
    assert (kept.treated.people, kept.treated.total_minor, kept.held_out.people) == (2, 5_000, 2)
    assert kept.lift.extra_minor == 5_000
