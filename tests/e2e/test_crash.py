"""kill -9 at random, and Redis emptied in the middle: nothing lost, nothing twice (I5, I8, I9)."""

import os
import random
import threading
import time
from collections import Counter
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy import text
from werkzeug.serving import make_server

from app import clock, queues
from app.config import settings
from app.demo.config import DemoConfig
from app.demo.server import create_app, fakes_of
from app.services import edit_flow, proof
from tests import builders
from tests.e2e.processes import Process, environment, wait_until

CHECKOUTS = int(os.environ.get("TEST_CRASH_CHECKOUTS", "150"))  # the full proof is 2,000; see docs/testing.md
PATIENCE = 60 + CHECKOUTS * 0.6
PROCESSES = {
    "inbox": ["worker", "inbox"], "steps": ["worker", "steps"], "mail": ["worker", "mail"], "scheduler": ["scheduler"],
}  # fmt: skip


@pytest.fixture
def shops():
    """The pretend shops on loopback, for their coupons."""
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    address = f"http://127.0.0.1:{server.port}"
    config = DemoConfig(
        cartwheel_url="http://127.0.0.1:9", shops_url=address, shopify_client_secret=builders.SHOPIFY_SECRET,
        shopify_access_token="shpat_x", woo_connection_path="/x", woo_webhook_secret="x", woo_consumer_key="x",
        woo_consumer_secret="x", announces=False,
    )  # fmt: skip
    server.app = app = create_app(config)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield address
    server.shutdown()
    server.server_close()
    fakes_of(app).stop()


@pytest.fixture
def running(house, shops, tmp_path):
    """Tea & Tin with waits of seconds, and the workers and the scheduler as real processes."""
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
        for step, seconds in (("reminder", 3), ("coupon", 8)):
            edit_flow.set_wait(session, shop_id, "abandoned_cart", step, timedelta(seconds=seconds), actor="test", now=now)
    given = environment(CARTWHEEL_LEASE_SECONDS="5", CARTWHEEL_SHOPIFY_API_BASE=f"{shops}/shopify")
    processes = {name: Process(name, arguments, given, tmp_path).start() for name, arguments in PROCESSES.items()}
    yield house, shop_id, processes
    print(standing(house))
    for process in processes.values():
        process.stop()
        print(f"--- {process.name}\n{process.log()}")


def store_checkouts(house, shop_id: int) -> None:
    """Receive all checkouts over some seconds, as webhooks would come."""
    for n in range(CHECKOUTS):
        with house.begin() as session:
            body = builders.checkout_body(f"t{n}", clock.now(session), email=f"shopper{n}@example.com")
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"w{n}")


def standing(house) -> dict[str, list[tuple[str, int]]]:
    """How many rows stand where, for whoever reads a failure."""
    with house() as session:
        return {
            table: [
                tuple(r) for r in session.execute(text(f"SELECT state, count(*), min(error) FROM {table} GROUP BY state"))
            ]
            for table in ("webhooks", "scheduled_steps", "deliveries")
        }


def is_finished(house) -> bool:
    with house() as session:
        runs = session.execute(text("SELECT count(*) FROM enrollments WHERE state = 'finished'")).scalar_one()
        open_mails = session.execute(
            text("SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending')")
        ).scalar_one()
    return runs == CHECKOUTS and open_mails == 0


@pytest.mark.timeout(PATIENCE + 120)
def test_killed_at_random_loses_nothing_and_mails_nobody_twice(running):
    house, shop_id, processes = running
    rng = random.Random(7)
    sending = threading.Thread(target=store_checkouts, args=(house, shop_id))
    sending.start()
    kills: Counter[str] = Counter()
    deadline = time.monotonic() + 8 + CHECKOUTS * 0.05
    while time.monotonic() < deadline:
        time.sleep(rng.uniform(0.3, 1.2))
        name = rng.choice(list(processes))
        processes[name].kill(with_children=rng.random() < 0.5)
        processes[name].start()
        kills[name] += 1
        if sum(kills.values()) == 5:
            client = queues.connect()
            client.flushall()
            client.close()
    sending.join()
    wait_until(lambda: is_finished(house), seconds=PATIENCE, what="all runs at their end", every=0.5)

    mails = [message_from_bytes(p.read_bytes(), policy=default) for p in settings().outbox_dir.glob("*.eml")]
    received = Counter((m["To"].addresses[0].addr_spec, m["X-Cartwheel-Flow"]) for m in mails)
    print(f"{sum(kills.values())} kills {dict(kills)}, {len(mails)} mails of {CHECKOUTS} checkouts")
    assert set(received.values()) == {1}
    assert len(received) == 2 * CHECKOUTS
    assert builders.ledger(house, ("state",)) == [("sent",)] * (2 * CHECKOUTS)
    with house.begin() as session:
        until = clock.now(session)
        assert proof.prove(session, since=until - timedelta(days=1), until=until).holds
