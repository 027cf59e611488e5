"""Reviews that are written in a WooCommerce shop: found by asking, and an answer of the customer who wrote them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app import clock
from app.cli import cli
from app.demo.store import Order
from app.domain.polling import Page
from app.models import Shop
from app.services import edit_flow, install
from app.services.install import ShopFacts
from integrations.woocommerce import listing
from jobs import connecting, doubts, reconcile
from tests import builders
from tests.admin_cast import client_of
from tests.shop_cast import rows, wait
from tests.woo_cast import KEY, SECRET, WAIT, Town, town

ALICE, BEN = "alice@example.com", "ben@example.com"
FIRST, OTHER = 0, 1  # of the shop's products


@dataclass
class Place:
    """A connected shop whose review request is on, and what its people do."""

    town: Town
    shop_id: int

    def product(self, number: int) -> int:
        return self.town.shop.catalogue.products[number].id

    def buy(self, email: str, number: int = FIRST) -> Order:
        """Somebody buys one product with the box ticked, and it is sent off."""
        shop = self.town.shop
        wanted = [(shop.catalogue.products[number].variants[0].sku, 1)]
        order = shop.send_off(shop.pay(shop.begin_checkout(email=email, items=wanted)))
        self.work()
        return order

    def write(self, email: str, rating: int, words: str = "So so", number: int = FIRST, **more: str) -> Any:
        return self.town.shop.write_review(email, self.product(number), rating, words, **more)

    def pass_time(self, **by: float) -> None:
        wait(self.town.house, self.town.fakes, timedelta(**by))
        self.work()

    def work(self) -> None:
        """Do everything that is due, until a question that came up meanwhile is asked as well."""
        assert self.town.fakes.sender.wait_until_idle(WAIT)
        for _ in range(2):
            builders.work_off()
            reconcile.drain(float("inf"))
            doubts.drain(float("inf"))
        builders.work_off()

    def poll(self) -> None:
        """Let the time come at which reviews are asked for."""
        self.pass_time(minutes=61)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return rows(self.town.house, query)

    def due(self) -> None:
        """Have all reviews of three months read anew."""
        with self.town.house.begin() as session:
            session.execute(text("UPDATE cursors SET due_at = now(), counted_at = NULL WHERE kind = 'reviews'"))

    def settle(self) -> None:
        self.browser().post(f"/admin/answers/{self.rows('SELECT id FROM answers')[0][0]}/settled")

    def browser(self) -> FlaskClient:
        return client_of(self.town.house, self.shop_id)

    def page(self, path: str) -> str:
        return self.browser().get(path).text

    def answers(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT c.email, a.score, a.words FROM answers a JOIN customers c ON c.id = a.customer_id ORDER BY a.review_id"
        )

    def mails(self) -> list[tuple[Any, ...]]:
        return builders.ledger(self.town.house, ("step", "state", "reason"))


@pytest.fixture
def place(house: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    with town(house, monkeypatch, tmp_path) as opened:
        shop = opened.connect()
        connecting.drain(float("inf"))
        place = Place(opened, shop.id)
        place.work()
        with house.begin() as session:
            # No quiet hours: a test must not depend on the hour at which it is run.
            session.execute(text("UPDATE shops SET quiet_from = NULL, quiet_until = NULL"))
            session.execute(text("UPDATE flow_settings SET holdout_share = 0"))
            for flow in ("review_request", "post_purchase"):
                edit_flow.switch(session, shop.id, flow, on=True, actor="test", now=clock.now(session))
        yield place


def test_a_review_in_the_shop_is_the_answer_and_nobody_is_asked_again(place: Place) -> None:
    place.buy(ALICE)
    place.pass_time(days=19)
    assert ("ask", "sent", None) in place.mails()
    place.write(ALICE, 5, "Warm light & no hum.\n\nLovely")
    place.poll()

    assert place.answers() == [(ALICE, 5, "Warm light & no hum.\n\nLovely")]
    assert ("ask_again", "skipped", "answered") in place.mails()
    assert place.rows("SELECT unhappy_since FROM customers") == [(None,)]


def test_a_low_score_tells_the_shops_people_and_stops_marketing_until_it_is_settled(place: Place) -> None:
    """I7: the review is committed before the marketing mail is claimed."""
    place.buy(ALICE)
    place.write(ALICE, 2, "It <b>flickers</b>")
    place.poll()
    page, health = place.page("/admin/answers"), place.page("/admin/health")
    place.pass_time(days=22)

    assert "It &lt;b&gt;flickers&lt;/b&gt;" in page
    assert place.town.shop.catalogue.products[FIRST].title in page
    assert "1 low score is not settled" in health
    assert ("promotion", "skipped", "unhappy") in place.mails()
    number = place.rows("SELECT id FROM answers")[0][0]
    place.browser().post(f"/admin/answers/{number}/settled")
    assert place.rows("SELECT unhappy_since FROM customers") == [(None,)]
    place.pass_time(days=2)  # and what is read again every day is not opened again
    assert place.rows("SELECT settled_by FROM answers") == [("merchant",)]
    assert "not settled" not in place.page("/admin/health")


def test_reading_them_again_and_again_changes_nothing(place: Place) -> None:
    """I3: nor does it take anybody's lock, or let flows look at anybody."""
    place.buy(ALICE)
    place.write(ALICE, 1, "Broken")
    place.poll()
    tables = ("answers", "events", "enrollments", "decisions", "deliveries", "customers", "doubts")
    # Also which transaction wrote, or locked, each row last.
    look = "SELECT xmin::text, xmax::text, * FROM {} ORDER BY id"
    before = {table: place.rows(look.format(table)) for table in tables}
    for _ in range(3):
        place.due()
        place.work()

    assert {table: place.rows(look.format(table)) for table in tables} == before
    assert place.answers() == [(ALICE, 1, "Broken")]


