"""The settings page between two people, and what stands on it that nobody saves: the domain, languages, retention."""

import re
import socket
import threading
import time
from html import unescape

import dns.resolver
import pytest
from sqlalchemy import text

import integrations.names
from app.models import Shop
from app.services import mail_rules, retention
from app.web.admin import settings_facts
from tests.admin_cast import link
from tests.contract.test_settings_page import GOOD, HTMX, MEASURING, SENDER, kept

HEADERS = pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])


def seen(page: str, key: str) -> str:
    """The print in the form of one section."""
    form = page[page.index(f'id="settings-{key}"') :]
    return re.search(r'name="seen" value="(\w+)"', form)[1]


@pytest.fixture
def late(client):
    """What somebody's forms were shown with before somebody else saved another sender and other hours."""
    page = client.get("/admin/settings").text
    client.post("/admin/settings/sender", data={**SENDER, "sender_email": "other@tea.example"})
    client.post("/admin/settings/measuring", data={**MEASURING, "click_hours": "24"})
    return page


@HEADERS
def test_the_second_of_two_is_told_what_the_first_saved_and_loses_nothing(house, client, cast, late, headers):
    before = kept(house, cast.tea)
    typed = {**SENDER, "postal_address": "9 Own Road", "seen": seen(late, "sender")}
    answer = client.post("/admin/settings/sender", data=typed, headers=headers)

    assert answer.status_code == 409
    assert "Somebody saved this part while you were editing" in answer.text
    assert "Somebody saved: other@tea.example" in answer.text
    assert "9 Own Road" in answer.text
    assert kept(house, cast.tea) == before


@HEADERS
def test_saving_again_puts_ones_own_in_its_place(house, client, cast, late, headers):
    typed = {**SENDER, "postal_address": "9 Own Road", "seen": seen(late, "sender")}
    told = client.post("/admin/settings/sender", data=typed, headers=headers).text
    answer = client.post("/admin/settings/sender", data=typed | {"seen": seen(told, "sender")}, headers=headers)

    assert answer.status_code == (200 if headers else 303)
    assert kept(house, cast.tea)["sender"] == SENDER | {"postal_address": "9 Own Road"}


@HEADERS
def test_taking_theirs_shows_what_is_saved_and_saves_nothing(house, client, cast, late, headers):
    before = kept(house, cast.tea)
    typed = {**MEASURING, "click_hours": "99", "seen": seen(late, "measuring"), "theirs": "1"}
    answer = client.post("/admin/settings/measuring", data=typed, headers=headers, follow_redirects=True)

    assert (answer.status_code, 'value="24"' in answer.text, 'value="99"' in answer.text) == (200, True, False)
    assert kept(house, cast.tea) == before


def test_a_tick_and_a_choice_that_differ_are_told_in_words(client):
    page = client.get("/admin/settings").text
    client.post("/admin/settings/consent", data=GOOD["consent"])
    told = client.post("/admin/settings/consent", data={"mode": "subscribers", "seen": seen(page, "consent")}, headers=HTMX)

    assert "Somebody saved: Whom the law of their country lets us mail" in told.text
    assert told.text.count("Somebody saved it on.") == 1  # the acknowledgement is nobody's setting


def test_two_sections_do_not_stand_in_each_others_way(client, late):
    answer = client.post("/admin/settings/pace", data={**GOOD["pace"], "seen": seen(late, "pace")})

    assert answer.status_code == 303


def test_of_two_that_save_at_the_same_instant_one_is_told(house, client, cast):
    from app.web import create_app

    page = client.get("/admin/settings").text
    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    statuses, ways_in = [], [link(house, cast.tea) for _ in range(2)]
    together = threading.Barrier(2)

    def save(number: int) -> None:
        mine = app.test_client()
        mine.post(ways_in[number])
        together.wait(20)
        typed = {**SENDER, "sender_email": f"p{number}@tea.example", "seen": seen(page, "sender")}
        statuses.append(mine.post("/admin/settings/sender", data=typed).status_code)

    people = [threading.Thread(target=save, args=(number,)) for number in range(2)]
    for person in people:
        person.start()
    for person in people:
        person.join(30)

    assert sorted(statuses) == [303, 409]


def test_the_form_opens_with_an_address_and_a_frame_to_copy_and_closes_for_good(house, client, cast):
    client.post("/admin/settings/signup", data=GOOD["signup"])
    page = unescape(client.get("/admin/settings").text)
    address = re.search(r'value="(http[^"]*/signup/[^"]+)"', page)[1]
    path = address[address.index("/signup") :]
    shown = client.get(path)
    client.post("/admin/settings/signup", data={"form_wording": ""})

    assert (shown.status_code, "Send me the leaves." in shown.text) == (200, True)
    assert f'<iframe src="{address}"' in page
    assert client.get(path).status_code == 404
    client.post("/admin/settings/signup", data=GOOD["signup"])
    with house() as session:
        assert mail_rules.of(session, cast.tea).form_token not in {None, path.rpartition("/")[2]}


