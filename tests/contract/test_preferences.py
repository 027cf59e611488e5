"""The preference page: what people choose holds at once, in their language, without script, and looking changes nothing."""

import re
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import text

import jobs.inbox
import jobs.mail
import jobs.runner
from app import clock
from app.domain.consent import TOPICS
from app.services import preferences
from app.services.content import unsubscribe_token
from app.services.preferences import Choice
from app.web import create_app
from app.web.public.language import LANGUAGES, choose, language
from tests import builders

ALL = {"topic": list(TOPICS), "frequency": "all", "lang": "en"}


def due(house, people: int = 1) -> int:
    """Let reminders of some shoppers be due and not yet claimed."""
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        for n in range(people):
            body = builders.checkout_body(f"t{n}", clock.now(session), email=f"shopper{n}@example.com")
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"c{n}")
    jobs.inbox.drain()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()
    return shop_id


def links(house) -> dict[str, str]:
    from app.models import Delivery

    with house() as session:
        rows = session.query(Delivery).filter_by(step="reminder").order_by(Delivery.id)
        return {row.recipient: f"/p/{unsubscribe_token(row)}" for row in rows}


@pytest.fixture
def page(house):
    """The reminder of one shopper is due; the path of the preference page."""
    due(house)
    return house, links(house)["shopper0@example.com"]


def held(house) -> list[tuple]:
    with house() as session:
        query = "SELECT topics_off, frequency, paused_until, locale, birthday FROM preferences"
        return [tuple(row) for row in session.execute(text(query))]


def test_looking_shows_what_holds_and_changes_nothing(page):
    house, path = page
    client = create_app().test_client()
    shown = client.get(path)
    client.head(path)

    assert shown.status_code == 200
    assert b"shopper0@example.com" not in shown.data
    assert shown.data.count(b'name="topic"') == len(TOPICS)
    assert b"<script" not in shown.data
    assert shown.headers["Cache-Control"] == "no-store"
    assert held(house) == []


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({**ALL, "topic": [t for t in TOPICS if t != "cart"]}, "topic_off"),
        ({**ALL, "pause": "1"}, "paused_by_person"),
        (ALL, None),
    ],
)
def test_choice_holds_for_the_mail_that_is_due(page, form, reason):
    """I7: what was saved before the claim is heeded by it."""
    house, path = page
    answer = create_app().test_client().post(path, data=form)
    jobs.mail.drain()

    assert (answer.status_code, b"Saved." in answer.data) == (200, True)
    assert builders.ledger(house) == [("reminder", "skipped" if reason else "sent", reason)]


def test_who_wants_one_a_week_gets_one_a_week(page):
    house, path = page
    create_app().test_client().post(path, data={**ALL, "frequency": "weekly"})
    jobs.mail.drain()
    builders.skip_clock(house, timedelta(hours=24))
    builders.work_off()

    assert [row for row in builders.ledger(house) if row[0] == "coupon"] == [("coupon", "skipped", "asked_for_less")]


def test_pause_ends_after_thirty_days_and_saving_again_does_not_stretch_it(page):
    house, path = page
    client = create_app().test_client()
    client.post(path, data={**ALL, "pause": "1"})
    first = held(house)[0][2]
    builders.skip_clock(house, timedelta(days=3))
    client.post(path, data={**ALL, "pause": "1"})
    again = held(house)[0][2]
    client.post(path, data=ALL)

    assert first == again
    assert held(house)[0][2] is None


def test_birthday_is_kept_without_year_changed_and_forgotten_and_never_shown(page):
    house, path = page
    client = create_app().test_client()
    leap = client.post(path, data={**ALL, "birth_day": "29", "birth_month": "02"})
    kept = held(house)[0][4]
    client.post(path, data=ALL)
    still = held(house)[0][4]
    wrong = client.post(path, data={**ALL, "birth_day": "31", "birth_month": "06"})
    half = client.post(path, data={**ALL, "birth_day": "31"})
    client.post(path, data={**ALL, "forget_birthday": "1"})

    assert (leap.status_code, wrong.status_code, half.status_code) == (200, 422, 422)
    assert (kept, still, held(house)[0][4]) == ("02-29", "02-29", None)
    assert b"02-29" not in leap.data


@pytest.mark.parametrize(
    "form", [{"frequency": "hourly"}, {"topic": "cart", "frequency": "' OR 1=1"}, {"lang": "xx", "frequency": "all"}, {}]
)
def test_form_that_makes_no_sense_breaks_nothing(page, form):
    house, path = page
    answer = create_app().test_client().post(path, data=form)

    assert answer.status_code in {200, 422}
    assert [row[3] for row in held(house)] in ([], [None])


def test_unsubscribed_person_comes_back_by_a_button_of_their_own(page):
    house, path = page
    client = create_app().test_client()
    client.post(path.replace("/p/", "/u/"))
    stopped = client.get(path)
    back = client.post(path, data={"agree": "1", "lang": "en"})
    with house() as session:
        last = session.execute(text("SELECT state, source, wording FROM consents ORDER BY id DESC LIMIT 1")).one()

    assert b"Yes, send me offers and reminders again" in stopped.data
    assert b"Yes, send me offers" not in back.data
    assert tuple(last) == ("subscribed", "preferences", "Yes, send me offers and reminders again")


