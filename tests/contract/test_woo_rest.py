"""The one way to a WooCommerce shop's REST API, against servers on loopback that behave as badly as real ones do."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from app.domain.errors import AdapterError, Ambiguous, NotAllowed, Permanent, Transient
from app.domain.ports import ShopAccess
from integrations.woocommerce import rest
from integrations.woocommerce.rest import RestClient

KEY, SECRET = "ck_" + "a" * 40, "cs_" + "b" * 40
View = Callable[[Request], Response]


def answer(value: object, status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(json.dumps(value), status, headers=named, content_type="application/json")


class Server:
    """Answers with what `views` holds, one a request; the last stays."""

    def __init__(self) -> None:
        self.views: list[View] = []
        self.seen: list[Request] = []
        self.url = ""

    def serve(self, request: Request) -> Response:
        request.get_data(cache=True)
        self.seen.append(request)
        return (self.views.pop(0) if len(self.views) > 1 else self.views[0])(request)

    def says(self, *answers: Response) -> None:
        self.views = [lambda _request, each=each: each for each in answers]  # type: ignore[misc]

    def client(self, **more: Any) -> RestClient:
        return RestClient(access_to(self.url), **more)


def access_to(url: str, shop_id: int = 1) -> ShopAccess:
    return ShopAccess(shop_id=shop_id, domain="shop.example", base_url=url, key=KEY, secret=SECRET)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        return made.serve(Request(environ))(environ, start_response)

    running = make_server("127.0.0.1", 0, app, threaded=True)
    made.url = f"http://127.0.0.1:{running.server_port}"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["93.184.216.34", "10.0.0.5"], ["::ffff:169.254.169.254"], ["93.184.216.34", "64:ff9b::7f00:1"]],
)
def test_a_name_that_leads_into_a_private_network_is_not_connected_to(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """I15: one private address among public ones is enough, because the next look-up might choose it."""
    reached: list[object] = []
    infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: infos)
    monkeypatch.setattr(socket.socket, "connect", lambda _self, address: reached.append(address))

    with pytest.raises(Permanent, match="private network"):
        RestClient(access_to("https://rebound.example")).get("coupons")
    assert reached == []


def test_a_name_is_looked_up_once_and_the_connection_goes_to_what_was_vetted(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I15: the second answer of a rebinding name is not asked for between the look and the call."""
    server.says(answer([]))
    port = int(server.url.rpartition(":")[2])
    asked: list[object] = []

    def resolve(host: str, *_args: object, **_more: object) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "10.0.0.5"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    shop = RestClient(access_to(f"http://shop.localhost:{port}"))

    assert shop.read("coupons") == []
    assert asked == ["shop.localhost"]
    with pytest.raises(Permanent, match="private network"):  # another connection, another look-up: vetted as well
        shop.read("coupons")


@pytest.mark.parametrize("url", ["http://shop.example.com", "https://93.184.216.34", "https://shop.example.com:8443"])
def test_an_address_that_may_not_be_called_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(Permanent, match="connect it again"):
        RestClient(access_to(url))


def test_a_shop_that_drips_its_answer_is_left_in_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """I15: each byte comes before the time-out of one wait, the whole never would."""
    monkeypatch.setattr(rest, "TIMEOUT", 1.0)
    end = threading.Event()

    def drip(_request: Request) -> Response:
        return Response((b" " for _ in iter(lambda: end.wait(0.2), True)), 200, content_type="application/json")

    server.views = [drip]
    with pytest.raises(Ambiguous, match="did not answer in time"):
        server.client().get("coupons")
    end.set()


def test_a_question_is_repeated_after_the_wait_that_the_shop_asks_for(server: Server) -> None:
    server.says(answer({}, 429, Retry_After="7"), answer("<html>", 502), answer([{"id": 1}]))
    waits: list[float] = []

    assert server.client(patience=timedelta(seconds=60), sleep=waits.append).read("coupons") == [{"id": 1}]
    assert waits == [7.0, 2.0]


def test_a_question_is_not_repeated_for_longer_than_our_patience(server: Server) -> None:
    server.says(answer({}, 429, Retry_After="3600"))

    with pytest.raises(Transient) as caught:
        server.client(patience=timedelta(seconds=60), sleep=lambda _s: None).read("coupons")
    assert caught.value.retry_after == timedelta(hours=1)
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_makes_something_is_never_repeated_here(server: Server, status: int) -> None:
    server.says(answer({}, status))
    client = server.client(patience=timedelta(seconds=60), sleep=lambda _s: None)

    assert client.post("webhooks", {"topic": "order.created"}).status == status
    assert len(server.seen) == 1


