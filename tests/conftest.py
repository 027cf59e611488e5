"""The ground of all tests: one embedded PostgreSQL and Valkey for the run, one database and Redis number per worker."""

import os
import shutil
import tempfile
import warnings
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says how busy the machine is, and nothing about us.
hypothesis.settings.register_profile("house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("house")
os.environ["TZ"] = "UTC"
_FIXED = {
    "CARTWHEEL_ENV": "test",
    "CARTWHEEL_PUBLIC_URL": "http://127.0.0.1:8000",
    "CARTWHEEL_SECRET_KEYS": "test-key-test-key-test-key-test-key-1",
    "CARTWHEEL_SHOPIFY_CLIENT_ID": "client-id",
    "CARTWHEEL_SHOPIFY_CLIENT_SECRET": "shpss_test_client_secret",
    "CARTWHEEL_SHOPIFY_API_BASE": "http://127.0.0.1:9",  # nobody listens there, and no test leaves this machine
    "CARTWHEEL_MAIL_TRANSPORT": "outbox",
    "CARTWHEEL_ALLOW_LOOPBACK_SHOPS": "true",
    "CARTWHEEL_LOG_FORMAT": "console",
}
_stack = ExitStack()

T0 = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers once, in the controlling process; workers find them through the environment."""
    for name in [n for n in os.environ if n.startswith("CARTWHEEL_")]:
        del os.environ[name]
    os.environ.update(_FIXED)
    from app import log
    from app.config import LogFormat

    log.configure(LogFormat.CONSOLE)
    if hasattr(config, "workerinput"):
        return
    from app.embedded import servers

    directory = Path(tempfile.mkdtemp(prefix="cwt-"))
    _stack.callback(shutil.rmtree, directory, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        running = _stack.enter_context(servers(directory, database="template_cartwheel"))
    _without_fsync(running.database_url)
    os.environ["TESTS_DATABASE_URL"], os.environ["TESTS_REDIS_URL"] = running.database_url, running.redis_url


def _without_fsync(database_url: str) -> None:
    """Do not wait for the disk: the tests' data folder is thrown away, and emptying all tables would take longest."""
    import psycopg

    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    _stack.close()


@pytest.fixture(scope="session")
def servers_of_worker(worker_id: str) -> tuple[str, str]:
    """Return this worker's own database (migrated) and Redis URL."""
    import psycopg
    from psycopg import sql

    from app.db import make_engine
    from app.schema import migrate

    base, redis_url = os.environ["TESTS_DATABASE_URL"], os.environ["TESTS_REDIS_URL"]
    name = f"test_{worker_id}"
    plain = base.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain.replace("template_cartwheel", "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = base.replace("template_cartwheel", name)
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    number = 0 if worker_id == "master" else int(worker_id.removeprefix("gw")) + 1
    separator = "&" if "?" in redis_url else "?"
    return url, f"{redis_url}{separator}db={number}"


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """Return xdist's name of this worker, or "master" without xdist."""
    workerinput = getattr(request.config, "workerinput", None)
    return str(workerinput["workerid"]) if workerinput else "master"


@pytest.fixture
def house(servers_of_worker: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty house: settings, database and Redis ready, everything cached in the process forgotten."""
    with empty_house(servers_of_worker, tmp_path, monkeypatch) as maker:
        yield maker


@contextmanager
def empty_house(servers: tuple[str, str], folder: Path, patch: pytest.MonkeyPatch):
    """Open an empty house and yield its session factory; for fixtures that outlive one test. Only one can be open."""
    from sqlalchemy import text

    from app import config, crypto, db, queues
    from app.models import Base

    database_url, redis_url = servers
    patch.setenv("DATABASE_URL", database_url)
    patch.setenv("REDIS_URL", redis_url)
    patch.setenv("CARTWHEEL_DATA_DIR", str(folder))
    caches = (config.settings, db.engine, db.sessions, queues.bell, crypto._fernet)
    for cache in caches:
        cache.cache_clear()
    with db.engine().begin() as connection:
        tables = ", ".join(t.name for t in Base.metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    client = queues.connect()
    client.flushdb()
    client.close()
    yield db.sessions()
    db.engine().dispose()
    for cache in caches:
        cache.cache_clear()
