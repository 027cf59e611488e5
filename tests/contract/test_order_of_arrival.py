"""Any order, any number of repeats, one final state (I3): all recorded payloads of both platforms, shuffled."""

import json
import os
import random
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from tests import builders

ROUNDS = int(os.environ.get("TEST_ROUNDS", "12"))  # the full proof is 200; see docs/testing.md
NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)  # within 72 hours of the recorded checkouts, so that flows begin
TRIGGERED = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)

# An erasure is meant to leave another state than none: tests/contract/test_erase.py tells what it leaves in which order.
ERASING = {"customers/redact", "shop/redact", "shopper.deleted"}

# What is compared: everything we remember, without our own row ids; people are named by their identities.
STATE = {
    "people": """
        SELECT (SELECT string_agg(i.kind || ':' || i.value || '=' || i.consent_state || coalesce(i.consent_at::text, ''), ','
                                  ORDER BY i.kind, i.value)
                  FROM customer_identities i WHERE i.shop_id = c.shop_id AND i.customer_id = c.id) AS who,
               c.shop_id, c.email, c.first_name, c.last_name, c.locale, c.country, c.tags, c.orders_count, c.spent_minor,
               c.deleted_at
          FROM customers c""",
    "checkouts": "SELECT shop_id, token, cart_token, email, lines, subtotal_minor, total_minor, started_at, changed_at, "
    "completed_at, deleted_at, {who} FROM checkouts t",
    "orders": "SELECT shop_id, external_id, number, status, total_minor, refunded_minor, placed_at, paid_at, cancelled_at, "
    "fulfilled_at, deleted_at, changed_at, checkout_token, {who}, "
    "(SELECT count(*) FROM order_lines l WHERE l.shop_id = t.shop_id AND l.order_id = t.id) FROM orders t",
    "marks": "SELECT shop_id, order_external_id, checkout_token, cart_token, ordered_at, {who} FROM purchase_marks t",
    "refunds": "SELECT shop_id, external_id, order_external_id, amount_minor FROM refunds",
    "shipments": "SELECT shop_id, external_id, order_external_id, state, delivered_at, tracking_number FROM shipments",
    "products": "SELECT shop_id, external_id, title, price_minor, is_available, deleted_at FROM products",
    "events": "SELECT shop_id, kind, object_id, happened_at FROM events",
    # Not the reasons: of two that hold, the one that was heard of first is the true one.
    "runs": "SELECT shop_id, flow, episode, state, arm FROM enrollments",
    "mails": "SELECT d.shop_id, e.episode, d.step, d.state, d.recipient FROM deliveries d "
    "JOIN enrollments e ON e.shop_id = d.shop_id AND e.id = d.enrollment_id",
    "shops": "SELECT id, state, name, currency, timezone, scopes FROM shops",
    "inbox": "SELECT shop_id, topic, state, error FROM webhooks",
}
WHO = (
    "(SELECT min(i.kind || ':' || i.value) FROM customer_identities i "
    "WHERE i.shop_id = t.shop_id AND i.customer_id = t.customer_id)"
)


def recorded() -> list[tuple[str, str, bytes]]:
    """All recorded webhooks: platform, topic, body."""
    found = []
    for path in sorted((builders.PAYLOADS / "shopify").rglob("*.json")):
        if path.name != "_headers.json":
            topic = str(path.relative_to(builders.PAYLOADS / "shopify")).removesuffix(".json")
            found.append(("shopify", topic, path.read_bytes()))
    for path in sorted((builders.PAYLOADS / "woocommerce").glob("*.json")):
        recording = json.loads(path.read_text())
        topic = recording["headers"].get("X-WC-Webhook-Topic")
        if topic:
            found.append(("woocommerce", topic, recording["body"].encode()))
    return [webhook for webhook in found if webhook[1] not in ERASING]


def final_state(house) -> dict[str, list[str]]:
    with house() as session:
        return {
            name: sorted(
                json.dumps(list(r), default=str, sort_keys=True) for r in session.execute(text(q.replace("{who}", WHO)))
            )
            for name, q in STATE.items()
        }


def play(house, webhooks: list[tuple[str, str, bytes]], rng: random.Random, monkeypatch) -> dict[str, list[str]]:
    """Send the webhooks in batches of random size into an empty house and return where it ends."""
    from app import clock
    from app.models import Base

    monkeypatch.setattr(clock, "now", lambda session: NOW)
    with house.begin() as session:
        tables = ", ".join(t.name for t in Base.metadata.sorted_tables)
        session.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        shops = {"shopify": builders.tea_and_tin(session, now=NOW), "woocommerce": builders.lamp_loft(session)[0]}
    rest = list(enumerate(webhooks))
    while rest:
        size = rng.randint(1, 25)
        with house.begin() as session:
            for n, (platform, topic, body) in rest[:size]:
                builders.store_webhook(
                    session, shops[platform], topic, body, key=str(n), platform=platform, triggered_at=TRIGGERED
                )
        rest = rest[size:]
        import jobs.inbox

        jobs.inbox.drain()
    return final_state(house)


@pytest.fixture
def reference(house, monkeypatch):
    """What all payloads end in, in the order of their names."""
    return play(house, recorded(), random.Random(0), monkeypatch)


def test_recorded_payloads_fill_every_table(reference):
    assert [name for name, rows in reference.items() if not rows] == []
    assert len(reference["inbox"]) == len(recorded()) == 67


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_shuffled_and_repeated_payloads_end_in_the_same_state(house, monkeypatch, reference, seed):
    rng = random.Random(seed)
    webhooks = recorded()
    shuffled = rng.sample(webhooks, len(webhooks))
    repeated = [*shuffled, *rng.sample(shuffled, 15)]
    state = play(house, repeated, rng, monkeypatch)
    state["inbox"] = sorted(set(state["inbox"]))

    assert state == reference | {"inbox": sorted(set(reference["inbox"]))}
