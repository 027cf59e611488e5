"""One person with one address buys at two shops, one on each platform: what happens at one is not the other's (I10).

All that can be spelled alike is: the address, the numbers of the account, the order, the parcel and the product, the token
of the checkout, the code of the coupon. It was seen to fail with the shop left out of a query in each of: `people.find` and
`_fold_consent`, `snapshots._checkouts`, `_orders` and `_switches`, `react._update_runs`, `trade._mark_deleted` and
`_fold_tracking`, `histories._delivered`, `attribution._decide_shop` and `_note_redeemed`, `unsubscribe.find`, and three of
`wipe.rows_of`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

import jobs.crediting
import jobs.housekeeping
from app import clock
from app.domain import events as e
from app.domain.polling import Page
from app.models import Delivery, Enrollment, Shop
from app.services import answers, edit_flow, erase, people, reconcile, stopping
from app.services.content import unsubscribe_token
from app.services.suppress import suppress
from app.web import create_app
from integrations import PLATFORMS
from tests import builders
from tests.admin_cast import client_of
from tests.contract import test_flow_stories as stories
from tests.contract.test_tenancy import everything

ALICE, BEN = "alice@example.com", "ben@example.com"
ACCOUNT, ORDER, PRODUCT, TOKEN, CART, CODE = "9", "5", "21", "t1", "cart-t1", "SAME-CODE"
FLOWS = ("abandoned_cart", "review_request", "post_purchase")


@dataclass(frozen=True)
class Two:
    """Both shops, and which of them something happens at."""

    house: sessionmaker[Session]
    here: int
    there: int
    now: datetime
    runs: frozenset[int]  # of her carts

    def happen(self, what: "Act") -> None:
        """Let something happen at the one shop, and everything run that is due because of it, of both."""
        with self.house.begin() as session:
            people.lock_shop(session, self.here)
            shop = session.get_one(Shop, self.here)
            if told := what(session, shop, self.now):
                reconcile.fold(session, self.here, Page(events=told, objects=len(told), next=None), now=self.now)
        quiet()


Act = Callable[[Session, Shop, datetime], list[e.Event] | None]


def quiet() -> None:
    """Work off what is due, of both shops."""
    builders.work_off()
    jobs.crediting.drain()
    jobs.housekeeping.drain()


@pytest.fixture(params=["at the Shopify shop", "at the WooCommerce shop"])
def two(request: pytest.FixtureRequest, house: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch) -> Two:
    """Alice and Ben have bought, left a cart and had its reminder at both, and each of their numbers is the same."""
    for platform in PLATFORMS.values():
        monkeypatch.setattr(platform, "mint_coupon", lambda access, spec: f"made-{spec.code}")
    with house.begin() as session:
        tea, (lamp, _) = builders.tea_and_tin(session, flow_on=False), builders.lamp_loft(session, flow_on=False)
        now = clock.now(session)
        for shop_id in (tea, lamp):
            for flow in FLOWS:
                edit_flow.switch(session, shop_id, flow, on=True, actor="test", now=now)
    for shop_id, platform in ((tea, "shopify"), (lamp, "woocommerce")):
        told = bodies(platform, now)
        with house.begin() as session:
            for n, (topic, body) in enumerate(told):
                builders.store_webhook(session, shop_id, topic, body, key=f"w{n}", platform=platform)
    quiet()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    quiet()
    with house.begin() as session:
        for shop_id in (tea, lamp):
            code(session, shop_id)
        now = clock.now(session)
        runs = session.scalars(select(Enrollment.id).where(Enrollment.flow == "abandoned_cart", Enrollment.episode == TOKEN))
        hers = frozenset(runs)
    here, there = (tea, lamp) if request.param == "at the Shopify shop" else (lamp, tea)
    return Two(house, here, there, now, hers)


def bodies(platform: str, now: datetime) -> list[tuple[str, dict[str, Any]]]:
    """What both platforms tell of the same people: an order of the day before that is on its way, and a cart of now."""
    before = now - timedelta(days=1)
    if platform == "shopify":
        order = stories.shopify_order(int(ORDER), before, sent_off=True, consents=True) | {
            "name": f"#TEA-{ORDER}", "checkout_token": "t0", "cart_token": "c0", "discount_codes": [{"code": "OLD"}],
        }  # fmt: skip
        line = {**order["line_items"][0], "product_id": int(PRODUCT)}
        cart = builders.checkout_body(TOKEN, now, customer_id=int(ACCOUNT))
        bens = builders.checkout_body("t2", now, email=BEN, customer_id=10)
        product = {"id": int(PRODUCT), "title": "Mug", "updated_at": before.isoformat(), "variants": [{"price": "24.00"}]}
        return [("orders/updated", order | {"line_items": [line]}), ("checkouts/update", cart), ("checkouts/update", bens),
                ("products/update", product)]  # fmt: skip
    order = stories.woo_order(int(ORDER), before, sent_off=True, consents=True) | {
        "number": f"LAMP-{ORDER}", "coupon_lines": [{"code": "old"}],
    }  # fmt: skip
    cart = stories.woo_checkout(TOKEN, now) | {"customer_id": int(ACCOUNT)}
    bens = stories.woo_checkout("t2", now, email=BEN) | {"customer_id": 10}
    product = {"id": int(PRODUCT), "name": "Heron Lamp", "date_modified_gmt": before.isoformat(), "price": "48.00"}
    return [("order.updated", order), ("checkout.updated", cart), ("checkout.updated", bens), ("product.updated", product)]


def code(session: Session, shop_id: int) -> None:
    """Both shops happen to have made the same code for her next mail."""
    session.execute(
        text(
            "INSERT INTO coupons (shop_id, enrollment_id, step, code, percent, state, starts_at, expires_at, created_at) "
            "SELECT shop_id, id, 'coupon', :code, 10, 'minted', now(), now() + interval '2 days', now() FROM enrollments "
            "WHERE shop_id = :shop AND flow = 'abandoned_cart' AND episode = :token"
        ),
        {"code": CODE, "shop": shop_id, "token": TOKEN},
    )


def bought(session: Session, shop: Shop, now: datetime, *, person: e.Person, **more: Any) -> list[e.Event]:
    line = e.Line(title="Lamp", quantity=1, price_minor=4800, product_id=PRODUCT)
    told = {"number": "6", "status": "paid", "currency": "EUR", "total_minor": 4800, "created_at": now, "placed_at": now,
            "paid_at": now, "lines": (line,), **more}  # fmt: skip
    return [e.OrderUpdated(object_id="6", happened_at=now, person=person, **told)]


def cart(now: datetime, lines: tuple[e.Line, ...] = ()) -> e.CheckoutUpdated:
    alice = e.Person(external_id=ACCOUNT, email=ALICE)
    return e.CheckoutUpdated(
        object_id=TOKEN, happened_at=now, person=alice, currency="EUR", lines=lines, subtotal_minor=0, total_minor=0,
        created_at=now - timedelta(hours=2), cart_token=CART,
    )  # fmt: skip


def clicks_unsubscribe(session: Session, shop: Shop, now: datetime) -> None:
    mail = session.scalars(select(Delivery).where(Delivery.shop_id == shop.id, Delivery.recipient == ALICE).limit(1)).one()
    path = f"/u/{unsubscribe_token(mail)}"
    session.commit()
    assert create_app().test_client().post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200


def complains(session: Session, shop: Shop, now: datetime) -> None:
    suppress(session, shop, ALICE, "complained", source="test", now=now)


def is_stopped(session: Session, shop: Shop, now: datetime) -> None:
    mine = (Enrollment.shop_id == shop.id, Enrollment.flow == "abandoned_cart", Enrollment.episode == TOKEN)
    run = session.scalars(select(Enrollment).where(*mine)).one()
    assert stopping.stop_run(session, shop, run.customer_id, run.id, actor="merchant", now=now)


def is_forgotten(session: Session, shop: Shop, now: datetime) -> None:
    who = e.Person(external_id=ACCOUNT, email=ALICE)
    told = e.CustomerRedacted(object_id=ACCOUNT, happened_at=now, person=who, order_ids=(ORDER,))
    erase.redact(session, shop, told, webhook_id=None, now=now)


def is_switched_off(session: Session, shop: Shop, now: datetime) -> None:
    edit_flow.switch(session, shop.id, "abandoned_cart", on=False, actor="test", now=now)


def is_removed(session: Session, shop: Shop, now: datetime) -> list[e.Event]:
    return [e.AppUninstalled(object_id=shop.domain, happened_at=now)]


def no(now: datetime) -> e.Consent:
    return e.Consent(state=e.ConsentState.UNSUBSCRIBED, at=now, source="platform")


WHO, BY_ADDRESS = e.Person(external_id=ACCOUNT, email=ALICE), e.Person(email=ALICE)
ACTS: dict[str, Act] = {
    "she buys what is in her cart": lambda s, shop, at: bought(s, shop, at, person=WHO, checkout_token=TOKEN),
    "she buys with another address": lambda s, shop, at: bought(
        s, shop, at, person=e.Person(email="x@y.example"), checkout_token=TOKEN),
    "she buys as a guest": lambda s, shop, at: bought(s, shop, at, person=BY_ADDRESS),
    "she uses her code": lambda s, shop, at: bought(s, shop, at, person=BY_ADDRESS, discount_codes=(CODE.lower(),)),
    "her order is deleted": lambda s, shop, at: [e.OrderDeleted(object_id=ORDER, happened_at=at)],
    "her money goes back": lambda s, shop, at: [
        e.RefundCreated(object_id="r1", happened_at=at, order_id=ORDER, amount_minor=4800, currency="EUR")],
    "her parcel arrives": lambda s, shop, at: [
        e.ShipmentUpdated(object_id="705", happened_at=at, order_id=ORDER, state=e.ShipmentState.DELIVERED,
                          tracking_number="2")],
    "she empties her cart": lambda s, shop, at: [cart(at)],
    "her cart is deleted": lambda s, shop, at: [
        e.CheckoutDeleted(object_id=TOKEN, happened_at=at, token=TOKEN)],
    "she says no in the shop": lambda s, shop, at: [
        e.ConsentChanged(object_id=ACCOUNT, happened_at=at, person=WHO, consent=no(at))],
    "her account gets another address": lambda s, shop, at: [
        e.CustomerUpdated(object_id=ACCOUNT, happened_at=at, person=e.Person(external_id=ACCOUNT, email="a@new.example"))],
    "her account and Ben's become one": lambda s, shop, at: [
        e.CustomersMerged(object_id=ACCOUNT, happened_at=at, merged_id="10")],
    "her account is deleted": lambda s, shop, at: [e.CustomerDeleted(object_id=ACCOUNT, happened_at=at)],
    "she is tagged": lambda s, shop, at: [e.CustomerTagged(object_id=ACCOUNT, happened_at=at, added=("vip",))],
    "the product is gone": lambda s, shop, at: [e.ProductDeleted(object_id=PRODUCT, happened_at=at)],
    "she writes a review": lambda s, shop, at: [
        e.ReviewUpdated(object_id="7", happened_at=at, person=BY_ADDRESS, product_id=PRODUCT, score=1, words="No")],
    "she follows the link that unsubscribes": clicks_unsubscribe,
    "she marks a mail as spam": complains,
    "somebody takes her out of a flow": is_stopped,
    "she is forgotten": is_forgotten,
    "the flow is switched off": is_switched_off,
    "the shop removes us": is_removed,
}  # fmt: skip


STAYS = {
    "her order is deleted", "her money goes back", "her parcel arrives", "her account gets another address", "she is tagged",
    "the product is gone",
}  # fmt: skip


@pytest.mark.parametrize("what", ACTS)
def test_what_happens_at_one_shop_changes_no_row_of_the_other_and_stops_no_mail_there(two: Two, what: str) -> None:
    """I10, I6, I7: it does change something at its own; a day later the coupon is due, and is sent where it may be."""
    mine, theirs = everything(two.house, two.here), everything(two.house, two.there)
    two.happen(ACTS[what])
    now = everything(two.house, two.there)
    assert {table: rows for table, rows in now.items() if rows != theirs[table]} == {}
    assert everything(two.house, two.here) != mine
    builders.skip_clock(two.house, timedelta(hours=24))
    quiet()

    assert coupons(two) == {two.here: "sent" if what in STAYS else "skipped", two.there: "sent"}


def coupons(two: Two) -> dict[int, str]:
    """Return what became of the second mail of Alice's cart, by shop."""
    mails = builders.ledger(two.house, ("shop_id", "enrollment_id", "step", "state"))
    return {shop_id: state for shop_id, run, step, state in mails if run in two.runs and step == "coupon"}


