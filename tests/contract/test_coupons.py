"""Minting against a real server on loopback that fails in every way that we know, in both platforms' dialects."""

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import urllib3
from urllib3.exceptions import MaxRetryError
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from app.domain.errors import AdapterError, Ambiguous, NotAllowed, Permanent, Transient
from app.domain.ports import CouponSpec, ShopAccess
from integrations import PLATFORMS
from integrations.http import ask
from integrations.shopify import client as shopify_client
from integrations.woocommerce import rest as woocommerce_rest

KEY = "ck_0123456789abcdef0123456789abcdef01234567"
SECRET = "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"
CODE = "BACK-7F3KQ2WX"
SPEC = CouponSpec(
    code=CODE,
    percent=15,
    title="Abandoned cart, 15 %",
    starts_at=datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
    expires_at=datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
)
TAKEN = {"field": ["basicCodeDiscount", "code"], "message": f"{CODE} must be unique.", "code": "TAKEN"}
EXISTS = {"code": "woocommerce_rest_coupon_code_already_exists", "message": "The coupon code already exists"}
# Something that goes wrong: it gets the good answer, after the coupon was made, and returns what is sent instead.
Fault = Callable[[Request, Response], Response]


def answer(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")


@dataclass
class Shop:
    """A shop that keeps coupons, and does what `faults` say, one a call, before it behaves."""

    platform: str
    coupons: dict[str, int] = field(default_factory=dict)
    seen: list[Request] = field(default_factory=list)
    before: list[Response] = field(default_factory=list)  # sent instead of doing anything
    after: list[Fault] = field(default_factory=list)  # sent instead of the good answer
    url: str = ""

    @property
    def access(self) -> ShopAccess:
        key = KEY if self.platform == "woocommerce" else ""
        return ShopAccess(shop_id=1, domain="shop.example", base_url=self.url, key=key, secret=SECRET)

    def mint(self) -> str:
        return PLATFORMS[self.platform].mint_coupon(self.access, SPEC)

    def serve(self, request: Request) -> Response:
        request.get_data(cache=True)
        self.seen.append(request)
        if self.before:
            return self.before.pop(0)
        good = self._graphql(request) if self.platform == "shopify" else self._rest(request)
        return self.after.pop(0)(request, good) if self.after else good

    def _graphql(self, request: Request) -> Response:
        if request.path != "/admin/api/2026-10/graphql.json" or request.headers["X-Shopify-Access-Token"] != SECRET:
            return answer({"errors": "[API] Invalid API key or access token"}, 401)
        sent = request.get_json()
        if sent["query"].startswith("query CouponByCode"):
            return answer({"data": {"codeDiscountNodeByCode": self._node(sent["variables"]["code"])}})
        code = sent["variables"]["d"]["code"]
        is_taken = code in self.coupons
        self.coupons.setdefault(code, 1001)
        node = None if is_taken else self._node(code)
        made = {"codeDiscountNode": node, "userErrors": [TAKEN] if is_taken else []}
        return answer({"data": {"discountCodeBasicCreate": made}})

    def _node(self, code: str) -> dict[str, str] | None:
        return {"id": f"gid://shopify/DiscountCodeNode/{self.coupons[code]}"} if code in self.coupons else None

    def _rest(self, request: Request) -> Response:
        if request.path != "/wp-json/wc/v3/coupons" or request.args["oauth_consumer_key"] != KEY:
            return answer({"code": "rest_no_route", "message": "No route was found"}, 404)
        if request.method == "GET":
            wanted = request.args["code"]
            return answer([{"id": id_, "code": code.lower()} for code, id_ in self.coupons.items() if code == wanted])
        code = request.get_json()["code"]
        if code in self.coupons:
            return answer(EXISTS, 400)
        self.coupons[code] = 1001
        return answer({"id": 1001, "code": code.lower()}, 201)


EXPECTED = {"shopify": "gid://shopify/DiscountCodeNode/1001", "woocommerce": "1001"}
BOTH = pytest.mark.parametrize("platform", ["shopify", "woocommerce"])
SHOPIFY = pytest.mark.parametrize("platform", ["shopify"])
WOOCOMMERCE = pytest.mark.parametrize("platform", ["woocommerce"])


@pytest.fixture
def shop(platform: str) -> Iterator[Shop]:
    made = Shop(platform)

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


@pytest.fixture
def closing() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shopify_client, "TIMEOUT", (3, 0.5))
    monkeypatch.setattr(woocommerce_rest, "TIMEOUT", 0.5)


