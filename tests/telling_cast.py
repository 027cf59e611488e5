"""Cartwheel and a shop of either platform, each on a port: what is written into the shop, and how the shop tells of it."""

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

from app import clock
from app.config import settings
from app.demo.fakes import Fakes
from app.demo.faults import ApiFaults
from app.demo.shop import Shop
from app.demo.shopify_people import customer_by_identifier
from app.demo.store import Checkout, Customer
from app.models import Base, CustomerIdentity
from app.models import Shop as Row
from app.services import edit_flow, install, mail_pace
from app.services.install import ShopFacts
from app.web import create_app
from tests import builders, pretend
from tests.mail_cast import links_of_outbox
from tests.woo_cast import WAIT, free_port, served, town

ALICE = "alice@example.com"
# What the shop sends after we changed somebody's consent there.
ECHOES = {"shopify": "customers_email_marketing_consent/update", "woocommerce": "customer.updated"}


@dataclass
class Place:
    """The shop, us, and every change that was made to an account through the shop's API."""

    house: sessionmaker[Session]
    fakes: Fakes
    platform: str
    url: str
    shop_id: int
    calls: list[str] = field(default_factory=list)
    cart: Checkout = field(init=False)

    @property
    def shop(self) -> Shop:
        return self.fakes.shops[self.platform]

    @property
    def faults(self) -> ApiFaults:
        return self.fakes.shopify_api.faults if self.platform == "shopify" else self.fakes.woocommerce_api.faults

    def account(self) -> None:
        """Alice opens an account; on Shopify whoever gives an address has one."""
        if self.platform == "woocommerce":
            self.fakes.woocommerce.register_customer(ALICE)
            self.listen()

    def mailed(self) -> None:
        """Alice leaves a cart, agrees to mail, and gets a reminder."""
        self.cart = self.shop.begin_checkout(email=ALICE)
        self.listen()
        self.wait(hours=1, minutes=1)

    def change_cart(self) -> None:
        """She changes the cart that she agreed in; its box stays ticked."""
        self.shop.change_cart(self.cart, [(self.shop.catalogue.products[0].variants[0].sku, 3)])

    def refuse(self) -> None:
        """Alice's mailbox unsubscribes her in one click."""
        (way,) = {link for links in links_of_outbox() for link in links if "/u/" in link}
        assert requests.post(way, data={"List-Unsubscribe": "One-Click"}, timeout=WAIT).status_code == 200

    def listen(self) -> None:
        """Wait until the shop has told all it has to tell, and work it off."""
        assert self.fakes.sender.wait_until_idle(WAIT)
        builders.work_off()

    def wait(self, **by: float) -> None:
        """Let time pass, here and there."""
        builders.skip_clock(self.house, timedelta(**by))
        self.fakes.clock.skip(timedelta(**by))
        builders.work_off()

    def consent_there(self) -> str | None:
        """Return what the shop holds about Alice's consent."""
        held = self.shop.store.get(Customer, ALICE)
        if held is None:
            return None
        return held.consent_state if self.platform == "shopify" else held.meta.get("_cartwheel_marketing_consent")

    def consent_here(self) -> str:
        """Return what counts of Alice's consent here."""
        with self.house() as session:
            return session.query(CustomerIdentity).filter_by(kind="email", value=ALICE).one().standing

    def is_vip_there(self) -> bool:
        """Say whether the shop holds Alice's tag."""
        if self.platform == "shopify":
            node = customer_by_identifier(self.fakes.shopify, {"identifier": {"emailAddress": ALICE}})
            return bool(node) and "vip" in node["tags"]
        held = self.shop.store.get(Customer, ALICE)
        return bool(held) and held.meta.get("cartwheel_tag_vip") == "yes"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.house() as session:
            return [tuple(row) for row in session.execute(text(query))]

    def held_here(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all that we hold about what people said, and what is to be told of it."""
        return {
            "said": self.rows("SELECT state, source FROM consents ORDER BY id"),
            "stands": self.rows(
                "SELECT value, consent_state, consent_at, agreed_at, refused_at FROM customer_identities "
                "WHERE kind = 'email' ORDER BY id"
            ),
            "to tell": self.rows("SELECT id, state, attempts, error FROM consent_writes ORDER BY id"),
        }

    def counts(self) -> dict[str, int]:
        """Return how many rows there are of everything."""
        with self.house() as session:
            return {t.name: session.scalar(select(func.count()).select_from(t)) for t in Base.metadata.sorted_tables}

    def heard(self, topic: str) -> list[str]:
        """Return the states of the webhooks of a topic."""
        return [state for state, told in self.rows("SELECT state, topic FROM webhooks ORDER BY id") if told == topic]

    def on(self, flow: str) -> None:
        """Switch a flow on."""
        with self.house.begin() as session:
            edit_flow.switch(session, self.shop_id, flow, on=True, actor="test", now=clock.now(session))


@contextmanager
def place(platform: str, house: sessionmaker[Session], patch: pytest.MonkeyPatch, folder: Path) -> Iterator[Place]:
    """Open both, connected, with the cart flow on."""
    with (_shopify if platform == "shopify" else _woocommerce)(house, patch, folder) as opened:
        _count_changes(opened, patch)
        opened.on("abandoned_cart")
        yield opened


@contextmanager
def _woocommerce(house: sessionmaker[Session], patch: pytest.MonkeyPatch, folder: Path) -> Iterator[Place]:
    with town(house, patch, folder) as opened:
        shop_id = opened.connect().id
        with house.begin() as session:
            # A merchant's shop begins with a night and a comparison group: neither is what these tests are about.
            mail_pace.change(session, session.get_one(Row, shop_id), quiet="off", caps="off", actor="test")
            session.execute(text("UPDATE flow_settings SET holdout_share = 0"))
        yield Place(house, opened.fakes, "woocommerce", opened.url, shop_id)


@contextmanager
def _shopify(house: sessionmaker[Session], patch: pytest.MonkeyPatch, _folder: Path) -> Iterator[Place]:
    port = free_port()
    patch.setenv("CARTWHEEL_PUBLIC_URL", f"http://127.0.0.1:{port}")
    url = f"http://127.0.0.1:{port}"
    with pretend.pretend_shops(patch, cartwheel_url=url) as fakes, served(create_app(), port):
        with house.begin() as session:
            facts = ShopFacts(name="Tea & Tin", sender_email="hello@tea-and-tin.example")
            domain, now = fakes.shopify.catalogue.domain, clock.now(session)
            shop = install.connect_shopify(session, domain, pretend.FIXED, facts, actor="test", now=now)
        yield Place(house, fakes, "shopify", settings().public_url, shop.id)


def _count_changes(opened: Place, patch: pytest.MonkeyPatch) -> None:
    """Note each change that the API makes; several threads answer."""
    lock = threading.Lock()
    shop, name = opened.shop, "set_consent" if opened.platform == "shopify" else "change_account"
    real = getattr(shop, name)

    def noting(*args: Any) -> Any:
        with lock:
            opened.calls.append(name)
        return real(*args)

    patch.setattr(shop, name, noting)
