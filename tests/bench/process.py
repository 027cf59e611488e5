"""Memory of the web's processes and of an idle worker, and the time to the first answer: `python -m tests.bench.process`."""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from statistics import median

import psutil

from app.queues import QueueName, ring
from tests.bench import rig
from tests.bench.events import connect_shop, start_workers
from tests.bench.load import Plan

REQUESTS = 500  # that a web process has answered before its memory is read
STARTS = 5


def main() -> None:
    """Measure and report."""
    given = rig.arguments("Memory and start")
    load = os.getloadavg()
    with rig.rig() as ground:
        connect_shop()
        starts = [_start(ground) for _ in range(STARTS)]
        webs = [_web(ground) for _ in range(given.rounds)]
        workers = [_worker(ground, name) for name in QueueName]
    lines = [
        rig.at_most(f"from exec to the first 200, median of {STARTS}", median(starts), 1, "s"),
        rig.at_most(f"web, each of 2 processes after {REQUESTS} webhooks, PSS", median(w for _, w in webs), 65, "MiB"),
        rig.Line("web, their parent, PSS", median(parent for parent, _ in webs), "MiB"),
        rig.at_most("idle worker after a job, the largest of the queues, PSS", max(workers), 75, "MiB"),
    ]
    rig.report("process", "Memory and start", lines, load, given.out)


def _start(ground: rig.Rig) -> float:
    """Return the seconds from exec to the first 200."""
    port = rig.free_port()
    began = time.perf_counter()
    with rig.process(ground, "start", ["app.cli", "web"], PORT=str(port)):
        return rig.wait_for_http(port, every=0.005) - began


def _web(ground: rig.Rig) -> tuple[float, float]:
    """Return the memory of the parent, and of the larger of its two processes."""
    port = rig.free_port()
    plan = json.dumps(asdict(Plan(port, f"memory{port}", seconds=60, connections=8, most=REQUESTS)))
    with rig.web(ground, port) as started:
        subprocess.run([sys.executable, "-m", "tests.bench.load", plan], cwd=rig.ROOT, check=True, capture_output=True)
        children = psutil.Process(started.pid).children()
        return _pss(started.pid), max(_pss(child.pid) for child in children)


def _worker(ground: rig.Rig, name: QueueName) -> float:
    """Return the memory of a worker that has done a job and waits."""
    with ExitStack() as stack:
        (worker,) = start_workers(ground, stack, name.value)
        ring(name)
        time.sleep(2)
        return _pss(worker.pid)


def _pss(pid: int) -> float:
    """Return a process's own memory and its part of what it shares, in MiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the kernel tells no Pss")


if __name__ == "__main__":
    main()
