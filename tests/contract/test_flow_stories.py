"""Welcome, post-purchase, review request and VIP, told by signed-for webhooks of both platforms, through all the drains."""

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

import jobs.shops
from app import clock
from app.config import settings
from app.services import answers, edit_flow
from integrations import PLATFORMS
from tests import builders

FLOWS = ("welcome", "post_purchase", "review_request", "vip")


@dataclass
class Shop:
    """A shop of one platform, and what happens in it."""

    house: sessionmaker[Session]
    platform: str
    id: int
    now: datetime
    told: int = 0

    def on(self, *flows: str) -> None:
        with self.house.begin() as session:
            for key in flows:
                edit_flow.switch(session, self.id, key, on=True, actor="test", now=self.now)

    def tell(self, topics: dict[str, str], body: dict[str, Any]) -> None:
        self.told += 1
        with self.house.begin() as session:
            builders.store_webhook(
                session, self.id, topics[self.platform], body, key=f"w{self.told}", platform=self.platform
            )
        builders.work_off()

    def pass_time(self, **by: float) -> None:
        builders.skip_clock(self.house, timedelta(**by))
        with self.house() as session:
            self.now = clock.now(session)
        builders.work_off()

    def order(self, order_id: int, **more: Any) -> None:
        """Somebody buys and pays; `sent_off`, `total`, `refunded` and `consents` say more."""
        body = (
            shopify_order(order_id, self.now, **more)
            if self.platform == "shopify"
            else woo_order(order_id, self.now, **more)
        )
        self.tell({"shopify": "orders/updated", "woocommerce": "order.updated"}, body)

    def consent(self, **more: Any) -> None:
        """Somebody ticks the box of a checkout that stays open."""
        if self.platform == "shopify":
            self.tell({"shopify": "checkouts/update"}, builders.checkout_body("t1", self.now, **more))
        else:
            self.tell({"woocommerce": "checkout.updated"}, woo_checkout("t1", self.now, **more))

    def click(self) -> None:
        """Somebody follows a link of the newest mail."""
        with self.house.begin() as session:
            newest = "SELECT shop_id, id, 'clicked', :now FROM deliveries WHERE state = 'sent' ORDER BY id DESC LIMIT 1"
            into = "INSERT INTO engagements (shop_id, delivery_id, kind, at) "
            session.execute(text(into + newest), {"now": self.now})

    def mails(self) -> list[tuple[Any, ...]]:
        """What became of each mail, the newest state of it."""
        return builders.ledger(self.house, ("flow", "step", "state", "reason"))


def shopify_order(
    order_id: int, at: datetime, *, total: str = "48.00", sent_off: bool = False, refunded: str | None = None,
    consents: bool = False, placed_at: datetime | None = None,
) -> dict[str, Any]:  # fmt: skip
    line = {"title": "Stoneware Mug", "quantity": 2, "price": "24.00", "product_id": 11, "variant_id": 12, "sku": "MUG"}
    body = builders.order_body(order_id, placed_at or at, customer_id=9) | {
        "updated_at": at.isoformat(), "line_items": [line], "total_price": total, "buyer_accepts_marketing": consents,
    }  # fmt: skip
    if sent_off:
        body |= {"fulfillment_status": "fulfilled", "fulfillments": [fulfilment(order_id, at)]}
    if refunded:
        body["refunds"] = [{
            "id": 500 + order_id, "order_id": order_id, "created_at": at.isoformat(), "refund_line_items": [],
            "transactions": [{"id": 1, "kind": "refund", "status": "success", "amount": refunded, "currency": "USD"}],
        }]  # fmt: skip
    return body


def fulfilment(order_id: int, at: datetime, **more: Any) -> dict[str, Any]:
    return {
        "id": 700 + order_id, "order_id": order_id, "status": "success", "created_at": at.isoformat(),
        "updated_at": at.isoformat(), "shipment_status": None, "tracking_company": "Post", "tracking_number": "1",
        "line_items": [], **more,
    }  # fmt: skip


