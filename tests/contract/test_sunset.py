"""Who left all marketing mail unanswered for half a year gets none any more, until a sign of life brings them back."""

from datetime import timedelta

import pytest
from sqlalchemy import event, text

import jobs.mail
import jobs.runner
from app import clock
from app.domain.errors import Refused
from app.domain.events import Consent, ConsentState
from app.domain.sunset import SunsetRule
from app.models import Delivery, Shop
from app.services import consent, edit_rules, silences
from integrations import PLATFORMS
from tests import builders
from tests.contract import test_flow_stories as stories

shop = stories.shop
DAYS = timedelta(days=1)


@pytest.fixture(autouse=True)
def coupons(monkeypatch):
    monkeypatch.setattr(PLATFORMS["shopify"], "mint_coupon", lambda access, spec: f"gid://{spec.code}")


def cart(house, shop_id: int, token: str, *, agrees: bool = False, people: int = 1) -> None:
    """Let people leave a cart, and the time pass until its reminder is due and written, not claimed."""
    with house.begin() as session:
        for n in range(people):
            body = builders.checkout_body(
                f"{token}-{n}", clock.now(session), email=f"shopper{n}@example.com", consent=agrees
            )
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"{token}-{n}")
    builders.work_off()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()


def silent_for(house, days: int, people: int = 1) -> int:
    """Return a shop whose people agreed and then left four mails unanswered, the first of them so many days ago."""
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
    for token in ("first", "second"):
        cart(house, shop_id, token, agrees=token == "first", people=people)
        jobs.mail.drain()
        builders.skip_clock(house, timedelta(hours=25))
        builders.work_off()
    assert [row[1] for row in builders.ledger(house)] == ["sent"] * 4 * people
    builders.skip_clock(house, days * DAYS - timedelta(hours=54))
    return shop_id


def last(house, shop_id: int) -> tuple[str, str | None]:
    """Let the person leave another cart, and say what becomes of its reminder."""
    cart(house, shop_id, "third")
    jobs.mail.drain()
    return builders.ledger(house, ("state", "reason"))[-1]


def test_who_left_four_mails_unanswered_for_so_long_gets_no_more_and_it_says_why(house):
    shop_id = silent_for(house, 196)

    assert last(house, shop_id) == ("skipped", "silent")
    with house() as session:
        saw = session.scalars(text("SELECT saw FROM decisions WHERE because = 'silent'")).one()
    assert (saw["unanswered_mails"], saw["unanswered_since"][:4].isdecimal()) == (4, True)


def test_until_the_answer_was_waited_for_mail_still_goes(house):
    assert last(house, silent_for(house, 190)) == ("sent", None)


@pytest.mark.parametrize("rule", [{"sunset_days": 0}, {"sunset_days": 365}, {"tracks_clicks": False}])
def test_shop_may_wait_longer_or_for_ever_and_without_clicks_nobody_is_judged(house, rule):
    shop_id = silent_for(house, 196)
    with house.begin() as session:
        edit_rules.change(session, shop_id, rule, actor="test", now=clock.now(session))

    assert last(house, shop_id) == ("sent", None)


@pytest.mark.parametrize("days", [1, 29, 366])
def test_rule_without_sense_is_refused(house, days):
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        with pytest.raises(Refused, match="sunset_days is 30 to 365"):
            edit_rules.change(session, shop_id, {"sunset_days": days}, actor="test", now=clock.now(session))


def clicks(session, shop, mail, machine=None):
    session.execute(
        text("INSERT INTO engagements (shop_id, delivery_id, kind, machine, at) VALUES (:s, :d, :kind, :machine, :at)"),
        {"s": shop.id, "d": mail.id, "kind": "clicked", "machine": machine, "at": clock.now(session)},
    )


def opens(session, shop, mail):
    session.execute(
        text("INSERT INTO engagements (shop_id, delivery_id, kind, at) VALUES (:s, :d, 'opened', :at)"),
        {"s": shop.id, "d": mail.id, "at": clock.now(session)},
    )


def a_robot_clicks(session, shop, mail):
    clicks(session, shop, mail, "robot")


def agrees_anew(session, shop, mail):
    yes = Consent(state=ConsentState.SUBSCRIBED, at=clock.now(session), source="form")
    consent.say(session, shop, mail.customer_id, mail.recipient, yes, {}, now=clock.now(session))


def shop_says_subscribed(session, shop, mail):
    yes = Consent(state=ConsentState.SUBSCRIBED, at=clock.now(session), source="platform")
    consent.say(session, shop, mail.customer_id, mail.recipient, yes, {}, now=clock.now(session))


def orders(session, shop, mail):
    body = builders.order_body(7, clock.now(session), email=mail.recipient)
    builders.store_webhook(session, shop.id, "orders/create", body, key="o7")


def begins_a_cart(session, shop, mail):
    """Whoever types an address into a checkout need not be its owner, and the cart's mails would never be held."""
    body = builders.checkout_body("own", clock.now(session), email=mail.recipient, consent=False)
    builders.store_webhook(session, shop.id, "checkouts/update", body, key="own")


def answers_a_question(session, shop, mail):
    session.execute(
        text("INSERT INTO answers (shop_id, delivery_id, enrollment_id, customer_id, score, is_low, answered_at) "
             "VALUES (:s, :d, :e, :c, 5, false, :at)"),
        {"s": shop.id, "d": mail.id, "e": mail.enrollment_id, "c": mail.customer_id, "at": clock.now(session)},
    )  # fmt: skip


