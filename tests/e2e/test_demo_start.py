"""`cartwheel demo` as a person meets it: one command, three addresses, Ctrl-C, and everything is still there next time."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds; 8 on an idle machine
NAMES = ("Admin", "Shop front", "Mailbox")

pytestmark = pytest.mark.timeout(600)


class Demo:
    """One run of the demo, in a folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.log = folder.with_suffix(f".{time.monotonic_ns()}.log")
        # What belongs to another installation, or to these tests, must not reach the demo: it is left in on purpose.
        environ = {**os.environ, "DATABASE_URL": "postgresql://elsewhere", "PYTHONPATH": str(ROOT)}
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "demo", "--port", str(port), "--data-dir", str(folder)],
                cwd=folder.parent, env=environ, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        self.folder = folder

    @property
    def output(self) -> str:
        return self.log.read_text()

    def addresses(self) -> dict[str, str]:
        """Wait for the box and return its addresses."""
        until(lambda: "Cartwheel is running" in self.output or self.process.poll() is not None, self)
        assert self.process.poll() is None, self.output
        return {name: re.search(rf"{name}\s+(http://\S+)", self.output)[1] for name in NAMES}

    def family(self) -> dict[int, list[str]]:
        """Everything of this run that lives, by process id: it has the folder in its command or its environment."""
        found = {}
        for process in psutil.process_iter():
            try:
                command, environ = process.cmdline(), process.environ()
            except (psutil.NoSuchProcess, psutil.AccessDenied):  # gone, or gone but for its exit code
                continue
            if str(self.folder) in " ".join([*command, environ.get("CARTWHEEL_DATA_DIR", "")]):
                found[process.pid] = command
        return found

    def running(self, *words: str) -> set[int]:
        """Our own processes whose command ends with these words; the shell's loops around them do not count."""
        return {pid for pid, c in self.family().items() if "app.cli" in c and tuple(c[-len(words) :]) == words}

    def stop(self, number: signal.Signals, code: int = 0) -> None:
        """Send a signal to the one process that a person sees, and wait for its end, with this exit code."""
        self.process.send_signal(number)
        assert self.process.wait(PATIENCE) == code, self.output
        assert "Traceback" not in self.output, self.output


def until(condition, demo, tell=lambda: ""):
    """Wait until something holds; a process that was told to end may need a moment."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited too long {tell()}\n{demo.output}"
        time.sleep(0.1)


def get(url):
    """Fetch a page and return its status and text."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.request("GET", parts.path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cartwheel(demo, *arguments):
    """Run a command against a running demo and return its JSON lines."""
    environ = psutil.Process(min(demo.running("scheduler"))).environ()
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments, "--json"],
        env=environ, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def handled(demo):
    """Whether webhooks of the pretend shops came in, and none waits any more."""
    states = {webhook["state"] for webhook in cartwheel(demo, "webhook", "list")}
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
    shops = cartwheel(first, "shop", "list")
    assert [(s["name"], s["state"]) for s in shops] == [("Tea & Tin", "active"), ("Lamp Loft", "active")]
    assert all(cartwheel(first, "flow", "show", "abandoned_cart", "--shop", str(s["shop_id"]))[0]["is_on"] for s in shops)
    assert {f["verdict"] for f in cartwheel(first, "doctor")} == {"ok"}
    until(lambda: handled(first), first, lambda: cartwheel(first, "webhook", "list"))
    cartwheel(first, "flow", "disable", "abandoned_cart", "--shop", "1")

    first.stop(signal.SIGINT)
    until(lambda: not first.family(), first)
    assert (first.folder / "demo.json").stat().st_mode & 0o777 == 0o600

    second = start(port)
    again = second.addresses()
    assert again["Shop front"] == addresses["Shop front"]
    assert again["Admin"] != addresses["Admin"]
    assert cartwheel(second, "shop", "list") == shops
    assert cartwheel(second, "flow", "show", "abandoned_cart", "--shop", "1")[0]["is_on"] is False
    second.stop(signal.SIGTERM)
    until(lambda: not second.family(), second)


def test_a_dead_process_comes_back_and_a_dead_parent_leaves_none(start):
    demo = start(free_port())
    addresses = demo.addresses()
    victims = demo.running("scheduler") | demo.running("worker", "mail")
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(demo.running("scheduler") - victims) == len(demo.running("worker", "mail") - victims) == 1, demo)
    assert len(victims) == 2
    assert not victims & demo.family().keys()
    until(lambda: json.loads(get(addresses["Mailbox"].replace("/mailbox/", "/readyz"))[1])["status"] == "ready", demo)

    demo.stop(signal.SIGKILL, -signal.SIGKILL)
    until(lambda: not any("app.cli" in command for command in demo.family().values()), demo)
    second = start(urlsplit(addresses["Admin"]).port)
    second.addresses()
    second.stop(signal.SIGINT)
    until(lambda: not second.family(), second)


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

        shops = cartwheel(moved, "shop", "list")
        assert len(shops) == 2
        assert shops[1]["url"] == addresses["Shop front"] + "woocommerce"


def test_ctrl_c_in_the_middle_of_the_start_is_clean(start):
    demo = start(free_port())
    until(lambda: demo.running("web") or demo.process.poll() is not None, demo)
    assert demo.process.poll() is None, demo.output

    demo.stop(signal.SIGINT)
    until(lambda: not demo.family(), demo)