def woo_order(
    order_id: int, at: datetime, *, total: str = "48.00", sent_off: bool = False, refunded: str | None = None,
    consents: bool = False, placed_at: datetime | None = None,
) -> dict[str, Any]:  # fmt: skip
    first = (placed_at or at).isoformat()
    meta = [{"id": 1, "key": "_wc_other/cartwheel/marketing-consent", "value": "1"}] if consents else []
    return {
        "id": order_id, "number": str(order_id), "status": "completed" if sent_off else "processing", "currency": "EUR",
        "date_created_gmt": first, "date_modified_gmt": at.isoformat(), "date_paid_gmt": first,
        "date_completed_gmt": at.isoformat() if sent_off else None, "total": total, "customer_id": 9,
        "billing": {"email": "alice@example.com", "first_name": "Alice", "country": "DE"}, "created_via": "checkout",
        "meta_data": meta, "refunds": [{"id": 1, "total": f"-{refunded}"}] if refunded else [],
        "line_items": [{"id": 1, "name": "Heron Lamp", "quantity": 1, "price": 48.0, "product_id": 21, "total": "48.00"}],
    }  # fmt: skip


def woo_checkout(token: str, at: datetime, *, email: str = "alice@example.com", consent: bool = True) -> dict[str, Any]:
    return {
        "token": token, "status": "open", "created_at_gmt": at.isoformat(), "updated_at_gmt": at.isoformat(), "email": email,
        "first_name": "Alice", "locale": "en", "country": "DE", "currency": "EUR", "subtotal": "48.00", "total": "48.00",
        "items": [{"product_id": 21, "quantity": 1, "name": "Heron Lamp", "price": "48.00"}],
        "consent": {"marketing": consent, "at": at.isoformat(), "text": "Yes, news"},
        "recovery_url": f"https://lamp-loft.example/?cartwheel_cart={token}",
    }  # fmt: skip


@pytest.fixture(params=["shopify", "woocommerce"])
def shop(request, house, monkeypatch):
    """A shop of each platform, all its flows off, that makes every coupon and takes every tag."""
    platform = request.param
    monkeypatch.setattr(PLATFORMS[platform], "mint_coupon", lambda access, spec: f"id-{spec.code}")
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session, flow_on=False) if platform == "shopify" else None
        shop_id = shop_id or builders.lamp_loft(session, flow_on=False)[0]
        now = clock.now(session)
    return Shop(house, platform, shop_id, now)


def test_first_order_gets_thanks_tips_and_a_coupon_to_who_agreed(shop):
    shop.on("post_purchase")
    shop.order(1, consents=True)
    shop.pass_time(hours=23)
    assert shop.mails() == []

    shop.pass_time(hours=2)
    shop.pass_time(days=6)
    shop.pass_time(days=14)
    sent = [("post_purchase", step, "sent", None) for step in ("thanks_first", "tips", "promotion")]
    assert shop.mails() == sent
    with shop.house() as session:
        assert session.execute(text("SELECT state, percent FROM coupons")).all() == [("minted", 10)]
        assert session.scalar(text("SELECT state FROM enrollments")) == "finished"


def test_first_order_without_consent_gets_the_answers_and_not_the_coupon(shop):
    shop.on("post_purchase")
    shop.order(1)
    for days in (1.1, 6, 14):
        shop.pass_time(days=days)

    assert [row[1:3] for row in shop.mails()] == [("thanks_first", "sent"), ("tips", "sent"), ("promotion", "skipped")]


def test_second_order_ends_the_first_run_and_gets_plain_thanks(shop):
    shop.on("post_purchase")
    shop.order(1, consents=True)
    shop.pass_time(days=2)
    shop.order(2, consents=True)
    shop.pass_time(days=1.1)
    shop.pass_time(days=30)

    assert shop.mails() == [
        ("post_purchase", "thanks_first", "sent", None),
        ("post_purchase", "tips", "skipped", "ordered"),
        ("post_purchase", "thanks_again", "sent", None),
    ]


