"""A WooCommerce shop is disconnected: mail stops before anything else, the shop is tidied up, and it may come back."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from app import clock
from app.cli import cli
from app.demo.woocommerce_hooks import Hook
from app.models import Shop
from app.services import edit_flow
from app.web.directory import directory
from integrations.woocommerce import rest
from jobs.connecting import look_after_hooks
from tests import builders
from tests.woo_cast import WAIT, Town, town


@pytest.fixture
def place(house: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Town]:
    """A connected shop with its cart flow on, and a cart whose reminder is due at whatever hour."""
    with town(house, monkeypatch, tmp_path) as opened:
        shop = opened.connect()
        assert opened.fakes.sender.wait_until_idle(WAIT)
        with house.begin() as session:
            session.execute(update(Shop).values(sender_email="we@lamp-loft.example", quiet_from=None, quiet_until=None))
            edit_flow.switch(session, shop.id, "abandoned_cart", on=True, actor="test", now=clock.now(session))
        opened.shop.begin_checkout(email="alice@example.com")
        assert opened.fakes.sender.wait_until_idle(WAIT)
        builders.work_off()
        builders.skip_clock(house, timedelta(hours=1, minutes=1))
        yield opened


def disconnect(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["shop", "disconnect", *arguments, "--json"])


def connect_again(place: Town) -> None:
    """Connect it later than the five seconds for which a process of the web remembers a secret."""
    directory.cache_clear()
    place.connect()
    directory.cache_clear()


def rows(place: Town, query: str) -> list[tuple[Any, ...]]:
    with place.house() as session:
        return [tuple(row) for row in session.execute(text(query))]


def test_without_a_disconnection_the_reminder_of_this_story_is_sent(place: Town) -> None:
    """What the others lean on: it is due, and nothing else holds it."""
    builders.work_off()

    assert builders.ledger(place.house) == [("reminder", "sent", None)]


def test_a_disconnected_shop_mails_nothing_and_holds_none_of_our_webhooks_and_we_none_of_its_keys(place: Town) -> None:
    """I7: also the mail that was due already."""
    place.shop.add_hook("order.created", "https://elsewhere.example/hook", "theirs")
    told = disconnect("1")
    builders.work_off()

    row = json.loads(told.stdout)
    assert (told.exit_code, row["state"], row["problem"]) == (0, "uninstalled", None)
    assert row["webhooks_removed"] > 0
    assert "REST API" in told.stderr
    assert [hook.target for hook in place.shop.hooks.values()] == ["https://elsewhere.example/hook"]
    assert rows(place, "SELECT count(*) FROM shop_tokens") == [(0,)]
    assert rows(place, "SELECT actor LIKE 'cli:%' FROM audit_log WHERE action = 'shop.disconnected'") == [(True,)]
    assert "sent" not in {state for _, state, _ in builders.ledger(place.house)}


def test_mail_stops_though_the_shop_hangs_and_what_is_left_there_is_said(
    place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I7: the stop is committed before the shop is called."""
    monkeypatch.setattr(rest, "TIMEOUT", 0.5)
    place.fakes.woocommerce_api.faults.delay = 5.0
    told = disconnect("1")
    builders.work_off()

    row = json.loads(told.stdout)
    assert (told.exit_code, row["state"], row["webhooks_removed"]) == (3, "uninstalled", None)
    assert row["problem"]
    assert "Webhooks: those named Cartwheel" in told.stderr
    assert "sent" not in {state for _, state, _ in builders.ledger(place.house)}


def test_the_stop_is_committed_when_the_shop_is_called(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """I7: a command that is killed while it waits for the shop has stopped the mail."""
    seen = []
    monkeypatch.setattr("jobs.leaving.hooks.remove_all", lambda *_: seen.append(rows(place, "SELECT state FROM shops")) or 0)
    disconnect("1")

    assert seen == [[("uninstalled",)]]


def test_a_webhook_that_comes_after_it_is_not_taken_in(place: Town) -> None:
    late = place.shop.build_order_webhook("late@example.com")
    disconnect("1")
    directory.cache_clear()  # a process of the web remembers for five seconds

    assert requests.post(late.url, data=late.body, headers=late.headers, timeout=WAIT).status_code == 404


def test_a_shop_that_is_connected_again_goes_on_with_what_was_set(place: Town) -> None:
    before = rows(place, "SELECT id, connection_id, sender_email, name FROM shops")
    disconnect("1")
    connect_again(place)

    assert rows(place, "SELECT id, connection_id, sender_email, name FROM shops") == before
    assert rows(place, "SELECT state, uninstalled_at FROM shops") == [("active", None)]
    assert rows(place, "SELECT is_on FROM flow_settings WHERE flow = 'abandoned_cart'") == [(True,)]
    order = place.shop.place_order("alice@example.com")
    assert place.fakes.sender.wait_until_idle(WAIT)
    builders.work_off()
    assert rows(place, "SELECT external_id FROM orders") == [(str(order.id),)]


def test_webhooks_that_were_left_in_the_shop_are_made_anew_when_it_comes_back(place: Town) -> None:
    """I2: the old ones sign with a secret that is gone, and every delivery of theirs would be refused."""
    place.fakes.woocommerce_api.faults.fail = 1
    assert disconnect("1").exit_code == 3
    left = {hook.id for hook in place.shop.hooks.values()}
    connect_again(place)

    assert left
    assert not left & {hook.id for hook in place.shop.hooks.values()}
    place.shop.place_order("alice@example.com")
    assert place.fakes.sender.wait_until_idle(WAIT)
    builders.work_off()
    assert rows(place, "SELECT count(*) FROM orders") == [(1,)]


def test_a_webhook_that_somebody_paused_outlives_looks_at_a_shop_that_never_had_all_in_order(
    place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only webhooks of a connection that ended are made anew, not those that somebody switched off."""
    paused, status = next(iter(place.shop.hooks)), Hook.status.fget
    monkeypatch.setattr(Hook, "status", property(lambda hook: "paused" if hook.id == paused else status(hook)))
    with place.house.begin() as session:
        session.execute(text("UPDATE connections SET hooked_at = NULL"))
    before = set(place.shop.hooks)
    look_after_hooks(1)

    assert set(place.shop.hooks) == before


def test_a_shop_whose_keys_were_revoked_is_disconnected_too(place: Town) -> None:
    place.fakes.woocommerce_api.faults.is_revoked = True
    with place.house.begin() as session:
        session.execute(text("UPDATE shops SET state = 'needs_reconnect'"))
    told = disconnect("1")

    assert (told.exit_code, json.loads(told.stdout)["state"]) == (3, "uninstalled")


def test_what_is_not_connected_is_not_disconnected(place: Town) -> None:
    disconnect("1")
    again = disconnect("1")

    assert (again.exit_code, "is not connected" in again.stderr) == (1, True)
    assert rows(place, "SELECT count(*) FROM audit_log WHERE action = 'shop.disconnected'") == [(1,)]


def test_a_shopify_shop_is_left_in_its_own_admin(house: sessionmaker[Session]) -> None:
    with house.begin() as session:
        builders.tea_and_tin(session)
    told = disconnect(builders.TEA_AND_TIN)

    assert told.exit_code == 1
    assert "Remove the app in the shop's admin" in told.stderr
    with house() as session:
        assert session.scalar(select(Shop.state)) == "active"
        assert session.scalar(text("SELECT count(*) FROM shop_tokens")) == 1
        assert session.scalar(select(func.count(Shop.uninstalled_at))) == 0
