"""A shop gets two calls of ours at a time, from however many processes, and a slot never outlives who took it."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from app import clock
from app.db import sessions
from app.domain.errors import Transient
from app.models import OAuthState, Phase
from app.services import connecting as attempts
from integrations.woocommerce.rest import RestClient
from jobs import connecting, slots
from jobs.access import shop_access
from tests import builders

PROCESSES, CALLS = 3, 5
ASKING = f"""
from integrations.woocommerce.rest import RestClient
from jobs.access import shop_access
with RestClient(shop_access(1)) as shop:
    print("ready", flush=True)
    input()
    for _ in range({CALLS}):
        shop.read("orders")
"""
HOLDING = """
import time
from jobs.slots import slot
with slot(1), slot(1):
    print("held", flush=True)
    time.sleep(60)
"""
LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND objsubid = 2"


@dataclass
class Host:
    """Counts how many calls it is in at a time; each takes a while."""

    url: str = ""
    running: int = 0
    most: int = 0
    answered: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, _request: Request) -> Response:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(0.1)
        with self.lock:
            self.running -= 1
            self.answered += 1
        return Response(json.dumps([]), content_type="application/json")


@pytest.fixture
def host(house: sessionmaker[Session]) -> Iterator[Host]:
    """A shop with id 1 on a host that counts."""
    made = Host()
    server = make_server("127.0.0.1", 0, lambda env, start: made.serve(Request(env))(env, start), threaded=True)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with house.begin() as session:
        builders.lamp_loft(session, url=made.url)
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def started(script: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe, text=True)


def is_ready(process: subprocess.Popen[str]) -> bool:
    """Wait until it says so."""
    assert process.stdout
    return process.stdout.readline() in {"ready\n", "held\n"}


def gone(process: subprocess.Popen[str]) -> int:
    with process:  # closes its pipes
        return process.wait(30)


def locks(house: sessionmaker[Session]) -> int:
    with house() as session:
        return int(session.scalar(text(LOCKS)) or 0)


def test_three_processes_together_make_two_calls_at_a_time(host: Host, house: sessionmaker[Session]) -> None:
    """I15: and none of their calls is lost for it."""
    processes = [started(ASKING) for _ in range(PROCESSES)]
    assert all(is_ready(process) for process in processes)
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [gone(process) for process in processes]

    assert ended == [0] * PROCESSES
    assert (host.most, host.answered) == (2, PROCESSES * CALLS)
    assert locks(house) == 0


def test_the_slots_of_a_process_that_was_killed_are_free(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """I15: no lease has to run out first."""
    monkeypatch.setattr(slots, "PATIENCE", 2.0)
    process = started(HOLDING)
    assert is_ready(process)
    process.send_signal(signal.SIGKILL)
    assert gone(process) == -signal.SIGKILL
    with RestClient(shop_access(1)) as shop:
        shop.read("orders")

    assert host.answered == 1


def test_who_waits_too_long_is_told_so_and_nothing_is_sent(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """I15: it holds no connection while it waits, and its row comes again."""
    monkeypatch.setattr(slots, "PATIENCE", 0.1)
    with (
        slots.slot(1),
        slots.slot(1),
        RestClient(shop_access(1)) as shop,
        pytest.raises(Transient, match="two calls") as told,
    ):
        shop.read("orders")
    with slots.slot(1), slots.slot(1), slots.slot(2):
        pass  # another shop's are its own

    assert told.value.retry_after
    assert host.answered == 0


def test_five_threads_of_one_process_get_by_with_its_few_connections(host: Host) -> None:
    def ask() -> None:
        with RestClient(shop_access(1)) as shop:
            shop.read("orders")

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert (host.most, host.answered) == (2, 5)


def test_a_slot_is_given_back_when_the_call_fails(host: Host, house: sessionmaker[Session]) -> None:
    held = []

    def fail() -> None:
        with slots.slot(1):
            held.append(locks(house))
            raise Transient("away")

    with pytest.raises(Transient, match="away"):
        fail()

    assert (held, locks(house)) == ([1], 0)


def test_no_transaction_is_open_while_a_slot_is_held(host: Host, house: sessionmaker[Session]) -> None:
    """A call takes seconds, and a transaction would keep dead rows alive meanwhile."""
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()"
    with slots.slot(1), house() as session:
        assert session.scalar(text(open_ones)) == 0


def test_an_answer_counts_though_the_session_of_its_slot_broke(host: Host, house: sessionmaker[Session]) -> None:
    """What the shop has done is done; a database that was restarted meanwhile takes the answer from nobody."""
    ends = (
        "SELECT pg_terminate_backend(pid) FROM pg_locks"
        " WHERE locktype = 'advisory' AND objid = 1 AND objsubid = 2 AND pid <> pg_backend_pid()"
    )
    with slots.slot(1):
        with house.begin() as session:
            session.execute(text(ends))
        answer = "kept"

    assert answer == "kept"
    with slots.slot(1), slots.slot(1):
        assert locks(house) == 2


def test_looking_at_an_address_that_is_no_shops_yet_takes_a_slot_of_its_host(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I15: a stranger chose whom we call, under as many paths as they liked."""
    monkeypatch.setattr(slots, "PATIENCE", 0.1)
    attempt = begun(f"{host.url}/elsewhere")
    with slots.slot_at(f"{host.url}/a"), slots.slot_at(f"{host.url}/b"):
        connecting.drain(float("inf"))
    waiting = of(attempt)
    held_by_the_shop = host.answered
    with slots.slot(1), slots.slot(1):
        come_due()
        connecting.drain(float("inf"))

    assert (waiting.state, waiting.phase) == ("pending", Phase.CHECKING)
    assert "two calls" in (waiting.error or "")
    assert (held_by_the_shop, host.answered) == (0, 2)  # a shop's slots are its own: the index was asked for, both ways
    assert (of(attempt).phase, "no WordPress" in (of(attempt).problem or "")) == (Phase.STOPPED, True)


@pytest.mark.parametrize("phase", [Phase.CHECKING, Phase.PROVING])
def test_connecting_a_shop_again_shares_its_two_calls(host: Host, monkeypatch: pytest.MonkeyPatch, phase: Phase) -> None:
    """I15: also those that look at its address, and those that prove the keys."""
    monkeypatch.setattr(slots, "PATIENCE", 0.1)
    attempt = begun(host.url, phase)
    with slots.slot(1), slots.slot(1):
        connecting.drain(float("inf"))
    waiting, asked = of(attempt), host.answered
    come_due()
    connecting.drain(float("inf"))

    assert (waiting.state, waiting.phase, asked) == ("pending", phase, 0)
    assert (host.answered > 0, of(attempt).phase) == (True, Phase.STOPPED)


def begun(url: str, phase: Phase = Phase.CHECKING) -> int:
    with sessions().begin() as session:
        attempt, _ = attempts.begin(session, url, keys=attempts.Keys("ck", "cs"), now=clock.now(session))
        attempt.phase = phase
        session.execute(text("UPDATE connections SET due_at = now() + interval '1 day'"))  # nothing else calls the host
        session.flush()
        return attempt.id


def come_due() -> None:
    with sessions().begin() as session:
        session.execute(text("UPDATE oauth_states SET due_at = now()"))


def of(attempt: int) -> OAuthState:
    with sessions().begin() as session:
        return session.scalars(select(OAuthState).where(OAuthState.id == attempt)).one()
