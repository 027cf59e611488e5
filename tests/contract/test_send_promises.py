"""No mail twice, no mail after a purchase or an unsubscribe, nothing lost to a crash: the ledger under races and faults."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import text

import jobs.inbox
import jobs.mail
import jobs.runner
from app import clock
from app.config import settings
from app.domain.errors import Ambiguous, NotAllowed, Permanent, Reach, Transient
from app.services import react, unsubscribe
from integrations import PLATFORMS
from tests import builders

PEOPLE = 40
SOME = 10  # who bought before the first mail is reached for


@pytest.fixture
def due(house, monkeypatch):
    """Forty people whose reminder is due and not yet claimed."""
    monkeypatch.setattr(PLATFORMS["shopify"], "mint_coupon", lambda access, spec: f"gid://{spec.code}")
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
        for n in range(PEOPLE):
            body = builders.checkout_body(f"t{n}", now, email=f"shopper{n}@example.com")
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"c{n}")
    jobs.inbox.drain()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()
    return house, shop_id, now


class Transport:
    """A way out that remembers what it was given, and can fail."""

    def __init__(self, fault: Exception | None = None, known: bool | None = None) -> None:
        self.sent: list[str] = []
        self.fault, self.known = fault, known

    def send(self, mail):
        self.sent.append(mail.key)
        if self.fault:
            raise self.fault
        return f"id-{mail.key}"

    def was_sent(self, key):
        return self.known


def send_all(transport):
    stamp = jobs.mail.Stamp()
    while jobs.mail.send_batch(transport, stamp):
        pass


def states(house) -> dict[str, int]:
    with house() as session:
        return dict(session.execute(text("SELECT state, count(*) FROM deliveries GROUP BY state")).all())


def test_two_workers_that_reach_for_one_mail_at_once_send_it_once_in_each_of_100_rounds(due):
    """I5."""
    house, _, _ = due
    again = (
        "UPDATE deliveries SET state = CASE WHEN id = (SELECT min(id) FROM deliveries) THEN 'pending' ELSE 'skipped' END, "
        "lease_until = NULL, sent_at = NULL, sending_at = NULL, attempts = 0, provider_id = NULL"
    )
    calls = []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(100):
            with house.begin() as session:
                session.execute(text(again))
            transport, together = Transport(), Barrier(2)
            list(pool.map(lambda way_out, gate: (gate.wait(10), send_all(way_out)), [transport] * 2, [together] * 2))
            calls.append(len(transport.sent))

    assert calls == [1] * 100


def test_four_workers_at_once_send_each_mail_once(due):
    """I5."""
    house, _, _ = due
    transport = Transport()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: send_all(transport), range(4)))

    assert (len(transport.sent), len(set(transport.sent)), states(house)) == (PEOPLE, PEOPLE, {"sent": PEOPLE})


@pytest.mark.parametrize("walls", ["both walls", "the claim alone"])
def test_purchase_committed_before_the_claim_always_wins(due, monkeypatch, walls):
    """I6: orders are folded by one worker while two others send; whoever's order was committed first gets no mail.

    Two walls stand: the order's news skips the waiting mail, and the claim asks once more. The first would hide a hole in
    the second, so the second has to hold alone too.
    """
    house, shop_id, now = due
    committed: set[str] = set()
    broken: list[str] = []
    some_bought = threading.Event()
    if walls == "the claim alone":
        for name in ("react", "look_again"):
            monkeypatch.setattr(react, name, lambda *_args, **_more: None)

    real_claim = jobs.mail._claim

    def watching_claim(ready):
        before = set(committed)  # what was committed before this claim began must not be mailed by it
        going = real_claim(ready)
        broken.extend(r.delivery.recipient for r in going if r.delivery.recipient in before)
        return going

    monkeypatch.setattr(jobs.mail, "_claim", watching_claim)
    monkeypatch.setattr(jobs.mail, "BATCH", 3)
    transport = Transport()

    def buy():
        for n in range(PEOPLE):
            body = builders.order_body(n + 1, now + timedelta(minutes=30), email=f"shopper{n}@example.com")
            with house.begin() as session:
                builders.store_webhook(session, shop_id, "orders/create", body, key=f"o{n}")
            jobs.inbox.drain()
            committed.add(f"shopper{n}@example.com")
            if len(committed) == SOME:
                some_bought.set()

    def send():
        assert some_bought.wait(30)
        send_all(transport)

    threads = [threading.Thread(target=buy), *(threading.Thread(target=send) for _ in range(2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reminders = [state for step, state, _ in builders.ledger(house) if step == "reminder"]

    assert broken == []
    assert (len(reminders), set(reminders) <= {"sent", "skipped"}) == (PEOPLE, True)
    assert reminders.count("skipped") >= SOME
    assert reminders.count("sent") == len(transport.sent) == len(set(transport.sent))


def test_unsubscribe_committed_before_the_claim_wins(due):
    """I7."""
    house, _, now = due
    with house.begin() as session:
        token = unsubscribe_link(session, "shopper7@example.com")
        unsubscribe.unsubscribe(session, token, source="one_click", now=now + timedelta(hours=1))
    send_all(transport := Transport())
    with house() as session:
        row = session.execute(text("SELECT state, reason FROM deliveries WHERE recipient = 'shopper7@example.com'")).one()

    assert (len(transport.sent), tuple(row)) == (PEOPLE - 1, ("skipped", "unsubscribed"))


def unsubscribe_link(session, email: str) -> str:
    import base64

    token = session.execute(text("SELECT token FROM deliveries WHERE recipient = :e"), {"e": email}).scalar_one()
    return base64.urlsafe_b64encode(bytes(token)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (Permanent("no such address"), "failed"),
        (Transient("busy", timedelta(minutes=3)), "pending"),
        (Ambiguous("the answer was lost"), "unknown"),
        (RuntimeError("a bug of the adapter"), "unknown"),
    ],
)
def test_each_outcome_ends_in_its_state_and_is_tried_once(due, fault, state):
    house, _, _ = due
    transport = Transport(fault)
    send_all(transport)
    send_all(transport)

    assert (len(transport.sent), states(house)) == (PEOPLE, {state: PEOPLE})


def test_refused_key_pauses_all_mail_and_one_mail_finds_out_that_it_is_mended(due):
    """I16: 401 costs no mail its tries; after the pause one mail goes first, and then all others."""
    house, _, _ = due
    refusing = Transport(NotAllowed("the key was refused"))
    send_all(refusing)
    tried = len(refusing.sent)
    send_all(refusing)
    with house() as session:
        attempts = session.scalars(text("SELECT DISTINCT attempts FROM deliveries")).all()
        pause = session.execute(text("SELECT shop_id, reason, is_refusal FROM pauses")).one()
    builders.skip_clock(house, timedelta(minutes=16))
    jobs.mail.send_batch(probe := Transport(), jobs.mail.Stamp())

    assert 0 < tried == len(refusing.sent) <= settings().mail_threads
    assert (attempts, tuple(pause)) == ([0], (0, "the key was refused", True))
    assert (len(probe.sent), paused(house)) == (1, [])
    send_all(rest := Transport())
    assert (len(rest.sent), states(house)) == (PEOPLE - 1, {"sent": PEOPLE})


def test_refusal_of_one_shop_pauses_that_shop_alone(due):
    house, shop_id, _ = due
    send_all(Transport(NotAllowed("its domain is not verified", reach=Reach.SHOP)))

    assert paused(house) == [shop_id]


def test_mails_that_waited_too_long_for_a_key_are_stale_and_no_flood(due):
    """I8: the outage outlived the reminder's six hours."""
    house, _, _ = due
    send_all(Transport(NotAllowed("the key was refused")))
    builders.skip_clock(house, timedelta(hours=7))
    send_all(transport := Transport())

    assert transport.sent == []
    assert {(state, reason) for _, state, reason in builders.ledger(house)} == {("skipped", "stale")}


