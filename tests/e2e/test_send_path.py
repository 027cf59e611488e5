"""Every way in which SendGrid behaves, with the worker dying at every point: nobody is mailed twice, nothing stays open."""

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import text

import jobs.inbox
import jobs.mail
import jobs.receipts
import jobs.runner
from app import clock
from app.config import settings
from app.demo.sendgrid import Behaviour, FakeSendGrid
from app.demo.sendgrid_events import EventSender, event
from app.web import create_app
from integrations.sendgrid import transport
from tests import builders
from tests.e2e.dying_worker import POINTS

MAILS = int(os.environ.get("TEST_SEND_MAILS", "4"))  # 50 in the long run, with every pair of behaviour and point
BEHAVIOURS = [b for b in Behaviour if b not in {Behaviour.ACCEPT_SLOWLY, Behaviour.ACCEPT_THEN_CLOSE}]
PAIRS = list(product(BEHAVIOURS, POINTS)) if MAILS > 4 else [(b, POINTS[n % 5]) for n, b in enumerate(BEHAVIOURS)]
AMBIGUOUS = {
    Behaviour.ACCEPT_THEN_HANG, Behaviour.ACCEPT_THEN_RESET, Behaviour.ACCEPT_THEN_500, Behaviour.ACCEPT_THEN_502,
    Behaviour.RESET_UNREAD,
}  # fmt: skip
SENDER = EventSender()


@pytest.fixture
def ground(house, monkeypatch):
    """People whose reminder is due, and a pretend SendGrid as the way out."""
    with FakeSendGrid() as fake:
        fake.plan.hang = 1.5
        given = {
            "MAIL_TRANSPORT": "sendgrid", "SENDGRID_API_KEY": fake.api_key, "SENDGRID_API_BASE": fake.url,
            "SENDGRID_EVENT_PUBLIC_KEY": SENDER.public_key, "MAIL_SHOP_RATE": "0",
        }  # fmt: skip
        for name, value in given.items():
            monkeypatch.setenv(f"CARTWHEEL_{name}", value)
        monkeypatch.setattr(transport, "_TIMEOUT", (3.0, 1.0))
        settings.cache_clear()
        with house.begin() as session:
            shop_id = builders.tea_and_tin(session)
            now = clock.now(session)
            for n in range(MAILS):
                body = builders.checkout_body(f"t{n}", now, email=f"shopper{n}@example.com")
                builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"c{n}")
        jobs.inbox.drain()
        builders.skip_clock(house, timedelta(hours=1, minutes=1))
        jobs.runner.drain()
        yield house, fake


def states(house) -> Counter[str]:
    return Counter(state for (state,) in builders.ledger(house, ("state",)))


def work_on(house) -> None:
    """Do what the next worker does once the leases of the dead one have run out, and the pauses are over."""
    for _ in range(MAILS + 2):  # a lost row is taken alone
        with house.begin() as session:
            session.execute(
                text("UPDATE deliveries SET lease_until = now() - interval '1 second' WHERE lease_until > now()")
            )
            session.execute(text("DELETE FROM pauses"))
        jobs.mail.drain()


@pytest.mark.parametrize(("behaviour", "point"), PAIRS, ids=[f"{b}-{p}" for b, p in PAIRS])
def test_nobody_is_mailed_twice_however_sendgrid_behaves_and_wherever_the_worker_dies(ground, behaviour, point):
    """I5: what is ambiguous is listed as unknown, a late event settles it, and all that was surely not sent goes later."""
    house, fake = ground
    fake.plan.then = behaviour
    dying = [sys.executable, "-m", "tests.e2e.dying_worker", point]
    died = subprocess.run(dying, cwd=Path(__file__).parents[2], capture_output=True, timeout=60, check=False)
    work_on(house)
    after_death = states(house)
    taken = Counter(mail.delivery for mail in fake.accepted)
    tell(house, fake)
    settled = states(house)
    fake.plan.then = Behaviour.ACCEPT
    for _ in range(3):
        builders.skip_clock(house, timedelta(minutes=20))
        work_on(house)
    in_the_end = Counter(mail.delivery for mail in fake.accepted)

    assert died.returncode == -9, died.stderr[-2000:]
    assert after_death["sending"] == 0
    if behaviour in AMBIGUOUS:
        assert after_death["unknown"] == MAILS
    assert max(taken.values(), default=0) <= 1
    # Whatever was taken is known as sent; what was not is what the answers said.
    assert settled["sent"] == len(taken)
    assert max(in_the_end.values(), default=0) <= 1
    assert states(house)["sent"] == len(in_the_end)
    assert states(house).keys() <= {"sent", "unknown", "failed"}


def tell(house, fake: FakeSendGrid) -> None:
    """Let SendGrid tell of every mail that it took."""
    with house() as session:
        at = clock.real(session)
    body = json.dumps([event(mail, "processed", at) for mail in fake.accepted]).encode() + b"\r\n"
    answer = create_app().test_client().post("/webhooks/sendgrid", data=body, headers=SENDER.signed(body, at))
    jobs.receipts.drain()

    assert answer.status_code == 200
