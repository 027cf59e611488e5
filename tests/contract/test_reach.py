"""Whom a flow would have reached: what the engine lets in and what is counted afterwards are the same people; bounded."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app import clock
from app.flows import FLOWS
from app.flows.conditions import (
    any_of,
    has_email,
    has_open_cart,
    has_tag,
    in_country,
    is_first_order,
    never_bought,
    none_of,
    orders_in_a_year,
    spent_in_a_year,
    worth_at_least,
)
from app.flows.vocabulary import Condition, Flow
from app.models import Checkout, Customer, Enrollment, Order, Shop
from app.services import reach as reaching
from app.services.reach import Reach, reach
from tests.contract.test_conditions_story import leave_a_cart, use
from tests.contract.test_flow_stories import shop
from tests.people_cast import known_person

__all__ = ["shop"]  # a fixture
CART, DAY = FLOWS["abandoned_cart"], timedelta(days=1)


def flow_for(key: str, *when: Condition) -> Flow:
    flow = FLOWS[key]
    return replace(flow, trigger=replace(flow.trigger, when=when))


def asked(house, shop_id: int, flow: Flow) -> Reach | None:
    with house() as session:
        owner = session.scalars(select(Shop).where(Shop.id == shop_id)).one()
        return reach(session, owner, flow, now=clock.now(session))


def buy(session: Session, person: Customer, now, *ago: int, minor: int = 5_000, currency: str = "USD") -> None:
    """Let somebody have bought so many days ago, each time."""
    for days in ago:
        at, name = now - days * DAY, f"{person.id}-{days}"
        session.add(
            Order(
                shop_id=person.shop_id, external_id=name, number=name, status="paid", customer_id=person.id, started_at=at,
                placed_at=at, paid_at=at, changed_at=at, currency=currency, total_minor=minor, refunded_minor=0,
                discount_codes=[], is_test=False, rank="0",
            )
        )  # fmt: skip


def cart(
    session: Session, person: Customer, now, *, ago: float, minor: int = 5_000, email: str | None = "a@b.example"
) -> None:
    at = now - ago * DAY
    lines = [{"title": "Mug", "quantity": 1, "price_minor": minor}]
    session.add(
        Checkout(
            shop_id=person.shop_id, token=f"c{person.id}-{ago}", email=email, lines=lines, currency="USD",
            subtotal_minor=minor, total_minor=minor, started_at=at, changed_at=at, rank="0", customer_id=person.id,
        )
    )  # fmt: skip


@pytest.fixture
def people(house, cast):
    """Anna bought 400, 60 and 10 days ago and lives in Austria; Ben bought 30 days ago; Cleo never did and has a tag."""
    with house.begin() as session:
        session.execute(text("DELETE FROM checkouts"))
        anna = known_person(session, cast.tea, "anna@example.com", cast.now - 20 * DAY, country="AT")
        ben = known_person(session, cast.tea, "ben@example.com", cast.now - 40 * DAY, country="DE")
        cleo = known_person(session, cast.tea, "cleo@example.com", cast.now - 100 * DAY)
        cleo.tags = {"Gift Club": ["2026-01-01T00:00:00+00:00", True]}
        buy(session, anna, cast.now, 400, 60, 10)
        buy(session, ben, cast.now, 30, minor=9_000)
        for person, ago, minor in (
            (anna, 20, 2_000),
            (anna, 5, 8_000),
            (ben, 45, 4_000),
            (cleo, 1, 6_000),
            (cleo, 91, 6_000),
        ):
            cart(session, person, cast.now, ago=ago, minor=minor)
        cart(session, ben, cast.now, ago=3, email=None)
    return cast


@pytest.mark.parametrize(
    ("key", "when", "looked", "fit"),
    [
        ("abandoned_cart", (), 4, 4),
        ("abandoned_cart", (worth_at_least(6_000),), 4, 2),
        ("abandoned_cart", (none_of(worth_at_least(6_000)),), 4, 2),
        ("abandoned_cart", (never_bought(),), 4, 2),  # Ben's cart is older than his first order
        ("abandoned_cart", (none_of(never_bought()),), 4, 2),
        ("abandoned_cart", (orders_in_a_year(2),), 4, 1),  # of Anna's carts the older one began between her last orders
        ("abandoned_cart", (in_country("AT", "CH"),), 4, 2),
        ("abandoned_cart", (has_tag("gift club"),), 4, 1),
        ("abandoned_cart", (any_of(has_tag("gift club"), in_country("DE")),), 4, 2),
        ("abandoned_cart", (spent_in_a_year(10**9),), 4, 0),
        ("post_purchase", (has_email(),), 3, 3),
        ("post_purchase", (is_first_order(),), 3, 1),
        ("post_purchase", (worth_at_least(9_000),), 3, 1),
        ("vip", (orders_in_a_year(2),), 2, 1),
        ("vip", (spent_in_a_year(9_000),), 2, 2),
        ("welcome", (never_bought(),), 2, 1),  # Ben agreed 40 days ago and bought 30 days ago
        ("review_request", (has_email(),), 0, 0),  # nothing was sent off
    ],
)
def test_it_is_counted_how_things_stood_then(house, people, key, when, looked, fit):
    told = asked(house, people.tea, flow_for(key, *when))

    assert (told.looked, told.fit, told.is_cut) == (looked, fit, False)


@pytest.mark.parametrize(
    "condition", [worth_at_least(4_800), worth_at_least(4_801), in_country("DE"), none_of(in_country("DE")), never_bought()]
)
def test_who_was_let_in_is_who_is_counted(shop, condition):
    use(shop, condition)
    for country in ("DE", "AT"):
        leave_a_cart(shop, country, country=country)
    with shop.house() as session:
        entered = session.scalar(select(func.count()).select_from(Enrollment).where(Enrollment.shop_id == shop.id))

    assert asked(shop.house, shop.id, flow_for(CART.key, *CART.trigger.when, condition)).fit == entered


def test_what_cannot_be_told_of_the_past_is_not_told(house, people):
    assert asked(house, people.tea, FLOWS["double_opt_in"]) is None
    assert asked(house, people.tea, flow_for("re_permission", has_email())) is None
    assert asked(house, people.tea, flow_for("vip", has_open_cart())) is None


def test_an_order_that_a_cart_became_is_no_purchase_before_it(house, people):
    """A checkout is told once more as completed, later than its order."""
    with house.begin() as session:
        dora = known_person(session, people.tea, "dora@example.com", people.now, country="IS")
        buy(session, dora, people.now, 7)
        cart(session, dora, people.now, ago=6.9)
        session.flush()
        session.execute(update(Checkout).where(Checkout.customer_id == dora.id).values(started_at=people.now - 8 * DAY))

    assert asked(house, people.tea, flow_for("abandoned_cart", in_country("IS"), never_bought())).fit == 1


def test_another_shops_people_are_never_counted(house, people, monkeypatch):
    """I10."""
    monkeypatch.setattr(reaching, "LOOKED_MOST", 1)
    told = [asked(house, people.lamp, FLOWS[key]) for key in ("abandoned_cart", "post_purchase", "welcome", "vip")]

    assert [(found.looked, found.is_cut) for found in told] == [(0, False)] * 4


def test_it_looks_at_so_many_and_says_that_there_are_more(house, people, monkeypatch):
    monkeypatch.setattr(reaching, "LOOKED_MOST", 2)
    told = asked(house, people.tea, flow_for("abandoned_cart", worth_at_least(7_000)))

    assert told == Reach(of="checkout_updated", looked=2, fit=1, is_cut=True)  # the newest two: Cleo's and Anna's


MANY = (
    """INSERT INTO customers (shop_id, email) SELECT :shop, 'p' || n || '@example.com' FROM generate_series(1, 20000) n""",
    """INSERT INTO customer_identities (shop_id, kind, value, customer_id, consent_state, consent_at)
    SELECT shop_id, 'email', email, id, 'subscribed', now() - id * interval '1 minute' FROM customers
    WHERE email LIKE 'p%'""",
    """INSERT INTO checkouts (shop_id, token, customer_id, email, lines, currency, subtotal_minor, total_minor, started_at,
      changed_at, rank)
    SELECT shop_id, 'm' || id, id, email, '[]', 'USD', 1, 1, now(), now() - id * interval '1 minute', '0'
    FROM customers WHERE email LIKE 'p%'""",
    """INSERT INTO orders (shop_id, external_id, number, status, customer_id, currency, total_minor, refunded_minor,
      discount_codes, is_test, started_at, changed_at, rank, placed_at)
    SELECT shop_id, 'm' || id, '1', 'paid', id, 'USD', 1, 0, '[]', false, now(), now(), '0', now() - id * interval '1 minute'
    FROM customers WHERE email LIKE 'p%'""",
    "ANALYZE customers, customer_identities, checkouts, orders",
)


@pytest.mark.parametrize(
    ("key", "index"),
    [
        ("abandoned_cart", "ix_checkouts_changed"),
        ("vip", "ix_orders_placed"),
        ("welcome", "ix_customer_identities_subscribed"),
    ],
)
def test_the_newest_of_a_time_are_found_by_an_index(house, cast, key, index):
    with house.begin() as session:
        for statement in MANY:
            session.execute(text(statement), {"shop": cast.tea} if ":shop" in statement else {})
        query = reaching._newest(cast.tea, FLOWS[key], cast.now - 90 * DAY).limit(1_001).compile(session.bind)
        plan = "\n".join(session.connection().exec_driver_sql(f"EXPLAIN {query}", query.params).scalars())

    assert index in plan
    assert "Seq Scan" not in plan
    assert "Sort" not in plan
