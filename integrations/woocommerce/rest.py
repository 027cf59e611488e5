"""Calls to one shop's REST API wc/v3, with everything that the package `woocommerce` leaves to its user.

It sends a redirected POST as a GET and takes the answer for success, has no retries, writes keys into URLs where asked to,
and calls wherever the name leads (platform notes, woocommerce.md 12). Here it signs, and our own session carries.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from app.domain.errors import AdapterError, Ambiguous, Permanent, Transient
from app.domain.ports import ShopAccess
from integrations.addresses import is_callable
from integrations.http import Answer, ask, dig, refused

if TYPE_CHECKING:
    from woocommerce import API

WHO = "The shop"
CONNECT_TIMEOUT = 10.0  # seconds for each address
TIMEOUT = 30.0  # seconds between two bytes, and for one call in all; shared hosting is slow
PER_PAGE = 100  # the most there is
LARGEST_PAGE = 5 * 2**20  # bytes; an order has 4 to 20 kB
MOST_PAGES = 500  # of one list
_LARGEST_ANSWER = 2**20  # bytes of anything but a page
_FIRST_WAIT = 1.0  # seconds, doubled each time, where the shop names none
_USED_NONCE = "nonce has already been used"

Params = Mapping[str, str | int | bool | datetime | Iterable[int | str]]


class RestClient:
    """One shop's REST API over one kept connection. Close it, or use it in a `with`.

    Args:
        access: which shop, and its keys.
        patience: for all waits of one call together; zero leaves every retry to the caller, as a job whose row retries.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        access: ShopAccess,
        *,
        patience: timedelta = timedelta(0),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._slot = access.slot
        self._patience = patience.total_seconds()
        self._sleep = sleep
        self._api, self._close = _connect(access)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connection go."""
        self._close()

    def get(self, path: str, params: Params | None = None, *, largest: int = _LARGEST_ANSWER) -> Answer:
        """Ask for something; an answer of any status but a busy one comes back."""
        return self._repeat(lambda: self._call("get", path, params, largest=largest))

    def put(self, path: str, data: Mapping[str, object]) -> Answer:
        """Change something; twice does no harm, so it is repeated like a question."""
        return self._repeat(lambda: self._call("put", path, None, data=data))

    def delete(self, path: str) -> Answer:
        """Delete something for good; without `force` a webhook is answered 501."""
        return self._repeat(lambda: self._call("delete", path, {"force": "true"}))

    def post(self, path: str, data: Mapping[str, object]) -> Answer:
        """Make something. Never repeated here: a POST that timed out may have succeeded, and the caller has to look."""
        return self._call("post", path, None, data=data)

    def read(self, path: str, params: Params | None = None) -> Any:
        """Return the parsed answer of a 200.

        Raises:
            Transient, Ambiguous, Permanent, NotAllowed: as their names say; Permanent also for what is not there.
        """
        answer = self.get(path, params)
        if answer.status != 200 or answer.body is None:
            raise failed(answer)
        return answer.body

    def pages(self, path: str, params: Params | None = None, *, most: int = MOST_PAGES) -> Iterator[list[Any]]:
        """Yield the pages of a list, counted by us: the `Link` header repeats a used signature, or the secret.

        Raises:
            Permanent: the list is longer than `most` pages: an end that looks like the end would be a lie.
            and what `read` raises.
        """
        for number in range(1, most + 1):
            wanted = {**(params or {}), "page": number, "per_page": PER_PAGE}
            answer = self.get(path, wanted, largest=LARGEST_PAGE)
            if answer.status != 200 or not isinstance(answer.body, list):
                raise failed(answer)
            if answer.body:
                yield answer.body
            if number >= _total_pages(answer, number):
                return
        raise Permanent(f"The shop's list of {path} has more than {most * PER_PAGE} entries. Ask for less at once.")

    def _call(
        self,
        method: str,
        path: str,
        params: Params | None,
        *,
        data: Mapping[str, object] | None = None,
        largest: int = _LARGEST_ANSWER,
    ) -> Answer:
        for _ in range(2):
            # A fresh dict each time: the package writes into the one it is given.
            more: dict[str, Any] = {"params": _spelled(params or {})}
            if data is not None:
                more["data"] = data
            send = getattr(self._api, method)
            with self._slot(), _time_limit():
                answer = ask(lambda: send(path, **more), WHO, largest=largest)  # noqa: B023  (called at once)
            # The package's nonce is the hash of eight digits: two of a quarter of an hour may meet, and nothing was done.
            if answer.status != 401 or _USED_NONCE not in str(dig(answer.body, "message")):
                return answer
        return answer

    def _repeat(self, call: Callable[[], Answer]) -> Answer:
        """Make a call that may be made twice, until it is answered or the patience is at its end."""
        waited, wait = 0.0, _FIRST_WAIT
        while True:
            answer, error = _attempt(call)
            asked = error.retry_after if isinstance(error, Transient) else None
            pause = max(wait, asked.total_seconds() if asked else 0.0)
            if error is None or waited + pause > self._patience:
                break
            self._sleep(pause)
            waited, wait = waited + pause, wait * 2
        if answer is None and error is not None:
            raise error
        assert answer is not None  # noqa: S101  (for the type checker: one of both is there)
        return answer


def failed(answer: Answer) -> AdapterError:
    """Return the error for an answer that is no success, with the shop's own word for it."""
    is_page = answer.body is None and answer.status < 300
    return refused(answer, WHO, "no JSON: a page for people, or a PHP notice" if is_page else word(answer))


