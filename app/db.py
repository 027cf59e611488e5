"""Engines and sessions. One transaction is one `with sessions().begin() as session`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.config import settings

POOL_SIZE = 4  # connections of one process: PostgreSQL has 100 by default, and a process does one thing at a time
TENANT_ROLE = "cartwheel_tenant"  # a plain role, so that row-level security applies to it (D14)
_STATEMENT_TIMEOUT = "30s"
_LOCK_TIMEOUT = "10s"
# A machine that vanished is noticed after a minute and not after two hours: its locks would be held until then.
_KEEPALIVE = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"


@lru_cache(maxsize=1)
def engine() -> Engine:
    """Return this process's engine, made at first use."""
    return make_engine(settings().database_url)


@lru_cache(maxsize=1)
def sessions() -> sessionmaker[Session]:
    """Return this process's session factory: the owner, who sees every shop (drain jobs, staff, the command line)."""
    return sessionmaker(engine(), expire_on_commit=False)


def make_engine(url: str) -> Engine:
    """Make an engine whose statements, lock waits and connection attempts all end by themselves (I15)."""
    return create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=3,
        pool_pre_ping=True,
        hide_parameters=True,  # an error message must not quote a shopper's row (I13)
        connect_args={
            "connect_timeout": 3,
            "application_name": "cartwheel",
            "options": f"-c timezone=UTC -c statement_timeout={_STATEMENT_TIMEOUT} -c lock_timeout={_LOCK_TIMEOUT} "
            f"{_KEEPALIVE}",
        },
    )


@contextmanager
def tenant_session(shop_id: int) -> Iterator[Session]:
    """Open a transaction that can see and change one shop only: the second wall behind every merchant page (D14, I10)."""
    with sessions().begin() as session:
        session.execute(text("SELECT set_config('cartwheel.shop_id', :shop_id, true)"), {"shop_id": str(shop_id)})
        session.execute(text(f"SET LOCAL ROLE {TENANT_ROLE}"))
        yield session


def forget_inherited_connections() -> None:
    """Drop what a forked child inherited: two processes on one socket garble each other."""
    if engine.cache_info().currsize:
        engine().dispose(close=False)


os.register_at_fork(after_in_child=forget_inherited_connections)
