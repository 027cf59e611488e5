"""The consent ledger between the shop and us: whose word counts, in whatever order it arrives."""

from datetime import timedelta
from itertools import permutations

import pytest
from sqlalchemy import text

import jobs.inbox
import jobs.mail
import jobs.runner
from app import clock
from app.domain.errors import Refused
from app.services import edit_rules, unsubscribe
from app.services.content import unsubscribe_token
from tests import builders

HOUR = timedelta(hours=1)


def consent_body(state: str, at, *, level: str = "single_opt_in") -> dict:
    """What Shopify tells of a customer's consent."""
    said = {"state": state, "opt_in_level": level, "consent_updated_at": at.isoformat()}
    return {"customer_id": 71, "email_address": "alice@example.com", "email_marketing_consent": said}


def told(house, shop_id, topic, body, key):
    with house.begin() as session:
        builders.store_webhook(session, shop_id, topic, body, key=key)
    jobs.inbox.drain()


def standing(house) -> str:
    from app.models import CustomerIdentity

    with house() as session:
        return session.query(CustomerIdentity).filter_by(kind="email", value="alice@example.com").one().standing


@pytest.fixture
def shop(house):
    with house.begin() as session:
        return house, builders.tea_and_tin(session), clock.now(session)


@pytest.fixture
def mailed(shop):
    """Alice left a cart, ticked the box, and her reminder is due."""
    house, shop_id, now = shop
    told(house, shop_id, "checkouts/update", builders.checkout_body("t1", now, customer_id=71), "c1")
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()
    return house, shop_id, now


def refuse(house, at) -> None:
    from app.models import Delivery

    with house.begin() as session:
        token = unsubscribe_token(session.query(Delivery).first())
        unsubscribe.unsubscribe(session, token, source="one_click", now=at)


def test_a_shop_that_says_subscribed_after_a_refusal_is_not_believed(mailed):
    """I7: the stricter side counts, so a stale copy or an import of the shop revives nobody."""
    house, shop_id, now = mailed
    refuse(house, now + HOUR)
    told(house, shop_id, "customers_email_marketing_consent/update", consent_body("subscribed", now + 2 * HOUR), "s1")
    jobs.mail.drain()

    assert standing(house) == "unsubscribed"
    assert builders.ledger(house) == [("reminder", "skipped", "unsubscribed")]


def test_the_persons_own_tick_after_a_refusal_counts_again(mailed):
    house, shop_id, now = mailed
    refuse(house, now + HOUR)
    later = builders.checkout_body("t2", now + 3 * HOUR, started_at=now + 3 * HOUR, customer_id=71)
    told(house, shop_id, "checkouts/update", later, "c2")

    assert standing(house) == "subscribed"


def test_a_shop_that_says_unsubscribed_is_believed(mailed):
    house, shop_id, now = mailed
    told(house, shop_id, "customers_email_marketing_consent/update", consent_body("unsubscribed", now + HOUR), "s1")
    jobs.mail.drain()

    assert standing(house) == "unsubscribed"
    assert builders.ledger(house) == [("reminder", "skipped", "unsubscribed")]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_standing_is_the_same_in_every_order_of_arrival(shop, order):
    """I3."""
    from app.domain.events import Consent, ConsentState
    from app.services import people, snapshots
    from app.services.people import Statement

    house, shop_id, now = shop
    told(house, shop_id, "checkouts/update", builders.checkout_body("t1", now, customer_id=71), "c1")
    said = [
        Consent(state=ConsentState.UNSUBSCRIBED, at=now + HOUR, source="one_click"),
        Consent(state=ConsentState.SUBSCRIBED, at=now + 2 * HOUR, source="platform"),
        Consent(state=ConsentState.SUBSCRIBED, at=now - HOUR, source="double_opt_in", level="confirmed_opt_in"),
    ]
    with house.begin() as session:
        from app.models import Customer, Shop

        found = session.get(Shop, shop_id)
        customer_id = session.query(Customer).one().id
        for n in order:
            statement = Statement("alice@example.com", said[n], {})
            people.record_consent(session, shop_id, snapshots.hash_key(found), [(customer_id, statement)])
    with house() as session:
        times = session.execute(
            text("SELECT agreed_at, refused_at, confirmed_at, consent_state FROM customer_identities WHERE kind = 'email'")
        ).one()

    assert standing(house) == "unsubscribed"
    assert tuple(times) == (now, now + HOUR, now - HOUR, "subscribed")


def test_regional_mode_mails_a_cart_where_the_law_lets_it_and_nowhere_else(shop):
    house, shop_id, now = shop
    with house.begin() as session:
        edit_rules.change(session, shop_id, {"mode": "regional"}, actor="test", now=now)
    for n, country in enumerate(("US", "DE")):
        body = builders.checkout_body(f"t{n}", now, email=f"shopper{n}@example.com", consent=False)
        body["billing_address"]["country_code"] = country
        told(house, shop_id, "checkouts/update", body, f"c{n}")
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    builders.work_off()

    assert builders.ledger(house, ("recipient", "state", "reason")) == [
        ("shopper0@example.com", "sent", None),
        ("shopper1@example.com", "skipped", "not_subscribed"),
    ]


def test_mailing_everybody_needs_somebody_who_takes_it_on_themselves(shop):
    house, shop_id, now = shop
    with house.begin() as session:
        with pytest.raises(Refused, match="acknowledge"):
            edit_rules.change(session, shop_id, {"mode": "anyone"}, actor="merchant", now=now)
        with pytest.raises(Refused, match="acknowledge"):
            edit_rules.change(session, shop_id, {"modes": {"JP": "anyone"}}, actor="merchant", now=now)
        edit_rules.change(session, shop_id, {"mode": "anyone", "acknowledged": True}, actor="merchant", now=now)
        row = session.execute(text("SELECT mode, acknowledged_by, acknowledged_at FROM mail_rules")).one()
        log = session.execute(text("SELECT actor FROM audit_log WHERE action = 'mail_rules.changed'")).scalars().all()

    assert (tuple(row), log) == (("anyone", "merchant", now), ["merchant"])


@pytest.mark.parametrize(
    "values",
    [
        {"mode": "all"}, {"modes": {"Germany": "regional"}}, {"double_opt_in_in": ["D1"]}, {"click_hours": 9999},
        {"window_hours": -1}, {"form_wording": "x" * 501}, {"shop_id": 2},
    ],
)  # fmt: skip
def test_rule_that_makes_no_sense_is_refused(shop, values):
    house, shop_id, now = shop
    with house.begin() as session, pytest.raises(Refused):
        edit_rules.change(session, shop_id, values, actor="test", now=now)
