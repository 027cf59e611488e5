"""What must hold before a process starts (reliability.md 7): a server that starts wrong is found by its customers."""

import os

import redis
from sqlalchemy import text

from app import log, queues
from app.config import Environment, settings
from app.db import engine
from app.domain.errors import CartwheelError

OLDEST_POSTGRES = 14


class NotReady(CartwheelError):  # noqa: N818  (the house names faults by what they say)
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
    from app.schema import is_current

    with engine().connect() as connection:
        version = int(connection.scalar(text("SHOW server_version_num")) or 0) // 10_000
    if version < OLDEST_POSTGRES:
        return f"The database is PostgreSQL {version}. Cartwheel needs {OLDEST_POSTGRES} or newer: upgrade the server."
    if not is_current(engine()):
        return "The database's tables are not those of this release. Bring them up to date: cartwheel migrate"
    return None


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
