"""Forged requests at every door of Shopify's, over real HTTP: refused as the pages say, nothing stored, nothing broken."""

import base64
import hashlib
import hmac
import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.serving import make_server

from app.demo.shopify_oauth import make_session_token, sign_query
from app.models import Base
from tests.builders import SHOPIFY_SECRET, TEA_AND_TIN, shopify_headers, sign, tea_and_tin
from tests.pretend import pretend_shops

Maker = sessionmaker[Session]
BODY = b'{"id": 1, "myshopify_domain": "tea-and-tin.myshopify.com"}'
SWITCH = "/admin/flows/abandoned_cart/activation"
EVIL = "tea-and-tin.myshopify.com.evil.example"


def now() -> int:
    """Read the clock when a request is made: these tests may have waited for their turn."""
    return int(time.time())


@dataclass(frozen=True)
class Forged:
    """One request and what it must be answered."""

    name: str
    path: str
    status: int
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


def webhook(name: str, status: int, *, body: bytes = BODY, topic: str = "app/uninstalled", **headers: str | None) -> Forged:
    """A webhook with some headers changed, or left out where None."""
    made = shopify_headers(topic, BODY, webhook_id=f"forged-{name}") | {
        key.replace("_", "-"): value for key, value in headers.items()
    }
    kept = {key: value for key, value in made.items() if value is not None}
    return Forged(f"webhook: {name}", "/webhooks/shopify", status, "POST", kept, body)


def jwt(header: dict[str, object] | str, claims: object, secret: str = SHOPIFY_SECRET, digest: str = "sha256") -> str:
    def pack(value: object) -> str:
        raw = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    signed = f"{pack(header)}.{pack(claims)}"
    return f"{signed}.{base64.urlsafe_b64encode(hmac.digest(secret.encode(), signed.encode(), digest)).decode().rstrip('=')}"


def claims(**change: object) -> dict[str, object]:
    home = f"https://{TEA_AND_TIN}"
    told = {
        "iss": f"{home}/admin", "dest": home, "aud": "client-id", "sub": "42", "exp": now() + 600, "nbf": now() - 5,
        "iat": now() - 5, "jti": "j", "sid": "s",
    } | change  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}


HS256 = {"alg": "HS256", "typ": "JWT"}


def tokens() -> dict[str, str]:
    """Every way that we know to spoil a session token."""
    good = jwt(HS256, claims())
    return {
        "empty": "", "no token": "x", "two parts": good.rpartition(".")[0], "four parts": f"{good}.x", "cut": good[:-2],
        "other secret": jwt(HS256, claims(), "guess"), "empty secret": jwt(HS256, claims(), ""),
        "no algorithm": f"{jwt({'alg': 'none'}, claims()).rpartition('.')[0]}.",
        "named none": jwt({"alg": "none"}, claims()), "HS512": jwt({"alg": "HS512"}, claims(), digest="sha512"),
        "HS256 said to be RS256": jwt({"alg": "RS256"}, claims()), "header is no JSON": jwt("{", claims()),
        "claims are a list": jwt(HS256, [1]), "claims are deep": jwt(HS256, "[" * 2000),
        "expired": jwt(HS256, claims(exp=now() - 3600)), "no end": jwt(HS256, claims(exp=None)),
        "end is text": jwt(HS256, claims(exp="never")), "end is huge": jwt(HS256, claims(exp=10**30)),
        "end is true": jwt(HS256, claims(exp=True)), "from tomorrow": jwt(HS256, claims(nbf=now() + 86400)),
        "no beginning": jwt(HS256, claims(nbf=None)), "other app": jwt(HS256, claims(aud="other")),
        "several apps": jwt(HS256, claims(aud=["client-id", "other"])), "no app": jwt(HS256, claims(aud=None)),
        "two shops": jwt(HS256, claims(dest="https://other.myshopify.com")),
        "look-alike": jwt(HS256, claims(iss=f"https://{EVIL}/admin", dest=f"https://{EVIL}")),
        "user info": jwt(HS256, claims(dest=f"https://{TEA_AND_TIN}@evil.example")),
        "no shop": jwt(HS256, claims(dest=None)),
        "no user": jwt(HS256, claims(sub=None)), "no session": jwt(HS256, claims(sid="")),
        "no id": jwt(HS256, claims(jti=7)),
        "very long": jwt(HS256, claims(sub="x" * 9000)), "of a shop's own secret": jwt(HS256, claims(), "shpat_x"),
    }  # fmt: skip


