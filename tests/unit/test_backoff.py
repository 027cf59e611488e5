from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.backoff import MAIL_WAITS, WEBHOOK_WAITS, backoff

SERIES = [WEBHOOK_WAITS, MAIL_WAITS]


def dice(seed: int) -> Random:
    return Random(seed)


DICE = st.integers().map(dice)


@given(attempt=st.integers(min_value=-3, max_value=20), waits=st.sampled_from(SERIES), rng=DICE)
def test_a_wait_is_as_planned_and_at_most_a_fifth_more(attempt: int, waits: tuple[timedelta, ...], rng: Random) -> None:
    wait = backoff(attempt, waits, rng)

    if 1 <= attempt <= len(waits):
        assert wait is not None
        assert waits[attempt - 1] <= wait <= waits[attempt - 1] * 1.2
    else:
        assert wait is None


@given(waits=st.sampled_from(SERIES), rng=DICE)
def test_each_wait_is_longer_than_the_one_before(waits: tuple[timedelta, ...], rng: Random) -> None:
    made = [backoff(attempt, waits, rng) for attempt in range(1, len(waits) + 1)]

    assert all(earlier < later for earlier, later in pairwise(wait for wait in made if wait is not None))
    assert None not in made


@given(rng=DICE, asked=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=1)))
def test_the_far_side_is_never_asked_sooner_than_it_said(rng: Random, asked: timedelta) -> None:
    wait = backoff(1, MAIL_WAITS, rng, at_least=asked)

    assert wait is not None
    assert wait >= max(asked, MAIL_WAITS[0])


def test_the_last_try_is_the_last_whatever_the_far_side_says() -> None:
    assert backoff(len(MAIL_WAITS) + 1, MAIL_WAITS, dice(1), at_least=timedelta(hours=1)) is None


@pytest.mark.parametrize(("waits", "tries"), [(WEBHOOK_WAITS, 6), (MAIL_WAITS, 8)])
def test_the_number_of_tries_is_the_promised_one(waits: tuple[timedelta, ...], tries: int) -> None:
    made = [attempt for attempt in range(1, 50) if backoff(attempt, waits, dice(1)) is not None]

    assert len(made) + 1 == tries


def test_the_same_dice_give_the_same_wait() -> None:
    assert backoff(2, WEBHOOK_WAITS, dice(7)) == backoff(2, WEBHOOK_WAITS, dice(7))


def test_rows_that_failed_together_do_not_return_together() -> None:
    rng = dice(7)
    waits = {backoff(1, WEBHOOK_WAITS, rng) for _ in range(100)}

    assert len(waits) > 90
