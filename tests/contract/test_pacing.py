"""Mail that waits for the morning, for its turn or for a weightier one, says so, goes later and goes once; tags go back."""

from datetime import timedelta

import pytest
from sqlalchemy import text

import jobs.inbox
import jobs.mail
import jobs.runner
import jobs.shops
from app import clock
from app.domain.errors import Permanent, Refused, Transient
from app.domain.mailing import Rendered
from app.flows import FLOWS
from app.flows.conditions import has_email, orders_in_a_year
from app.flows.vocabulary import Flow, On, Percent, Send, Tag, Wait
from app.services import edit_flow, render
from integrations import PLATFORMS
from tests import builders
from tests.contract.test_send_promises import Transport, send_all

NEWS = Flow(
    key="news", title="News", priority="promo", trigger=On("checkout_updated", when=(has_email(),)), exits=(),
    steps=(Wait(hours=1, since="last_activity"), Send("reminder", coupon=Percent(10, valid_hours=48), max_age_hours=6)),
)  # fmt: skip
TAGS = Flow(
    key="tags", title="Tags", trigger=On("customer_ordered", when=(orders_in_a_year(1),)), exits=(),
    steps=(Tag("vip"), Wait(days=2, since="step_before"), Send("reminder")), at_end=(Tag("vip", is_given=False),),
)  # fmt: skip


@pytest.fixture
def shop(house, monkeypatch):
    """Tea & Tin with the cart's flow, and with one of lesser weight that mails at the same time."""
    for flow in (NEWS, TAGS):
        monkeypatch.setitem(FLOWS, flow.key, flow)
    monkeypatch.setattr(PLATFORMS["shopify"], "mint_coupon", lambda access, spec: f"gid://{spec.code}")
    # A made-up flow has no texts; what they say is not what is asked here.
    monkeypatch.setattr(render, "render", lambda content: Rendered(subject="-", preheader="-", html="<p>-</p>", text="-"))
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
        edit_flow.switch(session, shop_id, "news", on=True, actor="test", now=now)
    return house, shop_id, now


def rules(house, **values):
    with house.begin() as session:
        for column, value in values.items():
            session.execute(text(f"UPDATE shops SET {column} = {value}"))


def leave_cart(house, shop_id, now):
    with house.begin() as session:
        builders.store_webhook(session, shop_id, "checkouts/update", builders.checkout_body("t1", now), key="w1")
    jobs.inbox.drain()


def later(house, transport, **by):
    builders.skip_clock(house, timedelta(**by))
    jobs.runner.drain()
    send_all(transport)


def mails(house):
    with house() as session:
        rows = session.execute(text("SELECT flow, step, state, reason FROM deliveries ORDER BY flow, id"))
        return [tuple(row) for row in rows]


def test_both_flows_mail_where_nothing_is_paced(shop):
    house, shop_id, now = shop
    leave_cart(house, shop_id, now)
    later(house, Transport(), hours=1, minutes=1)

    assert [row[:3] for row in mails(house)] == [("abandoned_cart", "reminder", "sent"), ("news", "reminder", "sent")]


def test_night_puts_a_mail_off_without_making_it_stale(shop):
    """I8: quiet hours of ten hours are longer than the reminder's age of six, and it still goes in the morning."""
    house, shop_id, now = shop
    local = now + timedelta(hours=1)
    minute = local.hour * 60 + local.minute
    rules(house, quiet_from=(minute - 30) % 1440, quiet_until=(minute + 600) % 1440)
    leave_cart(house, shop_id, now)
    later(house, transport := Transport(), hours=1, minutes=1)
    with house() as session:
        decided = session.scalars(text("SELECT because FROM decisions ORDER BY id DESC LIMIT 1")).one()
    assert (mails(house), transport.sent, decided) == ([], [], "quiet_hours")

    later(house, transport, hours=10)
    assert [row[2] for row in mails(house)] == ["sent", "sent"]


def test_night_that_fell_between_decision_and_claim_holds_the_mail_and_its_coupon(shop):
    house, shop_id, now = shop
    leave_cart(house, shop_id, now)
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()
    minute = (now.hour + 1) * 60 + now.minute
    rules(house, quiet_from=(minute - 60) % 1440, quiet_until=(minute + 120) % 1440)
    send_all(transport := Transport())
    with house() as session:
        ends_in = session.scalar(text("SELECT expires_at - starts_at FROM coupons"))
        starts = session.scalar(text("SELECT starts_at FROM coupons"))
    assert transport.sent == []
    assert {row[2:] for row in mails(house)} == {("pending", "quiet_hours")}
    assert (ends_in, starts > now + timedelta(hours=2)) == (timedelta(hours=48), True)

    later(house, transport, hours=3)
    assert [row[2:] for row in mails(house)] == [("sent", None), ("sent", None)]


