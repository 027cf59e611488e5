"""Calls to Shopify's Admin GraphQL API.

Not through ShopifyAPI: its `execute` has no time-out and prints error bodies, and its session is the whole process'.
"""

from functools import cache
from importlib.resources import files

from app.domain.errors import AdapterError, Ambiguous, NotAllowed, Permanent, Transient
from app.domain.ports import ShopAccess
from integrations.http import ask, dig, refused, seconds
from integrations.shopify.topics import API_VERSION

TIMEOUT = (3, 15)  # seconds to connect, and between two bytes
_WHO = "Shopify"


def graphql(access: ShopAccess, operation: str, variables: dict[str, object]) -> dict[str, object]:
    """Run an operation of `operations/` and return its data.

    Errors beside data that is there are left alone: a field that the app may not see is null with an error (level 2
    protected customer data), and the rest of the answer is good.

    Raises:
        Transient: surely not done: not reached, busy, or throttled (with the wait that the cost asks for).
        Ambiguous: perhaps done.
        NotAllowed: the token is dead or lacks a scope, or the shop is frozen.
        Permanent: the operation is wrong, or the shop is gone.
    """
    import requests  # not in the web process

    answer = ask(
        lambda: requests.post(
            f"{access.base_url}/admin/api/{API_VERSION}/graphql.json",
            json={"query": operation_text(operation), "variables": variables},
            headers={"X-Shopify-Access-Token": access.secret, "Accept": "application/json"},
            timeout=TIMEOUT,
            allow_redirects=False,
            stream=True,
        ),
        _WHO,
    )
    if answer.status != 200:
        raise refused(answer, _WHO)
    if not isinstance(answer.body, dict):
        raise Ambiguous("Shopify's answer was not JSON.")
    data = answer.body.get("data")
    if not isinstance(data, dict) or (answer.body.get("errors") and not any(data.values())):
        raise _graphql_error(answer.body)
    return data


@cache
def operation_text(operation: str) -> str:
    """Return the text of `operations/<operation>.graphql`."""
    return (files("integrations.shopify.operations") / f"{operation}.graphql").read_text(encoding="utf-8")


def _graphql_error(body: dict[str, object]) -> AdapterError:
    code = str(dig(body, "errors", 0, "extensions", "code") or "no code")[:60]
    if code == "THROTTLED":
        return Transient("Shopify is busy (THROTTLED).", seconds(_refill(body)))
    if code == "ACCESS_DENIED":
        return NotAllowed("Shopify refused us (ACCESS_DENIED): the app lacks a right. Ask the merchant to grant it.")
    if code in {"INTERNAL_SERVER_ERROR", "TIMEOUT", "no code"}:
        return Ambiguous(f"Shopify gave no usable answer ({code}).")
    return Permanent(f"Shopify did not accept the call ({code}).")


def _refill(body: dict[str, object]) -> float | None:
    """Return the seconds until the bucket holds what the query costs. Source: Shopify docs, "API rate limits"."""
    cost = dig(body, "extensions", "cost")
    wanted, left = dig(cost, "requestedQueryCost"), dig(cost, "throttleStatus", "currentlyAvailable")
    rate = dig(cost, "throttleStatus", "restoreRate")
    if not (isinstance(wanted, int | float) and isinstance(left, int | float) and isinstance(rate, int | float)):
        return None
    return max(0.0, (wanted - left) / rate) if rate > 0 else None
