"""What a dead worker had in its hands is listed as unknown within a minute, and no live worker loses a mail meanwhile."""

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import text

import jobs.inbox
import jobs.mail
import jobs.runner
from app import clock
from app.config import settings
from app.models import Delivery, claims
from app.services import ledger
from jobs import scheduler
from jobs.keeper import BEATS, Keeper, sending_lease
from tests import builders
from tests.contract.test_send_promises import Transport, states


def people_who_wait(house, number: int) -> None:
    """Let the reminder of so many people be due."""
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
        for n in range(number):
            body = builders.checkout_body(f"t{n}", now, email=f"shopper{n}@example.com")
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"c{n}")
    jobs.inbox.drain()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()


def let_die() -> None:
    """Let a worker claim a whole batch for sending and die before it wrote down what became of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs.mail, "_land", lambda flight: None)
        patch.setattr("jobs.flight.Flight._go", lambda self, one: None)
        jobs.mail.send_batch(Transport(), jobs.mail.Stamp())


def pass_leases(house, by: timedelta) -> None:
    """Let time pass for leases alone: they live by the bare clock, which nobody can move."""
    with house.begin() as session:
        session.execute(text("UPDATE deliveries SET lease_until = lease_until - :by"), {"by": by})


@pytest.mark.parametrize("asked_for", ["5", "60", "600"])
def test_a_dead_workers_mails_are_looked_for_in_time_whatever_the_lease_setting_says(house, monkeypatch, asked_for):
    """I5: the lease, a look of a busy worker, or a tick of the scheduler and a ring, leave a third of the minute over."""
    monkeypatch.setenv("CARTWHEEL_LEASE_SECONDS", asked_for)
    settings.cache_clear()
    found_after = sending_lease() + max(sending_lease() / BEATS, timedelta(seconds=scheduler.TICK))
    settings.cache_clear()

    assert found_after <= timedelta(seconds=40)


def test_a_whole_batch_of_a_dead_worker_is_listed_in_one_look(house, monkeypatch):
    """I5: none of the hundred is due before its lease is over, and none is left out after it."""
    people_who_wait(house, jobs.mail.BATCH)
    monkeypatch.setenv("CARTWHEEL_LEASE_SECONDS", "600")
    settings.cache_clear()
    let_die()
    handed_over = states(house)
    pass_leases(house, sending_lease() - timedelta(seconds=10))
    jobs.mail.settle_stuck(Transport())
    early = states(house)
    pass_leases(house, timedelta(seconds=10))
    with house() as session:
        is_rung = ledger.is_any_stuck(session)
    jobs.mail.settle_stuck(transport := Transport())

    assert (handed_over, early) == ({"sending": jobs.mail.BATCH}, {"sending": jobs.mail.BATCH})
    assert (is_rung, states(house), transport.sent) == (True, {"unknown": jobs.mail.BATCH}, [])


def test_a_live_worker_keeps_what_it_holds_and_not_what_another_took(house, monkeypatch):
    """I5: two mails whose lease is nearly over; the second was taken by another worker since."""
    people_who_wait(house, 3)
    with house.begin() as session:
        taken = claims.claim(session, Delivery, limit=3, lease=timedelta(seconds=1), now=clock.now(session))
    with house.begin() as session:
        session.execute(text("UPDATE deliveries SET fence = fence + 1 WHERE id = :id"), {"id": taken[1].id})
        session.execute(text("UPDATE deliveries SET lease_until = NULL WHERE id = :id"), {"id": taken[2].id})
    keeper = Keeper(lambda: None)
    keeper.hold(taken, since=time.monotonic() - 1000)  # so long ago that nothing may begin
    before = [keeper.is_ours(d) for d in taken]
    keeper.renew()
    after = [keeper.is_ours(d) for d in taken]
    left = "SELECT lease_until > now() + interval '20 seconds' FROM deliveries ORDER BY id"
    with house() as session:
        renewed = session.scalars(text(left)).all()
    keeper.let_go(taken)

    assert (before, after) == ([False] * 3, [True, False, False])
    assert (renewed, keeper.is_ours(taken[0])) == ([True, False, None], False)


def test_a_mail_whose_lease_was_lost_is_not_handed_over(house, monkeypatch):
    """I5: the worker was frozen between its claim and the hand-over; somebody else has settled the mail since."""
    people_who_wait(house, 3)
    monkeypatch.setattr(Keeper, "is_ours", lambda self, delivery: False)
    jobs.mail.send_batch(transport := Transport(), jobs.mail.Stamp())

    assert (transport.sent, states(house)) == ([], {"pending": 3})


def test_a_worker_that_waits_for_an_answer_lists_what_a_dead_one_left(house, monkeypatch):
    """I5: there is one mail worker left, and its provider is slow: it looks while it waits."""
    people_who_wait(house, 2)
    with house.begin() as session:
        session.execute(text("UPDATE deliveries SET state = 'sending', lease_until = now() + interval '1 hour' WHERE id = "
                             "(SELECT max(id) FROM deliveries)"))  # fmt: skip
    monkeypatch.setenv("CARTWHEEL_LEASE_SECONDS", "5")  # a beat is 1.25 s
    settings.cache_clear()
    is_listed = threading.Event()

    class Slow(Transport):
        def send(self, mail):
            with house.begin() as session:  # the other worker's lease ends while this one waits
                session.execute(text("UPDATE deliveries SET lease_until = now() WHERE id <> :id"), {"id": mail.key})
            for _ in range(200):
                if states(house).get("unknown"):
                    is_listed.set()
                    break
                time.sleep(0.1)
            return super().send(mail)

        def close(self):
            pass

    monkeypatch.setattr(jobs.mail, "open_transport", lambda _now: Slow())
    jobs.mail.drain()
    settings.cache_clear()

    assert (is_listed.is_set(), states(house)) == (True, {"sent": 1, "unknown": 1})
