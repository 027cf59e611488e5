"""Ports on this machine: is one free, does one answer."""

import http.client
import socket
import time
from urllib.parse import urlsplit

_PAUSE = 0.1  # seconds between two tries
_PATIENCE = 5.0  # seconds for one answer


def is_free(host: str, port: int) -> bool:
    """Say whether a server could listen there. A moment later the answer may be another."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: connections that ended are no hindrance
        try:
            probe.bind((host, port))
        except (OSError, OverflowError):
            return False
    return True


def next_free(first: int, *, host: str = "127.0.0.1", taken: tuple[int, ...] = ()) -> int | None:
    """Return the first free port from `first` on, or None."""
    return next((p for p in range(first, 65536) if p not in taken and is_free(host, p)), None)


def answers(url: str) -> int | None:
    """Return the status that an http:// address answers with, or None; no proxy is asked."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_PATIENCE)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def wait_for(url: str, limit: float) -> bool:
    """Wait until an address answers without an error of the server's; False after `limit` seconds."""
    deadline = time.monotonic() + limit
    while (status := answers(url)) is None or status >= 500:
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True
