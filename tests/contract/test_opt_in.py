"""Double opt-in: one mail with a link, nothing else until its button was pressed, and no way to bother strangers with it."""

import email
import re
import threading
from datetime import timedelta
from email import policy

import pytest
from sqlalchemy import text

import jobs.housekeeping
import jobs.inbox
import jobs.mail
import jobs.runner
from app import clock
from app.config import settings
from app.services import edit_rules, opt_in
from app.web import create_app
from tests import builders

WORDING = "Tea news, please."


@pytest.fixture
def form(house):
    """Tea & Tin asks to confirm; the path of its sign-up form."""
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
        rules = {"double_opt_in": True, "form_wording": WORDING}
        edit_rules.change(session, shop_id, rules, actor="test", now=now)
        return house, shop_id, f"/signup/{edit_rules.form_token(session, shop_id, now=now)}"


def sign_up(path: str, address: str = "dora@example.com", ip: str = "203.0.113.7", **more):
    client = create_app().test_client()
    return client.post(path, data={"email": address, **more}, environ_base={"REMOTE_ADDR": ip})


def mails() -> list[email.message.EmailMessage]:
    paths = sorted(settings().outbox_dir.glob("*.eml"), key=lambda p: p.stat().st_mtime_ns)
    return [email.message_from_bytes(p.read_bytes(), policy=policy.default) for p in paths]


def link(mail) -> str:
    body = mail.get_body(("plain",)).get_content()
    return re.search(r"http://127\.0\.0\.1:8000(/d/[\w-]+)", body)[1]


def consents(house) -> list[tuple]:
    with house() as session:
        query = "SELECT state, source, level, wording FROM consents ORDER BY at, id"
        return [tuple(row) for row in session.execute(text(query))]


def states(house) -> list[str]:
    with house() as session:
        return list(session.scalars(text("SELECT state FROM opt_ins ORDER BY id")))


def test_sign_up_is_asked_once_reminded_once_and_confirmed_by_the_button(form):
    house, _, path = form
    answer = sign_up(path)
    builders.work_off()
    builders.skip_clock(house, timedelta(hours=24, minutes=1))
    builders.work_off()
    builders.skip_clock(house, timedelta(days=3))
    builders.work_off()
    first, second = mails()
    client = create_app().test_client()
    looked = client.get(link(first)), client.head(link(first))
    before = consents(house)
    pressed = [client.post(link(first)).status_code for _ in range(3)]

    assert answer.status_code == 200
    assert (first["Subject"], second["Subject"]) == ("Please confirm your address", "Still want our mails?")
    assert link(first) == link(second)
    assert [a.status_code for a in looked] == [200, 200]
    assert before == [("pending", "form", "confirmed_opt_in", WORDING)]
    assert pressed == [200, 200, 200]
    assert consents(house)[1:] == [("subscribed", "double_opt_in", "confirmed_opt_in", WORDING)]
    assert states(house) == ["confirmed"]


def test_mail_that_asks_measures_and_offers_nothing(form):
    house, shop_id, path = form
    with house.begin() as session:
        edit_rules.change(session, shop_id, {"tracks_opens": True}, actor="test", now=clock.now(session))
    sign_up(path)
    builders.work_off()
    (mail,) = mails()
    page = mail.get_body(("html",)).get_content()

    assert mail["List-Unsubscribe"] is None
    assert not re.search(r"/c/|/o/|/u/|utm_", page)
    assert "If it was not you, ignore this mail" in page


def test_nothing_else_is_sent_until_it_is_confirmed(form):
    """I7: also a box ticked at the checkout is a yes without proof, and its cart mail waits for the proof."""
    house, shop_id, _ = form
    with house.begin() as session:
        body = builders.checkout_body("t1", clock.now(session), email="alice@example.com")
        builders.store_webhook(session, shop_id, "checkouts/update", body, key="c1")
    builders.work_off()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    builders.work_off()
    unconfirmed = builders.ledger(house)
    create_app().test_client().post(link(mails()[0]))
    builders.skip_clock(house, timedelta(hours=23))
    builders.work_off()

    assert unconfirmed == [("confirm", "sent", None), ("reminder", "skipped", "not_confirmed")]
    assert builders.ledger(house)[2:] == [
        ("confirm_reminder", "skipped", "opt_in_ended"),
        ("coupon", "pending", builders.ledger(house)[-1][2]),
    ]