def test_outage_pauses_after_a_few_tries_and_rate_limits_cost_no_try(due):
    house, _, _ = due
    send_all(away := Transport(Transient("not reached", reach=Reach.ALL)))
    with house() as session:
        first_wait = session.scalar(text("SELECT retry_at - since FROM pauses"))
    builders.skip_clock(house, timedelta(seconds=6))
    limited = Transport(Transient("slower", timedelta(seconds=90), reach=Reach.ALL, is_rate=True))
    jobs.mail.send_batch(limited, jobs.mail.Stamp())
    with house() as session:
        wait = session.scalar(text("SELECT retry_at - now() FROM pauses"))
        tried = session.scalar(text("SELECT sum(attempts) FROM deliveries"))

    assert 3 <= len(away.sent) <= 3 + settings().mail_threads
    assert (first_wait, len(limited.sent), tried) == (timedelta(seconds=5), 1, len(away.sent))
    assert wait > timedelta(seconds=60)


def test_shop_sends_no_faster_than_its_rate(due, monkeypatch):
    house, _, _ = due
    monkeypatch.setenv("CARTWHEEL_MAIL_SHOP_RATE", "10")
    settings.cache_clear()
    send_all(transport := Transport())
    with house() as session:
        attempts = session.scalars(text("SELECT DISTINCT attempts FROM deliveries WHERE state = 'pending'")).all()

    assert (len(transport.sent), attempts) == (10, [0])