def test_a_parcel_that_came_from_one_shop_brings_the_question_of_that_shop_alone(two: Two) -> None:
    """I10: the other's may be on its way still."""
    two.happen(ACTS["her parcel arrives"])
    builders.skip_clock(two.house, timedelta(days=15))
    quiet()
    asked = {row[0] for row in builders.ledger(two.house, ("shop_id", "step", "state")) if row[1:] == ("ask", "sent")}

    assert asked == {two.here}


def test_an_order_is_worth_what_its_own_shop_says(two: Two) -> None:
    """I10: credited anew after a refund, in its own currency."""
    two.happen(ACTS["her money goes back"])
    with two.house() as session:
        told = session.execute(text("SELECT a.currency = o.currency FROM attributions a JOIN orders o "
                                    "ON o.shop_id = a.shop_id AND o.external_id = a.order_external_id")).all()  # fmt: skip

    assert [tuple(row) for row in told] == [(True,), (True,)]


def test_each_shop_shows_its_own_of_her_and_holds_her_once(two: Two) -> None:
    """I10: the same address leads each merchant to one person, with the orders of this shop alone."""
    with two.house.begin() as session:
        found = dict(
            session.execute(
                text("SELECT shop_id, customer_id FROM customer_identities WHERE value = :a"), {"a": ALICE}
            ).all()
        )
        assert answers.listed(session, two.here) == []
    numbers = {shop_id: client_of(two.house, shop_id).get(f"/admin/customers/{who}").text for shop_id, who in found.items()}
    foreign = client_of(two.house, two.here).get(f"/admin/customers/{found[two.there]}")

    assert len(set(found.values())) == 2
    assert {shop_id: ("TEA-5" in page, "LAMP-5" in page) for shop_id, page in numbers.items()} == {
        min(found): (True, False), max(found): (False, True),
    }  # fmt: skip
    assert foreign.status_code == 404
