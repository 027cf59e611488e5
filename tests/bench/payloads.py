"""Webhooks as Shopify sends them: the recorded checkout, padded to 6.4 KB, about other people and carts, really signed."""

import json
from datetime import datetime
from typing import Any

from tests import builders

SIZE = 6_400  # bytes; what the goal of design.md 7 speaks of
TOPIC = "checkouts/update"
_BODIES = 64  # bodies that the ingest bench takes turns with; the webhook ids are all distinct
_RECORDED = json.loads((builders.PAYLOADS / "shopify" / "checkouts" / "update.json").read_text())


def checkout(key: str, at: datetime | None = None) -> bytes:
    """Return a checkout of a person and a cart of its own, exactly SIZE bytes long."""
    email = f"shopper-{key}@example.com"
    body: dict[str, Any] = {**_RECORDED, "token": f"token-{key}", "cart_token": f"cart-{key}", "email": email}
    body["customer"] = {**_RECORDED["customer"], "id": 10**12 + int(key.rpartition("-")[2]), "email": email}
    if at:
        body |= {"created_at": at.isoformat(), "updated_at": at.isoformat()}
    body["note"] = ""
    body["note"] = "x" * (SIZE - len(json.dumps(body)))
    raw = json.dumps(body).encode()
    assert len(raw) == SIZE
    return raw


def requests(series: str, count: int, at: str = "") -> list[tuple[bytes, bytes]]:
    """Return signed requests, head and body, each with its own webhook id and, given an instant, its own checkout."""
    instant = datetime.fromisoformat(at) if at else None
    bodies = [checkout(f"{series}-{n}", instant) for n in range(count if at else _BODIES)]
    heads = [_head(body) for body in bodies]
    return [(heads[n % len(bodies)] + _own(series, n), bodies[n % len(bodies)]) for n in range(count)]


def _own(series: str, number: int) -> bytes:
    return f"X-Shopify-Webhook-Id: {series}-{number}\r\n\r\n".encode()


def _head(body: bytes) -> bytes:
    headers = builders.shopify_headers(TOPIC, body, webhook_id="")
    del headers["X-Shopify-Webhook-Id"]
    headers |= {
        "Host": "bench.example.com", "Content-Length": str(len(body)), "User-Agent": "Shopify-Captain-Hook",
        "Accept": "*/*", "X-Shopify-Triggered-At": "2026-11-21T12:00:00.123456789Z",
        "X-Shopify-Event-Id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
    }  # fmt: skip
    return b"POST /webhooks/shopify HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items()).encode()