def test_countries_that_are_asked_to_confirm_are_kept_as_codes(house, client, cast):
    client.post(
        "/admin/settings/consent", data={"mode": "subscribers", "double_opt_in": "on", "double_opt_in_in": "de; at eu"}
    )
    with house() as session:
        rules = mail_rules.of(session, cast.tea)

    assert rules.double_opt_in_in == ("AT", "DE", "EU")
    assert [rules.asks_to_confirm(country) for country in ("DE", "FR", "US", None)] == [True, True, False, True]


@pytest.fixture
def silent_dns(monkeypatch):
    """A DNS server on this machine that takes every question and answers none."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    real = dns.resolver.Resolver

    def resolver():
        made = real(configure=False)
        made.nameservers, made.port = ["127.0.0.1"], server.getsockname()[1]
        return made

    monkeypatch.setattr(integrations.names.dns.resolver, "Resolver", resolver)
    yield server
    server.close()


@HEADERS
def test_a_dns_that_does_not_answer_holds_the_page_for_its_budget_only(client, silent_dns, monkeypatch, headers):
    """I15: 14 questions of 6 seconds each would be more than a minute."""
    monkeypatch.setattr(settings_facts, "DNS_BUDGET", 0.5)
    started = time.monotonic()
    answer = client.post("/admin/settings/sender/check", headers=headers)

    assert time.monotonic() - started < 3
    assert answer.status_code == 200
    assert answer.text.count("Could not be asked") == 4
    assert "Checked at" in answer.text


class Names:
    """The DNS of tea.example, which knows only who receives its mail."""

    def __init__(self, within: float) -> None:
        self.within = within

    def txt(self, name: str) -> list[str]:
        return []

    def mx(self, name: str) -> list[str]:
        return ["mx.tea.example"] if name == "tea.example" else []


@HEADERS
def test_the_check_says_what_is_missing_and_the_record_to_add(client, monkeypatch, headers):
    monkeypatch.setattr(settings_facts, "Dns", Names)
    monkeypatch.setattr(settings_facts, "_sent_via", lambda: "include:sendgrid.net")
    page = client.post("/admin/settings/sender/check", headers=headers).text

    for shown in ("v=spf1 include:sendgrid.net ~all", "_dmarc.tea.example", "v=DMARC1; p=none", "mx.tea.example"):
        assert shown in page
    assert (page.count("Missing or wrong"), page.count("Look at it"), page.count(">Good<")) == (2, 1, 1)


def test_no_transaction_is_open_while_the_dns_is_asked(house, client, monkeypatch):
    open_ones = []

    def asked(email):
        with house() as session:
            query = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()"
            open_ones.append((email, session.scalar(text(query))))
        return []

    monkeypatch.setattr(settings_facts, "checked", asked)
    client.post("/admin/settings/sender/check")

    assert open_ones == [("hello@tea.example", 0)]


def test_what_is_kept_how_long_is_what_the_rules_do(client):
    page = client.get("/admin/settings").text
    named = {rule.name: rule.age for rule in retention.RULES}

    assert set(settings_facts.KEPT) <= named.keys()
    for name, words in settings_facts.KEPT.items():
        assert f"<dt>{words}</dt><dd>{named[name].days} days</dd>" in page


@pytest.mark.parametrize(
    ("locale", "shown"), [("ar", "Arabic"), ("zh-TW", "Chinese"), ("tlh", "No texts: English is taken")]
)
def test_the_languages_say_which_is_taken_first(house, client, cast, locale, shown):
    with house.begin() as session:
        session.get_one(Shop, cast.tea).locale = locale
    page = client.get("/admin/settings").text

    assert shown in page
    assert page.count("Taken first") == (0 if locale == "tlh" else 1)


@pytest.mark.parametrize(
    ("state", "shown"),
    [("active", "Connected"), ("needs_reconnect", "that connects it again"), ("paused", "no mail leaves")],
)
def test_the_connection_says_how_it_stands_and_whom_to_ask(house, client, cast, state, shown):
    with house.begin() as session:
        session.get_one(Shop, cast.tea).state = state
    page = client.get("/admin/settings").text
    card = page[page.index('aria-labelledby="connection"') :]

    assert shown in card
    assert f"the number of your shop: {cast.tea}." in card
