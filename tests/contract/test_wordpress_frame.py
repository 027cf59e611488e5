"""Our pages in wp-admin's frame: a bearer of the plugin for each request, who may frame what, and the plugin's zip."""

import io
import time
import zipfile
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from app.models import FlowSettings, Shop
from app.web.directory import directory
from integrations.woocommerce.verify import secret_of
from tests.admin_cast import link
from tests.builders import WOO_SECRET, lamp_loft, tea_and_tin
from tests.pretend import csp
from tests.unit.test_companion import token

Maker = sessionmaker[Session]
ORIGIN = "https://lamp-loft.example"
FRAME = f"frame-ancestors {ORIGIN}"
SWITCH = "/admin/flows/abandoned_cart/activation"
RETRY = "X-Shopify-Retry-Invalid-Session-Request"


@pytest.fixture
def connection(house: Maker) -> str:
    """Lamp Loft beside Tea & Tin."""
    directory.cache_clear()
    with house.begin() as session:
        tea_and_tin(session)
        return lamp_loft(session)[1]


@pytest.fixture
def client(house: Maker) -> FlaskClient:
    """A browser that keeps no cookie, as in a frame with third-party cookies blocked."""
    from app.web import create_app

    return create_app().test_client(use_cookies=False)


def passport(connection: str, secret: str = WOO_SECRET, **change: object) -> str:
    now = int(time.time())
    claims = {
        "v": 1, "cid": connection, "topic": "checkout.updated", "uid": "7", "origin": ORIGIN, "iat": now, "exp": now + 60,
        "nonce": "00112233445566778899aabbccddeeff",
    }  # fmt: skip
    return token(claims | change, secret_of(secret, "checkout.updated"))


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}", "HX-Request": "true", "HX-Request-Type": "partial"}


def test_the_first_page_is_made_for_its_frame(client, connection):
    first = client.get("/woocommerce/admin", query_string={"wordpress_token": passport(connection)})
    answer = client.get(first.headers["Location"])

    assert (first.status_code, answer.status_code) == (302, 200)
    assert 'data-host="wordpress" data-theme="light"' in answer.text
    assert csp(answer).endswith(FRAME)
    assert f'content="{ORIGIN}"' in answer.text
    assert "Lamp Loft" in answer.text
    assert "Tea &amp; Tin" not in answer.text
    assert "Sign out" not in answer.text
    assert "Set-Cookie" not in answer.headers
    assert 'name="csrf_token" value=""' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_address_on_the_page_says_where_it_is(client, connection):
    answer = client.get("/admin/flows", query_string={"wordpress_token": passport(connection)})

    assert "/admin/mails?embedded=wordpress&amp;back_office=https://lamp-loft.example" in answer.text
    assert "wordpress_token" not in answer.text


def test_a_toggle_needs_a_bearer_and_nothing_else(client, house, connection):
    answer = client.delete(SWITCH, headers=bearer(passport(connection)))
    with house() as session:
        found = session.execute(
            select(Shop.platform, FlowSettings.is_on)
            .join(Shop, Shop.id == FlowSettings.shop_id)
            .where(FlowSettings.flow == "abandoned_cart")
        ).all()

    assert answer.status_code == 200
    assert dict(map(tuple, found)) == {"shopify": True, "woocommerce": False}


def test_another_shops_token_shows_nothing_of_this_one(client, house, connection):
    """I10: the shop is the one that signed, whatever else the request says."""
    with house.begin() as session:
        other, other_connection = lamp_loft(session, url="https://other.example")
        session.execute(update(Shop).where(Shop.id == other).values(name="Other Shop"))
    theirs = passport(other_connection, origin="https://other.example")
    query = {"embedded": "wordpress", "back_office": ORIGIN, "shop": ORIGIN}
    answer = client.get("/admin/flows", query_string=query, headers={"Authorization": f"Bearer {theirs}"})

    assert "Other Shop" in answer.text
    assert "Lamp Loft" not in answer.text
    assert csp(answer).endswith("frame-ancestors https://other.example")


