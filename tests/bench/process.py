"""Memory of all processes after their start and after much work, and the time to start: `python -m tests.bench.process`.

Beside the web stands a bare Flask app on the same server, with the same flags.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from statistics import median

import psutil
from rq import Worker

from app.queues import QueueName, connect, ring
from tests.bench import rig
from tests.bench.events import connect_shop
from tests.bench.load import Plan
from tests.bench.visitor import Visitor

REQUESTS = 1_000  # webhooks that a web process has taken before its memory is read again
PAGES = tuple(f"/admin/{page}" for page in ("flows", "flows/abandoned_cart", "webhooks", "mails", "customers", "money"))
TURNS = 20  # of all these pages
TICKS = 20  # of the scheduler, one a second


def main() -> None:
    """Measure and report."""
    given = rig.arguments(
        "Memory and start", (("--jobs",), {"type": int, "default": 1000, "help": "that one worker does"})
    )  # fmt: skip
    load = os.getloadavg()
    with rig.rig() as ground:
        shop_id = connect_shop()
        lines = _starts(ground, given.rounds)
        lines += _webs(ground, shop_id, given.rounds)
        lines += _workers(ground, given.jobs)
        lines.append(_scheduler(ground))
    rig.report("process", "Memory and start", lines, load, given.out)


def _starts(ground: rig.Rig, rounds: int) -> list[rig.Line]:
    """Take the time from exec to being ready, in turns."""
    ways = {"bare app": _start_bare, "web": _start_web, "worker": _start_worker, "scheduler": _start_scheduler}
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, start in ways.items():
            took[name].append(start(ground))
    return [
        rig.Line("bare app, from exec to the first 200", median(took["bare app"]), "s"),
        rig.at_most("web, from exec to the first 200", median(took["web"]), 1, "s"),
        rig.Line("web / bare app", median(took["web"]) / median(took["bare app"])),
        rig.Line("worker, from exec to waiting for jobs", median(took["worker"]), "s"),
        rig.Line("scheduler, from exec to its first look", median(took["scheduler"]), "s"),
    ]


def _start_bare(ground: rig.Rig) -> float:
    port, began = rig.free_port(), time.perf_counter()
    with _bare(ground, port):
        return rig.wait_for_http(port, every=0.005) - began


def _start_web(ground: rig.Rig) -> float:
    port, began = rig.free_port(), time.perf_counter()
    with rig.process(ground, "start", ["app.cli", "web"], PORT=str(port)):
        return rig.wait_for_http(port, every=0.005) - began


def _start_worker(ground: rig.Rig) -> float:
    began = time.perf_counter()
    with _said(ground, "worker", QueueName.INBOX.value) as (_, ready_at):
        return ready_at - began


def _start_scheduler(ground: rig.Rig) -> float:
    began = time.perf_counter()
    with _said(ground, "scheduler") as (_, ready_at):
        return ready_at - began


def _webs(ground: rig.Rig, shop_id: int, rounds: int) -> list[rig.Line]:
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, mib in {**_bare_memory(ground), **_web_memory(ground, shop_id)}.items():
            found.setdefault(name, []).append(mib)
    mib = {name: median(values) for name, values in found.items()}
    after, pages = f"after {REQUESTS:,} webhooks", f"after {TURNS * len(PAGES)} pages more"
    lines = [rig.Line(f"bare app, each of 2 processes, {when}", mib[f"bare {when}"], "MiB") for when in ("started", after)]
    lines += [rig.at_most(f"web, each of 2 processes, {when}", mib[when], 65, "MiB") for when in ("started", after, pages)]
    lines.append(rig.Line(f"web / bare app, {after}", mib[after] / mib[f"bare {after}"]))
    lines += [rig.Line("web, their parent", mib["parent"], "MiB")]
    return lines


def _bare_memory(ground: rig.Rig) -> dict[str, float]:
    port = rig.free_port()
    with _bare(ground, port) as started:
        rig.wait_for_http(port)
        before = _children(started)
        _send(port)
        return {"bare started": before, f"bare after {REQUESTS:,} webhooks": _children(started)}


def _web_memory(ground: rig.Rig, shop_id: int) -> dict[str, float]:
    """Return the memory of the larger of both processes, which take what comes in turns."""
    port = rig.free_port()
    with rig.web(ground, port) as started:
        found = {"started": _children(started)}
        _send(port)
        found[f"after {REQUESTS:,} webhooks"] = _children(started)
        _look_at_pages(port, shop_id)
        return {**found, f"after {TURNS * len(PAGES)} pages more": _children(started), "parent": _pss(started.pid)}


def _send(port: int) -> None:
    plan = json.dumps(asdict(Plan(port, f"memory{port}", seconds=60, connections=8, most=REQUESTS)))
    subprocess.run([sys.executable, "-m", "tests.bench.load", plan], cwd=rig.ROOT, check=True, capture_output=True)


def _look_at_pages(port: int, shop_id: int) -> None:
    from app.db import sessions
    from app.services import signin

    with sessions().begin() as session:
        now = signin.real_now(session)
        link = f"/admin/sign-in/{signin.create_link(session, [shop_id], now=now, lifetime=timedelta(hours=1))}"
    visitor = Visitor(port)
    visitor.sign_in(link)
    for _ in range(TURNS):
        for page in PAGES:
            visitor.open(page, {})
    visitor.close()


def _workers(ground: rig.Rig, jobs: int) -> list[rig.Line]:
    """Read the memory of each queue's worker after a job, and of one that has done many."""
    once = {name: _worker(ground, name, 1)[1] for name in QueueName if name is not QueueName.INBOX}
    started, after = _worker(ground, QueueName.INBOX, jobs)
    return [
        rig.at_most("worker of the inbox, started", started, 75, "MiB"),
        rig.at_most(f"the same, after {jobs:,} jobs", after, 75, "MiB"),
        rig.at_most("the largest of the other workers, after a job", max(once.values()), 75, "MiB"),
    ]


