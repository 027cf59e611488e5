"""A pretend SendGrid: it answers like the real one, has its bad days, and tells what became of the mails.

`python -m app.demo.sendgrid --port 8025` runs one by hand. It knows nothing of Cartwheel but the two addresses.
"""

import json
import socket
import ssl
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from threading import Lock, Thread
from typing import Any, Self

_LARGEST = 30 * 1024 * 1024  # bytes of a message, SendGrid's own limit


class Behaviour(StrEnum):
    """What becomes of a call. The first group takes the mail, the second does not."""

    ACCEPT = "accept"
    ACCEPT_SLOWLY = "accept_slowly"
    ACCEPT_THEN_HANG = "accept_then_hang"
    ACCEPT_THEN_RESET = "accept_then_reset"
    ACCEPT_THEN_CLOSE = "accept_then_close"
    ACCEPT_THEN_500 = "accept_then_500"
    ACCEPT_THEN_502 = "accept_then_502"
    REFUSE_400 = "refuse_400"
    REFUSE_401 = "refuse_401"
    REFUSE_403 = "refuse_403"
    REFUSE_413 = "refuse_413"
    REDIRECT_302 = "redirect_302"
    BUSY_429 = "busy_429"
    BUSY_503 = "busy_503"
    RESET_UNREAD = "reset_unread"


