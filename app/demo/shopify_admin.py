"""The pretend Shopify's Admin GraphQL API: one endpoint, its limits and its faults."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from hmac import compare_digest
from threading import Lock
from typing import Any

from flask import Blueprint, Response, redirect, request

from app.demo.faults import ApiFaults
from app.demo.graphql import Document, GraphQLError, Selection, project, read
from app.demo.shopify import API_VERSION, ShopifyShop
from app.demo.shopify_oauth import OAuthError, TokenDesk
from app.demo.shopify_resolvers import RESOLVERS, SCOPES

_BUCKET = 2000.0  # points; Shopify's answer on a real store
_RESTORE = 100.0  # points a second, on its standard plan
_MUTATION_COST = 10
_MOST_COST = 1000  # points of one query
_DEEPEST = 30  # nested braces
_REFUSED = "[API] Invalid API key or access token (unrecognized login or wrong password)"


class AdminApi:
    """The endpoint, with its leaky bucket. `faults` is for tests."""

    def __init__(self, shop: ShopifyShop) -> None:
        self.shop = shop
        self.faults = ApiFaults()
        self.desk = TokenDesk(shop.catalogue.domain, shop.config.shopify_client_secret, SCOPES, shop.store)
        self._lock = Lock()
        self._points = _BUCKET
        self._filled_at = time.monotonic()

    def root_value(self) -> dict[str, Callable[..., object]]:
        """Return the resolvers as graphql-core wants a root value: callables of (info, arguments by name)."""
        return {
            name: lambda _info, _resolve=resolve, **arguments: _resolve(self.shop, arguments)
            for name, resolve in RESOLVERS.items()
        }

    def blueprint(self) -> Blueprint:
        """Make the routes, under the shop's own path."""
        routes = Blueprint("shopify_admin", __name__)
        routes.post("/shopify/admin/api/<version>/graphql.json")(self._post)
        routes.post("/shopify/admin/oauth/access_token")(self._give_tokens)
        routes.get("/shopify/admin/oauth/authorize")(lambda: redirect(self.desk.agree(request.args)))
        return routes

    def _post(self, version: str) -> Response:
        del version  # Shopify answers a dead version with a living one, and says so in the header
        time.sleep(self.faults.delay)
        if not self._is_allowed(request.headers.get("X-Shopify-Access-Token", "")):
            return _json({"errors": _REFUSED}, 401)
        if self.faults.take("fail"):
            refused = _json({"errors": "Service Unavailable"}, self.faults.fail_status)
            if self.faults.retry_after is not None:
                refused.headers["Retry-After"] = str(self.faults.retry_after)
            return refused
        payload = request.get_json(force=True)
        answer = self.answer(payload.get("query") or "", payload.get("variables") or {}, payload.get("operationName"))
        return _json({"errors": "Bad Gateway"}, 502) if self.faults.take("lose") else _json(answer)

    def _give_tokens(self) -> Response:
        time.sleep(self.faults.delay)
        if self.desk.faults.throttle:
            self.desk.faults.throttle -= 1
            refused = _json({"errors": "Too Many Requests"}, 429)
            refused.headers["Retry-After"] = "2"
            return refused
        try:
            tokens = self.desk.answer(request.get_json(force=True))
        except OAuthError as exc:
            return _json({"error": exc.code, "error_description": "The request was refused."}, exc.status)
        if self.desk.faults.lose:
            self.desk.faults.lose -= 1
            return _json({"errors": "Bad Gateway"}, 502)
        return _json(tokens)

    def answer(self, query: str, variables: Mapping[str, Any], operation_name: str | None = None) -> dict[str, Any]:
        """Answer one query as Shopify does: faults of the query and throttling are HTTP 200 too."""
        try:
            document = read(query, variables, operation_name)
            cost = _MUTATION_COST if document.operation == "mutation" else price(document)
            if cost > _MOST_COST:
                message = f"Query cost is {cost}, which exceeds the single query max cost limit ({_MOST_COST})."
                return {"errors": [_error(message, "MAX_COST_EXCEEDED")]}
            if self.faults.take("throttle") or not self._pay(cost):
                return {"errors": [_error("Throttled", "THROTTLED")], "extensions": self._cost(cost, None)}
            data = {field.alias: self._resolve(field, document) for field in document.selections}
        except GraphQLError as exc:
            return {"errors": [_error(str(exc), exc.code)]}
        actual = cost if document.operation == "mutation" else min(cost, _weight(data))
        self._pay(actual - cost)  # what was reserved and not used comes back
        denied = list(_redact(data, self.faults.redacted, []))
        return {"data": data, "extensions": self._cost(cost, actual)} | ({"errors": denied} if denied else {})

    def _resolve(self, field: Selection, document: Document) -> object:
        if field.name not in RESOLVERS:
            kind = "Mutation" if document.operation == "mutation" else "QueryRoot"
            raise GraphQLError(f"Field '{field.name}' doesn't exist on type '{kind}'", "undefinedField")
        try:
            value = RESOLVERS[field.name](self.shop, field.arguments)
        except KeyError as exc:
            message = f"Field '{field.name}' is missing required arguments: {exc.args[0]}"
            raise GraphQLError(message, "missingRequiredArguments") from exc
        return project(value, field.selections, document.fragments)

    def _is_allowed(self, token: str) -> bool:
        is_fixed = compare_digest(token.encode(), self.shop.config.shopify_access_token.encode())
        is_fixed = is_fixed and self.desk.is_installed
        return not self.faults.is_revoked and (is_fixed or self.desk.is_alive(token))

    def _pay(self, cost: float) -> bool:
        with self._lock:
            now = time.monotonic()
            self._points = min(_BUCKET, self._points + (now - self._filled_at) * _RESTORE)
            self._filled_at = now
            if cost > self._points:
                return False
            self._points = min(_BUCKET, self._points - cost)
            return True

    def _cost(self, requested: float, actual: float | None) -> dict[str, Any]:
        # A throttled answer shows less than was asked for, also when a test throttled it with a full bucket.
        available = int(self._points) if actual is not None else max(0, min(int(self._points), int(requested) - 1))
        status = {"maximumAvailable": _BUCKET, "currentlyAvailable": available, "restoreRate": _RESTORE}
        return {
            "cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status},
        }