@pytest.mark.parametrize("wrong", ["secret", "connection", "stale", "early", "http", "none"])
def test_a_wrong_token_gets_401_and_says_nothing(client, connection, wrong, monkeypatch):
    now = int(time.time())
    text = {
        "secret": lambda: passport(connection, "another"),
        "connection": lambda: passport("A" * 22),
        "stale": lambda: passport(connection, iat=now - 300, exp=now - 240),
        "early": lambda: passport(connection, iat=now + 300, exp=now + 360),
        "http": lambda: passport(connection, origin="http://lamp-loft.example"),
        "none": lambda: "",
    }[wrong]()
    if wrong == "http":
        from app.config import settings

        monkeypatch.setenv("CARTWHEEL_ALLOW_LOOPBACK_SHOPS", "false")
        settings.cache_clear()
    answer = client.get("/admin/flows", headers={"Authorization": f"Bearer {text}"})

    assert (answer.status_code, answer.headers[RETRY]) == (401, "1")
    assert "Lamp Loft" not in answer.text
    assert csp(answer).endswith("frame-ancestors 'none'")


def test_a_shop_that_is_disconnected_lets_nobody_in(client, house, connection):
    from app.models import ShopToken

    with house.begin() as session:
        session.execute(ShopToken.__table__.delete())
    directory.cache_clear()

    assert client.get("/admin/flows", headers={"Authorization": f"Bearer {passport(connection)}"}).status_code == 401


def test_a_cookie_does_not_let_a_bad_bearer_in(house, connection):
    from app.web import create_app

    client = create_app().test_client()
    with house.begin() as session:
        shop_id = session.scalar(select(Shop.id).where(Shop.platform == "woocommerce"))
    client.post(link(house, [shop_id]))

    assert client.get("/admin/flows", headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_page_that_is_loaded_anew_is_sent_for_a_token_and_shows_nothing(client, connection):
    query = {"embedded": "wordpress", "back_office": ORIGIN, "wordpress_token": passport(connection, "another"), "page": "2"}
    bounced = client.get("/admin/webhooks", query_string=query)
    renewing = client.get(bounced.headers["Location"])

    assert bounced.status_code == 302
    assert "wordpress_token" not in bounced.headers["Location"]
    assert (renewing.status_code, csp(renewing).endswith(FRAME)) == (200, True)
    assert "page=2" in renewing.text
    assert "Lamp Loft" not in renewing.text


@pytest.mark.parametrize("unknown", ["secret", "connection"])
def test_a_fresh_token_that_is_not_believed_ends_in_a_page_and_not_in_a_circle(client, connection, unknown):
    theirs = passport(connection, "another") if unknown == "secret" else passport("A" * 22)
    query = {"embedded": "wordpress", "back_office": ORIGIN, "wordpress_token": theirs}
    bounced = client.get("/admin/flows", query_string=query)
    again = parse_qs(urlsplit(bounced.headers["Location"]).query)["again"][0]
    answer = client.get(f"{again}&wordpress_token={theirs}")

    assert answer.status_code == 403
    assert "Connect it again" in answer.text
    assert "Lamp Loft" not in answer.text
    assert csp(answer).endswith(FRAME)


@pytest.mark.parametrize(
    "query",
    [
        {"back_office": "https://evil.example; script-src *", "again": "/admin/flows?x=1"},
        {"back_office": "https://evil.example/x", "again": "/admin/flows"},
        {"back_office": ORIGIN, "again": "https://evil.example/admin/"},
        {"back_office": ORIGIN, "again": "//evil.example"},
        {"back_office": ORIGIN, "again": "/admin/\\evil"},
        {"back_office": ORIGIN, "again": "/support/"},
        {"back_office": ORIGIN},
        {},
    ],
    ids=str,
)
def test_the_page_that_renews_leads_to_our_own_pages_only(client, query):
    assert client.get("/woocommerce/renew", query_string=query).status_code == 400


def test_anybody_may_download_the_plugin_and_keep_it_for_an_hour(client):
    first = client.get("/woocommerce/plugin.zip")
    again = client.get("/woocommerce/plugin.zip", headers={"If-None-Match": first.headers["ETag"]})

    assert (first.status_code, first.mimetype, again.status_code, again.data) == (200, "application/zip", 304, b"")
    assert first.headers["Cache-Control"] == "public, max-age=3600"
    home = zipfile.ZipFile(io.BytesIO(first.data)).read("cartwheel/home.php").decode()
    assert "return 'http://127.0.0.1:8000';" in home


def test_the_command_packs_the_same_bytes(client, house, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from app.cli import cli

    file = tmp_path / "plugin.zip"
    done = CliRunner().invoke(cli, ["plugin", "zip", "-o", str(file), "--json"])

    assert done.exit_code == 0, done.output
    assert '"version": "1.0.0"' in done.output
    assert file.read_bytes() == client.get("/woocommerce/plugin.zip").data
