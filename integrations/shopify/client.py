"""Calls to Shopify's Admin GraphQL API, for one shop at a time.

Not through ShopifyAPI: its `execute` has no time-out and prints error bodies, and its session is the whole process', so
that two threads mix up two shops (platform notes, shopify.md 4).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import count
from secrets import SystemRandom
from typing import TYPE_CHECKING, Self

from app.domain.errors import Ambiguous, Permanent, Transient
from app.domain.ports import ShopAccess
from integrations.http import ask, dig
from integrations.shopify.answers import WHO, Answer, read_answer
from integrations.shopify.documents import is_query, is_repeatable, operation_text
from integrations.shopify.errors import Throttled, TooCostly
from integrations.shopify.topics import API_VERSION

if TYPE_CHECKING:
    import requests

TIMEOUT = (3.05, 20)  # seconds to connect (just above TCP's first two tries), and between two bytes
MOST_CALLS = 5  # of one operation
PATIENCE = timedelta(seconds=30)  # all waits of one operation together; what takes longer is the row's to retry
LARGEST_LIST = 25_000  # nodes; Shopify ends its own lists there ("Shopify API limits")
_FIRST_WAIT = 0.5  # seconds, doubled each time, where Shopify names none
_JITTER = 0.25  # seconds at most, so that workers that were throttled together do not return together
_dice = SystemRandom()


class AdminClient:
    """One shop's Admin API, over one connection that is kept open. Close it, or use it in a `with`.

    Args:
        access: which shop, and its token; nothing is read from or written to anything that clients share.
        api_version: as in the address.
        sleep: waits so many seconds.
        patience: for all waits of one operation together; zero leaves every retry to the caller, as a job does whose row
            is the retry.
    """

    def __init__(
        self,
        access: ShopAccess,
        *,
        api_version: str = API_VERSION,
        sleep: Callable[[float], None] = time.sleep,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._access = access
        self._url = f"{access.base_url}/admin/api/{api_version}/graphql.json"
        self._sleep = sleep
        self._patience = patience.total_seconds()
        self._session = _new_session()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()

    def run(self, operation: str, variables: Mapping[str, object] | None = None) -> Answer:
        """Run an operation of `operations/`.

        What was throttled is sent again after the wait that its cost asks for. What broke off is sent again only if it
        may be done twice: a query, or a mutation of `REPEATABLE_MUTATIONS`.

        Raises:
            TokenRefused: the token is dead; the caller refreshes it once.
            UserErrors: the mutation was understood and refused.
            Transient: surely not done, and it would take longer than we wait here.
            Ambiguous: perhaps done.
            NotAllowed: the app lacks a scope, or the shop is frozen, locked or gone.
            Permanent: the operation is wrong.
        """
        began, waited = time.monotonic(), 0.0
        for calls in count(1):
            try:
                return self._call(operation, variables or {})
            except (Transient, Ambiguous) as exc:
                wait = _wait_after(exc, calls) if isinstance(exc, Throttled) or is_repeatable(operation) else None
                spent = max(waited, time.monotonic() - began)
                if wait is None or calls >= MOST_CALLS or spent + wait > self._patience:
                    raise
            self._sleep(wait)
            waited += wait
        raise AssertionError  # `count` has no end

    def pages(
        self, operation: str, variables: Mapping[str, object], path: str, *, limit: int = LARGEST_LIST
    ) -> Iterator[dict[str, object]]:
        """Yield the nodes of a list, page after page; the operation takes `$after` and selects `pageInfo`.

        Pages that cost too much are halved, where the operation takes `$first`: only Shopify knows its prices.

        Args:
            operation: as for `run`.
            variables: without `after`.
            path: where the connection lies in the data: "orders", "customer.orders". Nothing lies there: no nodes.
            limit: how many nodes are too many.

        Raises:
            Permanent: the list is longer than `limit`: an end that looks like the end would be a lie.
            and what `run` raises.
        """
        after: object = None
        seen = 0
        while True:
            try:
                data = self.run(operation, {**variables, "after": after}).data
            except TooCostly:
                if (shorter := _halved(variables)) is None:
                    raise
                variables = shorter
                continue
            for node in _nodes(dig(data, *path.split("."))):
                seen += 1
                if seen > limit:
                    raise Permanent(f"Shopify's list for {operation} has more than {limit} entries. Ask for less at once.")
                yield node
            info = dig(data, *path.split("."), "pageInfo")
            if dig(info, "hasNextPage") is not True:
                return
            before, after = after, dig(info, "endCursor")
            if not after or after == before:
                raise Ambiguous(f"Shopify's list for {operation} does not go on where it says it does.")

    def _call(self, operation: str, variables: Mapping[str, object]) -> Answer:
        said: dict[str, str] = {}
        document = operation_text(operation)

        def send() -> "requests.Response":
            response = self._session.post(
                self._url,
                json={"query": document, "variables": variables},
                headers={"X-Shopify-Access-Token": self._access.secret, "Accept": "application/json"},
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            )
            said["version"] = response.headers.get("X-Shopify-API-Version", "")
            return response

        answer = ask(send, WHO)
        return read_answer(operation, answer, said.get("version") or None, is_query=is_query(operation))


def _wait_after(exc: Transient | Ambiguous, calls: int) -> float:
    """Return the seconds to wait after so many calls."""
    asked = exc.retry_after if isinstance(exc, Transient) else None
    wait = asked.total_seconds() if asked is not None else _FIRST_WAIT * 2 ** (calls - 1)
    return wait + _dice.uniform(0, _JITTER)


def _nodes(connection: object) -> list[dict[str, object]]:
    nodes = dig(connection, "nodes")
    return [node for node in nodes if isinstance(node, dict)] if isinstance(nodes, list) else []


def _halved(variables: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return the variables with half as long pages, or None where they cannot be shorter."""
    first = variables.get("first")
    return {**variables, "first": first // 2} if isinstance(first, int) and first > 1 else None


def _new_session() -> "requests.Session":
    from http.cookiejar import DefaultCookiePolicy

    import requests  # not in the web process

    session = requests.Session()
    # What one answer sets is not sent with the next call: the token alone says who we are.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session