@pytest.mark.parametrize("status", ["trash", "spam", None], ids=["bin", "spam", "deleted for good"])
def test_a_review_that_the_shop_took_away_is_no_answer_any_more(place: Place, status: str | None) -> None:
    place.buy(ALICE)
    kept = place.write(ALICE, 4, "Still here", number=OTHER)
    review = place.write(ALICE, 1, "Is this spam?")
    place.poll()
    unhappy = place.rows("SELECT unhappy_since IS NOT NULL FROM customers")
    place.town.shop.moderate_review(review, status)
    place.pass_time(days=1, hours=1)

    assert unhappy == [(True,)]
    assert place.answers() == [(ALICE, 4, "Still here")]
    assert place.rows("SELECT unhappy_since, (SELECT count(*) FROM doubts) FROM customers") == [(None, 0)]
    place.town.shop.moderate_review(review, "approved")
    place.pass_time(days=1, hours=1)
    assert {row[1] for row in place.answers()} == {4, 1}
    assert kept.id


def test_a_review_that_a_list_left_out_is_asked_for_before_it_is_believed_to_be_gone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.buy(ALICE)
    review = place.write(ALICE, 1, "Here I am")
    place.poll()
    asked: list[Any] = []
    one = listing.one
    monkeypatch.setattr(doubts.listing, "one", lambda *a, **more: asked.append(a[1:]) or one(*a, **more))
    place.town.shop.unlisted.add(review.id)
    place.pass_time(days=1, hours=1)

    assert asked == [("reviews", str(review.id))]
    assert place.answers() == [(ALICE, 1, "Here I am")]


def test_what_waits_for_approval_is_an_answer_and_its_approval_is_no_other(place: Place) -> None:
    place.buy(ALICE)
    review = place.write(ALICE, 5, "Bright", status="hold")
    place.poll()
    held = place.rows("SELECT * FROM answers")
    place.town.shop.moderate_review(review, "approved")
    place.pass_time(days=1, hours=1)

    assert [row[1:] for row in place.answers()] == [(5, "Bright")]
    assert place.rows("SELECT * FROM answers") == held


def test_a_changed_review_changes_the_answer_and_a_low_one_is_open_again(place: Place) -> None:
    from dataclasses import replace

    place.buy(ALICE)
    review = place.write(ALICE, 1, "Broken")
    place.poll()
    place.settle()
    place.town.shop.store.put(replace(review, words="Broken again"))
    place.pass_time(days=1, hours=1)
    assert place.rows("SELECT words, settled_at FROM answers") == [("Broken again", None)]
    place.town.shop.store.put(replace(review, rating=5, words="They mended it"))
    place.pass_time(days=1, hours=1)

    assert place.answers() == [(ALICE, 5, "They mended it")]
    assert place.rows("SELECT unhappy_since FROM customers") == [(None,)]


