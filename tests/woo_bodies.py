"""Recorded deliveries of WooCommerce, changed here and there, and what is made of them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.domain.events import CheckoutUpdated, Event, Line, OrderUpdated
from integrations.woocommerce.normalise import normalise

PAYLOADS = Path(__file__).parent / "data" / "payloads" / "woocommerce"
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PAY_URL = "https://shop.example.com/checkout/order-pay/{id}/?pay_for_order=true&key={key}"
CLUBS = Line(title="Juggling clubs", quantity=2, price_minor=6450, product_id="12", sku="CW-64419")


def utc(hour: int, minute: int, second: int = 0) -> datetime:
    return datetime(2026, 11, 21, hour, minute, second, tzinfo=UTC)


def delivery(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def body(name: str, **changes: object) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(delivery(name)["body"])
    return parsed | changes


def events(name: str, **changes: object) -> list[Event]:
    topic = delivery(name)["headers"].get("X-WC-Webhook-Topic", "")
    return normalise(topic, body(name, **changes), at=AT) if topic else []


def order(name: str = "order.updated", **changes: object) -> OrderUpdated:
    event = events(name, **changes)[0]
    assert isinstance(event, OrderUpdated)
    return event


def draft(**changes: object) -> CheckoutUpdated:
    event = events("order.updated.checkout-draft", **changes)[1]
    assert isinstance(event, CheckoutUpdated)
    return event


def checkout(**changes: object) -> CheckoutUpdated:
    (event,) = events("checkout.updated", **changes)
    assert isinstance(event, CheckoutUpdated)
    return event


def meta(key: str, value: object) -> dict[str, object]:
    return {"id": 1, "key": key, "value": value}
