"""The comparison with the held-out people, on shops whose truth is known because we made it."""

import math
import os
import random

import pytest

from app.domain.lift import FEWEST_BUYERS, Spending, lift

SHOPS = int(os.environ.get("TEST_LIFT_SHOPS", "1000"))
MEAN_ORDER = math.exp(8.5 + 0.8**2 / 2)  # minor units: the mean of the baskets below


def spending(rng: random.Random, people: int, share: float) -> Spending:
    """A group of which about this share buys, for baskets with a long tail."""
    buyers = sum(rng.random() < share for _ in range(people))
    baskets = [round(rng.lognormvariate(8.5, 0.8)) for _ in range(buyers)]
    return Spending(people, buyers, sum(baskets), float(sum(b * b for b in baskets)))


def shops(people: int, held: float, usual: float, treated: float):
    rng = random.Random(20261124)
    out = round(people * held)
    return [lift(spending(rng, people - out, treated), spending(rng, out, usual)) for _ in range(SHOPS)]


@pytest.mark.parametrize(("people", "held"), [(600, 0.1), (2000, 0.1), (2000, 0.5)])
def test_a_flow_that_does_nothing_wins_in_at_most_one_shop_of_twenty(people, held):
    found = shops(people, held, usual=0.08, treated=0.08)

    false_wins = sum(one.has_enough and one.low_minor > 0 for one in found)
    false_claims = sum(one.is_proven for one in found)
    assert false_wins <= 0.05 * SHOPS
    assert false_claims <= 0.05 * SHOPS * 1.3  # 5 % itself, and what luck adds in a thousand shops


@pytest.mark.parametrize(("people", "held"), [(2000, 0.1), (5000, 0.2)])
def test_a_known_lift_lies_in_its_interval_about_ninety_five_times_in_a_hundred(people, held):
    treated = people - round(people * held)
    truth = treated * (0.10 - 0.08) * MEAN_ORDER

    found = shops(people, held, usual=0.08, treated=0.10)

    inside = sum(one.low_minor <= truth <= one.high_minor for one in found) / SHOPS
    assert 0.935 <= inside <= 0.985


def test_extra_revenue_is_what_the_treated_spent_beyond_what_they_would_have():
    treated = Spending(people=900, buyers=90, total_minor=900_000, squares=900 * 1e7)
    held_out = Spending(people=100, buyers=8, total_minor=80_000, squares=100 * 8e6)

    found = lift(treated, held_out)

    assert found.extra_minor == 900 * (1000 - 800)
    assert found.low_minor < found.extra_minor < found.high_minor
    assert found.has_enough


@pytest.mark.parametrize("held_out", [Spending(0, 0, 0, 0.0), Spending(1, 1, 500, 250_000.0)])
def test_nobody_to_compare_with_is_said(held_out):
    assert lift(Spending(900, 90, 900_000, 9e9), held_out) is None


def test_few_buyers_among_the_held_out_prove_nothing():
    held_out = Spending(people=200, buyers=FEWEST_BUYERS - 1, total_minor=100, squares=2_500.0)

    found = lift(Spending(people=1800, buyers=900, total_minor=9_000_000, squares=1e11), held_out)

    assert found.low_minor > 0
    assert not found.is_proven


def test_a_shop_where_nobody_bought_is_no_error():
    found = lift(Spending(100, 0, 0, 0.0), Spending(10, 0, 0, 0.0))

    assert (found.extra_minor, found.low_minor, found.high_minor, found.people_needed) == (0, 0, 0, 0)


def test_more_people_are_asked_for_where_fewer_are_held_out():
    treated, held_out = Spending(900, 90, 900_000, 9e9), Spending(100, 10, 100_000, 1e9)
    fewer = Spending(50, 5, 50_000, 5e8)

    assert lift(treated, fewer).people_needed > lift(treated, held_out).people_needed > 1000