def test_a_signature_whose_nonce_was_used_by_chance_is_made_anew(server: Server) -> None:
    used = {"code": "woocommerce_rest_authentication_error", "message": "Invalid nonce - nonce has already been used."}
    server.says(answer(used, 401), answer({"id": 5}, 201))

    assert server.client().post("webhooks", {}).status == 201
    nonces = [request.args["oauth_nonce"] for request in server.seen]
    assert len(set(nonces)) == 2


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (Response("<html>Maintenance</html>", 200, content_type="text/html"), Ambiguous, "a page for people"),
        (Response("<b>Notice</b>: x [] ", 200), Ambiguous, "PHP notice"),
        (answer({"code": "woocommerce_rest_cannot_view"}, 401), NotAllowed, "woocommerce_rest_cannot_view"),
        (answer({"code": "rest_no_route"}, 404), Permanent, "rest_no_route"),
        (answer({}, 301, Location="http://127.0.0.1:9/"), Permanent, "redirect"),
    ],
)
def test_what_is_no_answer_has_words_that_help(
    server: Server, given: Response, kind: type[AdapterError], words: str
) -> None:
    server.says(given)

    with pytest.raises(kind, match=words) as caught:
        server.client().read("orders")
    assert not any(hidden in str(caught.value) for hidden in (KEY, SECRET, "oauth", "127.0.0.1"))


def test_pages_are_counted_by_us_and_the_links_are_not_followed(server: Server) -> None:
    bad = f'<{server.url}/wp-json/wc/v3/orders?consumer_secret={SECRET}&page=2>; rel="next"'
    server.views = [
        lambda request: answer([{"page": request.args["page"]}], X_WP_TotalPages="3", Link=bad),
    ]

    pages = list(server.client().pages("orders", {"status": ["processing", "completed"], "after": 1}))
    assert pages == [[{"page": "1"}], [{"page": "2"}], [{"page": "3"}]]
    assert {request.args["status"] for request in server.seen} == {"processing,completed"}
    assert all(request.args["per_page"] == "100" for request in server.seen)


def test_a_list_without_a_count_goes_on_until_a_page_is_not_full(server: Server) -> None:
    server.says(answer([{"id": n} for n in range(100)]), answer([{"id": 100}]))

    assert [len(page) for page in server.client().pages("orders")] == [100, 1]


def test_a_list_that_is_too_long_does_not_end_as_if_it_were_complete(server: Server) -> None:
    server.says(answer([{"id": 1}], X_WP_TotalPages="900"))

    with pytest.raises(Permanent, match="more than 200 entries"):
        list(server.client().pages("orders", most=2))


def test_a_time_is_sent_as_utc_without_an_offset(server: Server) -> None:
    server.says(answer([]))
    lisbon = timezone(timedelta(hours=1))
    server.client().read("orders", {"modified_after": datetime(2026, 7, 1, 13, tzinfo=lisbon), "dates_are_gmt": True})

    (asked,) = server.seen
    assert (asked.args["modified_after"], asked.args["dates_are_gmt"]) == ("2026-07-01T12:00:00", "true")
    assert datetime(2026, 7, 1, 12, tzinfo=UTC) == datetime(2026, 7, 1, 13, tzinfo=lisbon)


def test_over_https_the_keys_travel_in_the_header_and_not_in_the_address() -> None:
    from integrations.woocommerce.carrier import CarriedAPI

    sent: dict[str, Any] = {}
    api = CarriedAPI("https://shop.example.com", KEY, SECRET, timeout=(1, 1))
    api._session.request = lambda method, url, **more: sent.update(url=url, **more)  # type: ignore[method-assign,assignment,func-returns-value]
    api.get("orders", params={"status": "any"})

    assert sent["url"] == "https://shop.example.com/wp-json/wc/v3/orders?status=any"
    assert (sent["auth"].username, sent["auth"].password) == (KEY, SECRET)
    assert sent["allow_redirects"] is False


def test_a_machine_of_ours_is_not_asked_for_a_proxy_or_a_password(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.says(answer([]))
    began = time.monotonic()

    assert server.client().read("orders") == []
    assert time.monotonic() - began < 30
