"""Seeing a mail before a shopper does: previews write nothing, tests are marked and count nowhere."""

import email
import json
from datetime import timedelta
from email.policy import default

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, text

import jobs.mail
from app import clock
from app.cli.mail import group
from app.config import settings
from app.domain.errors import Refused, Transient
from app.models import Base, Checkout, Delivery, Shop, TestMail
from app.services import trial_mail
from app.services.preview import Reader, preview
from jobs import housekeeping
from jobs import mail as mails
from tests import builders

FLOW = "abandoned_cart"


@pytest.fixture
def shop(house):
    """Tea & Tin with its flow on, and Alice's open cart."""
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        body = {**builders.checkout_body("t-alice", clock.now(session)), "customer_locale": "az"}
        builders.store_webhook(session, shop_id, "checkouts/update", body, key="w1")
    builders.work_off()
    return shop_id


def see(house, shop_id, step="coupon", reader=None, **kw):
    with house() as session:
        row, now = session.get_one(Shop, shop_id), clock.now(session)
        return preview(session, row, FLOW, step, reader or Reader(), public_url="https://mail.example", now=now, **kw)


def want(house, shop_id, step="coupon", reader=None, to="owner@tea.example"):
    with house.begin() as session:
        row, now = session.get_one(Shop, shop_id), clock.now(session)
        return trial_mail.request(session, row, FLOW, step, reader or Reader(), to=to, actor="test", now=now).id


def cart_of(house) -> int:
    with house() as session:
        return session.scalars(select(Checkout.id)).one()


def counts(house) -> dict[str, int]:
    with house() as session:
        return {t.name: session.scalar(select(func.count()).select_from(t)) for t in Base.metadata.sorted_tables}


def test_mails_sent() -> list:
    found = sorted(settings().outbox_dir.glob("test-*.eml"))
    return [email.message_from_bytes(path.read_bytes(), policy=default) for path in found]


test_mails_sent.__test__ = False


def test_a_preview_shows_a_real_cart_in_its_owners_language_and_writes_nothing(house, shop):
    before = counts(house)
    shown = see(house, shop, reader=Reader(checkout_id=cart_of(house)))

    assert "Alice" in shown.mail.text
    assert "Stoneware Mug" in shown.mail.text
    assert "https://tea-and-tin.example/recover/t-alice?key=1" in shown.mail.text
    assert shown.mail.language == "az"
    assert counts(house) == before


def test_a_preview_without_a_reader_is_an_example_in_the_shops_language(house, shop):
    shown = see(house, shop)

    assert "Jo" in shown.mail.text
    assert "SAMPLE-CODE-10" in shown.mail.text
    assert shown.mail.language == "en"
    assert shown.languages.missing == ()


def test_a_preview_in_a_language_that_is_missing_says_so(house, shop):
    shown = see(house, shop, reader=Reader(locale="de"))

    assert shown.mail.is_fallback
    assert "language" in {f.code for f in shown.findings if f.level == "warn"}


def test_a_preview_shows_words_that_are_not_kept_yet_and_their_mistakes(house, shop):
    tree = {"subject": "Draft", "preheader": "", "blocks": [{"type": "words", "html": "<p>Only a draft</p>"}]}

    assert "Only a draft" in see(house, shop, "reminder", tree=tree).mail.text
    with pytest.raises(Refused, match="line 1, column 4"):
        see(house, shop, "reminder", tree={**tree, "subject": "{{ nothing }}"})


@pytest.mark.parametrize("reader", [Reader(checkout_id=999), Reader(customer_id=999)])
def test_a_preview_of_nobody_is_refused(house, shop, reader):
    with pytest.raises(Refused, match="999"):
        see(house, shop, reader=reader)


def test_a_preview_of_another_shops_cart_is_refused(house, shop):
    """I10: a foreign id answers like an unknown one."""
    with house.begin() as session:
        lamp, _ = builders.lamp_loft(session)
    with pytest.raises(Refused, match="There is no cart"):
        see(house, lamp, reader=Reader(checkout_id=cart_of(house)))


def test_a_test_mail_is_marked_leads_to_a_real_cart_and_counts_for_nothing(house, shop):
    """I5: it stands in a ledger of its own, so the real step is still to come, once."""
    want(house, shop)
    jobs.mail.drain()
    mail = test_mails_sent()[0]
    body = mail.get_body(("plain",)).get_content()

    assert mail["To"].endswith("<owner@tea.example>")
    assert mail["Subject"].startswith("[Sınaq] ")
    assert mail["X-Cartwheel-Delivery"] == "test-1"
    assert "https://tea-and-tin.example/recover/t-alice?key=1" in body
    assert "SAMPLE-CODE-10" in body
    assert builders.ledger(house) == []
    with house() as session:
        assert session.scalar(text("SELECT count(*) FROM coupons")) == 0

    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    builders.work_off()
    assert builders.ledger(house) == [("reminder", "sent", None)]


