"""Several of our processes on one machine, each restarted alone when it dies, all stopped together (with honcho).

honcho stops everything as soon as one process ends, so each of ours runs in a loop of the shell's: the loop is what honcho
sees. A second loop watches the parent, because a parent that is killed with SIGKILL can stop nobody.
"""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import honcho.manager
from honcho.manager import Manager
from honcho.printer import Printer

# Seconds until honcho kills what has not stopped: the web's own limit for a stalled request is 20.
honcho.manager.KILL_WAIT = 30

WhenStarted = Callable[[], bool]
_ROOT = Path(__file__).resolve().parent.parent.parent
_LOOP = """\
(while kill -0 {parent} 2>/dev/null; do sleep 1; done; kill -TERM 0) >/dev/null 2>&1 &
while :; do {command}; sleep 1; done"""


@dataclass(frozen=True, slots=True)
class Member:
    """One process: its name in the log, its `cartwheel` arguments, and what it alone finds in its environment."""

    name: str
    arguments: Sequence[str]
    extra: Mapping[str, str] = field(default_factory=dict)


_asked_to_stop = threading.Event()


def remember_signals() -> None:
    """Remember SIGINT and SIGTERM, for `keep_running`: raised as an exception, one can get lost, or come in a bad moment."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _asked_to_stop.set())


def is_asked_to_stop() -> bool:
    """Whether a signal came that nobody has heeded yet."""
    return _asked_to_stop.is_set()


def keep_running(
    members: Sequence[Member], environ: Mapping[str, str], *, when_started: Callable[[], bool] | None = None
) -> int:
    """Run the processes until SIGINT or SIGTERM, and return 0; must be called in the main thread.

    `when_started` is called in a thread of its own; when it returns False everything is stopped, and 3 is returned.
    """
    if is_asked_to_stop():
        return 0
    log = _Log(sys.stderr)
    manager = _Manager(log)
    failed = threading.Event()

    def begin() -> None:
        if when_started is not None and not when_started():
            failed.set()
            os.kill(os.getpid(), signal.SIGTERM)

    log.manager = manager
    log.when_first = threading.Thread(target=begin, daemon=True).start
    shared = {**environ, "PYTHONPATH": _search_path(environ), "PYTHONUNBUFFERED": "1"}
    for member in members:
        command = _LOOP.format(parent=os.getpid(), command=command_line(*member.arguments))
        manager.add_process(member.name, command, env={**shared, **member.extra})
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    try:
        manager.loop()
    except BaseException:
        manager.give_up()  # or this process would wait for its children for ever, and they for it
        raise
    stopped_by_signal = manager.returncode in {130, 143} or _asked_to_stop.is_set()
    return 3 if failed.is_set() or not stopped_by_signal else 0


def command_line(*arguments: str) -> str:
    """Return how to run our own command, for a shell; -P, or a folder `app` where the person stands was taken for ours."""
    return shlex.join([sys.executable, "-P", "-m", "app.cli", *arguments])


def _search_path(environ: Mapping[str, str]) -> str:
    return os.pathsep.join(filter(None, [str(_ROOT), environ.get("PYTHONPATH", "")]))


class _Manager(Manager):  # type: ignore[misc]  # honcho has no types
    """honcho's, made safe against a signal in its first moments, when it does not know its processes' ids yet."""

    is_asked_to_stop = False

    def terminate(self) -> None:
        self.is_asked_to_stop = True
        if self._all_started():
            super().terminate()

    def give_up(self) -> None:
        """Kill what was started."""
        started = {name: process for name, process in self._processes.items() if "pid" in process}  # type: ignore[has-type]
        self._processes = started
        self.kill()


class _Log(Printer):  # type: ignore[misc]
    """Prints our processes' lines, and none of honcho's own."""

    manager: _Manager | None = None
    when_first: Callable[[], Any] | None = None

    def write(self, message: Any) -> None:
        # Not before: a thread that runs while honcho forks could leave a lock held in the children. Taken away before it is
        # called: a signal may come in between, and its handler writes, too.
        first, self.when_first = self.when_first, None
        if first is not None:
            first()
        if self.manager is not None and (self.manager.is_asked_to_stop or _asked_to_stop.is_set()):
            self.manager.terminate()
        if message.name == honcho.manager.SYSTEM_PRINTER_NAME:
            return
        try:
            super().write(message)
        except OSError:
            return  # the terminal was closed; SIGHUP stops us