def test_preferences_and_due_mails_race_and_what_was_committed_first_wins(house, monkeypatch):
    """I7."""
    due(house, people=24)
    paths = links(house)
    saved: set[str] = set()
    broken: list[str] = []
    sent: list[str] = []
    real = jobs.mail._claim

    class Transport:
        def send(self, mail):
            sent.append(mail.key)
            return mail.key

        def was_sent(self, key):
            return None

    def watching(ready):
        before = set(saved)
        going = real(ready)
        broken.extend(r.mail.to_email for r in going if r.mail.to_email in before)
        return going

    monkeypatch.setattr(jobs.mail, "_claim", watching)
    monkeypatch.setattr(jobs.mail, "BATCH", 2)

    def choose_off():
        for email, path in paths.items():
            with house.begin() as session:
                choice = Choice(topics_off=frozenset({"cart"}))
                preferences.save(session, path.removeprefix("/p/"), choice, now=clock.now(session))
            saved.add(email)

    def hand_over():
        stamp = jobs.mail.Stamp()
        while jobs.mail.send_batch(Transport(), stamp):
            pass

    threads = [threading.Thread(target=choose_off), *(threading.Thread(target=hand_over) for _ in range(2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = [(state, reason) for _, state, reason in builders.ledger(house)]

    assert broken == []
    assert set(states) <= {("sent", None), ("skipped", "topic_off")}
    assert len(sent) == len(set(sent)) == states.count(("sent", None))


@pytest.mark.parametrize("tag", LANGUAGES)
def test_page_speaks_every_language(page, tag):
    _, path = page
    answer = create_app().test_client().get(f"{path}?lang={tag}")
    html = answer.data.decode()

    assert f'<html lang="{tag}" dir="{"rtl" if tag == "ar" else "ltr"}">' in html
    assert (">Save<" in html) is (tag == "en")


@pytest.mark.parametrize("tag", [t for t in LANGUAGES if t != "en"])
def test_no_word_of_the_pages_is_without_translation(tag):
    from pathlib import Path

    from app.web.public.opt_in import WORDING
    from app.web.public.preferences import AGREE

    folder = Path(__file__).parents[2] / "templates" / "public"
    source = "".join(re.sub(r"\{#.*?#\}", "", p.read_text("utf-8"), flags=re.DOTALL) for p in folder.glob("*.html"))
    words = {*re.findall(r'\b_\("([^"]+)"\)', source), WORDING, AGREE}
    say = language(tag).say
    names = re.compile(r"\{\w+\}")

    assert len(words) > 50
    assert [word for word in words if say(word) == word] == []
    assert [word for word in words if names.findall(word) != names.findall(say(word))] == []


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [
        (("ar-SA",), "ar"), (("zh-TW",), "zh-Hant"), (("zh-HK",), "zh-Hant"), (("zh-CN",), "zh-Hans"), (("zh",), "zh-Hans"),
        (("zh-Hant-CN",), "zh-Hant"), (("az-Latn-AZ",), "az"), (("de-DE", "az"), "az"), (("de",), "en"), ((None,), "en"),
        (("",), "en"), (("x" * 400,), "en"), (("../../etc",), "en"),
    ],
)  # fmt: skip
def test_language_is_the_first_of_the_wanted_that_there_is(wanted, tag):
    assert choose(*wanted).tag == tag


def test_language_of_the_person_goes_before_the_browsers_and_is_kept(page):
    house, path = page
    client = create_app().test_client()
    by_browser = client.get(path, headers={"Accept-Language": "az, en;q=0.5"}).data
    client.post(path, data={**ALL, "lang": "ar"})
    by_choice = client.get(path, headers={"Accept-Language": "az"}).data

    assert b'<html lang="en"' in by_browser  # the checkout was in English
    assert b'<html lang="ar" dir="rtl">' in by_choice
    assert held(house)[0][3] == "ar"


@pytest.mark.parametrize("token", ["x", "A" * 22, "A" * 500, "%00", "é"])
def test_link_that_leads_nowhere_says_so(house, token):
    client = create_app().test_client()
    answers = [client.get(f"/p/{token}"), client.post(f"/p/{token}", data=ALL)]

    assert [a.status_code for a in answers] == [200, 200]
    assert all(b"This link does not work" in a.data for a in answers)


def test_mail_comes_in_the_language_that_was_chosen_and_leads_to_the_page(page):
    import email
    from email import policy

    from app.config import settings

    _, path = page
    create_app().test_client().post(path, data={**ALL, "lang": "ar"})
    jobs.mail.drain()
    (file,) = settings().outbox_dir.glob("*.eml")
    message = email.message_from_bytes(file.read_bytes(), policy=policy.default)
    html = message.get_body(("html",)).get_content()

    assert 'dir="rtl"' in html
    assert f'href="http://127.0.0.1:8000{path}"' in html
    assert f"http://127.0.0.1:8000{path}" in message.get_body(("plain",)).get_content()


def test_mail_waits_for_a_choice_that_is_being_saved_and_then_heeds_it(house):
    """I7: the claim waits at the person's lock, and looks only after it has it."""
    due(house)
    token = links(house)["shopper0@example.com"].removeprefix("/p/")
    with house.begin() as session:
        now = clock.now(session)
        preferences.save(session, token, Choice(topics_off=frozenset({"cart"})), now=now)
        thread = threading.Thread(target=jobs.mail.drain)
        thread.start()
        is_waiting = wait_for_a_waiter(house, thread)
    thread.join(60)

    assert is_waiting
    assert builders.ledger(house) == [("reminder", "skipped", "topic_off")]


def wait_for_a_waiter(house, thread, seconds: float = 30) -> bool:
    """Say whether somebody came to wait for a lock; False when the work was done without."""
    until = time.monotonic() + seconds
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
    while time.monotonic() < until and thread.is_alive():
        with house() as session:
            if session.scalar(query):
                return True
        time.sleep(0.05)
    return False