def broken(_request: Request, good: Response) -> Response:
    good.headers["Content-Length"] = str(len(good.get_data()) + 100)
    return good


def reset(request: Request, good: Response) -> Response:
    request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return good


def instead(status: int, body: str = "<html>Bad gateway</html>") -> Fault:
    return lambda _request, _good: Response(body, status, content_type="text/html")


def failure(shop: Shop) -> AdapterError:
    """Mint, and return the error, after a look that nothing in it gives a secret or the code away."""
    with pytest.raises(AdapterError) as caught:
        shop.mint()
    error: BaseException | None = caught.value
    while error is not None:
        assert not any(hidden in repr(error) for hidden in (KEY, SECRET, CODE, "oauth", "127.0.0.1"))
        error = error.__cause__ or error.__context__
    return caught.value


@BOTH
def test_a_coupon_is_made_and_named(shop: Shop) -> None:
    assert shop.mint() == EXPECTED[shop.platform]
    assert shop.coupons == {CODE: 1001}


@SHOPIFY
def test_shopify_is_told_once_only_for_anybody_and_until_when(shop: Shop) -> None:
    shop.mint()
    (sent,) = shop.seen

    assert sent.headers["Content-Type"] == "application/json"
    assert sent.get_json()["variables"] == {
        "d": {
            "title": "Abandoned cart, 15 %",
            "code": "BACK-7F3KQ2WX",
            "startsAt": "2026-11-20T12:00:00Z",
            "endsAt": "2026-11-22T12:00:00Z",
            "usageLimit": 1,
            "appliesOncePerCustomer": True,
            "context": {"all": "ALL"},
            "customerGets": {"value": {"percentage": 0.15}, "items": {"all": True}},
        }
    }


@WOOCOMMERCE
def test_woocommerce_is_told_once_only_for_anybody_and_until_when(shop: Shop) -> None:
    shop.mint()
    (sent,) = shop.seen

    assert sent.method == "POST"
    assert SECRET not in sent.url
    assert sent.get_json() == {
        "code": "BACK-7F3KQ2WX",
        "discount_type": "percent",
        "amount": "15",
        "individual_use": False,
        "usage_limit": 1,
        "usage_limit_per_user": 1,
        "date_expires": "2026-11-22T12:00:00Z",
        "description": "Abandoned cart, 15 %",
    }


@BOTH
def test_a_coupon_that_is_there_already_is_found_and_not_made_twice(shop: Shop) -> None:
    shop.mint()

    assert shop.mint() == EXPECTED[shop.platform]
    assert shop.coupons == {CODE: 1001}


@BOTH
@pytest.mark.parametrize(
    "fault", [reset, broken, instead(500), instead(502), instead(504), instead(520), instead(408), instead(200)]
)
def test_a_coupon_whose_answer_was_lost_is_found_on_the_next_try(shop: Shop, fault: Fault) -> None:
    shop.after = [fault]
    error = failure(shop)

    assert type(error) is Ambiguous
    assert shop.mint() == EXPECTED[shop.platform]
    assert shop.coupons == {CODE: 1001}


@BOTH
def test_a_coupon_that_was_made_while_we_stopped_waiting_is_found_on_the_next_try(
    shop: Shop, closing: threading.Event, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(_request: Request, good: Response) -> Response:
        closing.wait(20)
        return good

    shop.after = [late]
    error = failure(shop)
    monkeypatch.undo()

    assert type(error) is Ambiguous
    assert shop.mint() == EXPECTED[shop.platform]


@BOTH
def test_an_answer_without_end_is_not_read_to_its_end(shop: Shop) -> None:
    shop.after = [instead(201 if shop.platform == "woocommerce" else 200, '{"id": 7, "pad": "' + "x" * 2**20 + '"}')]

    assert type(failure(shop)) is Ambiguous


@BOTH
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("2.0", timedelta(seconds=2)),
        ("999999999999", timedelta(hours=24)),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        (None, None),
    ],
)
def test_a_busy_shop_is_asked_when_it_said(shop: Shop, status: int, asked: str | None, wait: timedelta | None) -> None:
    shop.before = [Response("busy", status, headers={} if asked is None else {"Retry-After": asked})]
    error = failure(shop)

    assert isinstance(error, Transient)
    assert error.retry_after == wait
    assert shop.coupons == {}


