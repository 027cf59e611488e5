"""Connections that go where the name led when it was vetted, and nowhere else (SSRF). Loads requests: for jobs only.

The name is resolved once for each connection; all its addresses must be public, and the connection is made to one of these
very addresses, so a name that answers differently the next moment (DNS rebinding) gains nothing. TLS still checks the name.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from app.domain.errors import Permanent
from integrations.addresses import is_loopback, is_public

_MOST_TRIED = 3  # addresses of one name; each may take the whole time-out
_local = threading.local()


def new_session() -> requests.Session:
    """Make a session of our own: vetted connections, no proxy, no cookies, no credentials of this machine's."""
    session = requests.Session()
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, _VettedAdapter(pool_connections=1, pool_maxsize=2))
    return session


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End this thread's calls after so long in all, however slowly the far side drips its bytes.

    A time-out of requests is one for each wait; a far side that sends a byte now and then would never meet it.
    """
    alarm = threading.Timer(seconds, _break_off, (_sockets(),))
    alarm.daemon = True
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()


def _sockets() -> "WeakSet[socket.socket]":
    """Return this thread's living connections; an ended one leaves by itself."""
    if not hasattr(_local, "sockets"):
        _local.sockets = WeakSet()
    sockets: WeakSet[socket.socket] = _local.sockets
    return sockets


def _break_off(sockets: "WeakSet[socket.socket]") -> None:
    for sock in list(sockets):
        with suppress(OSError):  # it ended by itself meanwhile
            sock.shutdown(socket.SHUT_RDWR)


def _vetted(host: str, port: int) -> list[tuple[int, Any]]:
    """Resolve a name and return its addresses.

    Raises:
        Permanent: one of them lies in a private network.
    """
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found: list[tuple[int, Any]] = [(info[0], info[4]) for info in infos]
    may_call = is_loopback if is_loopback(host) else is_public
    for _, address in found:
        if not may_call(str(address[0])):
            raise Permanent("The shop's name leads into a private network. Give the address that shoppers use.")
    return found


def _connect(conn: HTTPConnection) -> socket.socket:
    """Connect to the first vetted address that answers; errors are urllib3's own, so callers judge them as always."""
    try:
        addresses = _vetted(conn.host.strip("[]"), conn.port)
    except OSError as exc:  # gaierror, and what else a resolver comes up with
        raise NameResolutionError(conn.host, conn, socket.gaierror(str(exc))) from exc
    failure: OSError = OSError("no address")
    for family, address in addresses[:_MOST_TRIED]:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            timeout = conn.timeout
            sock.settimeout(timeout if isinstance(timeout, int | float) else None)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
        except OSError as exc:
            sock.close()
            failure = exc
        else:
            return sock
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(conn, "timed out") from failure
    raise NewConnectionError(conn, "not reached") from failure


class _VettedHTTPConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)

    def connect(self) -> None:
        super().connect()
        _sockets().add(self.sock)


class _VettedHTTPSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)

    def connect(self) -> None:
        super().connect()
        _sockets().add(self.sock)


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _VettedHTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _VettedHTTPSConnection


class _VettedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: object, **kwargs: object) -> None:  # the signature is requests' business
        super().init_poolmanager(*args, **kwargs)  # type: ignore[arg-type]
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
