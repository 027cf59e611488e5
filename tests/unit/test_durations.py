"""Durations as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.durations import parse, show


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5s", timedelta(seconds=5)),
        ("10m", timedelta(minutes=10)),
        ("1h", timedelta(hours=1)),
        ("2d", timedelta(days=2)),
        ("1h30m", timedelta(minutes=90)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        (" 1H ", timedelta(hours=1)),
        ("90m", timedelta(minutes=90)),
        ("0s", timedelta(0)),
    ],
)
def test_a_duration_reads_as_written(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", " ", "5", "s", "1.5h", "-1h", "30m1h", "1h1h", "1 h", "1w", "\u0665s", "1h\n2m", "9" * 9 + "s"]
)
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="1h30m"):
        parse(text)


@pytest.mark.parametrize(
    ("length", "expected"),
    [(timedelta(minutes=90), "1h30m"), (timedelta(hours=48), "2d"), (timedelta(seconds=5), "5s"), (timedelta(0), "0s")],
)
def test_a_duration_is_shown_in_the_largest_units(length, expected):
    assert show(length) == expected


@given(st.integers(min_value=0, max_value=400 * 86_400))
def test_what_is_shown_reads_back_as_the_same(seconds):
    length = timedelta(seconds=seconds)

    assert parse(show(length)) == length