def paused(house) -> list[int]:
    with house() as session:
        return list(session.scalars(text("SELECT shop_id FROM pauses")))


def test_transient_is_sent_later_by_the_same_row(due):
    house, _, _ = due
    send_all(Transport(Transient("busy")))
    builders.skip_clock(house, timedelta(minutes=5))
    send_all(transport := Transport())

    assert (len(transport.sent), states(house)) == (PEOPLE, {"sent": PEOPLE})


@pytest.mark.parametrize(("known", "expected"), [(None, "unknown"), (True, "sent"), (False, "pending")])
def test_crash_while_handing_over_ends_as_what_can_be_proven(due, known, expected):
    """I5: a process that died between the claim and the record; only what surely did not go out is sent again."""
    house, _, _ = due
    with house.begin() as session:
        session.execute(
            text("UPDATE deliveries SET state = 'sending', lease_until = now() - interval '1 second', fence = fence + 1")
        )
    transport = Transport(known=known)
    jobs.mail.settle_stuck(transport)

    assert (transport.sent, states(house)) == ([], {expected: PEOPLE})


def test_answer_of_a_worker_whose_lease_ran_out_is_not_written_over_what_came_after(due):
    house, _, _ = due

    class Slow(Transport):
        def send(self, mail):
            with house.begin() as session:
                session.execute(
                    text("UPDATE deliveries SET state = 'unknown', fence = fence + 1 WHERE id = :i"), {"i": mail.key}
                )
            return super().send(mail)

    send_all(Slow())

    assert states(house) == {"unknown": PEOPLE}


def test_coupon_that_the_shop_made_before_the_answer_was_lost_is_the_one_that_is_mailed(house, monkeypatch):
    made: list[str] = []

    def mint(access, spec):
        made.append(spec.code)
        if len(made) == 1:
            raise Ambiguous("no answer")
        return "gid://1"

    monkeypatch.setattr(PLATFORMS["shopify"], "mint_coupon", mint)
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
        builders.store_webhook(session, shop_id, "checkouts/update", builders.checkout_body("t1", now), key="c1")
    for hours in (0, 1.1, 23, 0.1, 0.1):
        builders.skip_clock(house, timedelta(hours=hours))
        builders.work_off()
    mails = sorted(settings().outbox_dir.glob("*.eml"))

    assert (len(made), len(set(made)), len(mails)) == (2, 1, 2)
    assert made[0] in mails[1].read_text()


def test_no_coupon_is_made_for_a_mail_that_is_not_wanted(house, monkeypatch):
    made: list[str] = []
    monkeypatch.setattr(PLATFORMS["shopify"], "mint_coupon", lambda access, spec: made.append(spec.code) or "gid://1")
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
        builders.store_webhook(session, shop_id, "checkouts/update", builders.checkout_body("t1", now), key="c1")
    jobs.inbox.drain()
    builders.skip_clock(house, timedelta(hours=25))
    jobs.runner.drain()
    with house.begin() as session:
        builders.store_webhook(session, shop_id, "orders/create", builders.order_body(1, now, token="t1"), key="o1")
    jobs.inbox.drain()
    jobs.mail.drain()

    assert made == []


def test_mail_that_kills_its_process_again_and_again_ends_as_failed(due):
    house, _, _ = due
    for _ in range(3):
        with house.begin() as session:
            session.execute(
                text("UPDATE deliveries SET deaths = deaths + 1, lease_until = now() - interval '1 second' WHERE id = 1")
            )
    send_all(transport := Transport())

    assert (len(transport.sent), "1" in transport.sent) == (PEOPLE - 1, False)
    assert builders.ledger(house)[0] == ("reminder", "failed", "3 processes died while working on it.")


def test_shop_paused_between_decision_and_claim_holds_the_mail(due):
    house, _, _ = due
    with house.begin() as session:
        session.execute(text("UPDATE shops SET state = 'paused'"))
    send_all(transport := Transport())

    assert (transport.sent, states(house)) == ([], {"pending": PEOPLE})
