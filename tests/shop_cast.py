"""A connected Tea & Tin whose pretend Shopify answers on loopback, and how its time and its webhooks are steered."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.serving import make_server

import jobs.inbox
import jobs.reconcile
from app import clock
from app.db import sessions
from app.demo.clock import DemoClock
from app.demo.config import DemoConfig
from app.demo.fakes import Fakes
from app.demo.server import create_app
from app.demo.webhook import Outgoing, SignedWebhook
from app.models import Cursor, claims
from app.services import install
from app.services.install import ShopFacts
from tests import builders

FIXED = "shpat_fixed"  # the access token that never ends


@contextmanager
def pretend_shops(outgoing: Outgoing) -> Iterator[Fakes]:
    """Serve the pretend shops; what they would send goes to `outgoing`."""
    server = make_server("127.0.0.1", 0, lambda _environ, _start: [], threaded=True)
    made = DemoConfig(
        cartwheel_url="http://127.0.0.1:8000", shops_url=f"http://127.0.0.1:{server.server_port}",
        shopify_client_secret=builders.SHOPIFY_SECRET, shopify_access_token=FIXED, woo_connection_path="/w",
        woo_webhook_secret="w", woo_consumer_key="ck", woo_consumer_secret="cs", announces=False,
    )  # fmt: skip
    fakes = Fakes(made, clock=DemoClock(), outgoing=outgoing)
    server.app = create_app(made, fakes)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fakes
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        fakes.stop()


def connect(maker: sessionmaker[Session], fakes: Fakes) -> int:
    """Connect Tea & Tin just now and return its id; its import is due."""
    with maker.begin() as session:
        facts = ShopFacts(name="Tea & Tin", sender_email="hello@tea-and-tin.example")
        domain = fakes.shopify.catalogue.domain
        return install.connect_shopify(session, domain, FIXED, facts, actor="test", now=clock.now(session)).id


def poll() -> None:
    """Ask the shops until nothing is due."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        jobs.reconcile.drain(deadline)
        with sessions().begin() as session:
            if not claims.is_anything_due(session, Cursor, clock.now(session)):
                return


def wait(maker: sessionmaker[Session], fakes: Fakes, by: timedelta) -> None:
    """Let time pass, here and there."""
    builders.skip_clock(maker, by)
    fakes.clock.skip(by)


def receive(maker: sessionmaker[Session], shop_id: int, webhooks: Sequence[SignedWebhook]) -> None:
    """Let these webhooks arrive, in this order."""
    with maker.begin() as session:
        for webhook in webhooks:
            triggered = datetime.fromisoformat(webhook.headers["X-Shopify-Triggered-At"])
            key = webhook.headers["X-Shopify-Webhook-Id"]
            builders.store_webhook(session, shop_id, webhook.topic, webhook.body, key=key, triggered_at=triggered)
    jobs.inbox.drain()


def rows(maker: sessionmaker[Session], query: str) -> list[tuple[Any, ...]]:
    """Return what a query finds."""
    with maker() as session:
        return [tuple(row) for row in session.execute(text(query))]
