"""The pages of mails: why each went or did not, and the numbers that are counted of them."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from app.models import Delivery, Enrollment
from app.web.admin import words
from tests.admin_cast import Cast, client_of, seed


@pytest.fixture
def cast(house: sessionmaker[Session]) -> Cast:
    return seed(house)


@pytest.fixture
def client(house: sessionmaker[Session], cast: Cast) -> FlaskClient:
    """Somebody of Tea & Tin."""
    return client_of(house, cast.tea)


def test_a_mail_says_why_it_went_and_why_not(client, cast):
    sent = client.get(f"/admin/mails/{cast.mails['sent']}").text
    skipped = client.get(f"/admin/mails/{cast.mails['skipped']}").text
    unknown = client.get(f"/admin/mails/{cast.mails['unknown']}").text

    assert "It was time, and nothing spoke against it" in sent
    assert "TEATI-7KQ2-0000" in sent
    assert "$66.50" in sent
    assert "Not sent on purpose." in skipped
    assert skipped.count("They bought in the meantime") >= 2
    assert "It is never sent again by itself" in unknown


def test_mails_are_filtered_by_state(client, cast):
    def listed(state: str) -> set[int]:
        return {int(i) for i in re.findall(r'href="/admin/mails/(\d+)"', client.get(f"/admin/mails?state={state}").text)}

    assert listed("skipped") == {cast.mails["skipped"]}
    assert listed("pending") == {cast.mails["pending"]}
    assert cast.mails["sent"] in listed("sent")
    assert listed("") >= set(cast.mails.values())


def test_every_reason_and_event_has_words():
    from app.domain import events

    kinds = {cls.kind for cls in events.Event.__subclasses__()}

    assert kinds <= set(words.EVENTS)
    assert words.reason("brand_new_reason") == "Brand new reason"
    assert words.reason("550 no such user") == "550 no such user"
    assert words.reason(None) == ""


def test_numbers_are_counted_over_thirty_days_and_per_state(house):
    from app.services import results

    cast = seed(house, month=9)
    with house() as session:
        counted = results.results(session, cast.tea, now=cast.now)
        later = results.results(session, cast.tea, now=cast.now + timedelta(days=31))
        sent = session.scalar(
            select(func.count()).select_from(Delivery).where(Delivery.shop_id == cast.tea, Delivery.state == "sent")
        )
        in_it = session.scalar(
            select(func.count()).select_from(Enrollment).where(Enrollment.shop_id == cast.tea, Enrollment.state == "active")
        )

    assert counted.total("sent") == sum(counted.sent_by_day()) == sent
    assert counted.skipped_because("abandoned_cart") == [("ordered", 1)]
    assert (len(counted.sent_by_day()), later.total("sent"), in_it) == (30, 0, 1)
    assert not counted.is_partial


def test_more_mails_than_the_window_are_said_to_be_cut(house, client, cast, monkeypatch):
    from app.services import results

    monkeypatch.setattr(results, "WINDOW", 3)

    assert "the newest" in client.get("/admin/flows").text


def test_an_order_after_a_mail_is_counted_once(house, cast):
    from app.services import results

    with house() as session:
        orders = results.orders_after_mail(session, cast.tea, now=cast.now)
        later = results.orders_after_mail(session, cast.tea, now=cast.now + timedelta(days=31))
        foreign = results.orders_after_mail(session, cast.lamp, now=cast.now)

    assert (orders, later, foreign) == (1, 0, 1)
