"""Read an answer of the Admin GraphQL API: HTTP 200 says nothing yet.

Source: Shopify docs, "API rate limits" and "Protected customer data"; the error codes as seen in recorded answers.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.domain.errors import AdapterError, Ambiguous, NotAllowed, Permanent
from integrations import http
from integrations.http import dig, seconds
from integrations.shopify.errors import ShopGone, Throttled, TokenRefused, TooCostly, UserError, UserErrors

WHO = "Shopify"
_UNCLEAR = {"INTERNAL_SERVER_ERROR", "TIMEOUT", "no code"}
_REFUSALS = {
    402: "the shop's account is frozen. It can be reached again once its owner has paid Shopify.",
    403: "the app may not do this in the shop. Ask the merchant to grant the app's rights.",
    423: "the shop is locked. It can be reached again once Shopify has unlocked it.",
}
_NOT_A_WORD = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST_WORD = 60  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a query cost, and what is left in the app's bucket for this shop, in points; `restored` is a second's."""

    requested: float
    actual: float | None
    left: float
    restored: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer.

    `denied` are the paths ("customer.phone") that are null because the app may not see them (level 2 protected customer
    data, or a scope not granted): such a null says nothing about the shop. `api_version` is the version that Shopify
    answered in: another one than ours means that ours is dead, which is worth a warning.
    """

    data: dict[str, object]
    denied: tuple[str, ...] = ()
    cost: Cost | None = None
    api_version: str | None = None


def read_answer(operation: str, answer: http.Answer, api_version: str | None, *, is_query: bool) -> Answer:
    """Return the data of an answer.

    Raises:
        Throttled, TokenRefused, ShopGone, UserErrors, Transient, Ambiguous, NotAllowed, Permanent: as their names say.
    """
    if answer.status != 200:
        raise _refused(answer)
    if not isinstance(answer.body, dict):
        raise Ambiguous("Shopify's answer was not JSON, or longer than we read.")
    data, errors = answer.body.get("data"), answer.body.get("errors")
    if not isinstance(data, dict) or (errors and not any(data.values())):
        raise _graphql_error(answer.body, 0)
    for number, error in enumerate(errors if isinstance(errors, list) else []):
        # Beside a mutation's data an error is left alone: the data say whether it was done.
        if is_query and not _is_denial(error):
            raise _graphql_error(answer.body, number)
    if complaints := tuple(_user_errors(data)):
        raise UserErrors(operation, complaints)
    return Answer(data=data, denied=tuple(_denied(errors)), cost=_cost(answer.body), api_version=api_version)


def word(value: object) -> str:
    """Return a far side's own word for something, fit for a log: short, and no room for a sentence or an address."""
    return _NOT_A_WORD.sub("", str(value or ""))[:_LONGEST_WORD]


def _refused(answer: http.Answer) -> AdapterError:
    if answer.status == 429:
        return Throttled("Shopify is busy (429).", answer.retry_after)
    if answer.status == 401:
        return TokenRefused("Shopify refused the access token (401). Open the app in the shop once to connect it again.")
    if answer.status == 404:
        return ShopGone("Shopify knows no such shop (404). Connect it again.")
    if answer.status in _REFUSALS:
        return NotAllowed(f"Shopify refused us ({answer.status}): {_REFUSALS[answer.status]}")
    return http.refused(answer, WHO)


def _graphql_error(body: Mapping[str, object], number: int) -> AdapterError:
    code = word(dig(body, "errors", number, "extensions", "code")) or "no code"
    if code == "THROTTLED":
        return Throttled("Shopify is busy (THROTTLED).", seconds(_refill(body)))
    if _is_denial(dig(body, "errors", number)):
        return NotAllowed("Shopify refused us (ACCESS_DENIED): the app lacks a right. Ask the merchant to grant it.")
    if code in _UNCLEAR:
        return Ambiguous(f"Shopify gave no usable answer ({code}).")
    if code == "MAX_COST_EXCEEDED":
        return TooCostly("Shopify does not answer so much at once (MAX_COST_EXCEEDED).")
    return Permanent(f"Shopify did not accept the call ({code}).")


def _is_denial(error: object) -> bool:
    is_unapproved = "not approved" in str(dig(error, "message") or "").lower()
    return is_unapproved or dig(error, "extensions", "code") == "ACCESS_DENIED"


def _denied(errors: object) -> Iterator[str]:
    for error in errors if isinstance(errors, list) else []:
        path = dig(error, "path")
        if _is_denial(error) and isinstance(path, list):
            yield ".".join(word(step) or "0" for step in path)


def _user_errors(data: Mapping[str, object]) -> Iterator[UserError]:
    for payload in data.values():
        complaints = dig(payload, "userErrors")
        for complaint in complaints if isinstance(complaints, list) else []:
            field = dig(complaint, "field")
            path = ".".join(word(step) for step in field) if isinstance(field, list) else ""
            yield UserError(word(dig(complaint, "code")), path)


def _cost(body: Mapping[str, object]) -> Cost | None:
    cost = dig(body, "extensions", "cost")
    wanted, actual = dig(cost, "requestedQueryCost"), dig(cost, "actualQueryCost")
    left, rate = dig(cost, "throttleStatus", "currentlyAvailable"), dig(cost, "throttleStatus", "restoreRate")
    if not (isinstance(wanted, int | float) and isinstance(left, int | float) and isinstance(rate, int | float)):
        return None
    spent = float(actual) if isinstance(actual, int | float) else None
    return Cost(requested=float(wanted), actual=spent, left=float(left), restored=float(rate))


def _refill(body: Mapping[str, object]) -> float | None:
    """Return the seconds until the bucket holds what the query costs."""
    cost = _cost(body)
    return max(0.0, (cost.requested - cost.left) / cost.restored) if cost and cost.restored > 0 else None