@BOTH
@pytest.mark.parametrize("status", [401, 402, 403, 423])
def test_a_shop_that_refuses_us_waits_for_a_person(shop: Shop, status: int) -> None:
    shop.before = [Response("<html>no</html>", status)]

    assert type(failure(shop)) is NotAllowed


@BOTH
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(shop: Shop, status: int) -> None:
    shop.before = [Response("", status, headers={"Location": f"{shop.url}/elsewhere?key={SECRET}"})]
    error = failure(shop)

    assert type(error) is Permanent
    assert f"redirect ({status})" in str(error)
    assert len(shop.seen) == 1


@BOTH
@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_what_will_never_be_accepted_is_not_tried_again(shop: Shop, status: int) -> None:
    shop.before = [answer({"message": f"{CODE} is wrong"}, status)]

    assert type(failure(shop)) is Permanent


@BOTH
def test_a_shop_that_nobody_answers_for_is_tried_again(platform: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = failure(Shop(platform, url=f"http://127.0.0.1:{unused.getsockname()[1]}"))

    assert type(error) is Transient


@BOTH
def test_a_shop_whose_name_is_not_found_is_tried_again(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert type(failure(Shop(platform, url="https://tea-and-tin.example"))) is Transient


@BOTH
@pytest.mark.parametrize("url", ["", "tea-and-tin.example", "gopher://tea-and-tin.example"])
def test_a_shop_without_a_usable_address_is_not_tried_again(platform: str, url: str) -> None:
    assert type(failure(Shop(platform, url=url))) is Permanent


@BOTH
def test_a_code_that_is_taken_but_not_shown_yet_is_looked_up_again(shop: Shop) -> None:
    shop.before = [
        answer({"data": {"discountCodeBasicCreate": {"codeDiscountNode": None, "userErrors": [TAKEN]}}})
        if shop.platform == "shopify"
        else answer(EXISTS, 400)
    ]

    assert type(failure(shop)) is Transient


@BOTH
@pytest.mark.parametrize(
    ("status", "kind"), [(429, Transient), (401, NotAllowed), (502, Ambiguous), (301, Permanent), (200, Ambiguous)]
)
def test_the_look_up_fails_by_the_same_rules(shop: Shop, status: int, kind: type[AdapterError]) -> None:
    shop.coupons[CODE] = 1001
    shop.after = [lambda _request, good: good, instead(status)]

    assert type(failure(shop)) is kind
    assert shop.mint() == EXPECTED[shop.platform]


@SHOPIFY
def test_a_throttled_call_waits_until_the_bucket_holds_its_cost(shop: Shop) -> None:
    status = {"maximumAvailable": 2000.0, "currentlyAvailable": 2, "restoreRate": 100.0}
    cost = {"requestedQueryCost": 52, "actualQueryCost": None, "throttleStatus": status}
    throttled = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}
    shop.before = [answer(throttled | {"extensions": {"cost": cost}}), answer(throttled)]
    first, second = failure(shop), failure(shop)

    assert isinstance(first, Transient)
    assert isinstance(second, Transient)
    assert (first.retry_after, second.retry_after) == (timedelta(seconds=0.5), None)


@SHOPIFY
@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([{"message": "Access denied", "extensions": {"code": "ACCESS_DENIED"}}], NotAllowed),
        ([{"message": "boom", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}], Ambiguous),
        ([{"message": "wrong", "extensions": {"code": "INVALID_VARIABLE"}}], Permanent),
        ([{"message": "no code"}], Ambiguous),
        ("Not Found", Ambiguous),
        ([], Ambiguous),
    ],
)
@pytest.mark.parametrize("data", [None, {"discountCodeBasicCreate": None}])
def test_shopifys_errors_without_data_are_told_apart(
    shop: Shop, errors: object, kind: type[AdapterError], data: object
) -> None:
    shop.before = [answer({"errors": errors, "data": data})]

    assert type(failure(shop)) is kind


