"""What treated and held-out people spent, as counted from the rows of two shops."""

from datetime import timedelta
from itertools import count

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.models import Enrollment, Order
from app.services import comparison
from tests import builders
from tests.conftest import T0

ENTERED = T0 - timedelta(days=30)
_numbers = count(1)


@pytest.fixture
def shop_id(house):
    with house.begin() as session:
        return builders.tea_and_tin(session)


def enter(session: Session, shop_id: int, customer: int, arm: str, *, at=ENTERED, flow: str = "abandoned_cart") -> None:
    session.add(
        Enrollment(
            shop_id=shop_id, flow=flow, version=1, subject_key="checkout", episode=f"e{next(_numbers)}",
            customer_id=customer, arm=arm, entered_at=at,
        )
    )  # fmt: skip


def buy(session: Session, shop_id: int, customer: int, total: int, *, after: timedelta, **changes: object) -> None:
    number = str(next(_numbers))
    at = ENTERED + after
    facts = {
        "currency": "USD", "refunded_minor": 0, "is_test": False, "cancelled_at": None, "placed_at": at, **changes,
    }  # fmt: skip
    session.add(
        Order(
            shop_id=shop_id, external_id=number, number=number, status="paid", customer_id=customer, total_minor=total,
            discount_codes=[], started_at=at, changed_at=at, rank="", **facts,
        )
    )  # fmt: skip


def test_each_group_counts_its_people_buyers_and_money(house, shop_id):
    with house.begin() as session:
        for customer in (1, 2, 3):
            enter(session, shop_id, customer, "treated")
        for customer in (4, 5):
            enter(session, shop_id, customer, "holdout")
        buy(session, shop_id, 1, 3_000, after=timedelta(days=1))
        buy(session, shop_id, 1, 2_000, after=timedelta(days=2), refunded_minor=500)
        buy(session, shop_id, 4, 1_000, after=timedelta(hours=1))
        session.flush()
        found = comparison.compare(session, shop_id, "abandoned_cart", now=T0)

    treated, held_out = found.treated, found.held_out
    assert (treated.people, treated.buyers, treated.total_minor, treated.squares) == (3, 1, 4_500, 4_500.0**2)
    assert (held_out.people, held_out.buyers, held_out.total_minor) == (2, 1, 1_000)
    assert found.currency == "USD"
    assert found.lift.extra_minor == 3 * (1_500 - 500)


@pytest.mark.parametrize(
    ("after", "changes"),
    [
        (timedelta(hours=-1), {}),
        (comparison.WATCHED + timedelta(hours=1), {}),
        (timedelta(days=1), {"currency": "EUR"}),
        (timedelta(days=1), {"is_test": True}),
        (timedelta(days=1), {"cancelled_at": T0}),
        (timedelta(days=1), {"placed_at": None}),
    ],
    ids=["before", "too late", "another currency", "a test", "cancelled", "a draft"],
)
def test_orders_that_say_nothing_about_the_flow_do_not_count(house, shop_id, after, changes):
    with house.begin() as session:
        enter(session, shop_id, 1, "treated")
        buy(session, shop_id, 1, 3_000, after=after, **changes)
        session.flush()
        found = comparison.compare(session, shop_id, "abandoned_cart", now=T0)

    assert (found.treated.people, found.treated.buyers, found.treated.total_minor) == (1, 0, 0)
    assert found.lift is None


def test_somebody_who_entered_twice_counts_once_and_who_just_entered_not_yet(house, shop_id):
    with house.begin() as session:
        enter(session, shop_id, 1, "treated")
        enter(session, shop_id, 1, "treated", at=ENTERED + timedelta(days=1))
        enter(session, shop_id, 2, "treated", at=T0 - timedelta(days=1))
        buy(session, shop_id, 1, 3_000, after=timedelta(days=2))
        session.flush()
        found = comparison.compare(session, shop_id, "abandoned_cart", now=T0)

    assert (found.treated.people, found.treated.total_minor) == (1, 3_000)


def test_another_shop_and_another_flow_do_not_count(house, shop_id):
    """I10: the comparison of a shop sees that shop alone."""
    with house.begin() as session:
        other, _ = builders.lamp_loft(session)
        enter(session, shop_id, 1, "treated")
        enter(session, shop_id, 1, "treated", flow="welcome")
        enter(session, other, 1, "treated")
        buy(session, other, 1, 3_000, after=timedelta(days=1))
        session.flush()
        session.execute(update(Order).values(currency="USD"))
        found = comparison.compare(session, shop_id, "abandoned_cart", now=T0)

    assert (found.treated.people, found.treated.buyers) == (1, 0)
