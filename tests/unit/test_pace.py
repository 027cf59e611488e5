"""Quiet hours by the shopper's clock, also on the days it is changed, and caps that put off and never drop."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.pace import Cap, Later, Mailed, Pace, Quiet, Waiting, wall_clock, why_later
from app.domain.places import ZONES, zone_of

NIGHT = (21 * 60, 8 * 60)
CAPS = (Cap(20, 1), Cap(7 * 24, 3), Cap(30 * 24, 10))
NOW = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
RECOVERY, RETENTION, PROMO = 1, 3, 4


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


@pytest.mark.parametrize(
    ("zone", "at", "until"),
    [
        ("Asia/Baku", "2026-11-19T12:00Z", None),  # 16:00
        ("Asia/Baku", "2026-11-19T17:30Z", "2026-11-20T04:00Z"),  # 21:30
        ("Asia/Shanghai", "2026-11-19T23:30Z", "2026-11-20T00:00Z"),  # 7:30
        ("America/New_York", "2026-03-08T06:30Z", "2026-03-08T12:00Z"),  # 1:30, and at 2:00 the clocks go on to 3:00
        ("America/New_York", "2026-11-01T05:30Z", "2026-11-01T13:00Z"),  # the first 1:30, and at 2:00 they go back
        ("Nowhere/Land", "2026-11-19T22:00Z", "2026-11-20T08:00Z"),  # a zone that nobody knows is UTC
    ],
)
def test_night_is_the_shoppers_own(zone, at, until):
    pace = Pace(quiet=Quiet(*NIGHT, zone))
    later = why_later(pace, PROMO, now=datetime.fromisoformat(at))

    assert later == (Later("quiet_hours", datetime.fromisoformat(until)) if until else None)


@pytest.mark.parametrize(
    ("day", "minute", "zone", "expected"),
    [
        (date(2026, 3, 8), 150, "America/New_York", "2026-03-08T07:00Z"),  # 2:30 is left out: the first minute after the gap
        (date(2026, 11, 1), 90, "America/New_York", "2026-11-01T05:30Z"),  # 1:30 comes twice: the first
        (date(2026, 3, 29), 150, "Europe/Berlin", "2026-03-29T01:00Z"),
        (date(2026, 10, 4), 135, "Australia/Lord_Howe", "2026-10-03T15:30Z"),  # clocks that go on by half an hour
        (date(2011, 12, 30), 600, "Pacific/Apia", "2011-12-30T10:00Z"),  # a whole day that was left out
    ],
)
def test_a_minute_that_clocks_leave_out_or_show_twice(day, minute, zone, expected):
    assert wall_clock(day, minute, ZoneInfo(zone)) == datetime.fromisoformat(expected)


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001  (made aware below)
    st.sampled_from(sorted({*ZONES.values(), "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo"})),
    st.integers(0, 1439),
    st.integers(0, 1439),
)
def test_a_deferral_ends_soon_outside_of_the_quiet_hours(naive, zone, begins, ends):
    now = naive.replace(tzinfo=UTC)
    pace = Pace(quiet=Quiet(begins, ends, zone))
    later = why_later(pace, PROMO, now=now)
    if later:
        assert now < later.at <= now + timedelta(hours=26)
        assert why_later(pace, PROMO, now=later.at) is None


def mailed(*ago: float, priority: int = PROMO) -> tuple[Mailed, ...]:
    return tuple(Mailed(NOW - hours(h), priority) for h in ago)


def capped(**more) -> Pace:
    return Pace(caps=CAPS, urgent=RECOVERY, **more)


@pytest.mark.parametrize(
    ("pace", "priority", "expected"),
    [
        (capped(), PROMO, None),
        (capped(mailed=mailed(5)), PROMO, Later("capped", NOW + hours(15))),
        (capped(mailed=mailed(25, 50, 75)), PROMO, Later("capped", NOW + hours(168 - 75))),
        (capped(mailed=mailed(5)), RECOVERY, None),  # a left cart goes past yesterday's news
        (capped(mailed=mailed(5, priority=RECOVERY)), RECOVERY, Later("capped", NOW + hours(15))),  # once
        (capped(mailed=mailed(25, 50, 75)), RECOVERY, Later("capped", NOW + hours(168 - 75))),
        (capped(waiting=(Waiting(NOW, RECOVERY),)), PROMO, Later("gives_way", NOW + timedelta(minutes=1))),
        (capped(waiting=(Waiting(NOW + hours(3), RETENTION),)), PROMO, Later("gives_way", NOW + timedelta(minutes=181))),
        (capped(waiting=(Waiting(NOW, PROMO),)), RETENTION, None),
        (Pace(waiting=(Waiting(NOW, RECOVERY),), mailed=mailed(1, 2, 3)), PROMO, None),  # no caps, nothing to arrange
    ],
)  # fmt: skip
def test_caps_put_off_and_the_weightier_goes_first(pace, priority, expected):
    assert why_later(pace, priority, now=NOW) == expected


def test_a_country_with_one_clock_has_its_own_zone_and_another_the_shops():
    assert (zone_of("AZ", "UTC"), zone_of("cn", "UTC")) == ("Asia/Baku", "Asia/Shanghai")
    assert (zone_of("US", "America/Denver"), zone_of(None, "Asia/Dubai")) == ("America/Denver", "Asia/Dubai")
    assert [zone for zone in ZONES.values() if not ZoneInfo(zone)] == []
