"""Who fell silent is asked once whether mail is still wanted; a click keeps it coming, silence ends it two weeks later."""

from datetime import timedelta

import pytest
from sqlalchemy import text

import jobs.housekeeping
import jobs.silent
from app import clock
from app.config import settings
from app.models import Delivery, Shop
from app.queues import QueueName
from app.services import edit_flow
from jobs import scheduler
from tests import builders
from tests.contract.test_sunset import agrees_anew, cart, clicks, coupons, last, opens, orders, silent_for

coupons = coupons  # noqa: PLW0127  (a fixture)
ASKED = ("re_permission", "still_wanted", "sent", None)


def pass_days(house, days: float) -> None:
    builders.skip_clock(house, timedelta(days=days))


def ask(house) -> list[tuple]:
    """Look for the silent as the daily job does, let all drains work, and return the mails of the flow."""
    with house() as session:
        now = clock.now(session)
    jobs.silent.ask(now)
    builders.work_off()
    mails = builders.ledger(house, ("flow", "step", "state", "reason"))
    return [mail for mail in mails if mail[0] == "re_permission"]


def quiet_shop(house, days: int, people: int = 1) -> int:
    """Return a shop that asks, whose people left four mails unanswered, the first of them so many days ago."""
    shop_id = silent_for(house, days, people)
    with house.begin() as session:
        edit_flow.switch(session, shop_id, "re_permission", on=True, actor="test", now=clock.now(session))
    return shop_id


def test_the_silent_are_asked_once_on_the_day_and_mailed_no_more_after_two_weeks(house):
    shop_id = quiet_shop(house, 179)
    early = ask(house)
    pass_days(house, 1.5)
    first = ask(house)
    pass_days(house, 1)
    again = ask(house)
    meanwhile = last(house, shop_id)
    pass_days(house, 14)
    cart(house, shop_id, "fourth")
    builders.work_off()

    assert (early, first, again, meanwhile) == ([], [ASKED], [ASKED], ("sent", None))
    assert builders.ledger(house, ("state", "reason"))[-1] == ("skipped", "silent")
    mail = next(
        path.read_text() for path in settings().outbox_dir.glob("*.eml") if "Shall we keep writing" in path.read_text()
    )
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in mail
    with house() as session:
        run = session.execute(text("SELECT state, subject_key FROM enrollments WHERE flow = 're_permission'")).one()
    assert tuple(run) == ("finished", "customer")


@pytest.mark.parametrize("sign", [clicks, orders, agrees_anew], ids=lambda sign: sign.__name__)
def test_a_sign_of_life_after_the_question_keeps_mail_coming(house, sign):
    shop_id = quiet_shop(house, 181)
    assert ask(house) == [ASKED]
    with house.begin() as session:
        mail = session.query(Delivery).filter_by(flow="re_permission").one()
        sign(session, session.get_one(Shop, shop_id), mail)
    builders.work_off()
    pass_days(house, 20)

    assert last(house, shop_id) == ("sent", None)


@pytest.mark.parametrize(
    ("sign", "expected"), [(clicks, []), (orders, []), (opens, [ASKED])], ids=["click", "order", "open"]
)
def test_who_reacted_before_is_not_asked(house, sign, expected):
    shop_id = quiet_shop(house, 170)
    with house.begin() as session:
        mail = session.query(Delivery).order_by(Delivery.id).first()
        sign(session, session.get_one(Shop, shop_id), mail)
    builders.work_off()
    pass_days(house, 11)

    assert ask(house) == expected


def test_a_click_between_the_entry_and_the_mail_makes_the_question_needless(house):
    """I7: the claim asks once more whether they are silent."""
    shop_id = quiet_shop(house, 181)
    with house() as session:
        now = clock.now(session)
    jobs.silent.ask(now)
    with house.begin() as session:
        mail = session.query(Delivery).order_by(Delivery.id).first()
        clicks(session, session.get_one(Shop, shop_id), mail)
    builders.work_off()

    assert builders.ledger(house, ("flow", "step", "state", "reason"))[-1] == (
        "re_permission", "still_wanted", "skipped", "no_longer_fits",
    )  # fmt: skip


@pytest.mark.parametrize("without", ["flow", "rule", "shop"])
def test_nobody_is_asked_where_the_flow_or_the_rule_is_off_or_the_shop_left(house, without):
    from app.services import edit_rules

    shop_id = quiet_shop(house, 181)
    with house.begin() as session:
        now = clock.now(session)
        if without == "flow":
            edit_flow.switch(session, shop_id, "re_permission", on=False, actor="test", now=now)
        elif without == "rule":
            edit_rules.change(session, shop_id, {"sunset_days": 0}, actor="test", now=now)
        else:
            session.execute(text("UPDATE shops SET state = 'uninstalled'"))

    assert ask(house) == []


def test_who_fell_silent_before_the_flow_was_on_is_not_asked_months_later(house):
    """What happened more than 72 hours ago starts nothing: a shop that switches it on mails nobody at once."""
    quiet_shop(house, 185)

    assert ask(house) == []


def test_many_people_are_looked_at_in_batches_and_each_is_asked_once(house, monkeypatch):
    """I15."""
    monkeypatch.setattr("app.services.silent_people.BATCH", 3)
    quiet_shop(house, 181, people=7)

    assert ask(house) == [ASKED] * 7
    assert ask(house) == [ASKED] * 7


def test_the_scheduler_rings_for_it_once_a_day(house):
    quiet_shop(house, 181)
    rung = scheduler.tick()
    jobs.housekeeping.drain()
    builders.work_off()
    with house() as session:
        from app.services import silent_people

        is_due = silent_people.is_due(session)

    assert (QueueName.HOUSEKEEPING in rung, is_due) == (True, False)
    assert builders.ledger(house, ("flow", "step", "state", "reason"))[-1] == ASKED