def test_cap_lets_the_weightier_go_first_and_the_other_after_its_window(shop):
    house, shop_id, now = shop
    rules(house, mail_caps="'[[20, 1]]'")
    leave_cart(house, shop_id, now)
    later(house, transport := Transport(), hours=1, minutes=1)
    assert mails(house) == [("abandoned_cart", "reminder", "sent", None), ("news", "reminder", "pending", "gives_way")]

    later(house, transport, minutes=5)
    assert mails(house)[1] == ("news", "reminder", "pending", "capped")
    later(house, transport, hours=19)
    assert (len(transport.sent), mails(house)[1][2:]) == (1, ("pending", "capped"))
    later(house, transport, hours=2)
    assert (len(transport.sent), [row[2] for row in mails(house)]) == (2, ["sent", "sent"])


def test_two_workers_at_once_do_not_pass_a_cap_together(shop):
    from concurrent.futures import ThreadPoolExecutor

    house, shop_id, now = shop
    rules(house, mail_caps="'[[20, 1]]'")
    leave_cart(house, shop_id, now)
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()
    transport = Transport()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: send_all(transport), range(2)))

    assert len(transport.sent) == 1


def buy(house, shop_id, now, *, customer_id=9):
    with house.begin() as session:
        edit_flow.switch(session, shop_id, "tags", on=True, actor="test", now=now)
        body = builders.order_body(1, now, customer_id=customer_id)
        builders.store_webhook(session, shop_id, "orders/create", body, key="o1")
    jobs.inbox.drain()
    jobs.runner.drain()


def tags(house):
    with house() as session:
        return [
            tuple(row) for row in session.execute(text("SELECT tag, is_given, state, error FROM tag_writes ORDER BY id"))
        ]


def test_tag_goes_back_to_the_shop_and_is_taken_away_at_the_end(shop, monkeypatch):
    house, shop_id, now = shop
    told = []
    monkeypatch.setattr(
        PLATFORMS["shopify"], "tag_customer", lambda access, who, tag, *, is_given: told.append((who, tag, is_given))
    )
    buy(house, shop_id, now)
    jobs.shops.drain()
    later(house, Transport(), days=2, hours=1)
    jobs.shops.drain()

    assert told == [("9", "vip", True), ("9", "vip", False)]
    assert tags(house) == [("vip", True, "done", None), ("vip", False, "done", None)]


@pytest.mark.parametrize(
    ("fault", "customer_id", "state", "error"),
    [
        (Permanent("no such customer"), 9, "failed", "no such customer"),
        (Transient("busy", timedelta(minutes=3)), 9, "pending", "busy"),
        (None, None, "ignored", "The person bought as a guest: the shop keeps no account that could be tagged."),
    ],
)
def test_tag_that_the_shop_does_not_take_says_why(shop, monkeypatch, fault, customer_id, state, error):
    house, shop_id, now = shop

    def refuse(access, who, tag, *, is_given):
        raise fault

    monkeypatch.setattr(PLATFORMS["shopify"], "tag_customer", refuse)
    buy(house, shop_id, now, customer_id=customer_id)
    jobs.shops.drain()

    assert tags(house) == [("vip", True, state, error)]


def test_rules_are_read_as_they_are_written_and_nothing_else(shop):
    from app.models import Shop
    from app.services import mail_pace

    house, shop_id, _ = shop
    with house.begin() as session:
        held = session.get_one(Shop, shop_id)
        assert (mail_pace.written_quiet(held), mail_pace.written_caps(held)) == ("off", "off")
        mail_pace.use_defaults(held)
        quiet, caps = mail_pace.written_quiet(held), mail_pace.written_caps(held)
        assert (quiet, caps) == ("21:00-08:00", "1/20h,3/7d,10/30d")
        for wrong in ({"quiet": "9pm-8am"}, {"quiet": "08:00-08:00"}, {"caps": "1 a day"}, {"caps": "1/60d"}):
            with pytest.raises(Refused):
                mail_pace.change(session, held, **({"quiet": None, "caps": None} | wrong), actor="test")
        mail_pace.change(session, held, quiet="off", caps=caps, actor="test")
        assert (mail_pace.written_quiet(held), mail_pace.written_caps(held)) == ("off", caps)
