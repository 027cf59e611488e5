"""Each week that is over is kept: how many mails bounced, were called spam, and what to think of it."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

import jobs.housekeeping
import jobs.scheduler
from app import clock
from app.cli import cli
from app.queues import QueueName
from app.services import hygiene, hygiene_weeks
from tests import builders
from tests.contract import test_receipts as receipts

town = receipts.town
COUNTS = "SELECT week_on, sent, delivered, bounced, soft_bounced, complained, verdict FROM hygiene_weeks ORDER BY week_on"


@pytest.fixture
def week(town):
    """Four mails of one week: two delivered, one of them called spam, one refused for good, one blocked. Its Monday."""
    receipts.send()
    at = receipts.real_now(town.house)
    first, second, third, fourth = town.mails
    told = [receipts.event(m, "delivered", at) for m in (first, second)]
    told += [
        receipts.event(third, "bounce", at),
        receipts.event(fourth, "blocked", at),
        receipts.event(first, "spamreport", at),
    ]
    receipts.tell(town, *told)
    with town.house() as session:
        today = clock.now(session).astimezone(UTC).date()
    return today - timedelta(days=today.weekday())


def pass_to(town, monday, days: int) -> None:
    """Let it be so many days after the week began, in the morning."""
    with town.house.begin() as session:
        then = datetime.combine(monday, datetime.min.time(), UTC) + timedelta(days=days, hours=6)
        clock.skip(session, then - clock.now(session))
        session.execute(text("DELETE FROM heartbeats WHERE process = 'hygiene'"))


def test_week_becomes_a_row_when_it_is_over_and_no_second_one(town, week):
    jobs.housekeeping.look_back()
    assert receipts.rows(town, COUNTS) == []

    for day in (7, 8, 13):
        pass_to(town, week, day)
        jobs.housekeeping.look_back()
    assert receipts.rows(town, COUNTS) == [(week, 4, 2, 1, 1, 1, "unsure")]


def test_what_is_told_in_the_week_after_still_counts_and_later_news_does_not(town, week):
    pass_to(town, week, 7)
    jobs.housekeeping.look_back()
    second = town.mails[1]
    receipts.tell(town, receipts.event(second, "spamreport", receipts.real_now(town.house)))
    pass_to(town, week, 14)
    jobs.housekeeping.look_back()
    assert receipts.rows(town, COUNTS) == [(week, 4, 2, 1, 1, 2, "unsure")]

    receipts.tell(town, receipts.event(town.mails[3], "spamreport", receipts.real_now(town.house), n=9))
    pass_to(town, week, 21)
    jobs.housekeeping.look_back()
    assert receipts.rows(town, COUNTS) == [(week, 4, 2, 1, 1, 2, "unsure")]


def test_days_add_up_to_the_week_and_a_mail_at_midnight_counts_once(town, week):
    midnight = datetime.combine(week, datetime.min.time(), UTC)
    with town.house.begin() as session:
        for n, days in enumerate((0, 1, 7, -1)):
            told = {"at": midnight + timedelta(days=days), "id": n + 1}
            session.execute(text("UPDATE deliveries SET sent_at = :at WHERE id = :id"), told)
    pass_to(town, week, 14)
    jobs.housekeeping.look_back()

    assert [(row[0] - week).days for row in receipts.rows(town, COUNTS)] == [0, 7]
    assert [row[1] for row in receipts.rows(town, COUNTS)] == [2, 1]


def test_two_at_once_write_each_week_once(town, week):
    pass_to(town, week, 7)
    errors: list[Exception] = []

    def count():
        try:
            with town.house.begin() as session:
                hygiene_weeks.count(session, week, now=clock.now(session))
        except SQLAlchemyError as exc:
            errors.append(exc)

    for _ in range(5):
        both = [threading.Thread(target=count) for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(timeout=30)

    assert (errors, receipts.rows(town, COUNTS)) == ([], [(week, 4, 2, 1, 1, 1, "unsure")])


def test_scheduler_rings_for_it_once_a_day(town, week):
    def is_due() -> bool:
        with town.house() as session:
            return hygiene_weeks.is_due(session)

    pass_to(town, week, 7)
    assert is_due()
    assert QueueName.HOUSEKEEPING in jobs.scheduler.tick()
    jobs.housekeeping.look_back()
    assert not is_due()
    with town.house.begin() as session:
        session.execute(text("UPDATE heartbeats SET beat_at = beat_at - interval '24 hours' WHERE process = 'hygiene'"))
    assert is_due()


def test_no_statement_reads_more_than_one_day(town, week, monkeypatch):
    """I15: a large shop's week is read in seven portions."""
    asked = []
    real = hygiene.counts

    def counts(session, *, since, until):
        asked.append(until - since)
        return real(session, since=since, until=until)

    monkeypatch.setattr(hygiene, "counts", counts)
    pass_to(town, week, 7)
    jobs.housekeeping.look_back()

    assert asked == [timedelta(days=1)] * 7 * hygiene_weeks.LATE


def test_command_shows_the_weeks_of_one_shop_only(town, week):
    """I10."""
    with town.house.begin() as session:
        builders.lamp_loft(session)
    pass_to(town, week, 7)
    jobs.housekeeping.look_back()
    mine, other = (CliRunner().invoke(cli, ["shop", "hygiene", name]).output for name in ("1", "2"))

    assert week.isoformat() in mine
    assert "unsure" in mine
    assert "No week is over in which it mailed" in other