def test_order_whose_money_went_back_ends_what_it_began(shop):
    shop.on("post_purchase", "review_request")
    placed_at = shop.now
    shop.order(1, consents=True, sent_off=True)
    shop.pass_time(hours=2)
    shop.order(1, consents=True, sent_off=True, refunded="48.00", placed_at=placed_at)
    shop.pass_time(days=40)

    assert {row[1:] for row in shop.mails()} == {
        ("thanks_first", "skipped", "order_undone"),
        ("ask", "skipped", "money_went_back"),
    }


def test_review_is_asked_for_after_the_fulfilment_and_once_more(shop):
    shop.on("review_request")
    shop.order(1, consents=True, sent_off=True)
    shop.pass_time(days=17)
    assert shop.mails() == []

    shop.pass_time(days=2)
    shop.pass_time(days=7)
    assert shop.mails() == [("review_request", "ask", "sent", None), ("review_request", "ask_again", "sent", None)]


def test_delivery_brings_the_question_forward(shop):
    """Shopify tells of deliveries; WooCommerce's core tells none, so the fulfilment is all there is."""
    if shop.platform == "woocommerce":
        pytest.skip("no delivery is told")
    shop.on("review_request")
    shop.order(1, consents=True, sent_off=True)
    shop.pass_time(days=1)
    event = {
        "id": 1, "order_id": 1, "fulfillment_id": 701, "status": "delivered", "happened_at": shop.now.isoformat(),
        "created_at": shop.now.isoformat(), "updated_at": shop.now.isoformat(),
    }  # fmt: skip
    shop.tell({"shopify": "fulfillment_events/create"}, event)
    shop.pass_time(days=14, minutes=1)

    assert shop.mails() == [("review_request", "ask", "sent", None)]


def test_second_order_within_thirty_days_is_not_asked_about_and_says_so(shop):
    shop.on("review_request")
    shop.order(1, consents=True, sent_off=True)
    shop.pass_time(days=10)
    shop.order(2, consents=True, sent_off=True)

    assert shop.mails() == [("review_request", "ask", "skipped", "too_soon")]


def token(shop: Shop) -> str:
    with shop.house() as session:
        raw = session.scalars(text("SELECT token FROM deliveries WHERE step = 'ask'")).one()
    return base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")


def asked(shop: Shop) -> str:
    shop.on(*FLOWS)
    shop.order(1, consents=True, sent_off=True)
    shop.pass_time(days=1, hours=1)
    shop.pass_time(days=6)
    shop.pass_time(days=11, hours=1)
    assert ("review_request", "ask", "sent", None) in shop.mails()
    return token(shop)


def test_good_answer_ends_the_run_and_nothing_else(shop):
    link = asked(shop)
    with shop.house.begin() as session:
        found = answers.record(session, link, score=5, words=" Lovely mug ", now=shop.now)
    assert (found.answer.score, found.answer.words, found.answer.is_low) == (5, "Lovely mug", False)

    shop.pass_time(days=3)
    shop.pass_time(days=5)
    assert [row[1:] for row in shop.mails() if row[1] in {"ask_again", "promotion"}] == [
        ("ask_again", "skipped", "answered"),
        ("promotion", "sent", None),
    ]


def test_low_answer_stops_marketing_until_somebody_settled_it(shop):
    link = asked(shop)
    with shop.house.begin() as session:
        answers.record(session, link, score=1, words="", now=shop.now)
        assert answers.count_open(session, shop.id) == 1
    shop.pass_time(days=8)
    assert ("post_purchase", "promotion", "skipped", "unhappy") in shop.mails()

    with shop.house.begin() as session:
        from app.models import Shop as ShopRow

        held = session.get_one(ShopRow, shop.id)
        told = answers.listed(session, shop.id, only_open=True)
        assert [(t.answer.score, t.email, t.flow) for t in told] == [(1, "alice@example.com", "review_request")]
        for _ in range(2):
            answers.settle(session, held, told[0].answer.id, actor="test", now=shop.now)
        assert (answers.count_open(session, shop.id), answers.listed(session, shop.id, only_open=True)) == (0, [])
        assert session.scalar(text("SELECT unhappy_since FROM customers")) is None
        assert session.scalar(text("SELECT count(*) FROM audit_log WHERE action = 'answer.settled'")) == 1