def _worker(ground: rig.Rig, name: QueueName, jobs: int) -> tuple[float, float]:
    """Return the memory of a worker that waits: before its first job, and after the last."""
    with _said(ground, "worker", name.value) as (started, _):
        time.sleep(1)  # it registers and looks after its queue before it waits
        before, client = _pss(started.pid), connect()
        for number in range(jobs):
            ring(name)
            rig.wait_until(lambda number=number: _done(client, started.pid) > number, "a job", every=0.005)
        client.close()
        time.sleep(0.5)  # the last job's fork has to end
        return before, _pss(started.pid)


def _done(client: object, pid: int) -> int:
    return next((w.successful_job_count for w in Worker.all(connection=client) if w.pid == pid), 0)  # type: ignore[arg-type]


def _scheduler(ground: rig.Rig) -> rig.Line:
    with _said(ground, "scheduler") as (started, _):
        time.sleep(TICKS)
        return rig.Line(f"scheduler, after {TICKS} looks", _pss(started.pid), "MiB")


def _bare(ground: rig.Rig, port: int) -> AbstractContextManager[subprocess.Popen[bytes]]:
    return rig.process(ground, f"bare{port}", ["tests.bench.bare", str(port)])


@contextmanager
def _said(ground: rig.Rig, *command: str) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """Run `cartwheel ...`, wait until it says that it started, and give the process and when that was."""
    name = f"{'-'.join(command)}-{time.perf_counter_ns()}"
    with rig.process(ground, name, ["app.cli", *command]) as started:
        log = ground.directory / f"{name}.log"
        yield started, rig.wait_until(lambda: b".started" in log.read_bytes(), name, every=0.005)


def _children(parent: subprocess.Popen[bytes]) -> float:
    """Return the memory of the largest of a server's processes."""
    found: Sequence[psutil.Process] = psutil.Process(parent.pid).children()
    return max(_pss(child.pid) for child in found)


def _pss(pid: int) -> float:
    """Return a process's own memory and its part of what it shares, in MiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the kernel tells no Pss")


if __name__ == "__main__":
    main()
