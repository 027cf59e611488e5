"""What every bench stands on: servers of its own, our processes as `cartwheel` starts them, and a report that says when,
where and under which load it was measured."""

import importlib.metadata
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("flask", "granian", "sqlalchemy", "psycopg", "rq", "redis", "jinja2")
_FIXED = {
    "TZ": "UTC",
    "CARTWHEEL_ENV": "production",
    "CARTWHEEL_PUBLIC_URL": "https://bench.example.com",
    "CARTWHEEL_SECRET_KEYS": "bench-key-bench-key-bench-key-bench-key",
    "CARTWHEEL_SHOPIFY_CLIENT_SECRET": "shpss_test_client_secret",  # what tests/builders.py signs with
    "CARTWHEEL_MAIL_TRANSPORT": "outbox",
}
_START_LIMIT = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Rig:
    """A running ground: where the servers are, and where processes may write their logs."""

    directory: Path
    url: str  # for SQLAlchemy
    plain_url: str  # for psycopg itself


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a result: what was measured, in which unit, and the goal it is held against."""

    what: str
    value: float | str
    unit: str = ""
    goal: str = ""
    is_met: bool | None = None


def at_most(what: str, value: float, limit: float, unit: str = "") -> Line:
    """A line that meets its goal when it is small."""
    return Line(what, value, unit, f"<= {limit:g}", value <= limit)


def at_least(what: str, value: float, limit: float, unit: str = "") -> Line:
    """A line that meets its goal when it is large."""
    return Line(what, value, unit, f">= {limit:g}", value >= limit)


@contextmanager
def rig() -> Iterator[Rig]:
    """Start PostgreSQL and Valkey in a folder of their own, and make this process's settings theirs.

    The database is migrated and empty. The disk is waited for as in production: fsync and synchronous_commit stay on.
    """
    for name in [n for n in os.environ if n.startswith("CARTWHEEL_")]:
        del os.environ[name]
    os.environ.update(_FIXED)
    from app import embedded

    directory = Path(tempfile.mkdtemp(prefix="cwb-"))
    try:
        with embedded.servers(directory, database="bench") as running:
            os.environ.update(
                DATABASE_URL=running.database_url, REDIS_URL=running.redis_url, CARTWHEEL_DATA_DIR=str(directory / "data")
            )
            from app import db, schema

            schema.migrate(db.engine())
            yield Rig(directory, running.database_url, running.database_url.replace("+psycopg", ""))
            db.engine().dispose()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def process(rig: Rig, name: str, arguments: Sequence[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m ...` for as long as the block lasts; what it wrote is shown when the block fails."""
    log = rig.directory / f"{name}.log"
    with log.open("ab") as stream:
        started = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
            stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip
    try:
        yield started
    except BaseException:
        say(f"--- {name}\n{log.read_text(errors='replace')[-3000:]}")
        raise
    finally:
        started.terminate()
        started.wait(timeout=60)


@contextmanager
def web(rig: Rig, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the web as the Procfile does."""
    with process(rig, "web", ["app.cli", "web"], PORT=str(port)) as started:
        wait_for_http(port)
        yield started


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_http(port: int, path: str = "/healthz", *, every: float = 0.02) -> float:
    """Wait until a request is answered with 200, and return when that was (`time.perf_counter`)."""
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode()
    deadline = time.perf_counter() + _START_LIMIT
    while time.perf_counter() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                connection.sendall(request)
                if connection.recv(64).startswith(b"HTTP/1.1 200"):
                    return time.perf_counter()
        except OSError:
            pass
        time.sleep(every)
    raise AssertionError(f"nothing answered on port {port} within {_START_LIMIT:.0f} s")


def wait_until(is_so: Callable[[], bool], what: str, *, seconds: float = 60, every: float = 0.002) -> float:
    """Wait for something to become true and return when it was seen (`time.perf_counter`)."""
    deadline = time.perf_counter() + seconds
    while not is_so():
        assert time.perf_counter() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(every)
    return time.perf_counter()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share (0 to 1) of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def arguments(title: str, *more: tuple[tuple[str, ...], dict[str, Any]]) -> Namespace:
    """Read the command line that all benches share."""
    parser = ArgumentParser(description=title)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a file that gets the result as one line of JSON more")
    for flags, options in more:
        parser.add_argument(*flags, **options)
    return parser.parse_args()


def report(
    bench: str, title: str, lines: Sequence[Line], load: tuple[float, float, float], out: Path | None, **more: Any
) -> None:
    """Print the result as Markdown, and add it, with whatever else is told, to a file as JSON."""
    about = {
        "bench": bench,
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine(),
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
        "load_before": [round(n, 2) for n in load],
        "load_after": [round(n, 2) for n in os.getloadavg()],
    }
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    print(f"\n### {title}\n\n{about['at']}, {about['machine']}. {versions}.")
    print(f"Load average before {about['load_before']}, after {about['load_after']}.\n")
    print("| What | Measured | Goal | |\n|---|---|---|---|")
    for line in lines:
        met = {None: "", True: "met", False: "**missed**"}[line.is_met]
        print(f"| {line.what} | {_shown(line)} | {line.goal} | {met} |")
    if out:
        rows = [{"what": x.what, "value": x.value, "unit": x.unit, "goal": x.goal, "met": x.is_met} for x in lines]
        with out.open("a") as file:
            file.write(json.dumps({**about, "lines": rows, **more}) + "\n")


def machine() -> str:
    """Say what it was measured on."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "?"
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} x {cpu}, {memory:.0f} GiB, {system}"


def say(text: str) -> None:
    """Tell whoever watches; results go to standard output, this does not."""
    print(text, file=sys.stderr, flush=True)


def _shown(line: Line) -> str:
    if isinstance(line.value, str):
        return line.value
    number = (
        f"{line.value:,.0f}"
        if abs(line.value) >= 100
        else f"{line.value:,.2f}"
        if abs(line.value) < 10
        else f"{line.value:,.1f}"
    )
    return f"{number} {line.unit}".strip()
