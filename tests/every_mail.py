"""Every mail of every flow, in every language: a shop of one platform, whose webhooks tell what makes each of them due.

Nothing is put into the ledger by hand: the inbox, the runner and the mail drain do their work, as they always do.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

import jobs.silent
from app import clock
from app.catalogues import LANGUAGES
from app.config import settings
from app.flows import FLOWS
from app.models import Shop
from app.services import brand, edit_flow, edit_rules
from tests import builders
from tests.contract import test_flow_stories as bodies

# What the platforms say of a reader of each language, in the words that WordPress and Shopify have for it.
LOCALES = {"en": "en_US", "ar": "ar_AE", "zh_Hans": "zh_CN", "zh_Hant": "zh_TW", "az": "az_AZ"}
TAGS = tuple(name.replace("_", "-") for name in LANGUAGES)
PLATFORMS = ("shopify", "woocommerce")
EVERY = [(flow.key, send.key, tag) for flow in FLOWS.values() for send in flow.sends for tag in TAGS]
LOGO = "https://cdn.example/logo.png"
SOCIAL = {"name": "Pictures", "url": "https://pictures.example/tea"}


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who reads one language; the address names it."""

    number: int
    language: str

    @property
    def email(self) -> str:
        return f"reader-{self.number}.{self.language.replace('_', '-')}@example.com"


def tag_of(email: str) -> str:
    """Return the language of a reader by the address, which is kept in small letters."""
    said = email.partition(".")[2].partition("@")[0]
    return next(tag for tag in TAGS if tag.lower() == said)


@dataclass
class Street:
    """A shop of one platform and its customers."""

    house: sessionmaker[Session]
    platform: str
    visitor: FlaskClient
    shop_id: int = field(init=False)
    now: datetime = field(init=False)
    form: str = field(init=False)  # where people sign up
    _told: int = 0
    _people: int = 0

    def __post_init__(self) -> None:
        with self.house.begin() as session:
            if self.platform == "shopify":
                self.shop_id = builders.tea_and_tin(session, flow_on=False)
            else:
                self.shop_id, _ = builders.lamp_loft(session, flow_on=False)
            shop, self.now = session.query(Shop).one(), clock.now(session)
            shop.reply_to = "help@shop.example"
            brand.save(session, shop.id, {"logo_url": LOGO, "social": [SOCIAL]}, actor="test", now=self.now)
            brand.set_postal_address(session, shop, "1 Harbour St\nLisbon", actor="test")
            edit_rules.change(session, shop.id, {"tracks_opens": True}, actor="test", now=self.now)
            form_token = edit_rules.form_token(session, shop.id, now=self.now)
        self.form = f"{settings().public_url}/signup/{form_token}"
        self._tell("products/update", "product.updated", self._product())

    def play(self) -> None:
        """Let every flow mail what it can, one flow after the other."""
        for flow, story in STORIES.items():
            self.switch(flow, on=True)
            story(self)
            self.switch(flow, on=False)

    def readers(self) -> list[Reader]:
        """Return somebody new for each language."""
        first = self._people
        self._people += len(LOCALES)
        return [Reader(first + n, language) for n, language in enumerate(LOCALES, 1)]

    def leave_carts(self, readers: Sequence[Reader]) -> None:
        """They fill carts, agree to mail, and leave; WooCommerce tells of nobody's language elsewhere."""
        for reader in readers:
            token, locale = f"cart-{reader.number}", LOCALES[reader.language]
            if self.platform == "shopify":
                body = builders.checkout_body(token, self.now, email=reader.email, customer_id=reader.number)
                body["customer_locale"] = locale.replace("_", "-")
            else:
                body = bodies.woo_checkout(token, self.now, email=reader.email)
                body |= {"locale": locale, "customer_id": reader.number}
            self._tell("checkouts/update", "checkout.updated", body)

    def buy(self, readers: Sequence[Reader], n: int = 0, *, ago: timedelta = timedelta(0), **more: Any) -> None:
        """Each of them buys, and agrees to mail; `more` as the builders of orders say."""
        for reader in readers:
            number, at = reader.number * 10 + n, self.now - ago
            if self.platform == "shopify":
                body = bodies.shopify_order(number, at, consents=True, **more)
                body |= {
                    "email": reader.email, "customer_locale": LOCALES[reader.language].replace("_", "-"),
                    "customer": {"id": reader.number, "email": reader.email, "first_name": "Alice"},
                }  # fmt: skip
            else:
                body = bodies.woo_order(number, at, consents=True, **more) | {"customer_id": reader.number}
                body["billing"] |= {"email": reader.email}
            self._tell("orders/updated", "order.updated", body)

    def sign_up(self, readers: Sequence[Reader]) -> None:
        """Each of them types the address into the shop's form, shown in their language."""
        for reader in readers:
            answer = self.visitor.post(self.form, data={"email": reader.email, "lang": reader.language.replace("_", "-")})
            assert answer.status_code == 200
        builders.work_off()

    def wait(self, **by: float) -> None:
        """Let time pass, and the house work."""
        builders.skip_clock(self.house, timedelta(**by))
        with self.house() as session:
            self.now = clock.now(session)
        builders.work_off()

    def switch(self, flow: str, *, on: bool) -> None:
        """Switch a flow of the shop on or off."""
        with self.house.begin() as session:
            if flow == "double_opt_in":
                edit_rules.change(session, self.shop_id, {"double_opt_in": on}, actor="test", now=self.now)
            else:
                edit_flow.switch(session, self.shop_id, flow, on=on, actor="test", now=self.now)

    def _tell(self, shopify: str, woocommerce: str, body: dict[str, Any]) -> None:
        """Put a webhook into the inbox."""
        self._told += 1
        topic = shopify if self.platform == "shopify" else woocommerce
        with self.house.begin() as session:
            builders.store_webhook(session, self.shop_id, topic, body, key=f"w{self._told}", platform=self.platform)

    def _product(self) -> dict[str, Any]:
        """Return the recorded product, as the one that all these carts and orders hold."""
        if self.platform == "shopify":
            held = json.loads((builders.PAYLOADS / "shopify/products/update.json").read_text())
            return held | {"id": 11, "updated_at": self.now.isoformat()}
        held = json.loads((builders.PAYLOADS / "woocommerce/product.updated.json").read_text())
        return json.loads(held["body"]) | {"id": 21, "date_modified_gmt": self.now.isoformat()}