def word(answer: Answer) -> str:
    """Return the shop's own word for an error, or nothing where it says none or something that is no word."""
    code = dig(answer.body, "code")
    return code if isinstance(code, str) and re.fullmatch(r"[a-z0-9_-]{1,80}", code) else ""


def naive_utc(instant: datetime) -> str:
    """Spell a bound of a list; it goes with `dates_are_gmt=true`. With a `Z` as well it would be shifted twice."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _attempt(call: Callable[[], Answer]) -> tuple[Answer | None, Transient | Ambiguous | None]:
    try:
        answer = call()
    except (Transient, Ambiguous) as exc:
        return None, exc
    error = failed(answer) if answer.status == 429 or answer.status >= 500 else None
    return answer, error if isinstance(error, Transient | Ambiguous) else None


def _total_pages(answer: Answer, number: int) -> int:
    """Return how many pages there are; a shop whose headers are stripped is asked on until a page is not full."""
    said = answer.headers.get("x-wp-totalpages", "")
    if said.isdecimal():
        return int(said)
    is_full = isinstance(answer.body, list) and len(answer.body) >= PER_PAGE
    return number + 1 if is_full else number


def _spelled(params: Params) -> dict[str, str]:
    """Spell values as PHP reads them: lists with commas, because of repeated names it keeps the last alone."""
    return {name: _value(value) for name, value in params.items()}


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return naive_utc(value)
        case str() | int():
            return str(value)
        case Iterable():
            return ",".join(str(each) for each in value)
    raise TypeError(type(value).__name__)


def _time_limit() -> AbstractContextManager[None]:
    from integrations.pinned import time_limit  # loads requests: not in the web process

    return time_limit(TIMEOUT)


def _connect(access: ShopAccess) -> tuple["API", Callable[[], None]]:
    """Make the package's client for a shop; it signs in the address over http, and uses Basic authentication over https.

    Raises:
        Permanent: the address may not be called.
    """
    from integrations.woocommerce.carrier import CarriedAPI  # loads requests: not in the web process

    try:
        may_call = is_callable(urlsplit(access.base_url))
    except ValueError:
        may_call = False
    if not may_call:
        raise Permanent("The shop has no address that can be called: connect it again with its https:// address.")
    api = CarriedAPI(access.base_url, access.key, access.secret, timeout=(CONNECT_TIMEOUT, TIMEOUT))
    return api, api.close
