"""The Admin API client against a real server on loopback that answers as Shopify does, and as it does on a bad day."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from app.domain.errors import AdapterError, Ambiguous, NotAllowed, Permanent, Transient
from app.domain.ports import ShopAccess
from integrations.shopify import client as module
from integrations.shopify.answers import Cost
from integrations.shopify.client import AdminClient
from integrations.shopify.errors import ShopGone, Throttled, TokenRefused, TooCostly, UserError, UserErrors

TOKEN = "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"
BUCKET = {"maximumAvailable": 2000.0, "currentlyAvailable": 2, "restoreRate": 100.0}
GOOD: dict[str, object] = {"data": {"codeDiscountNodeByCode": {"id": "gid://shopify/DiscountCodeNode/7"}}}
QUERY, ONCE, AGAIN = "CouponByCode", "OnceOnly", "CouponDeactivate"


@dataclass
class Shopify:
    """Answers with what `answers` hold, one a call, then with `GOOD`; remembers who asked what."""

    url: str = ""
    answers: list[Response] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def serve(self, request: Request) -> Response:
        request.get_data(cache=True)
        self.seen.append(request)
        if request.path.startswith("/echo/"):
            return answer({"data": {"who": {"path": request.path, "token": request.headers["X-Shopify-Access-Token"]}}})
        return self.answers.pop(0) if self.answers else answer(GOOD)

    def client(self, shop: str = "", token: str = TOKEN, **options: Any) -> AdminClient:
        access = ShopAccess(shop_id=1, domain="tea.myshopify.com", base_url=self.url + shop, key="", secret=token)
        return AdminClient(access, **{"sleep": self.slept.append} | options)


def answer(value: object, status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(json.dumps(value), status, headers=named, content_type="application/json")


def throttled(wanted: float | None) -> Response:
    body: dict[str, object] = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}
    cost = {"requestedQueryCost": wanted, "actualQueryCost": None, "throttleStatus": BUCKET}
    return answer(body | ({"extensions": {"cost": cost}} if wanted else {}))


@pytest.fixture
def shopify(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shopify]:
    texts = {ONCE: "mutation OnceOnly { appUninstall { app { id } userErrors { field message code } } }"}
    read = module.operation_text
    monkeypatch.setattr(module, "operation_text", lambda name: texts.get(name) or read(name))
    monkeypatch.setattr(module, "is_query", lambda name: name == QUERY)
    monkeypatch.setattr(module, "is_repeatable", lambda name: name != ONCE)
    made = Shopify()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        return made.serve(Request(environ))(environ, start_response)

    server = make_server("127.0.0.1", 0, app, threaded=True)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def failure(shopify: Shopify, operation: str = QUERY, **options: Any) -> AdapterError:
    with shopify.client(**options) as client, pytest.raises(AdapterError) as caught:
        client.run(operation, {})
    return caught.value


def test_a_call_says_who_asks_and_what(shopify: Shopify) -> None:
    with shopify.client() as client:
        got = client.run(QUERY, {"code": "X"})
    (sent,) = shopify.seen

    assert got.data == GOOD["data"]
    assert sent.path == "/admin/api/2026-10/graphql.json"
    assert sent.headers["X-Shopify-Access-Token"] == TOKEN
    assert sent.get_json()["variables"] == {"code": "X"}
    assert sent.get_json()["query"].startswith("query CouponByCode")


def test_calls_share_one_connection_and_no_cookie() -> None:
    seen: list[tuple[object, str | None]] = []

    class KeepingAlive(BaseHTTPRequestHandler):  # werkzeug closes after each answer
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.client_address, self.headers["Cookie"]))
            body = json.dumps(GOOD).encode()
            self.send_response(200)
            self.send_header("Set-Cookie", "who=tea")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), KeepingAlive) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with Shopify(f"http://127.0.0.1:{server.server_port}").client() as client:
            for _ in range(3):
                client.run(QUERY, {})
        server.shutdown()
        thread.join()

    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert seen[0][1] is None


def test_cost_and_version_come_with_the_answer(shopify: Shopify) -> None:
    cost = {"requestedQueryCost": 12, "actualQueryCost": 3, "throttleStatus": BUCKET}
    shopify.answers = [answer(GOOD | {"extensions": {"cost": cost}}, X_Shopify_API_Version="2027-01")]
    with shopify.client() as client:
        first, second = client.run(QUERY), client.run(QUERY)

    assert (first.cost, first.api_version) == (Cost(requested=12, actual=3, left=2, restored=100), "2027-01")
    assert (second.cost, second.api_version, second.denied) == (None, None, ())


def test_a_field_that_the_app_may_not_see_is_named_and_the_rest_is_good(shopify: Shopify) -> None:
    errors = [
        {"message": "This app is not approved to access the phone field", "path": ["customer", "phone"]},
        {"message": "Access denied", "path": ["orders", "nodes", 0, "email"], "extensions": {"code": "ACCESS_DENIED"}},
    ]
    shopify.answers = [answer({"data": {"customer": {"id": "1", "phone": None}}, "errors": errors})]
    with shopify.client() as client:
        got = client.run(QUERY)

    assert got.denied == ("customer.phone", "orders.nodes.0.email")
    assert got.data["customer"] == {"id": "1", "phone": None}


def test_a_query_with_a_hole_in_it_is_no_answer(shopify: Shopify) -> None:
    holed = {"data": {"shop": {}, "a": 1, "orders": None}, "errors": [{"message": "x", "path": ["orders"]}]}
    shopify.answers = [answer(holed)]
    with shopify.client() as client:
        got = client.run(QUERY)

    assert got.data == GOOD["data"]
    assert len(shopify.seen) == 2


def test_a_mutations_data_count_whatever_stands_beside_them(shopify: Shopify) -> None:
    made = {"data": {"tagsAdd": {"node": {"id": "1"}, "userErrors": []}}, "errors": [{"message": "boom"}]}
    shopify.answers = [answer(made)]
    with shopify.client() as client:
        got = client.run(ONCE)

    assert got.data == made["data"]


# ---- waiting


@pytest.mark.parametrize("operation", [QUERY, ONCE])
def test_a_throttled_call_waits_until_the_bucket_holds_its_cost(shopify: Shopify, operation: str) -> None:
    shopify.answers = [throttled(52), throttled(302)]
    with shopify.client() as client:
        client.run(operation)

    assert [int(wait * 2) / 2 for wait in shopify.slept] == [0.5, 3.0]


@pytest.mark.parametrize("operation", [QUERY, ONCE])
def test_too_many_requests_wait_as_long_as_shopify_says(shopify: Shopify, operation: str) -> None:
    shopify.answers = [answer("slow down", 429, Retry_After="2.0")]
    with shopify.client() as client:
        client.run(operation)

    assert [int(wait) for wait in shopify.slept] == [2]


def test_a_wait_that_is_too_long_is_left_to_the_caller(shopify: Shopify) -> None:
    shopify.answers = [answer("slow down", 429, Retry_After="31")]
    error = failure(shopify)

    assert isinstance(error, Throttled)
    assert error.retry_after == timedelta(seconds=31)
    assert shopify.slept == []


def test_nothing_is_asked_more_than_five_times(shopify: Shopify) -> None:
    shopify.answers = [throttled(None) for _ in range(9)]
    error = failure(shopify)

    assert isinstance(error, Throttled)
    assert (len(shopify.seen), len(shopify.slept)) == (5, 4)


def test_all_waits_together_are_bounded(shopify: Shopify) -> None:
    shopify.answers = [answer("slow down", 429, Retry_After="14") for _ in range(9)]
    failure(shopify)

    assert sum(shopify.slept) < 30
    assert len(shopify.seen) == 3


def test_without_patience_nothing_is_asked_twice(shopify: Shopify) -> None:
    shopify.answers = [throttled(52)]
    failure(shopify, patience=timedelta(0))

    assert (len(shopify.seen), shopify.slept) == (1, [])


@pytest.mark.parametrize("operation", [QUERY, AGAIN])
@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 408])
def test_what_may_be_done_twice_is_asked_again(shopify: Shopify, operation: str, status: int) -> None:
    shopify.answers = [Response("<html>", status), Response("<html>", status)]
    with shopify.client() as client:
        client.run(operation)

    assert len(shopify.seen) == 3
    assert 0.5 <= shopify.slept[0] < 1.0 <= shopify.slept[1]


@pytest.mark.parametrize(("status", "kind"), [(500, Ambiguous), (502, Ambiguous), (503, Transient)])
def test_what_may_not_be_done_twice_is_not(shopify: Shopify, status: int, kind: type[AdapterError]) -> None:
    shopify.answers = [Response("<html>", status)]

    assert type(failure(shopify, ONCE)) is kind
    assert len(shopify.seen) == 1


def test_nobody_there_is_asked_again_for_a_query_alone(shopify: Shopify) -> None:
    shopify.url = "http://127.0.0.1:9"
    of_query, slept = failure(shopify), len(shopify.slept)
    of_mutation = failure(shopify, ONCE)

    assert (type(of_query), type(of_mutation)) == (Transient, Transient)
    assert (slept, len(shopify.slept)) == (4, 4)


def test_a_shop_that_answers_too_late_is_not_waited_for(shopify: Shopify, monkeypatch: pytest.MonkeyPatch) -> None:
    late = threading.Event()
    monkeypatch.setattr(module, "TIMEOUT", (3, 0.2))
    monkeypatch.setattr(shopify, "serve", lambda _request: (late.wait(5), answer(GOOD))[1])
    error = failure(shopify, ONCE)
    late.set()

    assert type(error) is Ambiguous


# ---- refusals


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, TokenRefused, "access token"),
        (402, NotAllowed, "frozen"),
        (403, NotAllowed, "rights"),
        (404, ShopGone, "no such shop"),
        (423, NotAllowed, "locked"),
        (301, Permanent, "redirect"),
        (400, Permanent, "did not accept"),
    ],
)
def test_a_refusal_says_what_to_do_and_is_not_tried_again(
    shopify: Shopify, status: int, kind: type[AdapterError], words: str
) -> None:
    shopify.answers = [answer({"errors": "no"}, status, Location=f"{shopify.url}/elsewhere")]
    error = failure(shopify)

    assert type(error) is kind
    assert words in str(error)
    assert len(shopify.seen) == 1


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([{"message": "x", "extensions": {"code": "ACCESS_DENIED"}}], NotAllowed),
        ([{"message": "x", "extensions": {"code": "INVALID_VARIABLE"}}], Permanent),
        ([{"message": "x", "extensions": {"code": "MAX_COST_EXCEEDED"}}], TooCostly),
        ([{"message": "x", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}], Ambiguous),
        ("Not Found", Ambiguous),
    ],
)
@pytest.mark.parametrize("data", [None, {"codeDiscountNodeByCode": None}])
def test_errors_without_data_are_told_apart(
    shopify: Shopify, errors: object, kind: type[AdapterError], data: object
) -> None:
    shopify.answers = [answer({"errors": errors, "data": data}) for _ in range(5)]

    assert type(failure(shopify)) is kind


def test_user_errors_carry_codes_and_fields_and_no_texts(shopify: Shopify) -> None:
    complaints = [
        {"field": ["input", "customerId"], "message": "alice@example.com is unknown", "code": "INVALID"},
        {"field": None, "message": "alice@example.com", "code": None},
        {"field": ["a b\n"], "message": "", "code": "x" * 99 + "@"},
    ]
    shopify.answers = [answer({"data": {"tagsAdd": {"userErrors": complaints}}})]
    error = failure(shopify, AGAIN)

    assert isinstance(error, UserErrors)
    assert error.errors == (UserError("INVALID", "input.customerId"), UserError("", ""), UserError("x" * 60, "ab"))
    assert "alice" not in str(error)
    assert str(error).startswith("Shopify did not accept CouponDeactivate (INVALID at input.customerId, no code at no field")


@pytest.mark.parametrize("body", ["<html>", "", "[1]", '{"data": ' + "[" * 5000, '{"data": "' + "x" * 2**20 + '"}'])
def test_what_is_not_json_or_too_long_is_no_answer(shopify: Shopify, body: str) -> None:
    shopify.answers = [Response(body, 200)]

    assert type(failure(shopify, ONCE)) is Ambiguous


def test_no_error_and_no_description_gives_the_token_away(shopify: Shopify) -> None:
    shopify.answers = [answer({"errors": [{"message": TOKEN, "extensions": {"code": f"x {TOKEN}\n"}}]}, 200)]
    refused = failure(shopify, ONCE)
    unsendable = failure(shopify, token=f"{TOKEN}\r\nX-Evil: 1")

    assert (type(refused), type(unsendable)) == (Permanent, Permanent)
    assert TOKEN not in f"{unsendable!r} {unsendable.__context__!r} {vars(shopify.client())['_access']!r}"


# ---- lists


def page(*ids: int, more: str | None = None) -> Response:
    info = {"hasNextPage": more is not None, "endCursor": more}
    return answer({"data": {"customer": {"orders": {"nodes": [{"id": n} for n in ids], "pageInfo": info}}}})


def pages(shopify: Shopify, **options: Any) -> list[object]:
    with shopify.client() as client:
        return [node["id"] for node in client.pages(QUERY, {"id": "7"}, "customer.orders", **options)]


def test_a_list_is_read_page_after_page(shopify: Shopify) -> None:
    shopify.answers = [page(1, 2, more="b"), page(3, more="c"), page()]

    assert pages(shopify) == [1, 2, 3]
    assert [sent.get_json()["variables"] for sent in shopify.seen] == [
        {"id": "7", "after": None},
        {"id": "7", "after": "b"},
        {"id": "7", "after": "c"},
    ]


def test_a_page_is_asked_for_when_it_is_needed(shopify: Shopify) -> None:
    shopify.answers = [page(1, 2, more="b"), page(3)]
    with shopify.client() as client:
        first = next(client.pages(QUERY, {}, "customer.orders"))

    assert (first, len(shopify.seen)) == ({"id": 1}, 1)


def test_nothing_there_is_an_empty_list(shopify: Shopify) -> None:
    shopify.answers = [answer({"data": {"customer": None}})]

    assert pages(shopify) == []


def test_a_list_is_not_cut_in_silence(shopify: Shopify) -> None:
    shopify.answers = [page(1, 2, more="b"), page(3)]

    with pytest.raises(Permanent, match="more than 2"):
        pages(shopify, limit=2)


def test_pages_that_cost_too_much_are_halved(shopify: Shopify) -> None:
    costly = {"errors": [{"message": "x", "extensions": {"code": "MAX_COST_EXCEEDED"}}]}
    shopify.answers = [page(1, more="b"), answer(costly), answer(costly), page(2)]
    with shopify.client() as client:
        got = [node["id"] for node in client.pages(QUERY, {"first": 25}, "customer.orders")]
    sent = [request.get_json()["variables"] for request in shopify.seen]

    assert got == [1, 2]
    assert [(each["first"], each["after"]) for each in sent] == [(25, None), (25, "b"), (12, "b"), (6, "b")]


@pytest.mark.parametrize("variables", [{}, {"first": 1}])
def test_a_page_that_cannot_be_shorter_is_too_costly(shopify: Shopify, variables: dict[str, object]) -> None:
    shopify.answers = [answer({"errors": [{"message": "x", "extensions": {"code": "MAX_COST_EXCEEDED"}}]})]

    with shopify.client() as client, pytest.raises(TooCostly):
        list(client.pages(QUERY, variables, "customer.orders"))


@pytest.mark.parametrize("cursor", ["", "b"])
def test_a_list_that_goes_round_in_a_circle_is_left(shopify: Shopify, cursor: str) -> None:
    shopify.answers = [page(1, more="b"), page(1, more=cursor)]

    with pytest.raises(Ambiguous, match="does not go on"):
        pages(shopify)


# ---- two shops


def test_two_shops_in_turns_and_in_threads_never_mix_tokens(shopify: Shopify) -> None:
    tea, lamp = shopify.client("/echo/tea", "shpat_tea"), shopify.client("/echo/lamp", "shpat_lamp")

    def ask(number: int) -> tuple[str, object]:
        name, client = (("tea", tea), ("lamp", lamp))[number % 2]
        return name, client.run(QUERY, {}).data["who"]

    with tea, lamp, ThreadPoolExecutor(8) as pool:
        got = [ask(number) for number in range(10)] + list(pool.map(ask, range(120)))

    path = "admin/api/2026-10/graphql.json"
    assert all(who == {"path": f"/echo/{name}/{path}", "token": f"shpat_{name}"} for name, who in got)
    assert len(got) == 130
