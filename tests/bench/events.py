"""Stored webhooks to events, enrolments and scheduled rows: `python -m tests.bench.events`.

Its rate against a plain script in the same run, RQ jobs per 1,000 events through the real web and workers, and how long one
webhook takes on an idle system, with and without its ring.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import psycopg

from tests import builders
from tests.bench import floor, payloads, rig
from tests.bench.load import Plan

PEOPLE, CARTS = ("customers", "customer_identities", "consents"), ("checkouts", "events")
LED_TO = (*PEOPLE, *CARTS, "enrollments", "scheduled_steps", "decisions")
SPACING = 0.2  # seconds between single webhooks
QUEUES = ("inbox", "steps", "mail")


def main() -> None:
    """Measure and report."""
    given = rig.arguments(
        "Stored webhooks to scheduled rows",
        (("--events",), {"type": int, "default": 4000}),
        (("--samples",), {"type": int, "default": 50, "help": "single webhooks on the idle system"}),
    )
    load = os.getloadavg()
    with rig.rig() as ground:
        shop_id = connect_shop()
        lines = _rates(ground, shop_id, given.events, given.rounds)
        lines += _jobs(ground, given.events)
        lines += _latency(ground, shop_id, given.samples)
    rig.report("events", "Stored webhooks to scheduled rows", lines, load, given.out)


def connect_shop() -> int:
    """Connect the shop of all benches, its flow switched on."""
    from app.db import sessions

    with sessions().begin() as session:
        return builders.tea_and_tin(session)


def _rates(ground: rig.Rig, shop_id: int, count: int, rounds: int) -> list[rig.Line]:
    drain, plain = _drain, lambda: floor.work_off(ground.plain_url, shop_id)
    for way in (plain, drain):
        _round(ground, shop_id, min(count, 600), way)
    rates: dict[str, list[float]] = {"plain script": [], "drain": []}
    for _ in range(rounds):
        for name, way in (("plain script", plain), ("drain", drain)):
            rates[name].append(_round(ground, shop_id, count, way))
            rig.say(f"{name:13}{rates[name][-1]:8.0f} events/s")
    middle = {name: median(found) for name, found in rates.items()}
    lines = [rig.Line(f"{name}, {count:,} webhooks", rate, "events/s") for name, rate in middle.items()]
    return [*lines, rig.at_least("drain / plain script", middle["drain"] / middle["plain script"], 0.4)]


def _round(ground: rig.Rig, shop_id: int, count: int, way: Callable[[], None]) -> float:
    """Store webhooks, have them worked off, and return the events/s; both ways lead to as many rows."""
    with psycopg.connect(ground.plain_url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE webhooks, {', '.join(LED_TO)} CASCADE")
        now = now_of(connection)
        rows = [_webhook(shop_id, f"e-{n}", now - timedelta(seconds=60)) for n in range(count)]
        names = ", ".join(rows[0])
        values = ", ".join(f"%({name})s" for name in rows[0])
        connection.cursor().executemany(f"INSERT INTO webhooks ({names}) VALUES ({values})", rows)
        connection.execute("VACUUM ANALYZE webhooks")
        began = time.perf_counter()
        way()
        seconds = time.perf_counter() - began
        found = {table: _count(connection, table) for table in LED_TO}
        waiting = connection.execute("SELECT count(*) FROM webhooks WHERE state <> 'done'").fetchone()
    assert found == dict.fromkeys(LED_TO, count) | {"customer_identities": 2 * count}, found
    assert waiting == (0,), waiting
    return count / seconds


def _drain() -> None:
    """Run the inbox's own drain until nothing waits; it gives back after its time is up."""
    import jobs.inbox
    from app.db import sessions
    from app.models import Webhook, claims

    while True:
        jobs.inbox.drain()
        with sessions().begin() as session:
            if not claims.is_anything_due(session, Webhook, datetime.max.replace(tzinfo=UTC)):
                return


