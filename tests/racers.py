"""Two workers in processes of their own that begin at one instant, and a listener that hears who committed first."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context

import psycopg

PATIENCE = 60  # seconds for one worker's turn; more than a lock's time-out
_CHANNEL = "races"
_TOLD = {
    # What is told: the table, the event, and which rows.
    "lease": ("deliveries", "UPDATE", "NEW.attempts > OLD.attempts"),
    "claim": ("deliveries", "UPDATE", "NEW.state = 'sending' AND OLD.state <> 'sending'"),
    "purchase": ("purchase_marks", "INSERT", "true"),
    "unsubscribe": ("consents", "INSERT", "NEW.state = 'unsubscribed'"),
}


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit: what it wrote, when its transaction began, and when it was about to end, by the database's clock."""

    what: str
    began: float
    ended: float


class Listener:
    """Hears commits in their order."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def heard(self) -> list[Commit]:
        """Return what was committed since the last call, in the order of the commits. Call it when both workers are done."""
        self._connection.execute(f"NOTIFY {_CHANNEL}, 'end'")
        found: list[Commit] = []
        for told in self._connection.notifies(timeout=PATIENCE):
            if told.payload == "end":
                return found
            what, began, ended = told.payload.split()
            found.append(Commit(what, float(began), float(ended)))
        raise AssertionError("the database did not tell what was committed")


@contextmanager
def listener(database_url: str) -> Iterator[Listener]:
    """Let the database tell who wrote what: PostgreSQL delivers notices in the order of the commits.

    The triggers are deferred, so they run when a transaction's own work is done: they lengthen none of its locks but for
    the moment of the commit, and decide nothing.
    """
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION tell_race() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify(TG_ARGV[0], "
            "format('%s %s %s', TG_ARGV[1], extract(epoch FROM now()), extract(epoch FROM clock_timestamp()))); "
            "RETURN NULL; END $$"
        )
        try:
            for what, (table, event, rows) in _TOLD.items():
                connection.execute(
                    f"CREATE CONSTRAINT TRIGGER race_{what} AFTER {event} ON {table} DEFERRABLE INITIALLY DEFERRED "
                    f"FOR EACH ROW WHEN ({rows}) EXECUTE FUNCTION tell_race('{_CHANNEL}', '{what}')"
                )
            connection.execute(f"LISTEN {_CHANNEL}")
            yield Listener(connection)
        finally:
            connection.execute("DROP FUNCTION tell_race() CASCADE")


class Worker:
    """A process of its own, with its own connections."""

    def __init__(self) -> None:
        self._process = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def begin(self, instant: float, work: Callable[..., list[str]], *args: object) -> Callable[[], list[str]]:
        """Let it work at an instant of `time.monotonic`, which all processes share; return how to wait for its answer."""
        answer = self._process.submit(_at, instant, work, *args)
        return lambda: answer.result(timeout=PATIENCE)

    def stop(self) -> None:
        """End the process."""
        self._process.shutdown()


def _at(instant: float, work: Callable[..., list[str]], *args: object) -> list[str]:
    time.sleep(max(0.0, instant - time.monotonic()))
    return work(*args)


class Remembering:
    """A way out that remembers what it was given."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, mail) -> str:
        """Take a mail."""
        self.sent.append(mail.key)
        return f"id-{mail.key}"

    def was_sent(self, key: str) -> None:
        """Say that nobody knows."""

    def close(self) -> None:
        """Nothing is open."""


def send_due() -> list[str]:
    """The mail drain as RQ calls it; return the ids of the mails that were handed over."""
    import jobs.mail

    way_out = Remembering()
    jobs.mail.open_transport = lambda _now: way_out
    jobs.mail.drain()
    return way_out.sent


def take_order() -> list[str]:
    """The inbox drain as RQ calls it."""
    import jobs.inbox

    jobs.inbox.drain()
    return []


def react_to_nothing() -> list[str]:
    """Take one of two walls away in this process: its news no longer skips a waiting mail, so the claim must find out."""
    from app.services import react

    react.react = react.look_again = lambda *_args, **_more: None
    return []


def take_refusal(token: str, now: datetime) -> list[str]:
    """What the unsubscribe link does."""
    from app.db import sessions
    from app.services import unsubscribe

    with sessions().begin() as session:
        unsubscribe.unsubscribe(session, token, source="one_click", now=now)
    return []