def writes_back(session, shop, mail, is_automatic=False):
    session.execute(
        text("INSERT INTO replies (shop_id, delivery_id, customer_id, message_key, text, is_automatic, received_at) "
             "VALUES (:s, :d, :c, 'k', 'Hello', :auto, :at)"),
        {"s": shop.id, "d": mail.id, "c": mail.customer_id, "auto": is_automatic, "at": clock.now(session)},
    )  # fmt: skip


def a_machine_writes_back(session, shop, mail):
    writes_back(session, shop, mail, True)


def chooses(session, shop, mail):
    session.execute(
        text("INSERT INTO preferences (shop_id, customer_id, email_hash, updated_at) VALUES (:s, :c, 'h', :at)"),
        {"s": shop.id, "c": mail.customer_id, "at": clock.now(session)},
    )


@pytest.mark.parametrize(
    ("sign", "expected"),
    [
        (clicks, "sent"),
        (orders, "sent"),
        (answers_a_question, "sent"),
        (writes_back, "sent"),
        (agrees_anew, "sent"),
        (chooses, "sent"),
        (opens, "skipped"),
        (begins_a_cart, "skipped"),
        (a_robot_clicks, "skipped"),
        (a_machine_writes_back, "skipped"),
        (shop_says_subscribed, "skipped"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_only_a_person_does_brings_them_back_and_nothing_else(house, sign, expected):
    shop_id = silent_for(house, 196)
    with house.begin() as session:
        mail = session.query(Delivery).order_by(Delivery.id).first()
        sign(session, session.get(Shop, shop_id), mail)
    builders.work_off()
    builders.skip_clock(house, timedelta(hours=1))

    assert last(house, shop_id)[0] == expected


@pytest.mark.parametrize(("orders_every", "silent_after"), [(3, None), (None, 7)], ids=["buys", "neither"])
def test_vip_who_never_clicks_is_mailed_each_month_while_they_buy_and_not_when_they_do_neither(
    shop, monkeypatch, orders_every, silent_after
):
    """A purchase counts as a click does; thanks and six early accesses unanswered for half a year are enough."""
    monkeypatch.setattr(PLATFORMS[shop.platform], "tag_customer", lambda *args, **more: None)
    shop.on("vip")
    for n in range(1, 5):
        shop.order(n, consents=True)
    shop.pass_time(hours=2)
    for month in range(10):
        shop.pass_time(days=31)
        if orders_every and month % orders_every == orders_every - 1:
            shop.order(10 + month)
    mails = [(state, reason) for flow, _, state, reason in shop.mails() if flow == "vip"]

    assert mails[:silent_after] == [("sent", None)] * len(mails[:silent_after])
    assert set(mails[silent_after or 0 :]) == {("skipped", "silent") if silent_after else ("sent", None)}
    assert len(mails) >= 10


def test_sign_of_life_between_decision_and_claim_is_heeded_and_so_is_the_time(house):
    """I7: the gate is asked once more inside the claim."""
    shop_id = silent_for(house, 190)
    cart(house, shop_id, "third")
    builders.skip_clock(house, timedelta(hours=5, days=4))
    with house.begin() as session:
        session.execute(
            text("UPDATE deliveries SET step_due_at = :now WHERE state = 'pending'"), {"now": clock.now(session)}
        )
    jobs.mail.drain()

    assert builders.ledger(house, ("state", "reason"))[-1] == ("skipped", "silent")


# Mails of people nobody asks about: of a table of eighty rows the planner may take any index for the cheapest.
_CROWD = (
    "INSERT INTO deliveries OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(d, jsonb_build_object('id', n, "
    "'customer_id', n, 'enrollment_id', n, 'token', '\\x' || md5(n::text)))).* FROM (SELECT d FROM deliveries d LIMIT 1), "
    "generate_series(1000001, 1020000) n"
)


def test_silence_of_many_people_takes_two_statements_by_index(house):
    shop_id = silent_for(house, 196, people=20)
    asked: list[tuple] = []
    with house() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))  # the crowd needs no customers
        session.connection().exec_driver_sql(_CROWD)
        session.execute(text("ANALYZE deliveries"))
        now, customers = clock.now(session), session.scalars(text("SELECT id FROM customers")).all()
        event.listen(session.connection(), "before_cursor_execute", lambda _c, _u, sql, told, *_: asked.append((sql, told)))
        before = silences.load(session, shop_id, customers, SunsetRule(), now=now - 30 * DAYS)
        first = len(asked)
        found = silences.load(session, shop_id, customers, SunsetRule(), now=now)
        statements = asked[first:]
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plans = ["\n".join(session.connection().exec_driver_sql(f"EXPLAIN {q}", told).scalars()) for q, told in statements]

    with house.begin() as session:
        session.execute(text("ANALYZE deliveries"))  # the table's size is remembered although the crowd was rolled back

    assert (before, first) == ({}, 1)
    assert ({s.mails for s in found.values()}, len(found), len(statements)) == ({4}, 20, 2)
    assert all("ix_deliveries_customer" in plan and "Seq Scan" not in plan for plan in plans), plans
