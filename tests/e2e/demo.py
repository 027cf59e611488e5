"""A run of `cartwheel demo`, for the tests that look at it from outside."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds; 8 on an idle machine
NAMES = ("Admin", "Shop front", "Mailbox")


class Demo:
    """One run of the demo, in a folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.log = folder.with_suffix(f".{time.monotonic_ns()}.log")
        # What belongs to another installation, or to these tests, must not reach the demo: it is left in on purpose.
        environ = {**os.environ, "DATABASE_URL": "postgresql://elsewhere", "PYTHONPATH": str(ROOT)}
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "demo", "--port", str(port), "--data-dir", str(folder)],
                cwd=folder.parent, env=environ, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        self.folder = folder

    @property
    def output(self) -> str:
        return self.log.read_text()

    def addresses(self) -> dict[str, str]:
        """Wait for the box and return its addresses."""
        self.until(lambda: "Cartwheel is running" in self.output or self.process.poll() is not None)
        assert self.process.poll() is None, self.output
        return {name: re.search(rf"{name}\s+(http://\S+)", self.output)[1] for name in NAMES}

    def family(self) -> dict[int, list[str]]:
        """Everything of this run that lives, by process id: it has the folder in its command or its environment."""
        found = {}
        for process in psutil.process_iter():
            try:
                command, environ = process.cmdline(), process.environ()
            except (psutil.NoSuchProcess, psutil.AccessDenied):  # gone, or gone but for its exit code
                continue
            if str(self.folder) in " ".join([*command, environ.get("CARTWHEEL_DATA_DIR", "")]):
                found[process.pid] = command
        return found

    def running(self, *words: str) -> set[int]:
        """Our own processes whose command ends with these words; the shell's loops around them do not count."""
        return {pid for pid, c in self.family().items() if "app.cli" in c and tuple(c[-len(words) :]) == words}

    def stop(self, number: signal.Signals, code: int = 0) -> None:
        """Send a signal to the one process that a person sees, and wait for its end, with this exit code."""
        self.process.send_signal(number)
        assert self.process.wait(PATIENCE) == code, self.output
        assert "Traceback" not in self.output, self.output

    def cartwheel(self, *arguments: str) -> list[dict]:
        """Run a command against this demo and return its JSON lines."""
        environ = psutil.Process(min(self.running("scheduler"))).environ()
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments, "--json"],
            env=environ, cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def until(self, condition: Callable[[], object], tell: Callable[[], object] = str) -> None:
        """Wait until something holds; a process that was told to end may need a moment."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"waited too long {tell()}\n{self.output}"
            time.sleep(0.1)


def get(url):
    """Fetch a page and return its status and text."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.request("GET", parts.path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
