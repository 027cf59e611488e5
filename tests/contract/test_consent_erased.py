"""What consent, preferences and links hold about a person goes with an erasure, and by itself when it is over (I12)."""

from datetime import timedelta

import pytest
from sqlalchemy import text

import jobs.housekeeping
from app import clock
from app.domain.consent import TOPICS
from app.models import Customer, Delivery, Shop
from app.services import edit_rules, erase, people
from app.services.content import unsubscribe_token
from app.web import create_app
from tests import builders
from tests.contract.test_tracking import BROWSER, paths, visible
from tests.contract.test_tracking import mails as mails_of_outbox

ALICE = "alice@example.com"


@pytest.fixture
def traces(house):
    """Alice left traces everywhere: a mail, a click, choices, an opt-in, a write-back."""
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        body = builders.checkout_body("t1", clock.now(session), customer_id=71)
        builders.store_webhook(session, shop_id, "checkouts/update", body, key="c1")
    builders.work_off()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    builders.work_off()
    builders.skip_clock(house, timedelta(minutes=1))
    client = create_app().test_client()
    page = mails_of_outbox()[0][0]
    client.get(visible(house, page)[-1], headers=BROWSER, environ_base={"REMOTE_ADDR": "203.0.113.7"})
    with house() as session:
        token = unsubscribe_token(session.query(Delivery).first())
    client.post(f"/p/{token}", data={"topic": list(TOPICS), "birth_day": "29", "birth_month": "02", "lang": "az"})
    client.post(f"/u/{token}")
    with house.begin() as session:
        now = clock.now(session)
        edit_rules.change(session, shop_id, {"double_opt_in": True}, actor="test", now=now)
        form = edit_rules.form_token(session, shop_id, now=now)
    client.post(f"/signup/{form}", data={"email": ALICE}, environ_base={"REMOTE_ADDR": "203.0.113.7"})
    return house, shop_id, page, token


def count(house, table: str, where: str = "true") -> int:
    with house() as session:
        return session.scalar(text(f"SELECT count(*) FROM {table} WHERE {where}"))


def test_nothing_of_a_forgotten_person_is_left_in_links_choices_and_requests(traces):
    """I12."""
    house, shop_id, page, token = traces
    held = {t: count(house, t) for t in ("preferences", "opt_ins", "consent_writes", "links", "engagements")}
    with house.begin() as session:
        people.lock_shop(session, shop_id)
        ids = [session.query(Customer).one().id]
        shop = session.get(Shop, shop_id)
        erase.erase_customer(session, shop, ids, [ALICE], now=clock.now(session))
    client = create_app().test_client()
    with house() as session:
        ledger = session.execute(text("SELECT wording, evidence::text FROM consents")).all()

    assert min(held.values()) >= 1
    assert [count(house, t) for t in ("preferences", "opt_ins", "consent_writes")] == [0, 0, 0]
    assert (count(house, "links", "url IS NOT NULL"), count(house, "engagements", "ip_hash IS NOT NULL")) == (0, 0)
    assert count(house, "engagements") == held["engagements"]
    assert {tuple(row) for row in ledger} == {(None, "{}")}
    assert client.get(paths(page)[0], headers=BROWSER).status_code == 404
    assert b"This link does not work" in client.get(f"/p/{token}").data


def test_links_clicks_and_requests_go_when_their_time_is_over(traces):
    house, _, _, _ = traces
    with house.begin() as session:
        session.execute(text("UPDATE engagements SET at = at - interval '31 days'"))
        session.execute(
            text("UPDATE opt_ins SET state = 'expired', expires_at = now(), ended_at = now() - interval '31 days'")
        )
        session.execute(text("UPDATE consent_writes SET state = 'done', due_at = now() - interval '91 days'"))
    jobs.housekeeping.throw_away()
    addresses = count(house, "engagements", "ip_hash IS NOT NULL")
    kept = [count(house, t) for t in ("engagements", "links")]
    with house.begin() as session:
        session.execute(text("UPDATE engagements SET at = at - interval '400 days'"))
        session.execute(text("UPDATE deliveries SET created_at = created_at - interval '401 days'"))
    jobs.housekeeping.throw_away()

    assert addresses == 0
    assert min(kept) >= 1
    assert [count(house, t) for t in ("opt_ins", "consent_writes", "engagements", "links")] == [0, 0, 0, 0]


def test_forgotten_shop_takes_all_of_it_along(traces):
    house, shop_id, _, _ = traces
    with house.begin() as session:
        erase.erase_shop(session, session.get(Shop, shop_id), now=clock.now(session))
    for _ in range(80):
        jobs.housekeeping.drain()
        if not count(house, "erasures", "state = 'pending'"):
            break
        builders.skip_clock(house, timedelta(minutes=5))
    tables = (
        "preferences",
        "opt_ins",
        "consent_writes",
        "links",
        "engagements",
        "attributions",
        "daily_stats",
        "mail_rules",
    )

    assert [count(house, t, f"shop_id = {shop_id}") for t in tables] == [0] * len(tables)