def test_welcome_comes_in_turn_and_reminds_of_its_own_code(shop):
    shop.on("welcome")
    shop.consent()
    assert shop.mails() == []  # they are at the till
    shop.pass_time(hours=1, minutes=1)
    assert shop.mails() == [("welcome", "hello", "sent", None)]

    for days in (2.1, 2.1, 3.1):
        shop.pass_time(days=days)
    assert [row[1:3] for row in shop.mails()] == [
        (step, "sent") for step in ("hello", "story", "favourites", "gift_reminder")
    ]
    with shop.house() as session:
        code = session.scalars(text("SELECT code FROM coupons")).one()
    assert sum(code in path.read_text() for path in settings().outbox_dir.glob("*.eml")) == 2


def test_who_buys_is_welcomed_no_more(shop):
    shop.on("welcome", "post_purchase")
    shop.consent()
    shop.pass_time(hours=2)
    shop.order(1, consents=True)
    shop.pass_time(days=1.1)
    shop.pass_time(days=3)

    assert [row[1:] for row in shop.mails()] == [
        ("hello", "sent", None), ("story", "skipped", "ordered"), ("thanks_first", "sent", None),
    ]  # fmt: skip


@pytest.mark.parametrize("before", [{"hours": 5}, {"seconds": 1}], ids=["hours", "a second"])
def test_an_order_that_is_told_after_the_consent_and_is_older_ends_the_welcome(shop, before):
    """I6: whichever came first, and also when platforms tell whole seconds only."""
    shop.on("welcome")
    shop.consent()
    then, shop.now = shop.now, shop.now - timedelta(**before)
    shop.order(1)
    shop.now = then
    shop.pass_time(hours=2)

    assert [row[1:] for row in shop.mails()] == [("hello", "skipped", "no_longer_fits")]


def test_who_bought_before_is_not_welcomed(shop):
    shop.on("welcome")
    shop.order(1)
    shop.consent()

    assert shop.mails() == []


def test_vip_is_tagged_thanked_mailed_each_month_warned_and_let_go(shop, monkeypatch):
    tags = []
    monkeypatch.setattr(
        PLATFORMS[shop.platform], "tag_customer", lambda access, who, tag, *, is_given: tags.append((who, tag, is_given))
    )
    shop.on("vip")
    for n in range(1, 4):
        shop.order(n, consents=True)
    assert shop.mails() == []

    shop.order(4, consents=True)
    shop.pass_time(hours=2)
    jobs.shops.drain()
    assert (shop.mails(), tags) == ([("vip", "thanks", "sent", None)], [("9", "vip", True)])

    for _ in range(13):
        shop.pass_time(days=31)
        shop.click()
    jobs.shops.drain()
    steps = [row[1] for row in shop.mails() if row[2] == "sent"]
    assert steps == ["thanks", "early_access", *(f"early_access_{n}" for n in range(2, 10)), "drop_out_warning_10"]
    assert tags == [("9", "vip", True), ("9", "vip", False)]
    with shop.house() as session:
        assert tuple(session.execute(text("SELECT state, reason FROM enrollments")).one()) == ("exited", "no_longer_fits")


def test_vip_by_spending_counts_what_was_kept(shop, monkeypatch):
    monkeypatch.setattr(PLATFORMS[shop.platform], "tag_customer", lambda *args, **more: None)
    shop.on("vip")
    shop.order(1, consents=True, total="400.00")
    shop.order(2, consents=True, total="150.00", refunded="120.00")
    assert shop.mails() == []

    shop.order(3, consents=True, total="80.00")
    shop.pass_time(hours=2)
    assert shop.mails() == [("vip", "thanks", "sent", None)]