def _abandoned_cart(street: Street) -> None:
    street.leave_carts(street.readers())
    builders.work_off()
    for hours in (1.1, 24):
        street.wait(hours=hours)


def _welcome(street: Street) -> None:
    street.leave_carts(street.readers())
    builders.work_off()
    for days in (0.1, 2.1, 2.1, 3.1):
        street.wait(days=days)


def _post_purchase(street: Street) -> None:
    new, known = street.readers(), street.readers()
    street.leave_carts([*new, *known])
    street.buy(known, ago=timedelta(days=10))
    street.buy([*new, *known], 1)
    builders.work_off()
    for days in (1.1, 6, 14):
        street.wait(days=days)


def _review_request(street: Street) -> None:
    readers = street.readers()
    street.leave_carts(readers)
    street.buy(readers, sent_off=True)
    builders.work_off()
    for days in (18.1, 7.1):
        street.wait(days=days)


def _vip(street: Street) -> None:
    readers = street.readers()
    street.leave_carts(readers)
    for n in range(1, 4):
        # So old that the next round still finds them good customers, and the one after it does not.
        street.buy(readers, n, ago=timedelta(days=250))
    street.buy(readers)
    builders.work_off()
    for days in (0.1, 30.1, 30.1):
        street.wait(days=days)


def _double_opt_in(street: Street) -> None:
    street.sign_up(street.readers())
    street.wait(hours=24.1)


def _re_permission(street: Street) -> None:
    """They get the mails of the welcome flow, open none, and half a year goes by."""
    street.switch("welcome", on=True)
    _welcome(street)
    street.switch("welcome", on=False)
    street.wait(days=173)
    jobs.silent.ask(street.now)
    builders.work_off()


# Half a year goes by in the first.
# The last ones' links lead on for seven days only: they are told last, so that a robot meets them alive.
STORIES: dict[str, Callable[[Street], None]] = {
    "re_permission": _re_permission,
    "abandoned_cart": _abandoned_cart,
    "welcome": _welcome,
    "post_purchase": _post_purchase,
    "review_request": _review_request,
    "vip": _vip,
    "double_opt_in": _double_opt_in,
}