def price(document: Document) -> int:
    """Return what a query is charged before it runs: an object is 1, a list as many times its entries as are asked for.

    Source: Shopify docs, "API rate limits", cost of fields. Scalars are free.
    """
    return sum(_price_of(field, document.fragments, 0) for field in document.selections)


def _price_of(selection: Selection, fragments: Mapping[str, Selection], depth: int) -> int:
    if depth > _DEEPEST:
        raise GraphQLError("Query has too many levels", "MAX_DEPTH")
    inner = fragments[selection.fragment].selections if selection.fragment in fragments else selection.selections
    total = sum(_price_of(each, fragments, depth + 1) for each in inner)
    if not (selection.name and inner) or selection.name == "pageInfo":
        return total if selection.name != "pageInfo" else 0
    if selection.name == "nodes":  # an entry: its list multiplies it
        return 1 + total
    first = selection.arguments.get("first")
    if not isinstance(first, int):
        return 1 + total
    is_plain = not any(each.name in {"nodes", "edges"} for each in inner)
    return first * (total + is_plain)


def _weight(value: object) -> int:
    """Return what an answer is charged in the end: 1 for each object in it."""
    if isinstance(value, list):
        return sum(map(_weight, value))
    if not isinstance(value, Mapping):
        return 0
    is_list = "nodes" in value or "hasNextPage" in value
    return (not is_list) + sum(map(_weight, value.values()))


def _redact(value: object, names: frozenset[str], path: list[str | int]) -> Iterator[dict[str, Any]]:
    """Take away what the app may not see, and say so as Shopify does: data and errors in one answer."""
    if not names:
        return
    entries = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, held in list(entries):
        if key in names and held is not None:
            value[key] = None  # type: ignore[index]
            message = f"This app is not approved to access the {key} field."
            yield _error(message, "ACCESS_DENIED") | {"path": [*path, key]}
        else:
            yield from _redact(held, names, [*path, key])


def _error(message: str, code: str) -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code}}


def _json(body: object, status: int = 200) -> Response:
    answer = Response(json.dumps(body, ensure_ascii=False), status, content_type="application/json; charset=utf-8")
    answer.headers["X-Shopify-API-Version"] = API_VERSION
    return answer
