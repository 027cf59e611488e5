"""Lamp Loft, on a pretend WooCommerce with our companion plugin: its webhooks, with all that makes real ones hard."""

import itertools
import random
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from secrets import choice
from string import ascii_letters, digits

from app.demo.catalog import Catalogue
from app.demo.clock import DemoClock
from app.demo.config import DemoConfig
from app.demo.coupons import percent_of
from app.demo.shop import Shop
from app.demo.store import Checkout, Customer, Order, Review, Store
from app.demo.webhook import WOO_MANNERS, Job, Outgoing, SignedWebhook
from app.demo.woocommerce_bodies import VERSION, Body, checkout_body, customer_body, order_body
from app.demo.woocommerce_hooks import Hook

TOPICS = (
    "order.created", "order.updated", "customer.created", "customer.updated", "checkout.created", "checkout.updated",
)  # fmt: skip
GONE = {"code": "woocommerce_rest_invalid_id", "message": "Invalid ID.", "data": {"status": 404}}
HIDDEN = {"code": "woocommerce_rest_cannot_view", "message": "Sorry, you cannot view this resource.",
          "data": {"status": 403}}  # fmt: skip
_PING_DELAY = 3.0  # seconds after the start, when Cartwheel is up as well


class WooShop(Shop):
    """The pretend WooCommerce shop.

    A body is built when it is delivered, from what the shop knows then; deliveries of one object that still wait merge;
    a failed one is lost. `delays` are the seconds between which each delivery waits for WP-Cron. A quiet shop delivers only
    when somebody visits it. Where the owner of the webhooks lost the right to see things, an error is delivered, signed.
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
        self.hooks: dict[int, Hook] = {}
        self._hook_numbers = itertools.count(1)
        target = config.cartwheel_url + config.woo_connection_path
        for topic in TOPICS if config.woo_connection_path else ():
            self.add_hook(topic, target, config.woo_webhook_secret)
        self.plugins = {"woocommerce": VERSION, "cartwheel": "1.0.0"}
        self.settings: dict[str, dict[str, str]] = {
            "general": {"woocommerce_store_address": "Rua das Flores 27", "woocommerce_store_city": "Lisboa",
                        "woocommerce_store_postcode": "1200-195", "woocommerce_default_country": "PT"},
            "email": {"woocommerce_email_from_address": "hello@lamp-loft.example"},
        }  # fmt: skip
        self.binned: set[int] = set()  # products
        self.unlisted: set[int] = set()  # reviews that some plugin keeps out of the list
        self.owner_lost_rights = False
        self.is_quiet = False
        self._waiting: list[Job] = []
        self.delays = (0.2, 1.2)
        self._dice = random.Random()

    @property
    def has_companion(self) -> bool:
        """Whether our plugin is active."""
        return "cartwheel" in self.plugins

    def add_hook(self, topic: str, target: str, secret: str) -> Hook:
        """Put a webhook into the shop's settings."""
        number = next(self._hook_numbers)
        self.hooks[number] = Hook(number, topic, f"{self.home_url}/", target, secret)
        return self.hooks[number]

    def visit(self) -> None:
        """Let the queue of a quiet shop go on, as any request to it does."""
        waiting, self._waiting = self._waiting, []
        for job in waiting:
            self.sender.submit(job)

    def checkout_webhook(self, checkout: Checkout, topic: str = "") -> SignedWebhook:
        """Make a webhook about this state of a checkout; nothing is sent."""
        return self.hook(topic or "checkout.updated").sign(self._checkout_body(checkout), self.clock.now())

    def order_webhook(self, order: Order, topic: str = "") -> SignedWebhook:
        """Make a webhook about an order; nothing is sent."""
        body = order_body(self, order, self.account(order.email))
        return self.hook(topic or "order.created").sign(body, self.clock.now())

    def hook(self, topic: str) -> Hook:
        """Return the webhook of a topic."""
        return next(hook for hook in self.hooks.values() if hook.topic == topic)

    def set_order_status(self, order: Order, status: str) -> Order:
        """Move an order on: completed, cancelled, refunded, or what a plugin invents."""
        order = replace(order, status=status, updated_at=self.clock.now())
        self.store.put(order)
        self._touch("order.deleted" if status == "trash" else "order.updated", str(order.id))
        return order

    def bin_product(self, number: int) -> None:
        """Move a product to the bin. WooCommerce also says that a coupon of this number is deleted."""
        self.binned.add(number)
        for topic in ("product.deleted", "coupon.deleted"):
            self._touch(topic, str(number))

    def account(self, email: str) -> Customer | None:
        """Return the account of an address."""
        return self.store.get(Customer, email.casefold())

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

    def write_review(self, email: str, product_id: int, rating: int, words: str, *, status: str = "approved") -> Review:
        """Write of a product, as anybody may who types an address; nobody is told."""
        bought = any(product_id in self._products_of(order) for order in self.store.all(Order) if order.email == email)
        review = Review(
            id=self.store.next_number("comment", 11), product_id=product_id, email=email, name=email.partition("@")[0],
            rating=rating, words=words, written_at=self.clock.now(), status=status, is_verified=bought,
        )  # fmt: skip
        self.store.put(review)
        return review

    def moderate_review(self, review: Review, status: str | None) -> Review:
        """Approve a review, hold it back, call it spam, put it into the bin; None deletes it for good."""
        review = replace(review, status=status or "trash")
        if status is None:
            self.store.drop(review)
        else:
            self.store.put(review)
        return review

    def _products_of(self, order: Order) -> set[int]:
        held = {variant.id: product.id for product in self.catalogue.products for variant in product.variants}
        return {held[item.variant_id] for item in order.items if item.variant_id in held}

    def change_account(self, customer: Customer, meta: Mapping[str, str]) -> Customer:
        """Keep values beside an account, and tell of it as of any change, whoever made it."""
        with self.store.lock:
            held = self.store.get(Customer, customer.email) or customer
            changed = replace(held, meta={**held.meta, **meta}, updated_at=self.clock.now())
            self.store.put(changed)
        self._touch("customer.updated", changed.email)
        return changed

    def announce(self) -> None:
        """Ping, as a webhook does when it is made."""
        for hook in self.hooks.values():
            self.sender.submit(Job(build=hook.ping, manners=WOO_MANNERS, delay=_PING_DELAY))

    def _tell_sent_off(self, order: Order) -> None:
        self._touch("order.updated", str(order.id))

    def _tell_delivered(self, order: Order) -> None:
        """WooCommerce's core knows of no delivery."""

    def _new_tokens(self) -> tuple[str, str]:
        token = "".join(choice(ascii_letters + digits) for _ in range(32))
        return token, token

    def _next_order(self) -> tuple[int, int]:
        number = self.store.next_number("post", 101)
        return number, number

    def _tell_checkout(self, checkout: Checkout, *, is_new: bool) -> None:
        self._touch("checkout.created" if is_new else "checkout.updated", checkout.cart_token)

    def _tell_order(self, order: Order) -> None:
        for topic in ("order.created", "order.updated"):
            self._touch(topic, str(order.id))
        if order.cart_token:
            self._touch("checkout.updated", order.cart_token)

    def _touch(self, topic: str, key: str) -> None:
        """Queue a delivery about an object for each webhook of the topic, unless one is waiting already."""
        if topic.startswith("checkout.") and not self.has_companion:
            return
        for hook in [hook for hook in self.hooks.values() if hook.topic == topic and hook.is_active]:
            job = Job(
                build=partial(self._deliver, hook, key),
                manners=WOO_MANNERS,
                on_end=hook.count,
                merge_key=(self.catalogue.key, hook.id, key),
                delay=self._dice.uniform(*self.delays),
            )
            if not self.is_quiet:
                self.sender.submit(job)
            elif all(other.merge_key != job.merge_key for other in self._waiting):
                self._waiting.append(job)

    def _deliver(self, hook: Hook, key: str) -> SignedWebhook:
        """Build a delivery from what the shop knows now; a validly signed error where the object is gone or hidden."""
        resource, _, event = hook.topic.partition(".")
        if self.owner_lost_rights:
            return hook.sign(HIDDEN, self.clock.now())
        if event == "deleted":
            return hook.sign({"id": int(key)}, self.clock.now())
        if resource == "order" and (order := self.store.get(Order, key)):
            return hook.sign(order_body(self, order, self.account(order.email)), self.clock.now())
        if resource == "checkout" and (checkout := self.store.get(Checkout, key)):
            return hook.sign(self._checkout_body(checkout), self.clock.now())
        if resource == "customer" and (customer := self.store.get(Customer, key)):
            return hook.sign(customer_body(self, customer), self.clock.now())
        return hook.sign(GONE, self.clock.now())

    def _checkout_body(self, checkout: Checkout) -> Body:
        percent = percent_of(self.store, checkout.code, checkout.email, self.clock.now())
        return checkout_body(self, checkout, self.account(checkout.email or ""), percent)
