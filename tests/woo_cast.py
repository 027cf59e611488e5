"""A WooCommerce shop and Cartwheel, each on a port of its own, for tests that connect the one to the other."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.serving import make_server

from app.demo.config import DemoConfig
from app.demo.fakes import Fakes
from app.demo.server import create_app as create_shops
from app.demo.webhook import SignedWebhook
from app.demo.woocommerce import WooShop
from app.models import OAuthState, Shop
from app.services import edit_flow
from jobs import connecting, doubts, reconcile
from tests import builders

KEY, SECRET = "ck_" + "1" * 40, "cs_" + "2" * 40
WAIT = 30.0  # seconds; a test that waits so long has failed


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(app: object, port: int) -> Iterator[None]:
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Town:
    """Both of them, and a browser."""

    house: sessionmaker[Session]
    fakes: Fakes
    url: str
    browser: requests.Session = field(default_factory=requests.Session)

    @property
    def shop(self) -> WooShop:
        return self.fakes.woocommerce

    @property
    def address(self) -> str:
        return self.shop.home_url

    def get(self, path: str, browser: requests.Session | None = None, **more: str) -> requests.Response:
        return (browser or self.browser).get(self.url + path, params=more or None, timeout=WAIT)

    def post(self, path: str, browser: requests.Session | None = None, **form: str) -> requests.Response:
        """Send the form of the start page, whose token opens all of them."""
        browser = browser or self.browser
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/woocommerce/connect", browser).text)
        assert token
        return browser.post(self.url + path, data={"csrf_token": token[1], **form}, timeout=WAIT)

    def work(self) -> None:
        """Do all that a job would do, without its process."""
        connecting.drain(float("inf"))

    def begin(self, **form: str) -> requests.Response:
        """Enter the address, have it looked at, and return the page of the attempt."""
        self.post("/woocommerce/connect", address=self.address, **form)
        self.work()
        return self.get("/woocommerce/connect/progress")

    def approve_url(self, page: requests.Response) -> str:
        found = re.search(r'href="([^"]+/wc-auth/v1/authorize[^"]+)"', page.text)
        assert found, page.text
        return found[1].replace("&amp;", "&")

    def approve(self, page: requests.Response, browser: requests.Session | None = None) -> requests.Response:
        """Press Approve in the shop and come back."""
        url = self.approve_url(page).replace("/authorize?", "/access_granted?")
        return (browser or self.browser).get(url, timeout=WAIT)

    def connect(self) -> Shop:
        """Connect the shop from the first page to the last."""
        self.approve(self.begin())
        self.work()
        with self.house() as session:
            return session.scalars(select(Shop)).one()

    def attempt(self) -> OAuthState:
        with self.house() as session:
            return session.scalars(select(OAuthState).order_by(OAuthState.id.desc()).limit(1)).one()


@contextmanager
def town(house: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Town]:
    """Open both on loopback: the shop without any webhook of ours yet, and with our plugin."""
    from app import config
    from app.services import connecting as attempts
    from app.web import create_app

    web, shops = free_port(), free_port()
    monkeypatch.setenv("CARTWHEEL_PUBLIC_URL", f"http://127.0.0.1:{web}")
    monkeypatch.setattr(attempts, "GRACE", timedelta(0))
    config.settings.cache_clear()
    told = DemoConfig(
        cartwheel_url=f"http://127.0.0.1:{web}", shops_url=f"http://127.0.0.1:{shops}", shopify_client_secret="s",
        shopify_access_token="t", woo_connection_path="", woo_webhook_secret="w", woo_consumer_key=KEY,
        woo_consumer_secret=SECRET, data_dir=folder / "shops", announces=False,
    )  # fmt: skip
    fakes = Fakes(told)
    fakes.woocommerce.delays = (0.0, 0.0)
    with served(create_app(), web), served(create_shops(told, fakes), shops):
        yield Town(house, fakes, f"http://127.0.0.1:{web}")
    fakes.stop()
    config.settings.cache_clear()


@pytest.fixture
def connected(house: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Town]:
    """A connected shop whose first import is over, and whose deliveries come when the test says so."""
    with town(house, monkeypatch, tmp_path) as opened:
        opened.connect()
        assert opened.fakes.sender.wait_until_idle(WAIT)
        work(opened)
        yield opened


def work(place: Town) -> None:
    """Do everything that is due: connecting, doubts, polling, webhooks, steps, mails."""
    connecting.drain(float("inf"))
    builders.work_off()
    doubts.drain(float("inf"))
    reconcile.drain(float("inf"))
    builders.work_off()


def delivered(place: Town) -> None:
    """Wait until the shop has sent all it has to send, and work it off."""
    assert place.fakes.sender.wait_until_idle(WAIT)
    builders.work_off()


def send(webhook: SignedWebhook) -> int:
    return requests.post(webhook.url, data=webhook.body, headers=webhook.headers, timeout=WAIT).status_code


def due(place: Town, *kinds: str) -> None:
    """Let the time come at which these are asked for again."""
    with place.house.begin() as session:
        session.execute(text("UPDATE cursors SET due_at = now() WHERE kind = ANY(:kinds)"), {"kinds": list(kinds)})


def switch_on(place: Town, *flows: str) -> None:
    with place.house.begin() as session:
        for flow in flows:
            edit_flow.switch(session, 1, flow, on=True, actor="test", now=session.scalar(select(func.now())))


def rows(place: Town, query: str) -> list[tuple[Any, ...]]:
    with place.house() as session:
        return [tuple(row) for row in session.execute(text(query))]