ACCEPTING = frozenset(b for b in Behaviour if b.value.startswith("accept"))
_REFUSALS = {
    Behaviour.REFUSE_400: (400, "The subject is required.", "subject"),
    Behaviour.REFUSE_401: (401, "The provided authorization grant is invalid, expired, or revoked", None),
    Behaviour.REFUSE_403: (403, "The from address does not match a verified Sender Identity.", "from"),
    Behaviour.REFUSE_413: (413, "The payload is larger than allowed.", None),
    Behaviour.BUSY_429: (429, "too many requests", None),
    Behaviour.BUSY_503: (503, "Service Unavailable", None),
    Behaviour.ACCEPT_THEN_500: (500, "Internal Server Error", None),
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A mail that was taken: its `X-Message-Id`, our delivery's id, and the body."""

    message_id: str
    delivery: str
    body: dict[str, Any]

    @property
    def to(self) -> str:
        """The address it goes to."""
        return str(self.body["personalizations"][0]["to"][0]["email"])


@dataclass(slots=True)
class Plan:
    """What the next calls suffer from; `then` holds for all that come after those in `queue`.

    Args:
        queue: one behaviour for each of the next calls.
        then: the behaviour of every later call.
        by_address: the behaviour for mails to one address, before all others.
        delay: seconds before an answer of ACCEPT_SLOWLY.
        hang: seconds that ACCEPT_THEN_HANG is silent before it closes.
        retry_after: what 429 and 503 ask for, in seconds.
        check: says what is wrong with a body, or nothing.
    """

    queue: deque[Behaviour] = field(default_factory=deque)
    then: Behaviour = Behaviour.ACCEPT
    by_address: dict[str, Behaviour] = field(default_factory=dict)
    delay: float = 0.5
    hang: float = 60.0
    retry_after: int = 1
    check: Callable[[dict[str, Any]], Iterable[str]] = lambda _body: ()


class FakeSendGrid:
    """A server on a loopback port, for as long as the block lasts.

    Args:
        api_key: the one key that it takes.
        port: 0 for any.
        context: makes it speak TLS.
    """

    def __init__(self, api_key: str = "SG.fake", *, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.api_key = api_key
        self.plan = Plan()
        self.accepted: list[Accepted] = []
        self.calls: Counter[Behaviour] = Counter()
        self.connections = 0
        self.lock = Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._scheme = "https" if context else "http"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """What CARTWHEEL_SENDGRID_API_BASE is set to."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next_behaviour(self, body: dict[str, Any], api_key: str) -> Behaviour:
        """Say what becomes of a call."""
        if api_key != f"Bearer {self.api_key}":
            return Behaviour.REFUSE_401
        with self.lock:
            address = body["personalizations"][0]["to"][0]["email"] if body else ""
            if address in self.plan.by_address:
                return self.plan.by_address[address]
            return self.plan.queue.popleft() if self.plan.queue else self.plan.then

    def accept(self, body: dict[str, Any]) -> Accepted:
        """Take a mail."""
        delivery = body["personalizations"][0].get("custom_args", {}).get("cw_delivery", "")
        mail = Accepted(token_urlsafe(16), delivery, body)
        with self.lock:
            self.accepted.append(mail)
        return mail


class _Server(ThreadingHTTPServer):
    fake: FakeSendGrid
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: callers that go away are what it is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 120
    disable_nagle_algorithm = True

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        with self.server.fake.lock:
            self.server.fake.connections += 1
        super().setup()

    def do_GET(self) -> None:
        """Answer what "test the connection" asks."""
        if self.path == "/v3/scopes":
            self._json(200, {"scopes": ["mail.send"]})
        elif self.path == "/accepted":
            with self.server.fake.lock:
                self._json(200, {"accepted": len(self.server.fake.accepted)})
        else:
            self._json(404, {"errors": [{"message": "not found", "field": None}]})

    def do_POST(self) -> None:
        """Take a mail, or not."""
        fake = self.server.fake
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != "/v3/mail/send":
            self.rfile.read(length)
            self._json(404, {"errors": [{"message": "not found", "field": None}]})
            return
        if fake.plan.then is Behaviour.RESET_UNREAD and not fake.plan.queue:
            self._count(Behaviour.RESET_UNREAD)
            self._reset()
            return
        raw = self.rfile.read(length)
        body = json.loads(raw)
        behaviour = fake.next_behaviour(body, self.headers.get("Authorization", ""))
        if length > _LARGEST:
            behaviour = Behaviour.REFUSE_413
        if behaviour in ACCEPTING and (faults := list(fake.plan.check(body))):
            self._count(Behaviour.REFUSE_400)
            self._json(400, {"errors": [{"message": fault, "field": None} for fault in faults]})
            return
        self._count(behaviour)
        self._behave(behaviour, body)

    def log_message(self, *_args: object) -> None:
        """Write no log: requests hold addresses."""

    def _behave(self, behaviour: Behaviour, body: dict[str, Any]) -> None:
        plan = self.server.fake.plan
        mail = self.server.fake.accept(body) if behaviour in ACCEPTING else None
        if behaviour is Behaviour.ACCEPT_SLOWLY:
            time.sleep(plan.delay)
        if mail and behaviour in {Behaviour.ACCEPT, Behaviour.ACCEPT_SLOWLY}:
            self._answer(202, b"", {"X-Message-Id": mail.message_id})
        elif behaviour is Behaviour.ACCEPT_THEN_HANG:
            time.sleep(plan.hang)
            self._reset()
        elif behaviour in {Behaviour.ACCEPT_THEN_RESET, Behaviour.RESET_UNREAD}:
            self._reset()
        elif behaviour is Behaviour.ACCEPT_THEN_CLOSE:
            self.close_connection = True
        elif behaviour is Behaviour.ACCEPT_THEN_502:
            self._answer(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", {"Content-Type": "text/html"})
        elif behaviour is Behaviour.REDIRECT_302:
            self._answer(302, b"", {"Location": "/elsewhere"})
        else:
            status, message, about = _REFUSALS[behaviour]
            more = {"Retry-After": str(plan.retry_after)} if status in {429, 503} else {}
            self._json(status, {"errors": [{"message": message, "field": about, "help": None}]}, more)

    def _json(self, status: int, body: object, more: dict[str, str] | None = None) -> None:
        self._answer(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(more or {})})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        """Break the connection off in the middle, without a word."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _count(self, behaviour: Behaviour) -> None:
        with self.server.fake.lock:
            self.server.fake.calls[behaviour] += 1


def main() -> None:
    """Run one by hand, until Ctrl-C."""
    import click

    @click.command()
    @click.option("--port", default=8025)
    @click.option("--delay", default=0.0, help="Seconds before each answer.")
    @click.option("--certificate", type=click.Path(), help="PEM file with key and certificate: speaks TLS.")
    def serve(port: int, delay: float, certificate: str | None) -> None:
        context = None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        with FakeSendGrid(port=port, context=context) as fake:
            fake.plan.then, fake.plan.delay = Behaviour.ACCEPT_SLOWLY if delay else Behaviour.ACCEPT, delay
            click.echo(f"CARTWHEEL_SENDGRID_API_BASE={fake.url} CARTWHEEL_SENDGRID_API_KEY={fake.api_key}")
            while True:
                time.sleep(1)

    serve()


if __name__ == "__main__":
    main()
