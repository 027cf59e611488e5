"""The pretend Shopify on a port of loopback, for tests that call it as a shop is called."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask.testing import FlaskClient
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from app.demo.config import DemoConfig
from app.demo.fakes import Fakes
from app.demo.server import create_app
from app.demo.shopify_oauth import make_session_token
from tests.builders import SHOPIFY_SECRET, TEA_AND_TIN

FIXED = "shpat_fixed"
CLIENT_ID = "client-id"


@contextmanager
def pretend_shops(patch: pytest.MonkeyPatch, *, cartwheel_url: str = "http://127.0.0.1:1") -> Iterator[Fakes]:
    """Serve both shops, and let the settings of the house lead to them.

    Args:
        patch: takes the settings back.
        cartwheel_url: where the shops send their webhooks, and what their admin shows.
    """
    from app.config import settings

    server = make_server("127.0.0.1", 0, lambda _environ, _start: [], threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    config = DemoConfig(
        cartwheel_url=cartwheel_url, shops_url=url, shopify_client_secret=SHOPIFY_SECRET, shopify_access_token=FIXED,
        woo_connection_path="/w", woo_webhook_secret="w", woo_consumer_key="ck", woo_consumer_secret="cs", announces=False,
    )  # fmt: skip
    fakes = Fakes(config)
    server.app = create_app(config, fakes)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    patch.setenv("CARTWHEEL_SHOPIFY_API_BASE", f"{url}/shopify")
    settings.cache_clear()
    try:
        yield fakes
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        fakes.stop()


def session_token(shop: str = TEA_AND_TIN, secret: str = SHOPIFY_SECRET, **change: object) -> str:
    """Make the token that App Bridge brings; `change` spoils it."""
    return make_session_token(shop, CLIENT_ID, secret, time.time(), **change)


def first_load(client: FlaskClient, token: str | None = None, path: str = "/admin/flows") -> TestResponse:
    """Open a page as Shopify's admin does."""
    query = {"embedded": "1", "host": "YWRtaW4", "shop": TEA_AND_TIN, "locale": "en"}
    return client.get(path, query_string=query | ({"id_token": token} if token else {}))


def bearer(token: str | None = None) -> dict[str, str]:
    """Return the headers of a fetch for a piece of a page, as htmx makes it with App Bridge in between."""
    return {"Authorization": f"Bearer {token or session_token()}", "HX-Request": "true", "HX-Request-Type": "partial"}


def csp(answer: TestResponse) -> str:
    """Return the policy that an answer carries."""
    return answer.headers["Content-Security-Policy"]