def test_an_address_that_nobody_knows_makes_nobody_a_customer(place: Place) -> None:
    """I12: and what a stranger wrote is not kept; what is read anew every day is theirs once they have bought."""
    place.write(ALICE, 1, "I only looked at it")
    place.poll()
    tables = ("customers", "customer_identities", "answers")
    assert [place.rows(f"SELECT count(*) FROM {table}") for table in tables] == [[(0,)], [(0,)], [(0,)]]
    assert place.rows("SELECT count(*) FROM events WHERE kind LIKE 'review%'") == [(0,)]

    place.buy(ALICE)
    place.pass_time(days=1, hours=1)
    assert place.answers() == [(ALICE, 1, "I only looked at it")]


def test_a_review_answers_for_the_product_and_the_person_that_it_is_of(place: Place) -> None:
    place.buy(ALICE)
    place.buy(BEN, OTHER)
    place.pass_time(days=19)
    place.write(BEN, 5, "A lamp of a friend's", FIRST)
    place.poll()
    place.pass_time(days=8)

    assert sorted(m for m in place.mails() if m[0] == "ask_again") == [("ask_again", "sent", None)] * 2


def test_a_review_that_was_written_before_the_order_is_of_another_one(place: Place) -> None:
    place.buy(ALICE)
    place.write(ALICE, 5, "The first of two")
    place.poll()
    place.pass_time(days=40)
    place.buy(ALICE)
    place.pass_time(days=19)

    assert [m for m in place.mails() if m[0] == "ask"] == [("ask", "skipped", "answered"), ("ask", "sent", None)]


def test_a_review_that_is_read_before_the_order_is_sent_off_hinders_the_question(place: Place) -> None:
    """I3: in any order."""
    shop = place.town.shop
    order = shop.pay(shop.begin_checkout(email=ALICE))
    place.work()
    place.write(ALICE, 5, "It came the same day")
    place.poll()
    shop.send_off(order)
    place.work()

    assert [m for m in place.mails() if m[0] == "ask"] == [("ask", "skipped", "answered")]


def test_a_review_without_stars_is_an_answer_too(place: Place) -> None:
    place.buy(ALICE)
    place.write(ALICE, 0, "Words are enough")
    place.poll()

    assert place.answers() == [(ALICE, None, "Words are enough")]
    assert ("ask", "skipped", "answered") in place.mails()
    assert "Words are enough" in place.page("/admin/answers")
    number = place.rows("SELECT id FROM customers")[0][0]
    assert "Without stars" in place.page(f"/admin/customers/{number}")


def test_a_low_review_of_long_ago_is_history_and_nobody_has_to_settle_it(place: Place) -> None:
    place.write(ALICE, 1, "In spring")
    place.pass_time(days=20)
    place.buy(ALICE)
    place.pass_time(days=1, hours=1)

    assert place.answers() == [(ALICE, 1, "In spring")]
    assert place.rows("SELECT settled_by, (SELECT unhappy_since FROM customers) FROM answers") == [("cartwheel", None)]


def test_many_reviews_of_one_second_are_read_page_by_page_and_a_killed_run_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PER_PAGE", 3)
    people = [f"p{n}@example.com" for n in range(10)]
    for email in people:
        place.town.shop.place_order(email)
    place.work()
    frozen = place.town.fakes.clock.now()
    monkeypatch.setattr(place.town.fakes.clock, "now", lambda: frozen)
    for n, email in enumerate(people):
        place.write(email, 5, f"No {n}")
    taken: list[int] = []
    fold = reconcile.reconcile.fold

    def die_at_the_third(session: Session, shop_id: int, page: Page, **more: Any) -> bool:
        taken.append(page.objects)
        if len(taken) == 3:
            raise KeyboardInterrupt
        return fold(session, shop_id, page, **more)

    monkeypatch.setattr(reconcile.reconcile, "fold", die_at_the_third)
    place.due()
    with pytest.raises(KeyboardInterrupt):
        reconcile.drain(float("inf"))
    half = place.rows("SELECT count(*) FROM answers")
    with place.town.house.begin() as session:
        session.execute(text("UPDATE cursors SET lease_until = now() - interval '1 s' WHERE lease_until IS NOT NULL"))
    reconcile.drain(float("inf"))

    # The second page begins a second before the end of the first, so it is the first one again.
    assert (half, taken) == ([(3,)], [3, 3, 3, 3, 3, 1])
    assert place.rows("SELECT count(*), count(DISTINCT customer_id) FROM answers") == [(10, 10)]
    assert place.rows("SELECT count(*) FROM doubts") == [(0,)]


