"""Why, and why not: page and command line ask one service, and it asks the engine that the flow runs by."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.cli import cli
from app.flows.engine import OLDEST_START
from app.models import Customer, Shop
from app.services import standing
from app.services.candidates import Touched
from app.services.react import react
from tests.admin_cast import Cast, client_of, seed
from tests.people_cast import Shopper, busy_shopper, known_person, waiting_run

ON = "UPDATE flow_settings SET is_on = true WHERE shop_id = :shop"


@pytest.fixture
def cast(house: sessionmaker[Session]) -> Cast:
    return seed(house)


@pytest.fixture
def zoe(house: sessionmaker[Session], cast: Cast) -> Shopper:
    with house.begin() as session:
        session.execute(text(ON), {"shop": cast.tea})
        return busy_shopper(session, cast.tea, cast.now)


@pytest.fixture
def client(house: sessionmaker[Session], cast: Cast) -> FlaskClient:
    return client_of(house, cast.tea)


def why(client: FlaskClient, person: int, flow: str) -> str:
    return client.get(f"/admin/customers/{person}/why?flow={flow}").text


def cart(session: Session, shop_id: int, person: Customer, changes: str) -> None:
    """Leave a cart of this person without a run, as it stands when no event of it came in."""
    run = waiting_run(session, shop_id, person, session.execute(text("SELECT now()")).scalar_one(), token=f"c-{person.id}")
    for table in ("decisions", "scheduled_steps"):
        session.execute(text(f"DELETE FROM {table} WHERE enrollment_id = :run"), {"run": run.id})
    session.execute(text("DELETE FROM enrollments WHERE id = :run"), {"run": run.id})
    session.execute(text(f"UPDATE checkouts SET {changes} WHERE token = :token"), {"token": f"c-{person.id}"})
    session.expire_all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ("changed_at = changed_at - interval '73 hours'", "is more than 3 days old"),
        ("lines = '[]'", "This does not hold: at least one item."),
        ("rank = rank", "Nothing speaks against it."),
    ],
)
def test_who_never_entered_is_told_why_by_the_engines_own_conditions(house, client, cast, zoe, changes, said):
    with house.begin() as session:
        person = known_person(session, cast.tea, "out@example.com", cast.now)
        cart(session, cast.tea, person, changes)
        person_id = person.id
    page = why(client, person_id, "abandoned_cart")

    assert (said in page, "They were never in this flow." in page) == (True, True)


@pytest.mark.parametrize("changes", ["changed_at = changed_at - interval '73 hours'", "lines = '[]'", "rank = rank"])
def test_what_is_said_is_what_happens_when_the_news_comes(house, cast, zoe, changes):
    """The answer and the reaction cannot differ: who is told that nothing speaks against it enters, the others do not."""
    with house.begin() as session:
        person = known_person(session, cast.tea, "out@example.com", cast.now)
        cart(session, cast.tea, person, changes)
        shop = session.get_one(Shop, cast.tea)
        before = standing.of_flow(session, shop, person.id, "abandoned_cart", now=cast.now)
        token = f"c-{person.id}"
        react(session, shop, Touched(entering={token}, tokens={token}, customers={person.id}), now=cast.now)
        entered = session.execute(text("SELECT count(*) FROM enrollments WHERE episode = :t"), {"t": token}).scalar_one()

    assert (before.outside is None) == bool(entered)
    assert timedelta(hours=72) == OLDEST_START


def test_who_never_had_a_cart_is_told_what_has_not_happened(house, client, cast, zoe):
    with house.begin() as session:
        person_id = known_person(session, cast.tea, "no-cart@example.com", cast.now).id

    assert "What it begins with has not happened: checkout left unfinished." in why(client, person_id, "abandoned_cart")


def test_who_would_enter_and_leave_is_told_both(house, client, cast, zoe):
    with house.begin() as session:
        person = known_person(session, cast.tea, "refused@example.com", cast.now)
        cart(session, cast.tea, person, "rank = rank")
        session.execute(
            text("UPDATE customer_identities SET consent_state = 'unsubscribed', refused_at = now() WHERE customer_id = :p"),
            {"p": person.id},
        )
        person_id = person.id
    page = why(client, person_id, "abandoned_cart")

    assert "They would enter, and leave at once." in page
    assert "They unsubscribed." in page


def test_who_is_in_it_sees_decisions_and_what_is_to_come(client, zoe):
    page = why(client, zoe.id, "abandoned_cart")

    assert all(word in page for word in ("They are in it now.", "They entered the flow", "Cart", "Reminder"))


def test_a_flow_that_is_off_lets_nobody_in(house, client, cast, zoe):
    with house.begin() as session:
        session.execute(text("UPDATE flow_settings SET is_on = false WHERE flow = 'vip'"))

    assert "The flow is paused: nobody enters it." in why(client, zoe.id, "vip")


@pytest.mark.parametrize("flow", ["", "nothing", "../x", "abandoned_cart%00"])
def test_a_flow_that_there_is_not_is_404(client, zoe, flow):
    assert client.get(f"/admin/customers/{zoe.id}/why?flow={flow}").status_code == 404


def test_the_command_line_says_the_same_and_the_look_is_audited(house, cast, zoe):
    told = CliRunner().invoke(cli, ["customer", "why", "zoe@example.com", "vip", "--shop", str(cast.tea), "--json"])
    answer = json.loads(told.stdout)
    with house() as session:
        shop = session.get_one(Shop, cast.tea)
        stands = standing.of_flow(session, shop, zoe.id, "vip", now=cast.now)
        audited = session.execute(text("SELECT count(*) FROM audit_log WHERE action = 'customer.read'")).scalar_one()

    assert stands.outside is not None
    assert (answer["enters"], answer["because"], answer["unmet"]) == (
        False,
        stands.outside.reason,
        [condition.name for condition in stands.outside.unmet],
    )
    assert (answer["because"], audited) == ("does_not_fit", 1)
