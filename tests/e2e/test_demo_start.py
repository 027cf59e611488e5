"""`cartwheel demo` as a person meets it: one command, three addresses, Ctrl-C, and everything is still there next time."""

import json
import os
import shutil
import signal
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.demo import NAMES, PATIENCE, Demo, free_port, get

pytestmark = pytest.mark.timeout(600)


def handled(demo):
    """Whether webhooks of the pretend shops came in, and none waits any more."""
    states = {webhook["state"] for webhook in demo.cartwheel("webhook", "list")}
    return states and "pending" not in states


@pytest.fixture
def start():
    """Start demos, and leave none behind."""
    # Not tmp_path: every start of pytest closes its common folder to other users, also to PostgreSQL's.
    folder = Path(tempfile.mkdtemp(prefix="cwd-"))
    demos = []

    def begin(port):
        demos.append(Demo(folder / "d", port))
        return demos[-1]

    yield begin
    # All share one folder, by which a family is known: first every one that runs is stopped, then what is left is killed.
    for demo in demos:
        if demo.process.poll() is None:
            demo.stop(signal.SIGTERM)
    for demo in demos:
        for pid in demo.family():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def test_one_command_gives_three_addresses_ends_clean_and_keeps_its_data(start):
    port = free_port()
    first = start(port)
    addresses = first.addresses()

    assert {name: get(url)[0] for name, url in addresses.items()} == dict.fromkeys(NAMES, 200)
    assert urlsplit(addresses["Admin"]).port == port
    shops = first.cartwheel("shop", "list")
    assert [(s["name"], s["state"]) for s in shops] == [("Tea & Tin", "active"), ("Lamp Loft", "active")]
    assert all(first.cartwheel("flow", "show", "abandoned_cart", "--shop", str(s["shop_id"]))[0]["is_on"] for s in shops)
    assert {f["verdict"] for f in first.cartwheel("doctor")} == {"ok"}
    first.until(lambda: handled(first), lambda: first.cartwheel("webhook", "list"))
    first.cartwheel("flow", "disable", "abandoned_cart", "--shop", "1")

    first.stop(signal.SIGINT)
    first.until(lambda: not first.family())
    assert (first.folder / "demo.json").stat().st_mode & 0o777 == 0o600

    second = start(port)
    again = second.addresses()
    assert again["Shop front"] == addresses["Shop front"]
    assert again["Admin"] != addresses["Admin"]
    assert second.cartwheel("shop", "list") == shops
    assert second.cartwheel("flow", "show", "abandoned_cart", "--shop", "1")[0]["is_on"] is False
    second.stop(signal.SIGTERM)
    second.until(lambda: not second.family())


def test_a_dead_process_comes_back_and_a_dead_parent_leaves_none(start):
    demo = start(free_port())
    addresses = demo.addresses()
    victims = demo.running("scheduler") | demo.running("worker", "mail")
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    demo.until(lambda: len(demo.running("scheduler") - victims) == len(demo.running("worker", "mail") - victims) == 1)
    assert len(victims) == 2
    assert not victims & demo.family().keys()
    demo.until(lambda: json.loads(get(addresses["Mailbox"].replace("/mailbox/", "/readyz"))[1])["status"] == "ready")

    demo.stop(signal.SIGKILL, -signal.SIGKILL)
    demo.until(lambda: not any("app.cli" in command for command in demo.family().values()))
    second = start(urlsplit(addresses["Admin"]).port)
    second.addresses()
    second.stop(signal.SIGINT)
    second.until(lambda: not second.family())


def test_a_taken_port_and_a_taken_folder(start):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        demo = start(taken)
        addresses = demo.addresses()

        assert urlsplit(addresses["Admin"]).port > taken
        assert f"Port {taken} is taken" in demo.output
        rival = start(free_port())
        assert rival.process.wait(PATIENCE) == 1
        assert f"process {demo.process.pid}" in rival.output
        assert get(addresses["Mailbox"])[0] == 200

    holder_of_shops = urlsplit(addresses["Shop front"]).port
    demo.stop(signal.SIGINT)
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", holder_of_shops))
        holder.listen()
        moved = start(taken)
        addresses = moved.addresses()

        shops = moved.cartwheel("shop", "list")
        assert len(shops) == 2
        assert shops[1]["url"] == addresses["Shop front"] + "woocommerce"


def test_ctrl_c_in_the_middle_of_the_start_is_clean(start):
    demo = start(free_port())
    demo.until(lambda: demo.running("web") or demo.process.poll() is not None)
    assert demo.process.poll() is None, demo.output

    demo.stop(signal.SIGINT)
    demo.until(lambda: not demo.family())