def query(path: str, *, secret: str = SHOPIFY_SECRET, spoil: dict[str, str] | None = None, **said: str) -> str:
    signed = sign_query({"shop": TEA_AND_TIN, "timestamp": str(now())} | said, secret)
    return f"{path}?{urlencode(signed | (spoil or {}))}"


def proxied(*, secret: str = SHOPIFY_SECRET, more: str = "", **said: str) -> str:
    told = {
        "shop": TEA_AND_TIN,
        "timestamp": str(now()),
        "path_prefix": "/apps/cartwheel",
        "logged_in_customer_id": "",
    } | said
    joined = "".join(f"{name}={told[name]}" for name in sorted(told))
    digest = hmac.new(secret.encode(), joined.encode(), hashlib.sha256).hexdigest()
    return f"/shopify/proxy?{urlencode(told | {'signature': digest})}{more}"


AUTH, BACK = "/shopify/auth", "/shopify/auth/callback"
PAGE = f"/admin/flows?embedded=1&shop={TEA_AND_TIN}&id_token="


def forgeries() -> list[Forged]:
    """All of them, each spoiled in one way only."""
    spoiled, good = tokens(), jwt(HS256, claims())
    return [
        webhook("no signature", 401, X_Shopify_Hmac_Sha256=None), webhook("empty signature", 401, X_Shopify_Hmac_Sha256=""),
        webhook("other secret", 401, X_Shopify_Hmac_Sha256=sign("guess", BODY)),
        webhook("signature of nothing", 401, X_Shopify_Hmac_Sha256=sign(SHOPIFY_SECRET, b"")),
        webhook("in hex", 401, X_Shopify_Hmac_Sha256=hmac.new(SHOPIFY_SECRET.encode(), BODY, "sha256").hexdigest()),
        webhook("cut signature", 401, X_Shopify_Hmac_Sha256=sign(SHOPIFY_SECRET, BODY)[:-3]),
        webhook("signature is no base64", 401, X_Shopify_Hmac_Sha256="%%%"),
        webhook("signature is no ASCII", 401, X_Shopify_Hmac_Sha256="\u00e9" * 44),
        webhook("a byte more", 401, body=BODY + b" "),
        webhook("empty body", 401, body=b""), webhook("no topic", 400, X_Shopify_Topic=None),
        webhook("no shop", 400, X_Shopify_Shop_Domain=None), webhook("look-alike", 400, X_Shopify_Shop_Domain=EVIL),
        webhook("unknown shop", 404, X_Shopify_Shop_Domain="nobody.myshopify.com"),
        webhook("gzip", 415, Content_Encoding="gzip"),
        *(webhook(f"unsigned {topic}", 401, topic=topic, X_Shopify_Hmac_Sha256=sign("guess", BODY))
          for topic in ("customers/data_request", "customers/redact", "shop/redact")),
        Forged("webhook: looked at", "/webhooks/shopify", 405),
        Forged("webhook: put", "/webhooks/shopify", 405, "PUT", {}, BODY),
        Forged("webhook: too large", "/webhooks/shopify", 413, "POST", {"Content-Length": str(9 << 20)}),
        *(Forged(f"fetch: {name}", "/admin/flows", 401, headers={"Authorization": f"Bearer {token}"})
          for name, token in spoiled.items()),
        *(Forged(f"toggle: {name}", SWITCH, 401, "POST", {"Authorization": f"Bearer {spoiled[name]}"}, b"")
          for name in ("empty", "other secret", "named none", "expired", "two shops", "look-alike")),
        *(Forged(f"page: {name}", f"{PAGE}{token}", 302) for name, token in spoiled.items() if name != "very long"),
        Forged("toggle without anything", SWITCH, 400, "POST", {}, b""),
        Forged("toggle with a token in the address", f"{SWITCH}?id_token={good}&embedded=1", 400, "POST", {}, b""),
        Forged("start: not signed", f"{AUTH}?shop={TEA_AND_TIN}&timestamp={now()}", 401),
        Forged("start: other secret", query(AUTH, secret="guess"), 401),
        Forged("start: other shop", query(AUTH, spoil={"shop": "other.myshopify.com"}), 401),
        Forged("start: other time", query(AUTH, spoil={"timestamp": str(now() - 1)}), 401),
        Forged("start: an hour old", query(AUTH, timestamp=str(now() - 3600)), 401),
        Forged("start: from tomorrow", query(AUTH, timestamp=str(now() + 86400)), 401),
        Forged("start: shop twice", f"{query(AUTH)}&shop=other.myshopify.com", 401),
        Forged("start: something added", f"{query(AUTH)}&host=x", 401),
        Forged("start: look-alike", query(AUTH, shop=EVIL), 401),
        Forged("start: time is no number", query(AUTH, timestamp="soon"), 401),
        Forged("return: nothing", BACK, 401), Forged("return: not signed", f"{BACK}?code=1&shop={TEA_AND_TIN}&state=s", 401),
        Forged("return: never begun", query(BACK, code="1", state="s"), 401),
        Forged("return: no state", query(BACK, code="1"), 401),
        Forged("return: other code", query(BACK, code="1", state="s", spoil={"code": "2"}), 401),
        Forged("return: own cookie", query(BACK, code="1", state="s"), 401, headers={"Cookie": "cartwheel=e30.x"}),
        Forged("proxy: not signed", f"/shopify/proxy?shop={TEA_AND_TIN}", 401),
        Forged("proxy: other secret", proxied(secret="guess"), 401),
        Forged("proxy: old", proxied(timestamp=str(now() - 600)), 401),
        Forged("proxy: shop twice", proxied(more="&shop=x"), 401),
        Forged("proxy: elsewhere", proxied(path_prefix="/admin"), 401), Forged("proxy: look-alike", proxied(shop=EVIL), 401),
        Forged("proxy: something added", proxied(more="&logged_in=1"), 401),
        Forged("bounce: elsewhere", f"/shopify/bounce?shop={TEA_AND_TIN}&shopify-reload=https%3A%2F%2Fevil.example", 400),
        Forged("bounce: other host", f"/shopify/bounce?shop={TEA_AND_TIN}&shopify-reload=%2F%2Fevil.example", 400),
        Forged("bounce: any shop", "/shopify/bounce?shop=*.myshopify.com&shopify-reload=%2Fadmin%2Fflows", 400),
    ]  # fmt: skip


