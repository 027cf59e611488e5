"""Due mails rendered, sent over TLS and recorded, against bare loops: `python -m tests.bench.sends`.

The pretend SendGrid runs in a process of its own, on the same machine. --delay is how long it takes to answer.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from statistics import median
from typing import Any

import psycopg
import requests

from app.domain.ports import Mail
from tests import builders
from tests.bench import rig

THREADS = 16


def main() -> None:
    """Measure and report."""
    given = rig.arguments(
        "Mails sent",
        (("--mails",), {"type": int, "default": 1000}),
        (("--delay",), {"type": float, "default": 0.0, "help": "seconds before each answer"}),
    )
    load = os.getloadavg()
    with rig.rig() as ground, _sendgrid(ground, given.delay) as base:
        ways: dict[str, Callable[[int], float]] = {
            "bare loop, one kept connection": lambda count: _bare(base, count),
            "sendgrid client, one by one": lambda count: _client(base, min(count, 300)),
            "worker: due, rendered, sent, recorded": lambda count: _worker(ground, base, count),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(given.rounds):
            for name, way in ways.items():
                rates[name].append(way(given.mails))
                rig.say(f"{name:40}{rates[name][-1]:8.0f} mails/s")
    middle = {name: median(found) for name, found in rates.items()}
    bare, client, worker = middle.values()
    lines = [rig.Line(name, rate, "mails/s") for name, rate in middle.items()]
    lines += [
        rig.at_least("worker", worker, 400, "mails/s"),
        rig.Line("worker / bare loop", worker / bare),
        rig.Line("worker / sendgrid client", worker / client),
    ]
    title = f"Mails sent over TLS, answers after {given.delay * 1000:.0f} ms, {THREADS} threads"
    rig.report("sends", title, lines, load, given.out)


@contextmanager
def _sendgrid(ground: rig.Rig, delay: float):
    from tests.contract.test_sendgrid import make_certificate

    whole = make_certificate(ground.directory)
    os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = str(whole)
    port = rig.free_port()
    arguments = ["app.demo.sendgrid", "--port", str(port), "--certificate", str(whole), "--delay", str(delay)]
    with rig.process(ground, "sendgrid", arguments):
        base = f"https://127.0.0.1:{port}"
        rig.wait_until(lambda: _answers(base), "the pretend SendGrid", seconds=30, every=0.1)
        yield base


def _answers(base: str) -> bool:
    try:
        return requests.get(f"{base}/accepted", timeout=2).ok
    except requests.RequestException:
        return False


def _body() -> bytes:
    from integrations.sendgrid.body import body_of

    mail = Mail(
        key="1", shop_key="1", flow_step="abandoned_cart/reminder", from_email="a@example.com", from_name="A",
        to_email="b@example.com", to_name=None, reply_to=None, subject="S", html="<p>x</p>" * 1200, text="x" * 1000,
        unsubscribe_url=None,
    )  # fmt: skip
    return body_of(mail)


def _bare(base: str, count: int) -> float:
    body, headers = _body(), {"Authorization": "Bearer SG.fake", "Content-Type": "application/json"}
    with requests.Session() as session:
        began = time.perf_counter()
        for _ in range(count):
            assert session.post(f"{base}/v3/mail/send", data=body, headers=headers, timeout=10).status_code == 202
        return count / (time.perf_counter() - began)


def _client(base: str, count: int) -> float:
    from sendgrid import SendGridAPIClient

    client, body = SendGridAPIClient("SG.fake", host=base), json.loads(_body())
    began = time.perf_counter()
    for _ in range(count):
        assert client.send(body).status_code == 202
    return count / (time.perf_counter() - began)


def _worker(ground: rig.Rig, base: str, count: int) -> float:
    """Make mails due, let the drain of one worker process work them off, and return the mails/s of that."""
    from app import db

    _make_due(ground, count)
    db.engine().dispose()
    environment = {
        "CARTWHEEL_MAIL_TRANSPORT": "sendgrid", "CARTWHEEL_SENDGRID_API_KEY": "SG.fake",
        "CARTWHEEL_SENDGRID_API_BASE": base, "CARTWHEEL_MAIL_THREADS": str(THREADS), "CARTWHEEL_MAIL_SHOP_RATE": "0",
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench.sends", "--drain"], env={**os.environ, **environment}, cwd=rig.ROOT,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    with psycopg.connect(ground.plain_url) as connection:
        states = connection.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall()
    assert states == [("sent", count)], states
    return count / float(ran.stdout.splitlines()[-1])


def _make_due(ground: rig.Rig, count: int) -> None:
    import jobs.inbox
    import jobs.runner
    from app import clock
    from app.db import sessions

    with psycopg.connect(ground.plain_url, autocommit=True) as connection:
        names = [r[0] for r in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()]
        connection.execute(f"TRUNCATE {', '.join(n for n in names if n != 'alembic_version')} CASCADE")
    with sessions().begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
        for n in range(count):
            body = builders.checkout_body(f"t{n}", now, email=f"shopper{n}@example.com")
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"c{n}")
    jobs.inbox.drain()
    builders.skip_clock(sessions(), timedelta(hours=1, minutes=1))
    jobs.runner.drain()


def drain() -> None:
    """Be the worker: everything loaded, as before a fork, then drain and say how long that took."""
    import jobs.mail
    from app import log
    from app.config import settings
    from integrations.sendgrid.transport import SendGridTransport
    from jobs import worker

    log.configure(settings().log_format)
    worker._import_everything()
    make = SendGridTransport.__init__

    def trusting(self: SendGridTransport, *given: Any) -> None:
        make(self, *given)
        self._session.verify = os.environ["SSL_CERT_FILE"]

    SendGridTransport.__init__ = trusting
    began = time.perf_counter()
    jobs.mail.drain()
    print(time.perf_counter() - began)


if __name__ == "__main__":
    drain() if "--drain" in sys.argv else main()
