"""Builders of what tests are about: shops, signed webhooks, and one turn of the whole house without processes."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app import clock
from app.services import edit_flow, install
from app.services.install import ShopFacts

SHOPIFY_SECRET = "shpss_test_client_secret"
WOO_SECRET = "whsec-lamp-loft"
TEA_AND_TIN = "tea-and-tin.myshopify.com"
LAMP_LOFT = "http://127.0.0.1:9/lamp-loft"
PAYLOADS = Path(__file__).parent / "data" / "payloads"


def sign(secret: str, body: bytes) -> str:
    """Sign a body as both platforms do."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def shopify_headers(
    topic: str, body: bytes, *, webhook_id: str, triggered_at: datetime | None = None, **more: str
) -> dict[str, str]:
    """The headers of a signed Shopify webhook of Tea & Tin."""
    return {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": sign(SHOPIFY_SECRET, body),
        "X-Shopify-Shop-Domain": TEA_AND_TIN,
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": webhook_id,
        **({"X-Shopify-Triggered-At": triggered_at.isoformat()} if triggered_at else {}),
        **more,
    }


def woo_headers(
    topic: str, body: bytes, *, webhook_id: str = "7", delivery_id: str = "d" * 32, secret: str = WOO_SECRET
) -> dict[str, str]:
    """The headers of a signed WooCommerce webhook of Lamp Loft."""
    return {
        "Content-Type": "application/json",
        "X-WC-Webhook-Topic": topic,
        "X-WC-Webhook-Signature": sign(secret, body),
        "X-WC-Webhook-ID": webhook_id,
        "X-WC-Webhook-Delivery-ID": delivery_id,
    }


def tea_and_tin(session: Session, *, flow_on: bool = True, now: datetime | None = None) -> int:
    """Connect the Shopify shop of the cast and return its id."""
    facts = ShopFacts(name="Tea & Tin", sender_email="hello@tea-and-tin.example", postal_address="1 Harbour St, Lisbon")
    now = now or clock.now(session)
    shop = install.connect_shopify(session, TEA_AND_TIN, "shpat_x", facts, actor="test", now=now - timedelta(days=30))
    if flow_on:
        edit_flow.switch(session, shop.id, "abandoned_cart", on=True, actor="test", now=now)
    return shop.id


def lamp_loft(session: Session, *, flow_on: bool = True, url: str = LAMP_LOFT) -> tuple[int, str]:
    """Connect the WooCommerce shop of the cast and return its id and connection id."""
    facts = ShopFacts(name="Lamp Loft", sender_email="hello@lamp-loft.example", currency="EUR")
    now = clock.now(session)
    shop = install.connect_woocommerce(
        session,
        url,
        key="ck_x",
        secret="cs_x",
        webhook_secret=WOO_SECRET,
        facts=facts,
        actor="test",
        now=now - timedelta(days=30),
    )
    if flow_on:
        edit_flow.switch(session, shop.id, "abandoned_cart", on=True, actor="test", now=now)
    return shop.id, str(shop.connection_id)


def checkout_body(
    token: str,
    at: datetime,
    *,
    email: str | None = "alice@example.com",
    consent: bool = True,
    quantity: int = 2,
    started_at: datetime | None = None,
    completed_at: datetime | None = None,
    customer_id: int | None = None,
) -> dict[str, Any]:
    """A Shopify checkout as its webhooks carry it, cut to what matters here."""
    line = {
        "key": "1",
        "title": "Stoneware Mug",
        "variant_title": "Forest Green",
        "quantity": quantity,
        "price": "24.00",
        "line_price": f"{24 * quantity}.00",
        "product_id": 11,
        "variant_id": 12,
        "sku": "MUG",
    }
    return {
        "token": token,
        "cart_token": f"cart-{token}",
        "email": email,
        "buyer_accepts_marketing": consent,
        "created_at": (started_at or at).isoformat(),
        "updated_at": at.isoformat(),
        "completed_at": completed_at.isoformat() if completed_at else None,
        "currency": "USD",
        "presentment_currency": "USD",
        "line_items": [line] if quantity else [],
        "subtotal_price": f"{24 * quantity}.00",
        "total_price": f"{24 * quantity}.00",
        "customer_locale": "en-US",
        "abandoned_checkout_url": f"https://tea-and-tin.example/recover/{token}?key=1",
        "billing_address": {"first_name": "Alice", "country_code": "US"},
        **({"customer": {"id": customer_id, "email": email, "first_name": "Alice"}} if customer_id else {}),
    }


def order_body(
    order_id: int,
    at: datetime,
    *,
    token: str | None = None,
    email: str | None = "alice@example.com",
    customer_id: int | None = None,
) -> dict[str, Any]:
    """A Shopify order as its webhooks carry it, cut to what matters here."""
    return {
        "id": order_id,
        "name": f"#{order_id}",
        "email": email,
        "created_at": at.isoformat(),
        "updated_at": at.isoformat(),
        "processed_at": at.isoformat(),
        "currency": "USD",
        "presentment_currency": "USD",
        "total_price": "48.00",
        "subtotal_price": "48.00",
        "financial_status": "paid",
        "fulfillment_status": None,
        "checkout_token": token,
        "cart_token": f"cart-{token}" if token else None,
        "cancelled_at": None,
        "test": False,
        "discount_codes": [],
        "line_items": [],
        "fulfillments": [],
        "refunds": [],
        "source_name": "web",
        **({"customer": {"id": customer_id, "email": email}} if customer_id else {}),
    }


def store_webhook(
    session: Session,
    shop_id: int,
    topic: str,
    body: dict[str, Any] | bytes,
    *,
    key: str,
    platform: str = "shopify",
    triggered_at: datetime | None = None,
) -> None:
    """Put a webhook into the inbox as the route would."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    session.execute(
        text(
            "INSERT INTO webhooks (shop_id, platform, topic, dedupe_key, body, body_sha256, headers, triggered_at, due_at) "
            "VALUES (:shop_id, :platform, :topic, :key, :body, :sha, '{}', :at, least(:at, now())) ON CONFLICT DO NOTHING"
        ),
        {
            "shop_id": shop_id,
            "platform": platform,
            "topic": topic,
            "key": key,
            "body": raw,
            "sha": hashlib.sha256(raw).digest(),
            "at": triggered_at,
        },
    )


def skip_clock(maker: sessionmaker[Session], by: timedelta) -> None:
    """Move the house's clock ahead, as the demo does."""
    with maker.begin() as session:
        clock.skip(session, by)


def work_off() -> None:
    """Let every drain work off what is due, in the order that a webhook takes."""
    import jobs.inbox
    import jobs.mail
    import jobs.runner

    jobs.inbox.drain()
    jobs.runner.drain()
    jobs.mail.drain()


def ledger(maker: sessionmaker[Session], columns: Iterable[str] = ("step", "state", "reason")) -> list[tuple[Any, ...]]:
    """Return the send ledger, oldest first."""
    with maker() as session:
        return [tuple(row) for row in session.execute(text(f"SELECT {', '.join(columns)} FROM deliveries ORDER BY id"))]