@pytest.fixture
def door(house: Maker, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """The real app on a port; a shop of ours is there, and a shop's desk that would give tokens to whoever got through."""
    from app.web import create_app

    with pretend_shops(monkeypatch):
        server = make_server("127.0.0.1", 0, create_app(), threaded=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield "127.0.0.1", server.server_port
        server.shutdown()
        thread.join()
        server.server_close()


def rows(house: Maker) -> dict[str, int]:
    with house() as session:
        return {
            table.name: session.scalar(text(f"SELECT count(*) FROM {table.name}"))
            for table in Base.metadata.sorted_tables  # names of our own
        }


def ask(door: tuple[str, int], forged: Forged) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection(*door, timeout=30)
    connection.putrequest(forged.method, forged.path, skip_accept_encoding=True)
    if forged.body is not None and "Content-Length" not in forged.headers:
        connection.putheader("Content-Length", str(len(forged.body)))
    for name, value in forged.headers.items():
        connection.putheader(name, value.encode("utf-8"))
    connection.endheaders(forged.body)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, dict(answer.headers)


def test_everything_forged_is_refused_and_nothing_is_kept(house: Maker, door: tuple[str, int]) -> None:
    """I10, I11: no status but the promised one, no row more or less, no fault of ours."""
    with house.begin() as session:
        tea_and_tin(session)
    before, made = rows(house), forgeries()
    answers = {forged.name: ask(door, forged) for forged in made}
    bounced = [to["Location"] for forged in made if (to := answers[forged.name][1]).get("Location")]

    assert len(made) == len(answers) >= 100
    assert {f.name: answers[f.name][0] for f in made if answers[f.name][0] != f.status} == {}
    assert [name for name, (status, _) in answers.items() if status >= 500] == []
    assert rows(house) == before
    assert {location.partition("?")[0] for location in bounced} == {"/shopify/bounce"}
    assert "id_token" not in "".join(bounced)


def test_the_same_requests_with_nothing_forged_get_through(house: Maker, door: tuple[str, int]) -> None:
    """Guards the list above: were the doors shut to everybody, it would say nothing."""
    with house.begin() as session:
        tea_and_tin(session)
    real = make_session_token(TEA_AND_TIN, "client-id", SHOPIFY_SECRET, time.time())
    passed = [
        webhook("good", 200),
        Forged("fetch", "/admin/flows", 200, headers={"Authorization": f"Bearer {jwt(HS256, claims())}"}),
        Forged("toggle", SWITCH, 200, "POST", {"Authorization": f"Bearer {real}", "HX-Request": "true"}, b""),
        Forged("page", f"{PAGE}{real}", 200),
        Forged("start", query(AUTH), 302),
        Forged("proxy", proxied(), 200),
        Forged("bounce", f"/shopify/bounce?shop={TEA_AND_TIN}&shopify-reload=%2Fadmin%2Fflows", 200),
    ]

    assert {f.name: status for f in passed if (status := ask(door, f)[0]) != f.status} == {}
