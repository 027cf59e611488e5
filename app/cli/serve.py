"""The processes: `web`, `worker`, `scheduler`, all of them on one machine, the demo, and the migration before them."""

import gc
import json
import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from app.cli.output import emit, json_option, say

if TYPE_CHECKING:
    from flask import Flask

_ROOT = Path(__file__).resolve().parent.parent.parent
# app.queues has the truth; importing it would load RQ, for a parent that only waits.
_QUEUES = ("inbox", "steps", "mail", "receipts", "shops", "housekeeping")
_PORT = click.IntRange(1, 65535)
_SHOPS_PATIENCE = 30.0  # seconds


@click.command()
@click.option("--port", type=_PORT, default=8000, show_default=True, help="The next free one if it is taken.")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Where the data stays: var/demo.")
@click.option("--open", "open_browser", is_flag=True, help="Open the admin in a browser.")
def demo(port: int, data_dir: Path | None, open_browser: bool) -> None:
    """Run everything on this machine, with two pretend shops. Ctrl-C stops it; the data stays."""
    _stop_at_once_on_signals()
    from app.demo.parent import run_demo

    checkout = _ROOT if (_ROOT / "pyproject.toml").exists() else Path.cwd()
    sys.exit(run_demo(port, data_dir or checkout / "var" / "demo", open_browser=open_browser))


@click.command()
def run() -> None:
    """Run everything on this machine, for real shops.

    Database, queue, web, workers and scheduler. The settings come from the environment; DATABASE_URL and REDIS_URL are
    its own.
    """
    _stop_at_once_on_signals()
    from app.cli.machine import run_one_machine

    sys.exit(run_one_machine())


@click.command()
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
def web(workers: int) -> None:
    """Serve webhooks and pages on HOST:PORT, behind any proxy."""
    from app.cli.boot import NotReady, refuse_unless_ready
    from app.cli.doors import is_free
    from app.config import settings
    from app.db import engine

    refuse_unless_ready()
    engine().dispose()  # before the fork: two processes on one socket garble each other
    config = settings()
    if not is_free(config.host, config.port):
        raise NotReady(f"Port {config.port} is taken on {config.host}. Stop what listens there, or set PORT.")
    _load_for_all()
    _serve_web(config.host, config.port, workers)


@click.command()
@click.argument("queue", required=False, type=click.Choice(_QUEUES))
def worker(queue: str | None) -> None:
    """Work one queue of the six. Without a name: one process for each, restarted when one dies."""
    if queue is None:
        sys.exit(_all_workers())
    from app.cli.boot import refuse_unless_ready
    from app.db import engine

    refuse_unless_ready()
    engine().dispose()
    from app.queues import QueueName
    from jobs import worker as entry

    sys.exit(entry.run(QueueName(queue)))


@click.command()
def scheduler() -> None:
    """Wake what is due. One is enough; a second copy does no harm."""
    from app.cli.boot import refuse_unless_ready

    refuse_unless_ready()
    from jobs import scheduler as entry

    sys.exit(entry.run())


@click.command()
@json_option
def migrate(as_json: bool) -> None:
    """Bring the database to this release's tables. Run it before the processes of a new release start."""
    from app import schema
    from app.db import engine

    was_current = schema.is_current(engine())
    schema.migrate(engine())
    if as_json:
        emit({"revision": schema.newest(), "changed": not was_current}, as_json=True)
    else:
        say("The tables are those of this release already." if was_current else "The tables are up to date now.")


@click.command("demo-shops", hidden=True)
def demo_shops() -> None:
    """Serve the demo's two shops; `cartwheel demo` starts this with its configuration in CARTWHEEL_DEMO_SHOPS."""
    from werkzeug.serving import make_server

    from app.cli.doors import wait_for
    from app.demo.config import DemoConfig
    from app.demo.server import create_app, fakes_of

    given = json.loads(os.environ["CARTWHEEL_DEMO_SHOPS"])
    config = DemoConfig(**{**given, "data_dir": Path(given["data_dir"])})
    address = urlsplit(config.shops_url)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # werkzeug ends clean on a KeyboardInterrupt
    try:
        # WooCommerce introduces itself once, to whoever listens: so Cartwheel comes first.
        wait_for(f"{config.cartwheel_url}/healthz", _SHOPS_PATIENCE)
        app = create_app(config)
        try:
            make_server(address.hostname or "127.0.0.1", address.port or 80, app, threaded=True).serve_forever()
        finally:
            fakes_of(app).stop()
    except KeyboardInterrupt:
        return


def load_app() -> "Flask":
    """Make the web app, in each of granian's workers."""
    # Until it has loaded, a worker has granian's handler of the main process, which would swallow the signal to stop: then
    # a Ctrl-C in the first second takes until workers_kill_timeout.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    from app.web import create_app

    return create_app()


def _stop_at_once_on_signals() -> None:
    """Until something is started there is nothing to end; Python's own KeyboardInterrupt can get lost inside an import."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        os.write(2, b"Stopped.\n")
        os._exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _all_workers() -> int:
    from app.cli.family import Member, keep_running
    from app.config import settings

    settings()  # a bad setting ends us now; the workers would be restarted for ever
    return keep_running([Member(name, ("worker", name)) for name in _QUEUES], os.environ)


def _load_for_all() -> None:
    """Load the app before the processes are forked off: they share what none of them changes, and are ready sooner."""
    from sqlalchemy.orm import configure_mappers

    from app.web import create_app

    create_app()
    configure_mappers()
    gc.collect()
    gc.freeze()  # else the collector touches, and so copies, what is shared


def _serve_web(host: str, port: int, workers: int) -> None:
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels, logger

    # Many threads: a body that stops half-way holds one with no time limit. They are made on demand, and the database pool
    # is taken only after the body is read (ecosystem.md 7.3). granian warns of their number at each start.
    server = Granian(
        "app.cli.serve:load_app",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=256,
        backpressure=1024,
        http=HTTPModes.http1,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=20,
        log_level=LogLevels.warning,
    )
    logger.addFilter(lambda record: "Python threads" not in record.getMessage())
    server.serve()
