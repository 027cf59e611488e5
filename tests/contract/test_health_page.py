"""The health page says in words what is stored about a shop: nobody is asked, and no other shop is told of."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.models import NO_SHOP
from app.services import connections, pauses
from tests.admin_cast import Cast, client_of, seed, two_shops
from tests.people_cast import known_person, waiting_run

HEALTH = "/admin/health"


@pytest.fixture
def cast(house: sessionmaker[Session]) -> Cast:
    return seed(house)


@pytest.fixture
def client(house: sessionmaker[Session], cast: Cast) -> FlaskClient:
    return client_of(house, cast.tea)


def beat(house: sessionmaker[Session], ago: str = "0 s") -> None:
    statement = (
        "INSERT INTO heartbeats (process, beat_at) VALUES ('scheduler', now() - CAST(:ago AS interval)) "
        "ON CONFLICT (process) DO UPDATE SET beat_at = excluded.beat_at"
    )
    with house.begin() as session:
        session.execute(text(statement), {"ago": ago})


def test_all_is_well_when_nothing_is_wrong(house):
    with house.begin() as session:
        tea, _, _ = two_shops(session)
    beat(house)
    page = client_of(house, tea.id).get(HEALTH).text

    assert "All is well." in page
    assert "Nothing of yours is late." in page
    assert [
        word for word in ("Broken", "Look here") if f'"badge crit">{word}' in page or f'"badge warn">{word}' in page
    ] == []


def test_failed_webhooks_are_told_by_cause_and_unknown_mails_by_number(client):
    page = client.get(HEALTH).text

    assert "line_items: a price is not a number." in page
    assert "1 webhook could not be understood." in page
    assert "Of 1 mail we do not know whether it went out." in page


def test_the_shop_says_and_we_hold(house, client, cast):
    with house.begin() as session:
        session.execute(
            text(
                "UPDATE cursors SET shop_count = 412, held_count = 409, counted_at = now(), imported_at = now() "
                "WHERE shop_id = :shop AND kind = 'orders'"
            ),
            {"shop": cast.tea},
        )
    page = client.get(HEALTH).text

    assert (">412<" in page, ">409<" in page, "what is missing is looked for" in page) == (True, True, True)


@pytest.mark.parametrize(
    ("whose", "is_refusal", "said"),
    [
        ("mine", True, "401: the key is wrong"),
        ("all", True, "takes nothing from us at the moment"),
        ("all", False, "It is tried again by itself."),
        ("other", True, "Mail leaves as it should."),
    ],
)
def test_a_pause_is_told_to_whom_it_holds_up(house, client, cast, whose, is_refusal, said):
    shop_id = {"mine": cast.tea, "all": NO_SHOP, "other": cast.lamp}[whose]
    with house.begin() as session:
        pauses.begin(session, shop_id, "401: the key is wrong", is_refusal=is_refusal, now=cast.now)
    page = client.get(HEALTH).text

    assert said in page
    assert ("the key is wrong" in page) == (whose == "mine")


@pytest.mark.parametrize(("whose", "is_told"), [("tea", True), ("lamp", False)])
def test_late_steps_of_this_shop_are_told_and_no_others(house, client, cast, whose, is_told):
    beat(house)
    shop_id = getattr(cast, whose)
    with house.begin() as session:
        person = known_person(session, shop_id, "late@example.com", cast.now)
        waiting_run(session, shop_id, person, cast.now, token="late", due_in=-timedelta(hours=2))

    assert ("1 decisions to be made" in client.get(HEALTH).text) == is_told


def test_a_scheduler_that_stands_still_is_said(house, client):
    beat(house, "1 hour")

    assert "The clock of Cartwheel stands still" in client.get(HEALTH).text


def test_a_woocommerce_shop_is_told_of_its_plugin_its_rivals_and_what_is_wrong(house, cast):
    inside = {"version": "9", "wordpress": "6", "companion": "", "senders": ["CartBounty"]}
    with house.begin() as session:
        connections.learn(session, cast.lamp, inside, now=cast.now)
        session.execute(text("UPDATE flow_settings SET is_on = true WHERE shop_id = :shop"), {"shop": cast.lamp})
    client = client_of(house, cast.lamp)
    first = client.get(HEALTH).text
    with house.begin() as session:
        connections.complain(session, cast.lamp, "The REST API answered 403.", now=cast.now)
        connections.learn(session, cast.tea, inside | {"companion": "1.2"}, now=cast.now)
    second = client.get(HEALTH).text

    assert ("It is not active in your WordPress" in first, "CartBounty" in first) == (True, True)
    assert "The REST API answered 403." in second


def test_keys_that_no_longer_work_are_broken(house, client, cast):
    with house.begin() as session:
        session.execute(text("UPDATE shops SET state = 'needs_reconnect' WHERE id = :shop"), {"shop": cast.tea})

    assert "The keys that your shop gave us no longer work." in client.get(HEALTH).text
