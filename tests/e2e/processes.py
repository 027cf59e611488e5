"""The real processes of the house, started for a test, killed by it, and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

LOG_LIMIT = 4000


class Process:
    """One of our processes, in a session of its own, with its log in a file."""

    def __init__(self, name: str, arguments: list[str], environment: dict[str, str], log_dir: Path) -> None:
        self.name, self._arguments, self._environment = name, arguments, environment
        self._log = log_dir / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Process":
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", *self._arguments],
                env=self._environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd=Path(__file__).parents[2],
            )
        return self

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def kill(self, *, with_children: bool) -> None:
        """End it as a power cut would, its forked job with it or left behind as an orphan."""
        family = psutil.Process(self.pid).children(recursive=True) if with_children else []
        os.kill(self.pid, signal.SIGKILL)
        for child in family:
            child.kill()
        assert self._process is not None
        self._process.wait()

    def stop(self) -> int:
        """Ask it to end, as a supervisor does, and return its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill(with_children=True)
            raise

    def log(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-LOG_LIMIT:] if self._log.exists() else ""


def environment(**more: str) -> dict[str, str]:
    """The environment of a started process: the test's own, plus what is given."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "default", **more}


def wait_until(is_so: Callable[[], bool], *, seconds: float, what: str, every: float = 0.1) -> None:
    """Wait for something to become true.

    Raises:
        AssertionError: it did not in time.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(every)
