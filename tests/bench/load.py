"""The load generator of the ingest bench, a process of its own: keep-alive connections on raw sockets, no HTTP library.

Reads a `Plan` as JSON from its argument and prints a `Result` as JSON. All requests are signed and built before the clock
starts.
"""

import asyncio
import gc
import json
import sys
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.bench import payloads, rig


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send: `rate` is requests/s of an open loop, 0 for a closed one; `series` sets the webhook ids apart.

    With `at`, an instant, every request has a checkout of its own, and the run ends with the last of them.
    """

    port: int
    series: str
    seconds: float
    connections: int = 32
    rate: int = 0
    most: int = 80_000  # requests built beforehand
    at: str = ""


@dataclass(slots=True)
class Result:
    """What came back; times in milliseconds."""

    seconds: float
    statuses: dict[str, int]
    p50: float
    p99: float
    worst: float
    broken: int = 0


@dataclass(slots=True)
class Run:
    """The state that all connections share."""

    requests: Iterator[tuple[bytes, bytes]]
    ends_at: float = 0.0
    is_closed_loop: bool = True
    took: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    idle: list["Caller"] = field(default_factory=list)
    waiting: deque[float] = field(default_factory=deque)  # when requests arrived that found no idle connection
    broken: int = 0


class Caller(asyncio.Protocol):
    """One keep-alive connection with one request under way at most."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._began = 0.0
        self.is_busy = False

    def connection_made(self, transport: Any) -> None:
        """Remember where to write."""
        self._transport = transport

    def call(self, began: float) -> None:
        """Send the next request; its time counts from `began`."""
        if (request := next(self._run.requests, None)) is None:
            self.is_busy = False
            return
        self.is_busy, self._began = True, began
        self._transport.write(b"".join(request))

    def data_received(self, data: bytes) -> None:
        """Count a whole answer, and go on."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        now = self._loop.time()
        self._run.took.append(now - self._began)
        self._run.statuses[head[9:12].decode()] += 1
        self._received, self.is_busy = b"", False
        self._go_on(now)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that broke with a request under way."""
        self._run.broken += self.is_busy
        self.is_busy = False

    def _go_on(self, now: float) -> None:
        run = self._run
        if run.waiting:
            self.call(run.waiting.popleft())
        elif run.is_closed_loop and now < run.ends_at:
            self.call(now)
        else:
            run.idle.append(self)


async def go(plan: Plan) -> Result:
    """Carry out a plan."""
    loop = asyncio.get_running_loop()
    run = Run(iter(payloads.requests(plan.series, plan.most, plan.at)), is_closed_loop=not plan.rate)
    callers = [
        (await loop.create_connection(lambda: Caller(run), "127.0.0.1", plan.port))[1] for _ in range(plan.connections)
    ]
    gc.freeze()
    gc.disable()
    began = loop.time()
    run.ends_at = began + plan.seconds
    if plan.rate:
        await _open_loop(plan, run, callers, began)
    else:
        for caller in callers:
            caller.call(began)
    while loop.time() < run.ends_at and (plan.rate or any(c.is_busy for c in callers)):
        await asyncio.sleep(0.01)
    while any(c.is_busy for c in callers) or run.waiting:
        await asyncio.sleep(0.001)
    milliseconds = [t * 1000 for t in run.took]
    return Result(
        seconds=loop.time() - began, statuses=dict(run.statuses), p50=rig.percentile(milliseconds, 0.5),
        p99=rig.percentile(milliseconds, 0.99), worst=max(milliseconds), broken=run.broken,
    )  # fmt: skip


async def _open_loop(plan: Plan, run: Run, callers: list[Caller], began: float) -> None:
    """Let requests arrive at their times, whether or not earlier ones were answered."""
    loop = asyncio.get_running_loop()
    run.idle += callers

    def arrive() -> None:
        if run.idle:
            run.idle.pop().call(loop.time())
        else:
            run.waiting.append(loop.time())

    for number in range(int(plan.rate * plan.seconds)):
        loop.call_at(began + number / plan.rate, arrive)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(go(Plan(**json.loads(sys.argv[1])))))))
