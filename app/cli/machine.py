"""A whole installation on one machine: embedded servers, and every process beside them, owned by one parent."""

import fcntl
import os
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import SubprocessError

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from app import db, schema
from app.cli.doors import wait_for
from app.cli.family import Member, is_asked_to_stop, keep_running, remember_signals
from app.cli.output import say
from app.config import load_settings
from app.domain.errors import CartwheelError
from app.embedded import Servers, servers, stop_postgres
from app.queues import QueueName

READY_LIMIT = 90.0  # seconds from the first process to the box; a slow disk needs 10
PROCESSES = (
    Member("web", ("web",)),
    *(Member(f"worker-{name}", ("worker", name.value)) for name in QueueName),
    Member("scheduler", ("scheduler",)),
)
_UNKNOWN_YET = {"DATABASE_URL": "postgresql://not-started", "REDIS_URL": "unix:///not-started"}


def run_one_machine() -> int:
    """Run everything for real shops until it is stopped, and return the exit code; the settings come from the environment.

    Raises:
        BadSetting: a setting is wrong, or names servers that this command would not use.
        CartwheelError: it runs already, or a server does not start.
    """
    if named := [name for name in _UNKNOWN_YET if os.environ.get(name)]:
        raise CartwheelError(
            f"cartwheel run brings its own servers, but {' and '.join(named)} name others. Unset them, "
            "or run cartwheel web, worker and scheduler beside those servers."
        )
    config = load_settings(dict(_UNKNOWN_YET))  # what is wrong is said before anything starts
    data_dir = config.data_dir.absolute()
    with alone(data_dir), own_servers(data_dir) as running:
        load_settings({"DATABASE_URL": running.database_url, "REDIS_URL": running.redis_url})
        schema.migrate(db.engine())
        db.engine().dispose()
        local = f"http://{'127.0.0.1' if config.host == '0.0.0.0' else config.host}:{config.port}"  # noqa: S104
        box = Box({"Address": config.public_url, "Listens on": local}, "Ctrl-C stops it; the data stays.")
        code = keep_running(PROCESSES, os.environ, when_started=lambda: box.show_when_ready([f"{local}/readyz"]))
    say(f"Stopped. The data stays in {data_dir}.")
    return code


@contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Hold the folder against a second parent: two database servers on one folder would destroy it.

    Raises:
        CartwheelError: another process holds it.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("a+")
    except OSError as exc:
        raise CartwheelError(f"The folder {data_dir} cannot be used: {exc.strerror}. Choose another.") from exc
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            lock.seek(0)
            raise CartwheelError(
                f"Cartwheel runs on {data_dir} already (process {lock.read().strip()}). "
                "Stop it with Ctrl-C there, or choose another folder for this one."
            ) from exc
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def own_servers(data_dir: Path) -> Iterator[Servers]:
    """Run the embedded servers. SIGINT and SIGTERM are remembered from here on, until `keep_running` heeds them."""
    say("Starting the database and the queue...")
    remember_signals()
    is_up = False
    try:
        with servers(data_dir) as running:
            is_up = True
            yield running
    except SubprocessError as exc:
        if is_asked_to_stop():  # a terminal sends Ctrl-C to everything in it, also to what was making the database
            say("Stopped.")
            raise SystemExit(0) from exc
        if is_up:
            raise CartwheelError("A server did not stop in time. The next start takes it over; nothing is lost.") from exc
        raise CartwheelError(
            f"The embedded PostgreSQL did not start in {data_dir}. Its log, if any, is {data_dir / 'postgres' / 'log'}; "
            "the folder, and those above it, must be open to the user it runs as (docs/operating.md)."
        ) from exc
    finally:
        if not is_up:  # it may have started, and then something failed
            with suppress(SubprocessError, ImportError):
                stop_postgres((data_dir / "postgres").resolve())


@dataclass(frozen=True, slots=True)
class Box:
    """What a person must know once everything runs; printed on standard output."""

    addresses: Mapping[str, str]
    closing: str
    opens: str | None = None  # an address to open in a browser

    def show_when_ready(self, doors: list[str]) -> bool:
        """Wait until all doors answer, print the box, and return True; else say so, and return False."""
        for url in doors:
            if not wait_for(url, READY_LIMIT):
                say(f"{url} did not answer within {READY_LIMIT:.0f} s; the lines above say why.")
                return False
        self._show()
        if self.opens:
            webbrowser.open(self.opens)
        return True

    def _show(self) -> None:
        width = max(map(len, self.addresses))
        lines = ["", *(f"{name.ljust(width)}  {url}" for name, url in self.addresses.items()), "", self.closing]
        columns = max(map(len, lines)) + 8  # an address that is broken over two lines cannot be clicked
        panel = Panel.fit(Text("\n".join(lines)), title="Cartwheel is running", padding=(0, 2))
        Console(width=columns, highlight=False).print(panel)