def test_rung_twice_tests_once(house, shop):
    want(house, shop)
    jobs.mail.drain()
    jobs.mail.drain()

    assert len(test_mails_sent()) == 1
    with house() as session:
        assert session.scalars(select(TestMail.attempts)).all() == [1]


def test_nobodys_unsubscribe_link_stops_nobody(house, shop, client_of):
    want(house, shop, to="alice@example.com")
    jobs.mail.drain()
    link = test_mails_sent()[0]["List-Unsubscribe"].strip("<>").rpartition("/u/")[2]
    answer = client_of().post(f"/u/{link}", data={"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 200
    with house() as session:
        assert session.scalar(text("SELECT count(*) FROM suppressions")) == 0
        assert set(session.scalars(text("SELECT consent_state FROM customer_identities WHERE kind = 'email'"))) == {
            "subscribed"
        }


@pytest.fixture
def client_of(house):
    """A visitor of the web app."""
    from app.web import create_app

    return lambda: create_app().test_client()


def test_a_test_that_cannot_go_says_why_and_is_not_tried_again(house, shop, monkeypatch):
    from integrations.outbox.transport import OutboxTransport

    def refuse(self, mail):
        raise Transient("The server is away.")

    monkeypatch.setattr(OutboxTransport, "send", refuse)
    want(house, shop)
    jobs.mail.drain()
    jobs.mail.drain()

    with house() as session:
        mail = session.scalars(select(TestMail)).one()
    assert (mail.state, mail.error, mail.attempts) == ("failed", "The server is away.", 1)


def test_a_process_that_died_while_handing_over_leaves_unknown(house, shop):
    want(house, shop)
    with house.begin() as session:
        session.execute(text("UPDATE test_mails SET state = 'sending', lease_until = now() - interval '1 second'"))
    jobs.mail.drain()

    with house() as session:
        assert session.scalars(select(TestMail.state)).one() == "unknown"
    assert test_mails_sent() == []


def test_tests_have_a_limit_and_an_address(house, shop):
    """I15."""
    for _ in range(trial_mail.MOST_AN_HOUR):
        want(house, shop)
    with pytest.raises(Refused, match="enough"):
        want(house, shop)
    builders.skip_clock(house, timedelta(hours=2))
    with pytest.raises(Refused, match="no address"):
        want(house, shop, to="a\r\nBcc: eve@evil.example")


def test_the_scheduler_rings_for_a_test(house, shop):
    from jobs.scheduler import tick

    want(house, shop)

    assert "mail" in {queue.value for queue in tick()}


def test_the_command_line_sends_a_test_and_shows_a_preview(house, shop, monkeypatch):
    monkeypatch.setattr("app.cli.trial.ring", lambda queue: jobs.mail.drain())
    runner = CliRunner()
    sent = runner.invoke(group, ["send-test", FLOW, "reminder", "--to", "owner@tea.example", "--locale", "ar", "--json"])
    shown = runner.invoke(group, ["preview", FLOW, "coupon", "--json"])

    assert (sent.exit_code, json.loads(sent.stdout)["state"]) == (0, "sent")
    assert "احتفظنا" in test_mails_sent()[0]["Subject"]
    assert {check["code"] for check in json.loads(shown.stdout)["checks"]} >= {"unsubscribe", "size"}


def test_what_a_test_held_of_a_person_goes_with_the_person(house, shop):
    """I12: tests to the address, and tests that showed the cart, rows and files."""
    want(house, shop, reader=Reader(checkout_id=cart_of(house)))
    want(house, shop, to="alice@example.com")
    builders.work_off()
    mails.drain()
    assert len(test_mails_sent()) == 2
    with house.begin() as session:
        body = {
            "shop_domain": builders.TEA_AND_TIN,
            "customer": {"id": 71, "email": "alice@example.com"},
            "orders_to_redact": [],
        }
        builders.store_webhook(session, shop, "customers/redact", body, key="r1")
    builders.work_off()
    for _ in range(3):
        housekeeping.drain()

    assert test_mails_sent() == []
    with house() as session:
        assert session.scalars(select(TestMail.recipient)).all() == []
        assert set(session.scalars(select(Delivery.recipient))) <= {None}
