"""How a call to a shop fails, for both platforms: what surely did not happen, what perhaps did.

For calls over `requests`, which is imported where it is used: the web process loads this module and never calls.
"""

import json
import math
import ssl
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from app.domain.errors import AdapterError, Ambiguous, NotAllowed, Permanent, Reach, Transient

if TYPE_CHECKING:
    import requests

_LARGEST_ANSWER = 2**20  # bytes; the answers that we ask for have a few hundred
_CHUNK = 2**16  # bytes
_LONGEST_WAIT = timedelta(hours=24)  # of what we let a far side ask for
# A dead or too narrow token, a frozen shop, a forbidden one, a locked one: nothing goes through until somebody acts.
_REFUSALS = {401, 402, 403, 423}
_BUSY = {429, 503}
_TIMED_OUT = 408


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: `body` is the parsed JSON, None where it was none (an HTML page of a firewall).

    `headers` have lower-case names; they may quote secrets (a `Link` of WooCommerce does) and are never logged.
    """

    status: int
    retry_after: timedelta | None
    body: object
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def ask(send: Callable[[], "requests.Response"], who: str, *, largest: int = _LARGEST_ANSWER) -> Answer:
    """Make one call and read its answer, whatever its status.

    Args:
        send: makes the call with `stream=True`, `allow_redirects=False` and a time-out.
        who: the far side, to begin a sentence with.
        largest: bytes of an answer that are read; what is longer counts as none.

    Raises:
        Transient, Ambiguous, Permanent: no answer came; the message holds no URL, because a URL may hold a secret.
    """
    import requests  # not in the web process

    try:
        with send() as response:
            retry_after = _retry_after(response.headers)
            headers = {name.lower(): value for name, value in response.headers.items()}
            body = _read_json(response, largest)
            return Answer(status=response.status_code, retry_after=retry_after, body=body, headers=headers)
    except requests.RequestException as exc:
        error = _unanswered(exc, who)
    # Outside the handler: the error of requests quotes the URL and must not ride along.
    raise error


def refused(answer: Answer, who: str, reason: str = "") -> AdapterError:
    """Return the error for a status that is no success. A repeated call must find what the first one made.

    Args:
        answer: what came back.
        who: the far side, to begin a sentence with.
        reason: the far side's own word for it, in brackets behind the status.
    """
    status, code = answer.status, f"{answer.status}, {reason}" if reason else str(answer.status)
    if status in _BUSY:
        return Transient(f"{who} is busy ({code}).", answer.retry_after)
    if status in _REFUSALS:
        return NotAllowed(f"{who} refused us ({code}): the key is no longer valid or lacks a right. Connect it again.")
    if status >= 500 or status == _TIMED_OUT or 200 <= status < 300:
        return Ambiguous(f"{who} gave no usable answer ({code}).")
    if 300 <= status < 400:
        return Permanent(f"{who} answered with a redirect ({code}): its address has changed. Connect it again.")
    return Permanent(f"{who} did not accept the call ({code}).")


def dig(value: object, *path: str | int) -> object:
    """Return what lies at the path inside parsed JSON, or None."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def seconds(value: object) -> timedelta | None:
    """Return a number of seconds as a wait of at most a day, or None for what is none."""
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        return None
    return min(timedelta(seconds=min(number, 1e9)), _LONGEST_WAIT) if number >= 0 else None


def _unanswered(exc: "requests.RequestException", who: str) -> AdapterError:
    """Judge by the inner error: requests calls both "refused" and "reset after sending" a ConnectionError."""
    import requests  # not in the web process
    from urllib3 import exceptions  # not in the web process

    kind = type(exc).__name__
    if isinstance(exc, ValueError):  # InvalidURL, MissingSchema, InvalidHeader: before anything was sent
        return Permanent(f"{who} has no address or no key that can be used ({kind}).")
    inner = exc.args[0] if exc.args else None
    reason = inner.reason if isinstance(inner, exceptions.MaxRetryError) else None
    unmade = exceptions.NewConnectionError | exceptions.ConnectTimeoutError
    if isinstance(exc, requests.ConnectTimeout) or isinstance(reason, unmade) or _is_of_handshake(exc):
        return Transient(f"{who} could not be reached ({kind}).", reach=Reach.ALL)
    return Ambiguous(f"{who} did not answer in time or broke off ({kind}).")


def _is_of_handshake(exc: BaseException) -> bool:
    """Say whether TLS failed before anything was sent: the same error may come while the answer is read."""
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            frames = traceback.extract_tb(cause.__traceback__)
            return any(frame.name == "do_handshake" for frame in frames)
        cause = cause.__cause__ or cause.__context__
    return False


def _read_json(response: "requests.Response", largest: int) -> object:
    read = bytearray()
    for chunk in response.iter_content(_CHUNK):
        read += chunk
        if len(read) > largest:
            return None
    try:
        return json.loads(read)
    except (ValueError, RecursionError):
        return None


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Read seconds, or a date against the answer's own date, so that no clock of ours has a say (RFC 9110, 10.2.3)."""
    asked = headers.get("Retry-After", "")
    wait = seconds(asked)
    if wait is not None:
        return wait
    try:
        until = parsedate_to_datetime(asked) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError):
        return None
    return max(timedelta(0), min(until, _LONGEST_WAIT))
