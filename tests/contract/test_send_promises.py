"""No mail twice, no mail after a purchase or an unsubscribe, nothing lost to a crash: the ledger under races and faults."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

import jobs.inbox
import jobs.mail
import jobs.runner
from app import clock
from app.config import settings
from app.domain.errors import Ambiguous, NotAllowed, Permanent, Transient
from app.services import unsubscribe
from integrations import PLATFORMS
from tests import builders

PEOPLE = 40


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


def test_four_workers_at_once_send_each_mail_once(due):
    """I5."""
    house, _, _ = due
    transport = Transport()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: send_all(transport), range(4)))

    assert (len(transport.sent), len(set(transport.sent)), states(house)) == (PEOPLE, PEOPLE, {"sent": PEOPLE})


def test_purchase_committed_before_the_claim_always_wins(due, monkeypatch):
    """I6: orders are folded by one worker while two others send; whoever's order was committed first gets no mail."""
    house, shop_id, now = due
    committed: set[str] = set()
    broken: list[str] = []

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

    threads = [threading.Thread(target=buy), *(threading.Thread(target=send_all, args=(transport,)) for _ in range(2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reminders = [state for step, state, _ in builders.ledger(house) if step == "reminder"]

    assert broken == []
    assert (len(reminders), set(reminders) <= {"sent", "skipped"}) == (PEOPLE, True)
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
        (NotAllowed("the key was refused"), "pending"),
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
