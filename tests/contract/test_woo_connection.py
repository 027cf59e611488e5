"""How a connected WooCommerce shop is: what is wrong with it is said, and who else mails its shoppers."""

import json
from datetime import timedelta

from click.testing import CliRunner
from sqlalchemy import func, select, text

from app.cli import cli
from app.models import Connection, Order, Shop, Webhook
from jobs import connecting
from tests import woo_cast
from tests.woo_cast import KEY, SECRET, Town, delivered, rows, switch_on

place = woo_cast.connected


def test_a_body_that_is_an_error_is_parked_and_the_connection_complains(place: Town) -> None:
    """I16: validly signed, and no order in it: the webhook's owner lost the right to see orders. No flow begins or ends."""
    switch_on(place, "abandoned_cart", "post_purchase")
    place.shop.begin_checkout(email="alice@example.com")
    delivered(place)
    place.shop.owner_lost_rights = True
    place.shop.place_order("alice@example.com")
    delivered(place)

    parked = rows(place, "SELECT state, error FROM webhooks WHERE topic LIKE 'order.%'")
    assert {state for state, _ in parked} == {"failed"}
    assert all("woocommerce_rest_cannot_view" in error for _, error in parked)
    assert rows(place, "SELECT count(*) FROM orders") == [(0,)]
    assert rows(place, "SELECT flow, state FROM enrollments") == [("abandoned_cart", "active")]
    with place.house() as session:
        known = session.scalars(select(Connection)).one()
    assert "connect the shop again" in str(known.problem)
    page = place.post("/woocommerce/connect/session")
    assert "connect the shop again" in page.text


def test_the_complaint_goes_when_the_shop_shows_itself_again(place: Town) -> None:
    place.shop.owner_lost_rights = True
    place.shop.place_order("alice@example.com")
    delivered(place)
    connecting.drain(float("inf"))

    with place.house() as session:
        assert session.scalars(select(Connection.problem)).one() is None


def test_keys_that_are_refused_again_and_again_hold_the_shops_mail(place: Town) -> None:
    """I16: one refusal may be a firewall's bad minute; three in a row are a revoked key, and the shop says so."""
    place.fakes.woocommerce_api.faults.is_revoked = True
    states = []
    for _ in range(3):
        with place.house.begin() as session:
            session.execute(text("UPDATE connections SET due_at = now()"))
        connecting.drain(float("inf"))
        with place.house() as session:
            states.append(session.scalars(select(Shop.state)).one())

    assert states == ["active", "active", "needs_reconnect"]
    place.fakes.woocommerce_api.faults.is_revoked = False
    assert place.connect().state == "active"


def test_a_failed_look_says_so_and_comes_again(place: Town) -> None:
    place.fakes.woocommerce_api.faults.html = 1
    with place.house.begin() as session:
        session.execute(text("UPDATE connections SET due_at = now()"))
    connecting.drain(float("inf"))

    with place.house() as session:
        known = session.scalars(select(Connection)).one()
        now = session.scalar(select(func.now()))
    assert "no JSON" in str(known.problem)
    assert known.due_at - now < timedelta(hours=1)
    assert rows(place, f"SELECT count(*) FROM {Webhook.__tablename__} WHERE state = 'failed'") == [(0,)]
    assert rows(place, f"SELECT count(*) FROM {Order.__tablename__}") == [(0,)]


def test_who_else_mails_about_carts_is_named_before_the_flow_is_switched_on(place: Town) -> None:
    place.shop.plugins |= {"automatewoo": "6.1", "akismet": "5"}
    own = {"enabled": "yes", "automated": "yes", "suppressed": "no"}
    place.shop.settings["email_customer_abandoned_cart_recovery"] = own
    with place.house.begin() as session:
        session.execute(text("UPDATE connections SET due_at = now()"))
    connecting.drain(float("inf"))
    page = place.post("/woocommerce/connect/session").text
    flow = place.get("/admin/flows/abandoned_cart").text
    told = CliRunner().invoke(cli, ["flow", "enable", "abandoned_cart"])

    for said in (page, flow, told.stderr):
        assert "AutomateWoo" in said
        assert "own abandoned cart mail" in said
        assert "kismet" not in said


def test_a_mail_of_woocommerces_own_that_is_switched_off_is_no_rival(place: Town) -> None:
    place.shop.settings["email_customer_abandoned_cart_recovery"] = {"enabled": "yes", "automated": "no"}
    with place.house.begin() as session:
        session.execute(text("UPDATE connections SET due_at = now()"))
    connecting.drain(float("inf"))

    assert rows(place, "SELECT senders FROM connections") == [([],)]


def test_what_is_known_of_a_connection_is_shown_to_support(place: Town) -> None:
    told = json.loads(CliRunner().invoke(cli, ["shop", "show", "--json"]).stdout)

    assert told["webhooks"] == "in order"
    assert (told["connection"]["version"], told["connection"]["problem"]) == ("10.5.0", None)


def test_old_attempts_go_with_all_that_came_for_them(place: Town) -> None:
    """I12: also the sealed keys of one that came to nothing."""
    from app.services import retention

    with place.house.begin() as session:
        session.execute(text("UPDATE oauth_states SET created_at = now() - interval '3 days', keys = 'sealed'"))
        for rule in retention.RULES:
            retention.apply(session, rule)

    assert rows(place, "SELECT count(*) FROM oauth_states") == [(0,)]


def test_a_shop_that_was_connected_by_hand_is_looked_at_too(place: Town) -> None:
    with place.house.begin() as session:
        session.execute(text("DELETE FROM connections"))
    told = CliRunner().invoke(
        cli,
        ["shop", "connect", "woocommerce", "--url", place.address, "--key", KEY, "--secret", SECRET,
         "--webhook-secret", "w" * 40, "--json"],
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    connecting.drain(float("inf"))

    assert rows(place, "SELECT version, companion FROM connections") == [("10.5.0", "1.0.0")]
