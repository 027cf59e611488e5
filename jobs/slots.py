"""At most two calls of ours to one shop at a time, whichever process makes them: cheap hosts count.

An address that is no shop's yet has two slots as well: anybody may type it, and have us call somebody's host.

A slot is an advisory lock of a PostgreSQL session, held while the call lasts, with no transaction open. A process that dies
takes its session with it, and so its slots. Whoever waits holds no connection meanwhile.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from app.db import engine
from app.domain.errors import Transient
from app.log import get_logger

PATIENCE = 5.0  # seconds; most calls are over in one, and a row that has to wait longer comes again by itself
_FIRST_LOOK, _LOOK = 0.02, 0.2  # seconds between two looks, doubled up to the second
_AGAIN = timedelta(seconds=10)
_SHOPS, _HOSTS = 4_205_200, 4_205_210  # of two-part lock keys, the second part being whose; one more for each slot
# The branches of a CASE are tried in order, and no further than the first that is true.
_TAKE = text(
    "SELECT CASE WHEN pg_try_advisory_lock(:first, :whose) THEN :first"
    " WHEN pg_try_advisory_lock(:second, :whose) THEN :second END"
)
_GIVE_BACK = text("SELECT pg_advisory_unlock(:slot, :whose)")
log = get_logger()


def slot(shop_id: int) -> AbstractContextManager[None]:
    """Hold one of a shop's two slots for the length of a call.

    Raises:
        Transient: both were in use all the time that we waited; nothing was sent.
    """
    return _hold(_SHOPS, shop_id)


def slot_at(url: str) -> AbstractContextManager[None]:
    """Hold one of the two slots of an address' host. By a hash: two hosts that meet lose time and nothing else.

    Raises:
        Transient: as `slot`.
    """
    host = (urlsplit(url).hostname or "").encode()
    return _hold(_HOSTS, int.from_bytes(hashlib.sha256(host).digest()[:4], signed=True))


@contextmanager
def _hold(space: int, whose: int) -> Iterator[None]:
    connection, taken = _wait(space, whose)
    try:
        yield
    finally:
        _give_back(connection, taken, whose)


def _wait(space: int, whose: int) -> tuple[Connection, int]:
    deadline, pause = time.monotonic() + PATIENCE, _FIRST_LOOK
    while True:
        if held := _try(space, whose):
            return held
        if time.monotonic() + pause > deadline:
            raise Transient("The shop is busy with two calls of ours.", _AGAIN)
        time.sleep(pause)
        pause = min(pause * 2, _LOOK)


def _try(space: int, whose: int) -> tuple[Connection, int] | None:
    connection = engine().connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        taken = connection.scalar(_TAKE, {"first": space, "second": space + 1, "whose": whose})
    except BaseException:
        connection.invalidate()  # whatever it may hold goes with its session
        connection.close()
        raise
    if taken is None:
        connection.close()
        return None
    return connection, int(taken)


def _give_back(connection: Connection, taken: int, whose: int) -> None:
    """Give a slot back. A session that broke has none to give back, and the call's own answer counts all the same."""
    try:
        connection.scalar(_GIVE_BACK, {"slot": taken, "whose": whose})
    except SQLAlchemyError as exc:
        log.warning("slots.session_broke", whose=whose, error_class=type(exc).__name__)
        connection.invalidate()
    finally:
        connection.close()
