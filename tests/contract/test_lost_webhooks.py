"""A tenth of the webhooks is lost and the rest comes shuffled: after one reconcile we hold what the shop holds."""

import json
import os
import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session, sessionmaker

from app import config
from app.cli import cli
from app.demo.fakes import Fakes
from app.demo.store import Checkout, Customer, Order
from tests.contract.test_shopify_fake import Held
from tests.shop_cast import connect, pretend_shops, receive, rows, wait

WEBHOOKS = int(os.environ.get("TEST_LOST_WEBHOOKS", "200"))
LOST = 0.1
SEED = int(os.environ.get("TEST_SEED", "7"))


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def fakes(house: sessionmaker[Session], held: Held, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    with pretend_shops(held) as fakes:
        monkeypatch.setenv("CARTWHEEL_SHOPIFY_API_BASE", fakes.shopify.home_url)
        config.settings.cache_clear()
        yield fakes


def live(fakes: Fakes, house: sessionmaker[Session], held: Held, dice: random.Random) -> list:
    """Let shoppers come until the shop has sent enough webhooks, and return those."""
    shop, sent, number = fakes.shopify, [], 0
    while len(sent) < WEBHOOKS:
        number += 1
        email = f"s{dice.randrange(WEBHOOKS // 4)}@example.com"
        act = dice.random()
        if act < 0.2:
            shop.place_order(email)
        else:
            cart = shop.begin_checkout(email=email, consent=dice.random() < 0.7)
            if act < 0.5:
                fakes.clock.skip(timedelta(seconds=2))
                shop.change_cart(cart, [("TEA-DARJ-50", dice.randrange(1, 5))])
            elif act < 0.7:
                fakes.clock.skip(timedelta(seconds=2))
                shop.place_order(cart)
        if act > 0.9:
            shop.set_consent(email, "unsubscribed")
        fakes.clock.skip(timedelta(seconds=dice.randrange(1, 60)))
        sent += held.take()
    return sent[:WEBHOOKS] if number else []


def the_shops(fakes: Fakes) -> dict[str, set]:
    store = fakes.shopify.store
    return {
        "orders": {(str(o.id), f"#{o.number}", o.total_minor, o.email) for o in store.all(Order)},
        "open checkouts": {
            (c.cart_token, c.email, sum(i.quantity for i in c.items))
            for c in store.all(Checkout)
            if c.announced_at and not c.completed_at
        },
        "consent": {(c.email, c.consent_state) for c in store.all(Customer) if c.consent_at},
        "customers": {str(c.id) for c in store.all(Customer)},
        "bought checkouts": {c.cart_token for c in store.all(Checkout) if c.completed_at},
    }


def ours(house: sessionmaker[Session]) -> dict[str, set]:
    pieces = "(SELECT sum((l ->> 'quantity')::int) FROM jsonb_array_elements(lines) l)"
    marked = "EXISTS (SELECT 1 FROM purchase_marks m WHERE m.cart_token = c.cart_token)"
    who = "SELECT email FROM customers p WHERE p.id = o.customer_id"
    known = "FROM customer_identities WHERE"
    return {
        "orders": set(rows(house, f"SELECT external_id, number, total_minor, ({who}) FROM orders o")),
        "open checkouts": set(
            rows(house, f"SELECT cart_token, email, {pieces} FROM checkouts c WHERE completed_at IS NULL AND NOT {marked}")
        ),
        "consent": set(
            rows(
                house, "SELECT value, consent_state FROM customer_identities WHERE kind = 'email' AND consent_at IS NOT NULL"
            )
        ),
        "customers": {value for (value,) in rows(house, f"SELECT value {known} kind = 'id'")},
        "bought checkouts": {token for (token,) in rows(house, "SELECT cart_token FROM purchase_marks") if token},
    }


def differences(house: sessionmaker[Session], fakes: Fakes) -> dict[str, set]:
    """Return what only one of the two holds."""
    theirs, held = the_shops(fakes), ours(house)
    return {what: theirs[what] ^ held[what] for what in theirs if theirs[what] != held[what]}


def test_after_one_reconcile_we_hold_what_the_shop_holds(house, fakes, held):
    """I3, I6: a tenth of the webhooks never comes, the rest comes in any order and partly late."""
    dice = random.Random(SEED)
    shop = connect(house, fakes)
    sent = live(fakes, house, held, dice)
    wait(house, fakes, timedelta(seconds=1))
    arriving = [webhook for webhook in sent if dice.random() >= LOST]
    dice.shuffle(arriving)
    while arriving:
        cut = dice.randrange(1, 60)
        receive(house, shop, arriving[:cut])
        arriving = arriving[cut:]
    before = differences(house, fakes)
    told = CliRunner().invoke(cli, ["reconcile", "--json"])
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    said = CliRunner().invoke(cli, ["reconcile"])

    assert before["orders"]
    assert before["open checkouts"]
    assert differences(house, fakes) == {}
    assert [(row["kind"], row["is_equal"], row["error"]) for row in lines] == [
        (kind, True, None) for kind in ("orders", "checkouts", "customers", "products")
    ]
    assert (told.exit_code, said.exit_code) == (0, 0)
    for row in lines:
        assert f"{row['kind']}: the shop says {row['shop_says']}, we hold {row['we_hold']}" in said.stdout
