"""Ingest of signed Shopify webhooks against a bare Flask route on the same server: `python -m tests.bench.ingest`."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from statistics import median

import psycopg

from tests import builders
from tests.bench import rig
from tests.bench.load import Plan, Result

WARM_UP = 2.0  # seconds
SLOW = 200  # requests/s of the open loop


def main() -> None:
    """Measure and report."""
    given = rig.arguments("Ingest against a bare route", (("--seconds",), {"type": float, "default": 10.0}))
    load = os.getloadavg()
    with rig.rig() as ground, ExitStack() as stack:
        _connect_shop()
        ports = {"bare": rig.free_port(), "ingest": rig.free_port()}
        stack.enter_context(rig.process(ground, "bare", ["tests.bench.bare", str(ports["bare"])]))
        rig.wait_for_http(ports["bare"])
        stack.enter_context(rig.web(ground, ports["ingest"]))
        rings = stack.enter_context(_answered_rings())
        for name, port in ports.items():
            _round(ground, name, Plan(port, f"warm{name}", WARM_UP))
        full: dict[str, list[Result]] = {name: [] for name in ports}
        slow: dict[str, list[Result]] = {name: [] for name in ports}
        for turn in range(given.rounds):
            for name, port in ports.items():
                full[name].append(_round(ground, name, Plan(port, f"full{turn}", given.seconds)))
                slow[name].append(_round(ground, name, Plan(port, f"slow{turn}", given.seconds, rate=SLOW, most=50_000)))
        rang = rings()
    rig.report("ingest", "Ingest: signed Shopify webhooks of 6.4 KB", _lines(full, slow, rang), load, given.out)


def _lines(full: dict[str, list[Result]], slow: dict[str, list[Result]], rang: int) -> list[rig.Line]:
    every = [r for rounds in (*full.values(), *slow.values()) for r in rounds]
    wrong = sum(n for r in every for status, n in r.statuses.items() if status != "200") + sum(r.broken for r in every)
    rate = {name: median(_rate(r) for r in rounds) for name, rounds in full.items()}
    p99 = {name: median(r.p99 for r in rounds) for name, rounds in full.items()}
    p99_slow = {name: median(r.p99 for r in rounds) for name, rounds in slow.items()}
    lines = [rig.Line(f"{name}, 32 connections", rate[name], "requests/s") for name in full]
    lines += [rig.Line(f"{name}, p50 and p99", _both(rounds), "ms") for name, rounds in full.items()]
    lines += [rig.Line(f"{name} at {SLOW}/s, p50 and p99", _both(rounds), "ms") for name, rounds in slow.items()]
    return [
        *lines,
        rig.Line("rows stored, as many as 200s", f"{sum(_answers(r) for k in (full, slow) for r in k['ingest']):,}"),
        rig.Line("rings that reached Redis", f"{rang:,}"),
        rig.at_most("answers that are no 200", wrong, 0),
        rig.at_least("ingest / bare", rate["ingest"] / rate["bare"], 0.20),
        rig.at_most("p99, ingest / bare", p99["ingest"] / p99["bare"], 2),
        rig.at_most(f"p99 at {SLOW}/s, ingest / bare", p99_slow["ingest"] / p99_slow["bare"], 2.5),
    ]


def _round(ground: rig.Rig, name: str, plan: Plan) -> Result:
    """Carry out a plan in a process of its own; what ingest answered with 200 is in the database."""
    before = _stored(ground)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load", json.dumps(asdict(plan))], cwd=rig.ROOT, check=True, capture_output=True
    )
    result = Result(**json.loads(done.stdout))
    stored = _stored(ground) - before
    assert stored == (_answers(result) if name == "ingest" else 0), f"{stored} rows, {result.statuses}"
    rig.say(
        f"{name:7}{plan.series:11}{_rate(result):8.0f}/s  p50 {result.p50:6.1f}  p99 {result.p99:6.1f} ms  {result.statuses}"
    )
    return result


def _connect_shop() -> None:
    from app.db import sessions

    with sessions().begin() as session:
        builders.tea_and_tin(session)


@contextmanager
def _answered_rings() -> Iterator:
    """Take the rings from the queue as a worker would, so that every ring of the web process is a real one."""
    from app import queues

    client = queues.connect(socket_timeout=5)
    key = queues.bell()._queues[queues.QueueName.INBOX].key
    over, count = threading.Event(), [0]

    def answer() -> None:
        while not over.is_set():
            count[0] += client.blpop([key], timeout=1) is not None

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield lambda: count[0]
    finally:
        over.set()
        thread.join()
        client.close()


def _stored(ground: rig.Rig) -> int:
    with psycopg.connect(ground.plain_url) as connection:
        found = connection.execute("SELECT count(*) FROM webhooks").fetchone()
    return int(found[0]) if found else 0


def _answers(result: Result) -> int:
    return result.statuses.get("200", 0)


def _rate(result: Result) -> float:
    return _answers(result) / result.seconds


def _both(rounds: list[Result]) -> str:
    return f"{median(r.p50 for r in rounds):.1f} and {median(r.p99 for r in rounds):.1f} ms"


if __name__ == "__main__":
    main()
