"""Mail that comes back: bounces by return path, answers of shoppers, unsubscribing by mail, and no loop of machines."""

import json
from datetime import timedelta
from email.message import EmailMessage
from types import SimpleNamespace

import pytest
from sqlalchemy import text

import jobs.inbox
import jobs.mail
import jobs.receipts
import jobs.runner
from app import clock
from app.config import settings
from app.domain.inbound import Purpose, address, read_address
from app.web import create_app
from tests import builders

DOMAIN, SECRET = "in.mail.example", "s" * 40
REPORT = """\
From: MAILER-DAEMON@mx.example
To: {to}
Subject: Undelivered Mail Returned to Sender
Message-ID: <{n}@mx.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I am sorry to have to inform you.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; alice@example.com
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 no such user

--b--
"""


@pytest.fixture
def town(house, monkeypatch):
    """Alice was sent her reminder, over a house that mail comes back to."""
    monkeypatch.setenv("CARTWHEEL_INBOUND_DOMAIN", DOMAIN)
    monkeypatch.setenv("CARTWHEEL_INBOUND_SECRET", SECRET)
    settings.cache_clear()
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        body = builders.checkout_body("t1", clock.now(session))
        builders.store_webhook(session, shop_id, "checkouts/update", body, key="c1")
    jobs.inbox.drain()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()
    jobs.mail.drain()
    with house() as session:
        token = bytes(session.scalar(text("SELECT token FROM deliveries WHERE state = 'sent'")))
    return SimpleNamespace(house=house, token=token, web=create_app().test_client())


def post(town, raw: str, to: str, secret: str = SECRET) -> int:
    form = {"email": raw, "envelope": json.dumps({"to": [to], "from": "alice@example.com"}), "subject": "x"}
    status = town.web.post(f"/inbound/sendgrid/{secret}", data=form).status_code
    jobs.receipts.drain()
    return status


def answer(to: str, words: str, n: int = 1, **headers: str) -> str:
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = "Alice <alice@example.com>", to, f"<{n}@example.com>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(words)
    return message.as_string()


def rows(town, query: str):
    with town.house() as session:
        return [tuple(row) for row in session.execute(text(query))]


def to(town, purpose: Purpose) -> str:
    return address(purpose, town.token, DOMAIN)


def courtesies() -> int:
    return len(list(settings().outbox_dir.glob("reply-*.eml")))


def test_an_address_leads_back_also_in_capitals_and_no_other_does():
    mine = address(Purpose.REPLY, bytes(range(16)), DOMAIN)

    assert read_address(f"<{mine.upper()}>", DOMAIN).token == bytes(range(16))
    assert [read_address(t, DOMAIN) for t in ("alice@example.com", mine.replace(DOMAIN, "x.example"), f"x{mine}")] == [
        None
    ] * 3


def test_the_mail_tells_where_to_answer_and_where_to_unsubscribe(town):
    mail = next(settings().outbox_dir.glob("*.eml")).read_text()

    assert f"Reply-To: {to(town, Purpose.REPLY)}" in mail
    assert f"<mailto:{to(town, Purpose.UNSUBSCRIBE)}?subject=unsubscribe>" in mail


def test_a_wrong_secret_is_401_and_stores_nothing(town):
    """I11."""
    assert post(town, answer("x", "hello"), to(town, Purpose.REPLY), secret="wrong") == 401
    assert rows(town, "SELECT 1 FROM webhooks WHERE topic = 'inbound'") == []


def test_a_delivery_report_is_a_bounce_of_the_mail_it_returns_to(town):
    """I7."""
    raw = REPORT.format(to=to(town, Purpose.BOUNCE), n=1, action="failed", status="5.1.1")

    assert post(town, raw, to(town, Purpose.BOUNCE)) == 200
    assert rows(town, "SELECT kind, status, is_soft FROM delivery_events") == [("bounced", "5.1.1", False)]
    assert rows(town, "SELECT reason, source FROM suppressions") == [("bounced", "mail")]
    assert rows(town, "SELECT state, reason FROM enrollments") == [("exited", "bounced")]


