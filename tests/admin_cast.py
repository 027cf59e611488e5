"""Rows for the tests of the merchant's pages: two shops, people in the cart flow, mails and webhooks in every state."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from app.models import (
    Checkout,
    Coupon,
    Customer,
    DecisionRow,
    Delivery,
    Enrollment,
    EventRow,
    PurchaseMark,
    ScheduledStep,
    Shop,
    Webhook,
)
from app.services import edit_flow, signin
from app.services.install import ShopFacts, connect_shopify, connect_woocommerce

PAYLOADS = Path(__file__).parent / "data" / "payloads" / "shopify"
CHECKOUT = (PAYLOADS / "checkouts" / "create.json").read_bytes()


@dataclass(frozen=True)
class Cast:
    """The ids that tests ask for."""

    tea: int
    lamp: int
    now: datetime
    webhooks: dict[str, int]  # by state
    mails: dict[str, int]  # by state
    lamp_webhook: int
    lamp_mail: int


def two_shops(session: Session) -> tuple[Shop, Shop, datetime]:
    """Connect Tea & Tin (Shopify) and Lamp Loft (WooCommerce), with nothing in them."""
    now = session.execute(select(func.now())).scalar_one()
    facts = ShopFacts(name="Tea & Tin", sender_email="hello@tea.example", timezone="America/New_York")
    tea = connect_shopify(session, "tea-and-tin.myshopify.com", "token", facts, actor="test", now=now)
    facts = ShopFacts(name="Lamp Loft", sender_email="hello@lamp.example", timezone="Asia/Baku", currency="EUR")
    lamp = connect_woocommerce(
        session, "https://lamp.example", key="ck_1", secret="cs_1", webhook_secret="s", facts=facts, actor="test", now=now
    )
    return tea, lamp, now


def seed(sessions: sessionmaker[Session], *, month: int = 0) -> Cast:
    """Fill both shops; `month` mails of the last weeks come first, so that charts have a shape."""
    with sessions.begin() as session:
        tea, lamp, now = two_shops(session)
        edit_flow.switch(session, tea.id, "abandoned_cart", on=True, actor="merchant", now=now)
        for n in range(month):
            _run(session, tea.id, 100 + n, "sent", now - timedelta(days=(n * 11) % 27, hours=n))
        webhooks = {state: _webhook(session, tea.id, state, n, now) for n, state in enumerate(reversed(_WEBHOOKS))}
        mails = {state: _run(session, tea.id, n, state, now) for n, state in enumerate(_MAILS)}
        _waiting_person(session, tea.id, now)
        lamp_webhook = _webhook(session, lamp.id, "failed", 0, now)
        lamp_mail = _run(session, lamp.id, 0, "sent", now)
        return Cast(tea.id, lamp.id, now, webhooks, mails, lamp_webhook, lamp_mail)


def link(sessions: sessionmaker[Session], *shop_ids: int, lifetime: timedelta = timedelta(hours=1)) -> str:
    """Make a sign-in link and return its path."""
    with sessions.begin() as session:
        now = signin.real_now(session)
        return "/admin/sign-in/" + signin.create_link(session, list(shop_ids), now=now, lifetime=lifetime)


_WEBHOOKS: dict[str, dict[str, Any]] = {
    "failed": {"error": "line_items: a price is not a number.", "error_class": "BadPayload", "attempts": 1},
    "pending": {"attempts": 0},
    "retry": {"attempts": 3, "error": "OperationalError: the database was too busy.", "wait": 4},
    "done": {"attempts": 1, "topic": "checkouts/update", "kind": "checkout_updated"},
    "ignored": {"attempts": 1, "topic": "products/create", "error": "Nothing here uses this topic."},
    "redacted": {"attempts": 1, "topic": "customers/redact"},
}
_MAILS = ("sent", "pending", "skipped", "failed", "unknown")
_REASONS = {
    "skipped": "ordered",
    "failed": "550 5.1.1 The address does not exist.",
    "unknown": "The connection broke before the answer came.",
}


def _webhook(session: Session, shop_id: int, state: str, n: int, now: datetime) -> int:
    known = _WEBHOOKS[state]
    at = now - timedelta(minutes=150 - n * 25)
    row = Webhook(
        shop_id=shop_id, platform="shopify", topic=known.get("topic", "checkouts/create"), dedupe_key=f"{state}-{n}",
        body=None if state == "redacted" else CHECKOUT, body_sha256=b"0" * 32, headers={}, received_at=at,
        triggered_at=at - timedelta(seconds=2), state="pending" if state == "retry" else state,
        attempts=known["attempts"], error=known.get("error"), error_class=known.get("error_class"),
        due_at=now + timedelta(minutes=known.get("wait", 0)),
        processed_at=at + timedelta(milliseconds=84) if state in {"done", "ignored", "redacted"} else None,
    )  # fmt: skip
    session.add(row)
    session.flush()
    if kind := known.get("kind"):
        session.add(EventRow(shop_id=shop_id, kind=kind, object_id="8f2b6a0d", happened_at=at, webhook_id=row.id))
    return row.id


def _person(session: Session, shop_id: int, n: int, now: datetime) -> tuple[Customer, Checkout]:
    first = ("Alice", "Bob", "Carol", "Dmitri", "Esmeralda")[n % 5]
    email = f"{first.lower()}{n}@example.com"
    person = Customer(shop_id=shop_id, email=email, first_name=first, last_name="Okafor")
    lines = [
        {"title": "Stoneware mug", "quantity": 2, "price_minor": 2400},
        {"title": "Oolong", "quantity": 1, "price_minor": 1850},
    ]
    cart = Checkout(
        shop_id=shop_id, token=f"cart-{shop_id}-{n}", email=email, first_name=first, lines=lines, currency="USD",
        subtotal_minor=6650, total_minor=6650, started_at=now, changed_at=now, rank="0",
    )  # fmt: skip
    session.add_all([person, cart])
    session.flush()
    cart.customer_id = person.id
    return person, cart


def _run(session: Session, shop_id: int, n: int, state: str, now: datetime) -> int:
    """One person in the flow whose mail ended in this state."""
    entered = now - timedelta(hours=2)
    person, cart = _person(session, shop_id, n, entered)
    step = "coupon" if n % 3 == 2 or n == 0 else "reminder"
    ended = state == "skipped"
    run = Enrollment(
        shop_id=shop_id, flow="abandoned_cart", version=1, subject_key="checkout", episode=cart.token, arm="treated",
        customer_id=person.id, state="exited" if ended else "finished", reason=_REASONS["skipped"] if ended else None,
        entered_at=entered, ended_at=now,
    )  # fmt: skip
    session.add(run)
    session.flush()
    saw = {
        "cart_pieces": 3, "cart_changed_at": entered.isoformat(), "checkout_completed": False, "consent": "subscribed",
        "ordered_at": now.isoformat() if ended else None, "suppressed": None, "flow_on": True, "shop": "active",
        "held_out": False,
    }  # fmt: skip
    due = entered + timedelta(hours=1)
    waits = [{"effect": "Schedule", "step_no": 0, "due_at": due.isoformat()}]
    sends: list[dict[str, Any]] = [
        {"effect": "SendEmail", "step": step, "due_at": due.isoformat(), "coupon": {"percent": 10, "valid_hours": 48}}
    ]
    leaves = [{"effect": "Exit", "step": step, "reason": "ordered"}]
    for step_no, because, effects, at in (
        (0, "waiting", waits, entered),
        (0, "ordered" if ended else "due", leaves if ended else sends, due),
    ):
        session.add(
            DecisionRow(
                shop_id=shop_id, enrollment_id=run.id, version=1, step_no=step_no, because=because, saw=saw, effects=effects,
                decided_at=at,
            )
        )  # fmt: skip
    mail = Delivery(
        shop_id=shop_id, enrollment_id=run.id, flow="abandoned_cart", step=step, customer_id=person.id,
        recipient=person.email, token=f"{shop_id:08}{n:08}".encode(), state=state, reason=_REASONS.get(state), due_at=now,
        step_due_at=due, created_at=due, sent_at=due + timedelta(seconds=3) if state == "sent" else None, attempts=1,
        subject="We kept your cart for you" if state == "sent" else None,
    )  # fmt: skip
    session.add(mail)
    if step == "coupon":
        session.add(
            Coupon(
                shop_id=shop_id, enrollment_id=run.id, step=step, code=f"TEATI-7KQ2-{n:04}", percent=10, state="minted",
                starts_at=due, expires_at=due + timedelta(hours=48), created_at=due,
            )
        )  # fmt: skip
    if state == "sent" and n % 9 == 0:
        session.add(
            PurchaseMark(
                shop_id=shop_id, order_external_id=f"o-{n}", customer_id=person.id, ordered_at=due + timedelta(hours=1)
            )
        )
    session.flush()
    return mail.id


def _waiting_person(session: Session, shop_id: int, now: datetime) -> None:
    person, cart = _person(session, shop_id, 900, now)
    run = Enrollment(
        shop_id=shop_id, flow="abandoned_cart", version=1, subject_key="checkout", episode=cart.token, arm="treated",
        customer_id=person.id, entered_at=now,
    )  # fmt: skip
    session.add(run)
    session.flush()
    session.add(ScheduledStep(shop_id=shop_id, enrollment_id=run.id, step_no=0, due_at=now + timedelta(hours=1)))


def body(webhook: Webhook) -> Any:
    """Return a webhook's body as data."""
    return json.loads(webhook.body or b"null")


def client_of(sessions: sessionmaker[Session], *shop_ids: int) -> FlaskClient:
    """Return somebody who is signed in to these shops, at the real app."""
    from app.web import create_app

    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post(link(sessions, *shop_ids))
    return client