@SHOPIFY
def test_errors_beside_the_data_do_not_lose_the_coupon(shop: Shop) -> None:
    hidden = [{"message": "not approved", "path": ["x"], "extensions": {"code": "ACCESS_DENIED"}}]
    shop.after = [lambda _request, good: answer(json.loads(good.get_data()) | {"errors": hidden})]

    assert shop.mint() == EXPECTED["shopify"]


@SHOPIFY
def test_a_discount_that_shopify_refuses_is_not_tried_again(shop: Shop) -> None:
    refused = [{"field": ["basicCodeDiscount", "endsAt"], "message": CODE, "code": "END_DATE_BEFORE_START_DATE"}]
    shop.before = [answer({"data": {"discountCodeBasicCreate": {"codeDiscountNode": None, "userErrors": refused}}})]
    error = failure(shop)

    assert type(error) is Permanent
    assert str(error) == "Shopify did not accept the coupon (END_DATE_BEFORE_START_DATE)."


@WOOCOMMERCE
def test_the_shops_own_word_for_a_refusal_is_shown(shop: Shop) -> None:
    shop.before = [answer({"code": "rest_invalid_param", "message": f"{CODE}: amount"}, 400)]

    assert str(failure(shop)) == "The shop did not accept the call (400, rest_invalid_param)."


@WOOCOMMERCE
def test_a_shop_that_lists_its_coupons_instead_of_making_one_made_none(shop: Shop) -> None:
    shop.before = [answer([{"id": 5, "code": "summer"}])]

    assert type(failure(shop)) is Ambiguous


@WOOCOMMERCE
def test_another_coupon_is_not_taken_for_ours(shop: Shop) -> None:
    shop.before = [answer(EXISTS, 400), answer([{"id": 5, "code": "summer"}])]

    assert type(failure(shop)) is Transient


POOL = urllib3.HTTPConnectionPool("shop.example")


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (requests.ConnectTimeout("x"), Transient),
        # Not out of the handshake: it may have come while the answer was read.
        (requests.exceptions.SSLError(MaxRetryError(POOL, "/", urllib3.exceptions.SSLError("x"))), Ambiguous),
        (requests.ReadTimeout("x"), Ambiguous),
        (requests.ConnectionError(urllib3.exceptions.ProtocolError("x")), Ambiguous),
        (requests.ConnectionError(), Ambiguous),
        (requests.exceptions.ChunkedEncodingError("x"), Ambiguous),
        (requests.exceptions.InvalidHeader("x"), Permanent),
    ],
)
def test_a_call_is_judged_by_the_error_inside(raised: Exception, kind: type[AdapterError]) -> None:
    def send() -> requests.Response:
        raise raised

    with pytest.raises(kind) as caught:
        ask(send, "The shop")

    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("date", "asked", "wait"),
    [
        ("Fri, 20 Nov 2026 12:00:00 GMT", "Fri, 20 Nov 2026 12:01:30 GMT", timedelta(seconds=90)),
        ("Fri, 20 Nov 2026 12:00:00 GMT", "Fri, 20 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("Fri, 20 Nov 2026 12:00:00 GMT", "Fri, 20 Nov 2099 12:00:00 GMT", timedelta(hours=24)),
        ("Fri, 20 Nov 2026 12:00:00 -0000", "Fri, 20 Nov 2026 12:01:30 GMT", None),
        (None, "Fri, 20 Nov 2026 12:01:30 GMT", None),
    ],
)
def test_a_date_to_come_back_at_is_read_against_the_shops_own_clock(
    date: str | None, asked: str, wait: timedelta | None
) -> None:
    response = requests.Response()
    response.status_code = 503
    response.raw = io.BytesIO(b"busy")
    response.headers.update({"Retry-After": asked} | ({"Date": date} if date else {}))

    assert ask(lambda: response, "The shop").retry_after == wait
