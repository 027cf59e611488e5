"""What the DNS said of a shop's sender domain is kept, looked up once a day, and told on the health page with what to do."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import text

import jobs.domains
import jobs.shops
from app.config import settings
from app.domain.errors import NoAnswer
from app.models import Shop
from app.queues import QueueName
from app.services import sender, sender_checks
from app.web.admin import settings_facts
from jobs import scheduler
from tests.admin_cast import client_of, two_shops

GOOD = {
    "tea.example": ["v=spf1 include:sendgrid.net ~all"],
    "s1._domainkey.tea.example": ["v=DKIM1; p=abc"],
    "_dmarc.tea.example": ["v=DMARC1; p=none"],
}


class Names:
    """A DNS that knows one good domain, and counts who is asked about."""

    asked: list[str]
    is_away = False
    texts = GOOD

    def __init__(self, within: float | None = None) -> None:
        assert within is not None, "every question has an end"

    def txt(self, name):
        if type(self).is_away:
            raise NoAnswer("Timeout")
        type(self).asked.append(name)
        return self.texts.get(name, [])

    def mx(self, name):
        if type(self).is_away:
            raise NoAnswer("Timeout")
        return ["mx.example"]


@pytest.fixture
def names(monkeypatch):
    names = type("Asked", (Names,), {"asked": []})
    monkeypatch.setattr(jobs.domains, "Dns", names)
    monkeypatch.setattr(settings_facts, "Dns", names)
    return names


@pytest.fixture
def town(house, monkeypatch, names):
    """Two shops at a house whose mail leaves by a mail server."""
    monkeypatch.setenv("CARTWHEEL_MAIL_TRANSPORT", "smtp")
    monkeypatch.setenv("CARTWHEEL_SMTP_URL", "smtp://127.0.0.1:9")
    settings.cache_clear()
    with house.begin() as session:
        tea, lamp, _ = two_shops(session)
        ids = tea.id, lamp.id
    yield house, *ids
    settings.cache_clear()


def look() -> int:
    return jobs.domains.look(time.monotonic() + 20)


def held(house) -> dict[int, tuple[str | None, bool]]:
    """Return of each shop the domain that is known, and whether it is due."""
    with house() as session:
        rows = session.execute(text("SELECT shop_id, domain, due_at <= now() AS is_due FROM sender_checks")).all()
    return {row.shop_id: (row.domain, row.is_due) for row in rows}


def pass_time(house, by: timedelta) -> None:
    """Let real time pass: what is due by it, and how old what is known is."""
    with house.begin() as session:
        session.execute(text("UPDATE sender_checks SET due_at = due_at - :by, checked_at = checked_at - :by"), {"by": by})


def test_each_shops_domain_is_looked_at_by_itself_and_again_in_a_day(town, names):
    house, tea, lamp = town
    rung = scheduler.tick()
    first, second = look(), look()
    known, page = held(house), client_of(house, tea).get("/admin/health").text
    pass_time(house, timedelta(hours=23))
    early = look()
    pass_time(house, timedelta(hours=3))

    assert QueueName.SHOPS in rung
    assert (first, second, early, look()) == (2, 0, 0, 2)
    assert known == {tea: ("tea.example", False), lamp: ("lamp.example", False)}
    assert "Mailboxes can believe mail from tea.example. Looked at 1 min ago." in " ".join(page.split())


def test_what_is_wrong_is_told_with_what_to_do_and_to_no_other_shop(town):
    """I10, I16."""
    house, tea, lamp = town
    scheduler.tick()
    look()
    mine, theirs = (" ".join(client_of(house, shop_id).get("/admin/health").text.split()) for shop_id in (lamp, tea))

    assert "lamp.example: there is none: Gmail" in mine
    assert "Add a TXT record at _dmarc.lamp.example: v=DMARC1; p=none" in mine
    assert "Add a TXT record that begins with v=spf1" in mine
    assert (mine.count('"badge crit">Broken'), mine.count('"badge warn">'), "Something needs a look." in mine) == (
        2,
        0,
        True,
    )
    assert "lamp.example" not in theirs


def test_what_the_merchant_asks_for_is_kept(town):
    house, _, lamp = town
    merchant = client_of(house, lamp)
    before = merchant.get("/admin/health").text
    merchant.post("/admin/settings/sender/check")

    assert "We have not looked yet whether mailboxes believe lamp.example." in before
    assert "lamp.example: there is none: Gmail" in merchant.get("/admin/health").text
    assert "v=spf1 a:127.0.0.1 ~all" in merchant.get("/admin/settings").text
    assert held(house)[lamp] == ("lamp.example", False)


def test_a_dns_that_is_away_takes_away_nothing_and_is_asked_again_within_the_hour(town, names):
    """I15: the questions of one domain end together (`within`, in Names)."""
    house, tea, _ = town
    look()
    names.is_away = True
    pass_time(house, timedelta(hours=26))
    tried = look()
    page = " ".join(client_of(house, tea).get("/admin/health").text.split())
    client_of(house, tea).post("/admin/settings/sender/check")
    names.is_away = False
    pass_time(house, timedelta(hours=1, minutes=1))

    assert "Mailboxes can believe mail from tea.example. Looked at 26 h ago." in page
    assert (tried, look()) == (2, 2)


def test_another_sender_is_another_domain(town):
    house, tea, lamp = town
    look()
    with house.begin() as session:
        shop = session.get_one(Shop, tea)
        sender.change(session, shop, sender_email="shop@other.example", reply_to="", actor="test")
        known = sender_checks.of(session, shop)
    due = held(house)[tea]
    look()

    assert (known, due) == (None, ("tea.example", True))
    assert held(house) == {tea: ("other.example", False), lamp: ("lamp.example", False)}


def test_a_shop_that_left_is_not_asked_about_and_a_drain_asks_about_a_few(town, names, monkeypatch):
    """I15: what is left is due at the scheduler's next look."""
    house, tea, _ = town
    with house.begin() as session:
        session.execute(text("UPDATE shops SET state = 'uninstalled' WHERE id = :id"), {"id": tea})
    monkeypatch.setattr(jobs.domains, "MOST", 1)
    looked = [look() for _ in range(3)]

    assert sorted(looked) == [0, 0, 1]
    assert not [name for name in names.asked if "tea.example" in name]
    assert [due for _, due in held(house).values()] == [False, False]


def test_nobody_is_asked_where_no_mail_leaves(house, names):
    with house.begin() as session:
        tea, _, _ = two_shops(session)
    jobs.shops.drain()
    with house() as session:
        is_due = jobs.domains.is_due(session)

    assert (is_due, names.asked) == (False, [])
    assert "Your domain" not in client_of(house, tea.id).get("/admin/health").text


def test_no_transaction_is_open_while_the_dns_is_asked(town, names, monkeypatch):
    house, _, _ = town
    open_ones = []

    def txt(self, name):
        with house() as session:
            query = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()"
            open_ones.append(session.scalar(text(query)))
        return []

    monkeypatch.setattr(names, "txt", txt)
    look()

    assert set(open_ones) == {0}