def test_a_key_that_may_not_see_reviews_holds_up_nothing_else(place: Place) -> None:
    """I16: the reason is shown; the shop is not taken for one whose import is unfinished, nor for one with dead keys."""
    place.town.fakes.woocommerce_api.faults.denied = ("/products/reviews",)
    with place.town.house.begin() as session:
        held = session.scalars(select(Shop)).one()
        install.connect_woocommerce(
            session, held.url, key=KEY, secret=SECRET, webhook_secret="w" * 40, actor="test", now=clock.now(session),
            facts=ShopFacts(name="Lamp Loft", sender_email="hello@lamp-loft.example", currency="EUR"),
        )  # fmt: skip
        session.execute(text("DELETE FROM cursors WHERE kind = 'reviews'"))
        reconcile.reconcile.plan(session, held.id, now=clock.now(session))
        session.execute(text("UPDATE cursors SET imported_at = NULL, watermark = NULL WHERE kind <> 'webhooks'"))
    place.work()

    assert place.rows("SELECT import_wanted_at, state FROM shops") == [(None, "active")]
    ((error, attempts),) = place.rows("SELECT error, attempts FROM cursors WHERE kind = 'reviews'")
    assert ("cannot_view" in error, attempts) == (True, 1)
    assert "cannot_view" in place.page("/admin/health")
    assert place.rows("SELECT count(*) FROM cursors WHERE kind <> 'reviews' AND error IS NOT NULL") == [(0,)]


def test_the_answers_of_a_forgotten_person_go_and_are_not_read_again(place: Place) -> None:
    """I12: neither the words nor the number under which they stand in the shop; an export told both before."""
    place.buy(ALICE)
    place.write(ALICE, 2, "Wobbly-words")
    place.poll()
    told = json.loads(CliRunner().invoke(cli, ["customer", "export", ALICE, "--json"]).stdout)
    done = CliRunner().invoke(cli, ["customer", "forget", ALICE, "--yes", "--json"])
    place.due()
    place.pass_time(days=2)
    place.buy(ALICE)
    place.due()
    place.work()

    assert "Wobbly-words" in json.dumps(told)
    assert done.exit_code == 0, done.output
    assert place.rows("SELECT count(*) FROM answers") == [(0,)]
    assert place.rows("SELECT count(*) FROM events WHERE kind LIKE 'review%'") == [(0,)]


def test_the_same_shopper_of_another_shop_is_not_touched(place: Place) -> None:
    """I10: same address, same order and product numbers; only the shop that the review was written in hears of it."""
    shop, house = place.town.shop, place.town.house
    order = shop.send_off(shop.pay(shop.begin_checkout(email=ALICE)))
    with house.begin() as session:
        other, _ = builders.lamp_loft(session, url="http://127.0.0.1:9/other", flow_on=False)
        edit_flow.switch(session, other, "review_request", on=True, actor="test", now=clock.now(session))
        body = json.loads(shop.order_webhook(order).body)
        builders.store_webhook(session, other, "order.updated", body, key="w1", platform="woocommerce")
        session.execute(text("DELETE FROM cursors WHERE shop_id = :id"), {"id": other})
    place.work()
    assert place.rows("SELECT count(*), count(DISTINCT external_id) FROM orders") == [(2, 1)]
    place.write(ALICE, 1, "Too bright")
    place.poll()

    states = dict(place.rows("SELECT shop_id, state FROM enrollments WHERE flow = 'review_request'"))
    assert states == {place.shop_id: "exited", other: "active"}
    assert place.rows("SELECT shop_id FROM customers WHERE unhappy_since IS NOT NULL") == [(place.shop_id,)]
    assert "Too bright" not in client_of(house, other).get("/admin/answers").text
