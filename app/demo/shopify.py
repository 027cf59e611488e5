"""Tea & Tin, on a pretend Shopify: its webhooks, signed with the app's client secret."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from secrets import token_hex, token_urlsafe
from uuid import uuid4

from app.demo.coupons import percent_of
from app.demo.shop import Shop
from app.demo.shopify_bodies import (
    Body,
    checkout_body,
    checkout_deleted_body,
    consent_body,
    customer_body,
    product_body,
    shop_body,
)
from app.demo.shopify_order import order_body
from app.demo.shopify_parcels import fulfillment_body, fulfillment_event_body
from app.demo.store import Checkout, Customer, Order
from app.demo.webhook import SHOPIFY_MANNERS, Job, SignedWebhook

API_VERSION = "2026-10"
_SUBSCRIPTION = "cartwheel"  # the name in shopify.app.toml, echoed in X-Shopify-Name


class ShopifyShop(Shop):
    """The pretend Shopify shop. A body is built when its event happens, and repeated unchanged by retries."""

    def webhook(self, topic: str, body: object, event_id: str | None = None) -> SignedWebhook:
        """Sign one delivery.

        Args:
            topic: Shopify's word, `orders/create`.
            body: what JSON can say.
            event_id: shared by all deliveries of one act; a new one when None.
        """
        raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).replace("&", "\\u0026").encode()
        secret = self.config.shopify_client_secret.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": base64.b64encode(hmac.digest(secret, raw, hashlib.sha256)).decode(),
            "X-Shopify-Shop-Domain": self.catalogue.domain,
            "X-Shopify-API-Version": API_VERSION,
            "X-Shopify-Webhook-Id": str(uuid4()),
            "X-Shopify-Triggered-At": _nanoseconds(self.clock.now()),
            "X-Shopify-Event-Id": event_id or str(uuid4()),
            "X-Shopify-Name": _SUBSCRIPTION,
        }
        return SignedWebhook(f"{self.config.cartwheel_url}/webhooks/shopify", headers, raw)

    def checkout_webhook(self, checkout: Checkout, topic: str = "") -> SignedWebhook:
        """Make a webhook about this state of a checkout; nothing is sent."""
        is_new = checkout.updated_at == checkout.announced_at
        topic = topic or ("checkouts/create" if is_new else "checkouts/update")
        deleted = topic == "checkouts/delete"
        return self.webhook(topic, checkout_deleted_body(self, checkout) if deleted else self._checkout_body(checkout))

    def order_webhook(self, order: Order, topic: str = "") -> SignedWebhook:
        """Make a webhook about an order; nothing is sent."""
        body = order_body(self, order, self._customer(order.email, order.first_name))
        return self.webhook(topic or "orders/create", body)

    def delete_checkout(self, checkout: Checkout) -> None:
        """Throw the checkout away, as Shopify does by itself after a while."""
        self._send([("checkouts/delete", checkout_deleted_body(self, self._open(checkout)))])

    def tell_uninstalled(self) -> None:
        """Tell the app that it was removed; this may arrive after it was installed again."""
        self._send([("app/uninstalled", shop_body(self))])

    def set_consent(self, email: str, state: str) -> None:
        """Change a customer's consent in the shop: subscribed, unsubscribed, not_subscribed, pending."""
        customer, now = self._customer(email, ""), self.clock.now()
        customer = replace(customer, consent_state=state, consent_at=now, updated_at=now)
        self.store.put(customer)
        self._send([("customers_email_marketing_consent/update", consent_body(self, customer))])

    def announce(self) -> None:
        """Tell about every product once: pictures reach Cartwheel this way, for a checkout names none."""
        for product in self.catalogue.products:
            if not self.store.has_noted(f"announced {product.id}"):
                body = product_body(self, product, self.clock.now())
                self._send([("products/update", body)], noted=f"announced {product.id}")

    def _new_tokens(self) -> tuple[str, str]:
        return token_hex(16), token_urlsafe(24).replace("-", "a").replace("_", "b")[:24]

    def _next_order(self) -> tuple[int, int]:
        number = self.store.next_number("order", 1001)
        return 5983320113411 + (number - 1000) * 32768, number

    def _tell_checkout(self, checkout: Checkout, *, is_new: bool) -> None:
        news = self._meet(checkout.email or "", checkout.first_name, consent=checkout.consent)
        self._send([("checkouts/create" if is_new else "checkouts/update", self._checkout_body(checkout)), *news])

    def _tell_order(self, order: Order) -> None:
        news = self._meet(order.email, order.first_name, consent=order.consent)
        body = order_body(self, order, self._customer(order.email, order.first_name))
        self._send([("orders/create", body), ("orders/paid", body), *news])

    def _tell_sent_off(self, order: Order) -> None:
        body = order_body(self, order, self._customer(order.email, order.first_name))
        parcel = fulfillment_body(self, order)
        self._send([("fulfillments/create", parcel), ("orders/fulfilled", body), ("orders/updated", body)])

    def _tell_delivered(self, order: Order) -> None:
        self._send([("fulfillment_events/create", fulfillment_event_body(self, order))])

    def _checkout_body(self, checkout: Checkout) -> Body:
        percent = percent_of(self.store, checkout.code, checkout.email, self.clock.now())
        customer = self._customer(checkout.email or "", checkout.first_name)
        return checkout_body(self, checkout, customer, percent)

    def _customer(self, email: str, first_name: str) -> Customer:
        """Return the customer as kept, or as one who was just met; the id follows from the address."""
        if known := self.store.get(Customer, email.casefold()):
            return known
        number = int.from_bytes(hashlib.sha256(email.casefold().encode()).digest()[:5])
        now = self.clock.now()
        return Customer(
            id=7751000000000 + number, email=email.casefold(), first_name=first_name, created_at=now, updated_at=now
        )

    def _meet(self, email: str, first_name: str, *, consent: bool) -> list[tuple[str, Body]]:
        """Keep who was met; return the news that this is. Not ticking the box takes no consent back."""
        known, now = self.store.get(Customer, email.casefold()), self.clock.now()
        customer = old = known or self._customer(email, first_name)
        if consent and customer.consent_state != "subscribed":
            customer = replace(customer, consent_state="subscribed", consent_at=now)
        if first_name:
            customer = replace(customer, first_name=first_name)
        self.store.put(replace(customer, updated_at=now))
        news = [] if known else [("customers/create", customer_body(self, customer, listed=True))]
        if customer.consent_state != old.consent_state:
            news.append(("customers_email_marketing_consent/update", consent_body(self, customer)))
        return news

    def _send(self, messages: Sequence[tuple[str, Body]], noted: str = "") -> None:
        event_id = str(uuid4())
        for topic, body in messages:
            webhook = self.webhook(topic, body, event_id)
            self.sender.submit(Job(build=partial(_same, webhook), manners=SHOPIFY_MANNERS, on_end=self._noting(noted)))

    def _noting(self, name: str) -> Callable[[bool], None]:
        def note(arrived: bool) -> None:
            if name and arrived:
                self.store.note(name)

        return note


def _same(webhook: SignedWebhook) -> SignedWebhook:
    return webhook


def _nanoseconds(at: datetime) -> str:
    """Spell a time to the nanosecond, as Shopify does; the last three digits are dice."""
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}{time.monotonic_ns() % 1000:03d}Z"