def _jobs(ground: rig.Rig, count: int) -> list[rig.Line]:
    """Send webhooks through the real web while real workers take them, and count the jobs that were put into queues."""
    from app import queues

    with ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(ground.plain_url, autocommit=True))
        client = queues.connect()
        port = rig.free_port()
        stack.enter_context(rig.web(ground, port))
        start_workers(ground, stack, *QUEUES, scheduler=True)
        connection.execute(f"TRUNCATE webhooks, {', '.join(LED_TO)} CASCADE")
        client.flushall()
        client.config_resetstat()
        plan = Plan(port, "jobs", seconds=120, most=count, at=now_of(connection).isoformat())
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "tests.bench.load", json.dumps(asdict(plan))], cwd=rig.ROOT, check=True)
        ended = rig.wait_until(lambda: _count(connection, "scheduled_steps") == count, "all events scheduled", seconds=120)
        jobs = client.info("commandstats")["cmdstat_rpush"]["calls"]  # RQ's way to put a job into its queue
        client.close()
    return [
        rig.Line("through the web and the workers", count / (ended - began), "events/s"),
        rig.at_most("RQ jobs per 1,000 events, all queues", jobs / count * 1000, 20),
    ]


def _latency(ground: rig.Rig, shop_id: int, samples: int) -> list[rig.Line]:
    """Commit single webhooks and see when the step stands there."""
    from app.queues import QueueName, ring

    with ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(ground.plain_url, autocommit=True))
        start_workers(ground, stack, "inbox")
        rung = [_one(connection, shop_id, f"rung-{n}", lambda: ring(QueueName.INBOX)) for n in range(samples + 5)][5:]
        start_workers(ground, stack, scheduler=True)
        lost = [_one(connection, shop_id, f"lost-{n}", lambda: None, spacing=0.37 * (n % 3)) for n in range(10)]
    return [
        rig.Line("commit -> step scheduled, idle, p50", median(rung), "ms"),
        rig.at_most("commit -> step scheduled, idle, p95", rig.percentile(rung, 0.95), 300, "ms"),
        rig.at_most("the same with the ring lost, slowest of 10", max(lost), 5000, "ms"),
    ]


def _one(
    connection: psycopg.Connection[Any], shop_id: int, key: str, after_commit: Callable[[], Any], *, spacing: float = SPACING
) -> float:
    """Return the milliseconds from a webhook's commit to its scheduled step."""
    from app.db import sessions

    before = _count(connection, "scheduled_steps")
    with sessions().begin() as session:
        at = now_of(connection)
        builders.store_webhook(session, shop_id, payloads.TOPIC, payloads.checkout(key, at), key=key)
    began = time.perf_counter()
    after_commit()
    seen = rig.wait_until(lambda: _count(connection, "scheduled_steps") > before, "the step", seconds=20)
    time.sleep(max(0.0, spacing - (seen - began)))
    return (seen - began) * 1000


def start_workers(ground: rig.Rig, stack: ExitStack, *queues: str, scheduler: bool = False) -> list[subprocess.Popen[bytes]]:
    """Run workers, and perhaps the scheduler, and wait until they have said that they started."""
    started = []
    commands = [["worker", name] for name in queues] + ([["scheduler"]] if scheduler else [])
    for command in commands:
        name = "-".join(command)
        started.append(stack.enter_context(rig.process(ground, name, ["app.cli", *command])))
        log = ground.directory / f"{name}.log"
        rig.wait_until(lambda log=log: b".started" in log.read_bytes(), name, every=0.05)
    time.sleep(1)  # the worker registers and looks after its queue before it waits
    return started


def now_of(connection: psycopg.Connection[Any]) -> datetime:
    """Return the database's time."""
    found = connection.execute("SELECT now()").fetchone()
    assert found is not None
    return found[0].astimezone(UTC)


def _webhook(shop_id: int, key: str, at: datetime) -> dict[str, Any]:
    return {
        "shop_id": shop_id, "platform": "shopify", "topic": payloads.TOPIC, "dedupe_key": key,
        "body": payloads.checkout(key, at), "body_sha256": b"-" * 32, "headers": "{}", "due_at": at,
    }  # fmt: skip


def _count(connection: psycopg.Connection[Any], table: str) -> int:
    found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(found[0]) if found else 0


if __name__ == "__main__":
    main()
