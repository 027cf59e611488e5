"""Stars that are written back: posted to the inbound door as SendGrid posts them, and an answer as if a star was clicked."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage

import pytest
import requests
from sqlalchemy import text

import jobs.receipts
from app import clock
from app.config import settings
from app.domain.inbound import Purpose, address
from app.services import answers
from app.web import create_app
from integrations import PLATFORMS
from tests import builders
from tests.admin_cast import client_of
from tests.contract.test_flow_stories import Shop, asked
from tests.woo_cast import free_port, served

DOMAIN, SECRET = "in.mail.example", "s" * 40
HEAD = "\n\nOn Tue, Nov 24, 2026 at 7:17 PM Tea & Tin\n<hello@tea-and-tin.example> wrote:\n\n> How do you like it? 1 star\n"


@dataclass
class Town:
    """Alice was asked how she likes her order; her mail program knows where to answer."""

    shop: Shop
    link: str
    port: int
    n: int = 0

    def post(self, words: str, *, to: str | None = None, kind: str = "plain", drained: bool = True, **headers: str) -> None:
        """Let SendGrid post a message that came, all fields that it sends among them."""
        self.n += 1
        message = EmailMessage()
        message["From"], message["Message-ID"] = "Alice <alice@example.com>", f"<{self.n}@example.com>"
        message["To"], message["Subject"] = to or self.to, "Re: How do you like it?"
        for name, value in headers.items():
            message[name.replace("_", "-")] = value
        message.set_content(words, subtype=kind)
        self.hand_in(message.as_bytes(), to or self.to)
        if drained:
            jobs.receipts.drain()

    def hand_in(self, raw: bytes, to: str) -> None:
        fields = {
            "headers": "", "dkim": "{@example.com : pass}", "email": raw, "to": to, "from": "Alice <alice@example.com>",
            "sender_ip": "192.0.2.1", "spam_report": "", "envelope": json.dumps({"to": [to], "from": "alice@example.com"}),
            "subject": "Re", "spam_score": "0.1", "charsets": '{"to":"UTF-8"}', "SPF": "pass",
        }  # fmt: skip
        form = {name: (None, value) for name, value in fields.items()}
        answer = requests.post(f"http://127.0.0.1:{self.port}/inbound/sendgrid/{SECRET}", files=form, timeout=20)
        assert answer.status_code == 200

    @property
    def to(self) -> str:
        return self.address(self.link)

    def address(self, link: str) -> str:
        return address(Purpose.REPLY, base64.urlsafe_b64decode(link + "=="), DOMAIN)

    def click(self, stars: int, words: str = "") -> None:
        with self.shop.house.begin() as session:
            answers.record(session, self.link, score=stars, words=words, now=clock.now(session))

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with self.shop.house() as session:
            return [tuple(row) for row in session.execute(text(query))]

    def kept(self) -> list[tuple[object, ...]]:
        return self.rows("SELECT score, words FROM answers ORDER BY id")

    def replies(self) -> list[tuple[object, ...]]:
        return self.rows("SELECT score, text FROM replies ORDER BY id")


@pytest.fixture
def town(house, monkeypatch) -> Iterator[Town]:
    monkeypatch.setenv("CARTWHEEL_INBOUND_DOMAIN", DOMAIN)
    monkeypatch.setenv("CARTWHEEL_INBOUND_SECRET", SECRET)
    settings.cache_clear()
    monkeypatch.setattr(PLATFORMS["shopify"], "mint_coupon", lambda access, spec: f"id-{spec.code}")
    with house.begin() as session:
        shop = Shop(house, "shopify", builders.tea_and_tin(session, flow_on=False), clock.now(session))
    port = free_port()
    with served(create_app(), port):
        yield Town(shop, asked(shop), port)


def test_stars_written_back_are_the_answer_with_what_else_was_written(town):
    town.post(f"★★★★\n\nLovely, but late.{HEAD}")

    assert town.kept() == [(4, "Lovely, but late.")]
    assert town.replies() == [(4, "★★★★\n\nLovely, but late.")]
    town.shop.pass_time(days=3)
    town.shop.pass_time(days=5)
    assert ("review_request", "ask_again", "skipped", "answered") in town.shop.mails()


@pytest.mark.parametrize(("words", "kind", "kept"), [
    (f"٢ من ٥، وصل مكسورا{HEAD}", "plain", [(2, "وصل مكسورا")]),
    ('<div dir="ltr"><p>五星</p><p>很好</p></div><blockquote>How do you like it?</blockquote>', "html", [(5, "很好")]),
    (f"Is it safe for children?{HEAD}", "plain", []),
    (f"4/5 of the mugs were broken{HEAD}", "plain", []),
])  # fmt: skip
def test_what_is_certain_is_an_answer_and_everything_else_is_there_to_be_read(town, words, kind, kept):
    town.post(words, kind=kind)

    assert town.kept() == kept
    assert [score for score, _ in town.replies()] == ([kept[0][0]] if kept else [None])


def test_a_low_score_by_mail_stops_marketing_until_somebody_settled_it(town):
    """As a star that was clicked (test_flow_stories): the merchant is told, and what is planned is not sent."""
    town.post(f"1 star! It came broken.{HEAD}")
    with town.shop.house() as session:
        open_ones = [(t.answer.score, t.answer.words) for t in answers.listed(session, town.shop.id, only_open=True)]
    town.shop.pass_time(days=8)

    assert open_ones == [(1, "It came broken.")]
    assert ("post_purchase", "promotion", "skipped", "unhappy") in town.shop.mails()


def test_what_was_said_last_counts_on_the_page_or_by_mail(town):
    town.click(5, "Fine")
    builders.skip_clock(town.shop.house, timedelta(minutes=1))
    town.post("2\nIt broke")
    mailed = town.kept()
    builders.skip_clock(town.shop.house, timedelta(minutes=1))
    town.click(4, "They sent a new one")

    assert (mailed, town.kept()) == ([(2, "It broke")], [(4, "They sent a new one")])
    assert town.rows("SELECT unhappy_since FROM customers") == [(None,)]


def test_a_mail_that_lay_in_the_inbox_while_a_star_was_clicked_came_before_it(town):
    town.post("1\nIt broke", drained=False)
    builders.skip_clock(town.shop.house, timedelta(hours=1))
    with town.shop.house.begin() as session:  # the hour is a real one: the mail came before it
        session.execute(text("UPDATE webhooks SET received_at = received_at - interval '1 hour' WHERE topic = 'inbound'"))
    town.click(5, "They sent a new one")
    jobs.receipts.drain()

    assert town.kept() == [(5, "They sent a new one")]
    assert town.replies() == [(None, "1\nIt broke")]


def test_stars_without_words_leave_the_words_that_were_said_before(town):
    town.post("2\nIt broke")
    builders.skip_clock(town.shop.house, timedelta(minutes=1))
    town.post("5")

    assert town.kept() == [(5, "It broke")]


def test_the_same_mail_again_does_not_bring_an_old_answer_back(town):
    """I3: SendGrid posts a mail again for 72 hours when it heard no answer; other fields make it another post."""
    town.post("1\nIt broke")
    builders.skip_clock(town.shop.house, timedelta(minutes=1))
    town.click(5)
    town.n -= 1
    town.post("1\nIt broke", X_Spam="no")

    assert town.kept() == [(5, None)]
    assert len(town.replies()) == 1


@pytest.mark.parametrize("headers", [
    {"Auto_Submitted": "auto-replied"}, {"Precedence": "bulk"}, {"X_Auto_Response_Suppress": "All"}, {"List_Id": "x"},
    {"X_Cartwheel_Delivery": "1"},
])  # fmt: skip
def test_what_a_machine_writes_is_never_an_answer(town, headers):
    """I14: an absence notice may begin with a number."""
    town.post("5\nI am back on the 5th", **headers)

    assert (town.kept(), town.replies()) == ([], [(None, "5\nI am back on the 5th")])


def test_a_number_written_back_to_a_mail_that_asked_nothing_is_no_answer(town):
    """The thanks and the tips are about an order too, and have no stars."""
    with town.shop.house() as session:
        raw = session.scalars(text("SELECT token FROM deliveries WHERE step = 'tips'")).one()
    thanks = town.address(base64.urlsafe_b64encode(bytes(raw)).decode())
    town.post("5", to=thanks)

    assert (town.kept(), town.replies()) == ([], [(None, "5")])


def test_what_is_no_answer_is_read_by_the_merchant_and_by_no_other_shop(town):
    """I10, I16: without it a question that somebody wrote back would be seen by nobody."""
    town.post(f"<b>Is it safe</b> for children?{HEAD}")
    town.post("I am away", Auto_Submitted="auto-replied")
    town.post("5\nLovely")
    with town.shop.house.begin() as session:
        other, _ = builders.lamp_loft(session, url="https://other.example")
    mine, strange = (client_of(town.shop.house, shop_id) for shop_id in (town.shop.id, other))
    page = mine.get("/admin/answers").text

    assert "&lt;b&gt;Is it safe&lt;/b&gt; for children?" in page
    assert ("Lovely" in page, "I am away" in page, page.count("alice@example.com")) == (True, False, 2)
    assert "Is it safe" not in strange.get("/admin/answers").text


def test_hostile_messages_are_put_aside_or_read_and_the_next_is_taken_in(town):
    """I15, I16: thousands of parts in each other, brackets, parameters, an unknown character set; then a real answer."""
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000))
    for number, raw in enumerate((
        nested, b"From: " + b"(" * 500_000 + b"\n\n5 stars", b"Content-Type: text/plain" + b"; a=b" * 200_000 + b"\n\nhello",
        b"Content-Type: message/rfc822\n\n" * 5000, b"Content-Type: text/html\n\n" + b"<div>" * 200_000, b"\xff\x00" * 5000,
    )):  # fmt: skip
        town.hand_in(b"Message-ID: <h%d@x>\n" % number + raw, town.to)
    town.post("Content")
    town.post("3")

    assert town.kept()[-1][0] == 3
    assert town.rows("SELECT DISTINCT state FROM webhooks WHERE topic = 'inbound' AND state NOT IN ('done', 'failed')") == []


def test_an_answer_by_mail_is_erased_with_its_writer_but_for_the_stars(town):
    """I12."""
    from app.models import Shop as ShopRow
    from app.services import erase

    town.post("2\nMy secret")
    with town.shop.house.begin() as session:
        shop = session.get_one(ShopRow, town.shop.id)
        ids = erase.find(session, shop.id, emails=["alice@example.com"])
        erase.erase_customer(session, shop, ids, ["alice@example.com"], now=clock.now(session))
    town.post("5")

    assert (town.kept(), town.replies()) == ([(2, None)], [(2, None)])
