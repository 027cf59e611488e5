"""Our pages in Shopify's frame: the bounce, a bearer for each request, who may frame what; and the app proxy."""

import re
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.test import TestResponse

from app.config import settings
from app.demo.fakes import Fakes
from app.models import FlowSettings, Shop
from tests.admin_cast import link
from tests.builders import SHOPIFY_SECRET, TEA_AND_TIN, lamp_loft, tea_and_tin
from tests.pretend import bearer, csp, first_load, pretend_shops, session_token

Maker = sessionmaker[Session]
FRAME = f"frame-ancestors https://{TEA_AND_TIN} https://admin.shopify.com"
SWITCH = "/admin/flows/abandoned_cart/activation"


@pytest.fixture
def fakes(house: Maker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    with pretend_shops(monkeypatch) as fakes:
        yield fakes


@pytest.fixture
def client(fakes: Fakes) -> FlaskClient:
    """A browser that keeps no cookie, as in a frame with third-party cookies blocked."""
    from app.web import create_app

    return create_app().test_client(use_cookies=False)


@pytest.fixture
def exchanges(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The grants that the desk was asked for."""
    desk, seen = fakes.shopify_api.desk, []
    answer = desk.answer
    monkeypatch.setattr(desk, "answer", lambda body: (seen.append(str(body.get("grant_type"))), answer(body))[1])
    return seen


def shop_row(house: Maker) -> Shop | None:
    with house() as session:
        return session.scalar(select(Shop).where(Shop.domain == TEA_AND_TIN))


def test_the_page_in_the_frame_is_made_for_it(house, client):
    answer = first_load(client, session_token())
    head = answer.text.partition("<head>")[2].lstrip()

    assert head.startswith('<meta name="shopify-api-key" content="client-id">\n<script src="https://cdn.shopify.com/')
    assert answer.text.index("app-bridge.js") < answer.text.index("htmx.min.js")
    assert not re.search(r"app-bridge\.js\"[^>]*(async|defer|module)", answer.text)
    assert 'data-host="shopify" data-theme="light"' in answer.text
    assert "<s-app-nav>" in answer.text
    assert 'class="side"' not in answer.text
    assert "csrf" not in answer.text.lower().replace('name="csrf_token" value=""', "")
    assert "Set-Cookie" not in answer.headers
    assert FRAME in csp(answer)
    assert "script-src 'self' https://cdn.shopify.com;" in csp(answer)
    assert all(f"shop={TEA_AND_TIN}" in url for url in re.findall(r'(?:href|action)="(/admin/[^"]+)"', answer.text))


@pytest.mark.parametrize("token", [None, "x", "expired", "other app", "other secret"])
def test_a_page_without_a_good_token_goes_by_way_of_the_bounce(house, client, exchanges, token):
    spoiled = {
        "expired": session_token(exp=int(time.time()) - 61),
        "other app": session_token(aud="x"),
        "other secret": session_token(secret="guess"),
    }
    answer = first_load(client, spoiled.get(token, token))
    there = urlsplit(answer.headers["Location"])
    said = {name: values[0] for name, values in parse_qs(there.query).items()}
    again = urlsplit(said["shopify-reload"])

    assert (answer.status_code, there.netloc, there.path) == (302, "", "/shopify/bounce")
    assert (said["shop"], said["host"], said["embedded"]) == (TEA_AND_TIN, "YWRtaW4", "1")
    assert again.path == "/admin/flows"
    assert "id_token" not in parse_qs(again.query) | said
    assert (shop_row(house), exchanges) == (None, [])


def test_the_bounce_page_holds_app_bridge_and_may_be_framed_by_that_shop_alone(client):
    there = first_load(client).headers["Location"]
    answer = client.get(there)

    assert answer.status_code == 200
    assert re.findall(r"<script src=\"([^\"]+)\"", answer.text) == ["https://cdn.shopify.com/shopifycloud/app-bridge.js"]
    assert FRAME in csp(answer)


def comes_back(answer: TestResponse) -> str:
    """Return the address that the bounce page leads to, as App Bridge finds it."""
    return parse_qs(urlsplit(answer.headers["Location"]).query)["shopify-reload"][0]


@pytest.mark.parametrize("spoiled", [{"aud": "x"}, {"secret": "guess"}, {"exp": int(time.time()) - 3600}])
def test_a_fresh_token_that_is_not_believed_ends_in_a_page_and_not_in_a_circle(house, client, spoiled):
    token = session_token(**spoiled)
    again = comes_back(first_load(client, token))
    answer = client.get(f"{again}&id_token={token}")

    assert answer.status_code == 403
    assert "client secret" in answer.text
    assert FRAME in csp(answer)
    assert shop_row(house) is None


def test_a_page_that_was_bounced_and_is_reloaded_later_is_bounced_again(house, client):
    bounced = int(time.time()) - 120
    stale = {"embedded": "1", "shop": TEA_AND_TIN, "id_token": session_token(exp=bounced), "bounced": bounced}
    answer = client.get("/admin/flows", query_string=stale)

    assert answer.status_code == 302
    assert comes_back(answer).count("bounced=") == 1
    assert f"bounced={bounced}" not in comes_back(answer)


def test_a_bounced_page_with_a_good_token_opens_and_its_links_know_nothing_of_it(house, client):
    again = comes_back(first_load(client))
    answer = client.get(f"{again}&id_token={session_token()}")

    assert answer.status_code == 200
    assert "bounced=" not in answer.text


@pytest.mark.parametrize(
    "query",
    ["", f"shop={TEA_AND_TIN}", "shopify-reload=/admin/flows", f"shop={TEA_AND_TIN}&shopify-reload=https://evil.example",
     f"shop={TEA_AND_TIN}&shopify-reload=//evil.example", f"shop={TEA_AND_TIN}&shopify-reload=/%5Cevil.example",
     f"shop={TEA_AND_TIN}&shopify-reload=/%09/evil.example", "shop=evil.example&shopify-reload=/admin/flows",
     "shop=x.myshopify.com.evil.example&shopify-reload=/", "shop=*&shopify-reload=/"],
)  # fmt: skip
def test_the_bounce_page_leads_nowhere_else(client, query):
    answer = client.get(f"/shopify/bounce?{query}")

    assert answer.status_code == 400
    assert "frame-ancestors 'none'" in csp(answer)


def test_a_fetch_with_a_stale_token_is_told_to_bring_a_fresh_one(house, client):
    first_load(client, session_token())
    stale = client.get("/admin/flows", headers=bearer(session_token(exp=int(time.time()) - 61)))
    fresh = client.get("/admin/flows", headers=bearer())

    assert (stale.status_code, stale.headers["X-Shopify-Retry-Invalid-Session-Request"]) == (401, "1")
    assert fresh.status_code == 200


def test_a_token_that_goes_stale_on_its_way_to_the_desk_is_asked_for_again(house, client, fakes):
    fakes.shopify_api.desk.faults.errors = ["invalid_subject_token"] * 2
    page, fetch = first_load(client, session_token()), client.get("/admin/flows", headers=bearer())

    assert urlsplit(page.headers["Location"]).path == "/shopify/bounce"
    assert (fetch.status_code, fetch.headers["X-Shopify-Retry-Invalid-Session-Request"]) == (401, "1")


def test_a_toggle_needs_the_bearer_and_no_csrf_token(house, client):
    first_load(client, session_token())
    refused = client.post(SWITCH)
    done = client.post(SWITCH, headers=bearer() | {"HX-Target": "tr#flow-abandoned_cart"})
    with house() as session:
        is_on = session.scalar(select(FlowSettings.is_on).where(FlowSettings.flow == "abandoned_cart"))

    assert (refused.status_code, done.status_code, is_on) == (400, 200, True)
    assert "Abandoned cart is live." in done.headers["HX-Trigger"]
    assert FRAME in csp(done)


def test_a_form_sent_whole_says_its_sentence_without_a_cookie(house, client):
    first_load(client, session_token())
    headers = {"Authorization": f"Bearer {session_token()}", "HX-Request": "true", "HX-Boosted": "true"}
    done = client.post(SWITCH, data={"from": "list"}, headers=headers)

    assert done.headers["HX-Location"].startswith("/admin/flows?")
    assert "is live" in done.headers["HX-Trigger"]
    assert "Set-Cookie" not in done.headers


def test_a_bearer_is_never_made_good_by_a_cookie(house, fakes):
    """A page of another origin cannot set the header; were a cookie enough beside it, the CSRF token could be left out."""
    from app.web import create_app

    with house.begin() as session:
        shop_id = tea_and_tin(session)
    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post(link(house, shop_id))
    app.config["WTF_CSRF_ENABLED"] = True

    assert client.get("/admin/flows").status_code == 200
    for header in ("Bearer", "Bearer x", f"bearer {session_token(secret='guess')}"):
        assert client.post(SWITCH, headers={"Authorization": header}).status_code == 401
    assert client.post(SWITCH, headers={"Authorization": "Basic x"}).status_code == 400


def test_the_shop_comes_from_the_token_and_from_no_parameter(house, client):
    """I10."""
    first_load(client, session_token())
    with house.begin() as session:
        session.execute(update(Shop).values(name="Tea of Alice"))
    query = f"?embedded=1&shop={TEA_AND_TIN}&shop_id=1&id_token={session_token('other.myshopify.com')}"
    answer = client.get(f"/admin/flows{query}")

    assert "Tea of Alice" not in answer.text
    assert TEA_AND_TIN not in csp(answer)


def test_a_shop_that_shopify_does_not_let_us_into_gets_a_page_in_its_frame(house, client, fakes):
    fakes.shopify_api.desk.faults.errors = ["invalid_client"]
    refused = first_load(client, session_token())
    fakes.shopify_api.desk.faults.throttle = 1
    busy = first_load(client, session_token())

    assert (refused.status_code, busy.status_code) == (403, 503)
    assert FRAME in csp(refused)
    assert FRAME in csp(busy)
    assert shop_row(house) is None


def test_no_page_asks_for_a_shops_domain(client):
    """Shopify's review: an install begins at Shopify."""
    pages = [client.get(path, follow_redirects=True) for path in ("/shopify/", "/shopify/auth", "/admin/flows")]

    assert [p.status_code for p in pages] == [200, 401, 200]
    assert [p.text for p in pages if "<input" in p.text or "myshopify" in p.text] == []


def test_the_app_proxy_answers_what_shopify_signed_for_a_shop_of_ours(house, client):
    import hashlib
    import hmac

    def ask(shop: str, path: str = "/shopify/proxy") -> int:
        said = {
            "shop": shop,
            "path_prefix": "/apps/cartwheel",
            "timestamp": str(int(time.time())),
            "logged_in_customer_id": "",
        }
        signed = "".join(f"{name}={said[name]}" for name in sorted(said))
        said["signature"] = hmac.new(SHOPIFY_SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
        return client.get(path, query_string=said).status_code

    before = ask(TEA_AND_TIN)
    first_load(client, session_token())

    assert (before, ask(TEA_AND_TIN), ask(TEA_AND_TIN, "/shopify/proxy/x"), ask("other.myshopify.com")) == (
        404,
        200,
        404,
        404,
    )
    assert client.get("/shopify/proxy").status_code == 401


def test_pages_outside_a_frame_may_be_framed_by_nobody(house, client):
    with house.begin() as session:
        lamp_loft(session)

    for path in ("/admin/signed-out", "/shopify/", "/shopify/auth", "/u/x", "/healthz", "/admin/nothing"):
        assert "frame-ancestors 'none'" in csp(client.get(path)), path


def test_links_that_lead_out_of_the_pages_leave_the_frame(house, client, monkeypatch):
    """What they lead to may not be shown in a frame: the shop front, the mailbox."""
    monkeypatch.setenv("CARTWHEEL_DEMO_SHOPS_URL", "http://127.0.0.1:8001")
    settings.cache_clear()
    pages = [first_load(client, session_token(), path) for path in ("/admin/flows", "/admin/webhooks", "/admin/mails")]
    links = [tag for page in pages for tag in re.findall(r"<a\b[^>]*>", page.text) if "href" in tag]
    out = [tag for tag in links if not re.search(r'href="(?:/admin/|#)', tag)]

    assert [page.status_code for page in pages] == [200] * 3
    assert len(out) > 6
    assert [tag for tag in out if 'target="_blank" rel="noopener"' not in tag] == []
