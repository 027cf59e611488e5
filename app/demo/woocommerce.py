"""Lamp Loft, on a pretend WooCommerce with our companion plugin: its webhooks, with all that makes real ones hard."""

import random
from dataclasses import replace
from functools import partial
from secrets import choice
from string import ascii_letters, digits

from app.demo.catalog import Catalogue
from app.demo.clock import DemoClock
from app.demo.config import DemoConfig
from app.demo.coupons import percent_of
from app.demo.shop import Shop
from app.demo.store import Checkout, Customer, Order, Store
from app.demo.webhook import WOO_MANNERS, Job, Outgoing, SignedWebhook
from app.demo.woocommerce_bodies import checkout_body, customer_body, order_body
from app.demo.woocommerce_hooks import Hook

TOPICS = ("order.created", "order.updated", "customer.created", "checkout.updated")
GONE = {"code": "woocommerce_rest_invalid_id", "message": "Invalid ID.", "data": {"status": 404}}
_PING_DELAY = 3.0  # seconds after the start, when Cartwheel is up as well


class WooShop(Shop):
    """The pretend WooCommerce shop.

    A body is built when it is delivered, from what the shop knows then; deliveries of one object that still wait merge;
    a failed one is lost. `delays` are the seconds between which each delivery waits for WP-Cron.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        config: DemoConfig,
        clock: DemoClock,
        sender: Outgoing,
        store: Store,
    ) -> None:
        super().__init__(catalogue, config, clock, sender, store)
        target = config.cartwheel_url + config.woo_connection_path
        self.hooks = {
            number: Hook(number, topic, f"{self.home_url}/", target, config.woo_webhook_secret)
            for number, topic in enumerate(TOPICS, 1)
        }
        self.delays = (0.2, 1.2)
        self._dice = random.Random()

    def checkout_webhook(self, checkout: Checkout, topic: str = "") -> SignedWebhook:
        """Make a webhook about this state of a checkout; nothing is sent."""
        percent = percent_of(self.store, checkout.code, checkout.email, self.clock.now())
        body = checkout_body(self, checkout, self._account(checkout.email or ""), percent)
        return self.hook(topic or "checkout.updated").sign(body, self.clock.now())

    def order_webhook(self, order: Order, topic: str = "") -> SignedWebhook:
        """Make a webhook about an order; nothing is sent."""
        body = order_body(self, order, self._account(order.email))
        return self.hook(topic or "order.created").sign(body, self.clock.now())

    def hook(self, topic: str) -> Hook:
        """Return the webhook of a topic."""
        return next(hook for hook in self.hooks.values() if hook.topic == topic)

    def set_order_status(self, order: Order, status: str) -> Order:
        """Move an order on: completed, cancelled, refunded, or what a plugin invents."""
        order = replace(order, status=status, updated_at=self.clock.now())
        self.store.put(order)
        self._touch("order.updated", str(order.id))
        return order

    def register_customer(self, email: str, first_name: str = "Alice") -> Customer:
        """Open an account in the shop."""
        now = self.clock.now()
        customer = Customer(
            id=self.store.next_number("user", 2), email=email.casefold(), first_name=first_name, created_at=now,
            updated_at=now,
        )  # fmt: skip
        self.store.put(customer)
        self._touch("customer.created", customer.email)
        return customer

    def announce(self) -> None:
        """Ping, as a webhook does when it is made."""
        for hook in self.hooks.values():
            self.sender.submit(Job(build=hook.ping, manners=WOO_MANNERS, delay=_PING_DELAY))

    def _new_tokens(self) -> tuple[str, str]:
        token = "".join(choice(ascii_letters + digits) for _ in range(32))
        return token, token

    def _next_order(self) -> tuple[int, int]:
        number = self.store.next_number("post", 101)
        return number, number

    def _tell_checkout(self, checkout: Checkout, *, is_new: bool) -> None:
        del is_new  # the companion has one topic for both
        self._touch("checkout.updated", checkout.cart_token)

    def _tell_order(self, order: Order) -> None:
        for topic in ("order.created", "order.updated"):
            self._touch(topic, str(order.id))
        if order.cart_token:
            self._touch("checkout.updated", order.cart_token)

    def _touch(self, topic: str, key: str) -> None:
        """Queue a delivery about an object, unless one is waiting already."""
        hook = self.hook(topic)
        if hook.is_active:
            job = Job(
                build=partial(self._deliver, hook, key),
                manners=WOO_MANNERS,
                on_end=hook.count,
                merge_key=(self.catalogue.key, hook.id, key),
                delay=self._dice.uniform(*self.delays),
            )
            self.sender.submit(job)

    def _deliver(self, hook: Hook, key: str) -> SignedWebhook:
        """Build a delivery from what the shop knows now; a validly signed error where the object is gone."""
        resource = hook.topic.partition(".")[0]
        if resource == "order" and (order := self.store.get(Order, key)):
            return self.order_webhook(order, hook.topic)
        if resource == "checkout" and (checkout := self.store.get(Checkout, key)):
            return self.checkout_webhook(checkout)
        if resource == "customer" and (customer := self.store.get(Customer, key)):
            return hook.sign(customer_body(self, customer), self.clock.now())
        return hook.sign(GONE, self.clock.now())

    def _account(self, email: str) -> Customer | None:
        return self.store.get(Customer, email.casefold())