def test_reminder_and_confirmation_race_and_what_was_committed_first_wins(form):
    """I7: pressed before the reminder is claimed, no reminder goes out."""
    house, _, path = form
    for n in range(12):
        sign_up(path, f"shopper{n}@example.com", ip=f"203.0.113.{n}")
    builders.work_off()
    builders.skip_clock(house, timedelta(hours=24, minutes=1))
    jobs.runner.drain()
    links = {mail["To"]: link(mail) for mail in mails()}
    confirmed: set[str] = set()
    broken: list[str] = []

    class Transport:
        sent: list[str] = []  # noqa: RUF012

        def send(self, mail):
            self.sent.append(mail.to_email)
            return mail.key

        def was_sent(self, key):
            return None

    real = jobs.mail._claim

    def watching(ready):
        before = set(confirmed)
        going = real(ready)
        broken.extend(r.mail.to_email for r in going if r.mail.to_email in before)
        return going

    jobs.mail._claim = watching

    def press():
        for to, path in links.items():
            create_app().test_client().post(path)
            confirmed.add(to)

    def hand_over():
        stamp = jobs.mail.Stamp()
        while jobs.mail.send_batch(Transport(), stamp):
            pass

    try:
        threads = [threading.Thread(target=press), threading.Thread(target=hand_over)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        jobs.mail._claim = real
    reminders = [row for row in builders.ledger(house) if row[0] == "confirm_reminder"]

    assert broken == []
    assert len(reminders) == 12
    assert [s for _, s, _ in reminders].count("sent") == len(Transport.sent)
    assert {r for _, s, r in reminders if s == "skipped"} <= {"opt_in_ended"}


def test_link_is_over_after_seven_days(form):
    house, _, path = form
    sign_up(path)
    builders.work_off()
    token = link(mails()[0])
    builders.skip_clock(house, timedelta(days=7, minutes=1))
    late = create_app().test_client().post(token)
    jobs.housekeeping.drain()
    with house() as session:
        row = session.execute(text("SELECT email, token_sealed FROM opt_ins")).one()

    assert b"too old" in late.data
    assert consents(house) == [("pending", "form", "confirmed_opt_in", WORDING)]
    assert (states(house), tuple(row)) == (["expired"], (None, None))


def test_an_address_is_asked_once_a_day_and_the_answer_is_always_the_same(form):
    house, _, path = form
    first = sign_up(path)
    again = sign_up(path, ip="203.0.113.9")
    builders.work_off()
    create_app().test_client().post(link(mails()[0]))
    known = sign_up(path, ip="203.0.113.10")
    trap = sign_up(path, "eve@example.com", website="https://spam.example")
    builders.work_off()

    assert len({a.data for a in (first, again, known, trap)}) == 1
    assert {a.status_code for a in (first, again, known, trap)} == {200}
    assert (len(mails()), states(house)) == (1, ["confirmed"])


def test_a_visitor_asks_ten_times_an_hour(form):
    house, _, path = form
    answers = {sign_up(path, f"shopper{n}@example.com").data for n in range(13)}
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    sign_up(path, "later@example.com")

    assert len(answers) == 1
    assert len(states(house)) == 11


def test_who_complained_or_was_forgotten_is_not_asked(form):
    from app import crypto
    from app.models import Shop, Suppression

    house, shop_id, path = form
    with house.begin() as session:
        shop = session.get(Shop, shop_id)
        email_hash = crypto.hash_email(crypto.hash_key(shop.id, shop.hash_key), "dora@example.com")
        session.add(
            Suppression(shop_id=shop_id, email_hash=email_hash, scope="marketing", reason="complained", source="provider")
        )
    answer = sign_up(path)

    assert (answer.status_code, states(house)) == (200, [])


def test_who_refused_before_is_asked_and_stays_refused_until_confirmed(form):
    from app.models import CustomerIdentity, Delivery
    from app.services import unsubscribe
    from app.services.content import unsubscribe_token

    house, shop_id, path = form
    with house.begin() as session:
        edit_rules.change(session, shop_id, {"double_opt_in": False}, actor="test", now=clock.now(session))
    sign_up(path)
    with house() as session:
        single = session.execute(text("SELECT state, level, source FROM consents")).one()
    with house.begin() as session:
        body = builders.checkout_body("t1", clock.now(session), email="dora@example.com")
        builders.store_webhook(session, shop_id, "checkouts/update", body, key="c1")
    builders.work_off()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()
    with house.begin() as session:
        token = unsubscribe_token(session.query(Delivery).one())
        unsubscribe.unsubscribe(session, token, source="one_click", now=clock.now(session))
        edit_rules.change(session, shop_id, {"double_opt_in": True}, actor="test", now=clock.now(session))
    sign_up(path)
    builders.work_off()
    standing = []
    for press in (False, True):
        if press:
            create_app().test_client().post(link(mails()[-1]))
        with house() as session:
            standing.append(session.query(CustomerIdentity).filter_by(kind="email").one().standing)

    assert tuple(single) == ("subscribed", "single_opt_in", "form")
    assert standing == ["unsubscribed", "subscribed"]


@pytest.mark.parametrize(("country", "asked"), [("DE", True), ("US", False), (None, True)])
def test_only_some_countries_are_asked(form, country, asked):
    house, shop_id, _ = form
    with house.begin() as session:
        edit_rules.change(session, shop_id, {"double_opt_in_in": ["EU"]}, actor="test", now=clock.now(session))
        body = builders.checkout_body("t1", clock.now(session))
        body["billing_address"] = {"first_name": "Alice", **({"country_code": country} if country else {})}
        body["customer_locale"] = "en"
        builders.store_webhook(session, shop_id, "checkouts/update", body, key="c1")
    jobs.inbox.drain()

    assert bool(states(house)) is asked


def test_only_a_hash_of_the_token_can_be_looked_up_and_the_rest_is_sealed(form):
    """I13."""
    house, _, path = form
    sign_up(path)
    builders.work_off()
    token = link(mails()[0]).removeprefix("/d/")
    with house() as session:
        rows = str(session.execute(text("SELECT * FROM opt_ins")).all())

    assert len(token) == 22
    assert token not in rows


@pytest.mark.parametrize("token", ["x", "A" * 22, "A" * 500, "%00", "é"])
def test_link_or_form_that_leads_nowhere_changes_nothing(form, token):
    house, _, _ = form
    client = create_app().test_client()
    answers = [client.get(f"/d/{token}").status_code, client.post(f"/d/{token}").status_code]
    forms = [client.get(f"/signup/{token}").status_code, sign_up(f"/signup/{token}").status_code]

    assert (answers, forms) == ([200, 200], [404, 404])
    assert states(house) == []


def test_what_is_no_address_is_said_to_be_none(form):
    house, _, path = form
    answers = [sign_up(path, address) for address in ("dora", "", "a@b", "x" * 400 + "@example.com", "a b@example.com")]

    assert {a.status_code for a in answers} == {422}
    assert states(house) == []


def test_form_may_stand_in_a_frame_of_the_shop_and_of_nobody_else(form):
    _, _, path = form
    policy_of_form = create_app().test_client().get(path).headers["Content-Security-Policy"]

    assert policy_of_form.endswith(f"frame-ancestors 'self' https://{builders.TEA_AND_TIN}")
    assert timedelta(days=7) == opt_in.LIFE