@pytest.mark.parametrize(("action", "status", "expected"), [
    ("failed", "4.2.2", [("bounced", True)]), ("failed", "5.2.2", [("bounced", True)]), ("delayed", "4.4.1", []),
])  # fmt: skip
def test_a_full_mailbox_is_soft_and_a_delay_is_nothing(town, action, status, expected):
    post(town, REPORT.format(to="x", n=1, action=action, status=status), to(town, Purpose.BOUNCE))

    assert rows(town, "SELECT kind, is_soft FROM delivery_events") == expected
    assert rows(town, "SELECT 1 FROM suppressions") == []


def test_an_answer_is_threaded_to_the_mail_without_what_it_quotes(town):
    words = f"Is the mug still there?\n\nOn Thursday <{to(town, Purpose.REPLY)}> wrote:\n> We kept your cart\n"
    raw = answer(to(town, Purpose.REPLY), words)
    statuses = [post(town, raw, to(town, Purpose.REPLY)) for _ in range(2)]

    assert statuses == [200, 200]
    assert rows(town, "SELECT delivery_id, text, is_automatic FROM replies") == [(1, "Is the mug still there?", False)]
    assert rows(town, "SELECT state, body FROM webhooks WHERE topic = 'inbound'") == [("done", None)]


def test_our_own_answer_goes_once_a_day_and_says_that_it_is_a_machines(town):
    for n in range(3):
        post(town, answer("x", f"hello {n}", n), to(town, Purpose.REPLY))
    first = courtesies()
    builders.skip_clock(town.house, timedelta(hours=25))
    post(town, answer("x", "hello again", 9), to(town, Purpose.REPLY))
    mail = next(settings().outbox_dir.glob("reply-*.eml")).read_text()

    assert (first, courtesies()) == (1, 2)
    assert "Auto-Submitted: auto-replied" in mail
    assert "hello@tea-and-tin.example" in mail


@pytest.mark.parametrize("headers", [
    {"Auto_Submitted": "auto-replied"}, {"Precedence": "bulk"}, {"X_Auto_Response_Suppress": "All"}, {"Return_Path": "<>"},
    {"X_Cartwheel_Delivery": "1"}, {"List_Id": "x"},
])  # fmt: skip
def test_a_machine_is_never_answered(town, headers):
    post(town, answer("x", "I am on holiday", **headers), to(town, Purpose.REPLY))

    assert courtesies() == 0
    assert rows(town, "SELECT is_automatic FROM replies") == [(True,)]


def test_a_complaint_that_a_provider_reports_by_mail_stops_the_address(town):
    """I7: an abuse report in the form of RFC 5965."""
    raw = REPORT.format(to="x", n=1, action="", status="").replace("message/delivery-status", "message/feedback-report")
    post(town, raw, to(town, Purpose.BOUNCE))

    assert rows(town, "SELECT reason, source FROM suppressions") == [("complained", "mail")]


def test_writing_to_the_way_out_unsubscribes(town):
    """I7."""
    post(town, answer("x", "unsubscribe"), to(town, Purpose.UNSUBSCRIBE))

    assert rows(town, "SELECT state, source FROM consents ORDER BY id DESC LIMIT 1") == [("unsubscribed", "mail")]


def test_attachments_are_dropped_and_too_much_is_refused(town):
    message = EmailMessage()
    message["Message-ID"] = "<1@x>"
    message.set_content("See the picture")
    message.add_attachment(b"\x89PNG" * 1000, maintype="image", subtype="png", filename="x.png")
    post(town, message.as_string(), to(town, Purpose.REPLY))
    too_much = {"CONTENT_LENGTH": str(31 * 1024 * 1024)}
    answer = town.web.post(f"/inbound/sendgrid/{SECRET}", data=b"", environ_overrides=too_much)

    assert rows(town, "SELECT text FROM replies") == [("See the picture",)]
    assert answer.status_code == 413


def test_mail_to_nobody_we_know_is_taken_and_forgotten(town):
    assert post(town, answer("x", "hello"), f"r+{'0' * 32}@{DOMAIN}") == 200
    assert rows(town, "SELECT 1 FROM replies") == []


def test_an_answer_is_erased_with_its_writer(town):
    """I12."""
    from app.models import Shop
    from app.services import erase

    post(town, answer("x", "my secret"), to(town, Purpose.REPLY))
    with town.house.begin() as session:
        shop = session.get(Shop, 1)
        ids = erase.find(session, 1, emails=["alice@example.com"])
        erase.erase_customer(session, shop, ids, ["alice@example.com"], now=clock.now(session))

    assert rows(town, "SELECT text FROM replies") == [(None,)]
