"""What must hold before a process starts (reliability.md 7): a server that starts wrong is found by its customers."""

import os
import re
from pathlib import Path

import redis
from sqlalchemy import text

from app import log, queues
from app.config import Environment, settings
from app.db import engine
from app.domain.errors import CartwheelError

OLDEST_POSTGRES = 14
_MIGRATIONS = Path(__file__).resolve().parent.parent.parent / "migrations" / "versions"
_REVISION = re.compile(r"""^(revision|down_revision)\b[^=\n]*= ["'](\w+)["']""", re.MULTILINE)


class NotReady(CartwheelError):
    """The process must not, or cannot, start; the message says what to do first."""


def refuse_unless_ready() -> None:
    """Refuse to start a process that would lose something or show too much.

    Raises:
        NotReady: one of the conditions does not hold.
        BadSetting: a setting is wrong.
    """
    config = settings()
    log.configure(config.log_format)
    if config.env is Environment.PRODUCTION and os.environ.get("FLASK_DEBUG", "0").lower() not in {"", "0", "false"}:
        raise NotReady("FLASK_DEBUG is on in production: it shows source code to visitors. Unset it.")
    if why := database_fault():
        raise NotReady(why)
    if why := redis_policy_fault():
        raise NotReady(why)


def database_fault() -> str | None:
    """Say what is wrong with the database, or None."""
    with engine().connect() as connection:
        version = int(connection.scalar(text("SHOW server_version_num")) or 0) // 10_000
        has_tables = connection.scalar(text("SELECT to_regclass('alembic_version')")) is not None
        found = connection.scalar(text("SELECT version_num FROM alembic_version")) if has_tables else None
    if version < OLDEST_POSTGRES:
        return f"The database is PostgreSQL {version}. Cartwheel needs {OLDEST_POSTGRES} or newer: upgrade the server."
    if found != newest_revision():
        return "The database's tables are not those of this release. Bring them up to date: cartwheel migrate"
    return None


def newest_revision() -> str | None:
    """Return the newest migration, read from the files: Alembic would stay in the memory of every process, 9 MB in each."""
    known: set[str] = set()
    followed: set[str] = set()
    for file in _MIGRATIONS.glob("*.py"):
        for name, value in _REVISION.findall(file.read_text(encoding="utf-8")):
            (known if name == "revision" else followed).add(value)
    return next(iter(known - followed), None)


def redis_policy_fault() -> str | None:
    """Say why this Redis would drop jobs, or None; one that does not answer costs a second, not a start (I9)."""
    client = queues.connect(socket_timeout=2)
    try:
        policy = client.info("memory").get("maxmemory_policy", "noeviction")
    except redis.RedisError as exc:
        log.get_logger().warning("redis.unreachable", error_class=type(exc).__name__)
        return None
    finally:
        client.close()
    if policy == "noeviction":
        return None
    return f"Redis would throw jobs away when its memory is full (maxmemory-policy {policy}). Set it to noeviction."
