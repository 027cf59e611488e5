"""What shoppers do in a pretend shop, whatever platform it runs on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from secrets import token_hex

from app.demo.catalog import Catalogue, Product
from app.demo.clock import DemoClock
from app.demo.config import DemoConfig
from app.demo.coupons import find_usable, percent_of, use
from app.demo.prices import Totals, add_up
from app.demo.store import Checkout, Item, Order, Store
from app.demo.webhook import Outgoing, SignedWebhook
from app.domain.errors import Refused
from app.domain.people import normalise_email

Wanted = Sequence[tuple[str, int]]  # SKU and pieces
MOST_PIECES = 20  # of one thing in one cart
_MOST_NAME = 60  # characters


class Shop(ABC):
    """A pretend shop: acts of shoppers change its store and send webhooks, as on its platform."""

    def __init__(
        self,
        catalogue: Catalogue,
        config: DemoConfig,
        clock: DemoClock,
        sender: Outgoing,
        store: Store,
    ) -> None:
        self.catalogue = catalogue
        self.config = config
        self.clock = clock
        self.sender = sender
        self.store = store
        self.home_url = f"{config.shops_url}/{catalogue.key}"

    def picture_url(self, product: Product) -> str:
        """Say where the product's picture is."""
        return f"{self.config.shops_url}/static/demo/{product.picture}"

    # For tests and benches: a shopper's act in one line.

    def begin_checkout(
        self, *, email: str, items: Wanted | None = None, consent: bool = True, first_name: str = "Alice"
    ) -> Checkout:
        """Fill a cart and give an address at the checkout: from here on the shop tells Cartwheel."""
        cart = self.set_items(self.open_cart(), self.items(items))
        return self.save_contact(cart, email, first_name, consent=consent)

    def change_cart(self, checkout: Checkout, items: Wanted) -> Checkout:
        """Put other things into the cart."""
        return self.set_items(checkout, self.items(items))

    def empty_cart(self, checkout: Checkout) -> Checkout:
        """Take everything out of the cart."""
        return self.set_items(checkout, ())

    def place_order(self, who: Checkout | str, items: Wanted | None = None) -> Order:
        """Pay a checkout; or, given an address, buy from elsewhere, with no cart of this shop front involved."""
        if isinstance(who, Checkout):
            return self.pay(who)
        order = self.draft_order(who, items)
        self.store.put(order)
        self._tell_order(order)
        return order

    def draft_checkout(
        self, *, email: str, items: Wanted | None = None, consent: bool = True, first_name: str = "Alice"
    ) -> Checkout:
        """Return a checkout that the shop does not keep and tells nobody about, for webhooks made by the thousand."""
        cart, now = self._new_cart(), self.clock.now()
        return replace(
            cart, items=self.items(items), email=email, first_name=first_name, consent=consent, consent_at=now,
            announced_at=now,
        )  # fmt: skip

    def draft_order(self, who: Checkout | str, items: Wanted | None = None) -> Order:
        """Return an order of a checkout, or by an address with no cart, that the shop does not keep."""
        if isinstance(who, Checkout):
            return self._order(who, 0.0)
        order = self._order(self.draft_checkout(email=who, items=items, consent=False), 0.0)
        return replace(order, checkout_token=None, cart_token=None)

    def build_checkout_webhook(
        self, *, email: str, items: Wanted | None = None, consent: bool = True, first_name: str = "Alice"
    ) -> SignedWebhook:
        """Make the webhook of a checkout that nobody began; nothing is kept or sent."""
        drafted = self.draft_checkout(email=email, items=items, consent=consent, first_name=first_name)
        return self.checkout_webhook(drafted)

    def build_order_webhook(self, who: Checkout | str) -> SignedWebhook:
        """Make the webhook of an order that nobody placed: of a checkout, or by an address with no cart."""
        return self.order_webhook(self.draft_order(who))

    def items(self, wanted: Wanted | None = None) -> tuple[Item, ...]:
        """Turn SKUs into what a cart holds; one of the shop's first product when nothing is named."""
        wanted = wanted if wanted is not None else [(self.catalogue.products[0].variants[0].sku, 1)]
        return tuple(Item(self.catalogue.variant_id(sku), quantity) for sku, quantity in wanted)

    # What a shopper does in the shop front.

    def open_cart(self) -> Checkout:
        """Take an empty cart."""
        cart = self._new_cart()
        self.store.put(cart)
        return cart

    def set_items(self, cart: Checkout, items: tuple[Item, ...]) -> Checkout:
        """Make the cart hold exactly this, at most 20 pieces of a thing."""
        kept = tuple(Item(item.variant_id, min(item.quantity, MOST_PIECES)) for item in items if item.quantity > 0)
        with self.store.lock:
            old = self._open(cart)
            return old if old.items == kept else self._change(replace(old, items=kept))

    def save_contact(self, cart: Checkout, email: str, first_name: str, *, consent: bool) -> Checkout:
        """Keep what was typed at the checkout; the first time makes the cart a checkout.

        Raises:
            Refused: that is no address, or the cart was bought.
        """
        email, first_name = email.strip(), first_name.strip()[:_MOST_NAME]
        if normalise_email(email) is None:
            raise Refused("Enter an e-mail address such as you@example.com.")
        with self.store.lock:
            old = self._open(cart)
            consent_at = old.consent_at if old.consent == consent else self.clock.now()
            new = replace(old, email=email, first_name=first_name, consent=consent, consent_at=consent_at)
            return old if new == old else self._change(new)

    def set_code(self, cart: Checkout, code: str | None) -> Checkout:
        """Put a coupon on the cart, or take it off.

        Raises:
            Refused: the code cannot be used; the message says why.
        """
        with self.store.lock:
            old = self._open(cart)
            kept = find_usable(self.store, code, old.email, self.clock.now()).code if code else None
            return old if old.code == kept else self._change(replace(old, code=kept))

    def pay(self, cart: Checkout) -> Order:
        """Buy what is in the cart.

        Raises:
            Refused: nothing to buy, no address, or a coupon that no longer holds.
        """
        with self.store.lock:
            old = self._open(cart)
            if not old.items or not old.email:
                raise Refused("The cart is empty." if not old.items else "Enter your e-mail address first.")
            coupon = find_usable(self.store, old.code, old.email, self.clock.now()) if old.code else None
            order = self._order(old, coupon.percent if coupon else 0.0)
            if coupon:
                use(self.store, coupon, old.email)
            self.store.put(order)
            self.store.put(replace(old, completed_at=order.created_at, updated_at=order.created_at, order_id=order.id))
        self._tell_order(order)
        return order

    def send_off(self, order: Order) -> Order:
        """Hand an order over to the carrier; one that is on its way stays as it is."""
        with self.store.lock:
            held = self.store.get(Order, str(order.id)) or order
            if held.sent_off_at:
                return held
            now = self.clock.now()
            held = replace(held, sent_off_at=now, updated_at=now, status="completed")
            self.store.put(held)
        self._tell_sent_off(held)
        return held

    def deliver(self, order: Order) -> Order:
        """Let the parcel arrive, as far as the platform tells of it."""
        with self.store.lock:
            held = self.store.get(Order, str(order.id)) or order
            if held.sent_off_at is None or held.delivered_at:
                return held
            held = replace(held, delivered_at=self.clock.now())
            self.store.put(held)
        self._tell_delivered(held)
        return held

    def recover(self, cart_token: str, secret: str | None, landing_site: str) -> Checkout | None:
        """Find the checkout of a recovery link; None when there is none, or the secret is wrong."""
        with self.store.lock:
            cart = self.store.get(Checkout, cart_token)
            if cart is None or (secret is not None and secret != cart.secret):
                return None
            cart = replace(cart, landing_site=landing_site)
            self.store.put(cart)
            return cart

    def totals(self, cart: Checkout) -> Totals:
        """Add up the cart, with its coupon where that holds."""
        percent = percent_of(self.store, cart.code, cart.email, self.clock.now())
        return add_up(self.catalogue, cart.items, percent)

    def _open(self, cart: Checkout) -> Checkout:
        now = self.store.get(Checkout, cart.cart_token) or cart
        if now.completed_at:
            raise Refused("This cart was bought already.")
        return now

    def _change(self, cart: Checkout) -> Checkout:
        now = self.clock.now()
        is_new = cart.email is not None and cart.announced_at is None
        cart = replace(cart, updated_at=now, announced_at=now if is_new else cart.announced_at)
        self.store.put(cart)
        if cart.announced_at:
            self._tell_checkout(cart, is_new=is_new)
        return cart

    def _order(self, cart: Checkout, percent: float) -> Order:
        now, totals = self.clock.now(), add_up(self.catalogue, cart.items, percent)
        order_id, number = self._next_order()
        return Order(
            id=order_id, number=number, token=token_hex(16), checkout_token=cart.token, cart_token=cart.cart_token,
            email=cart.email or "", first_name=cart.first_name, consent=cart.consent, items=cart.items,
            code=cart.code if percent else None, percent=percent, discount_minor=totals.discount_minor,
            total_minor=totals.total_minor, created_at=now, updated_at=now, landing_site=cart.landing_site,
        )  # fmt: skip

    def _new_cart(self) -> Checkout:
        now = self.clock.now()
        token, cart_token = self._new_tokens()
        number = self.store.next_number("checkout", 33128450064515)
        return Checkout(
            token=token, cart_token=cart_token, secret=token_hex(8), number=number, created_at=now, updated_at=now
        )

    @abstractmethod
    def checkout_webhook(self, checkout: Checkout, topic: str = "") -> SignedWebhook:
        """Make a webhook about this state of a checkout; nothing is sent. The topic is chosen when none is given."""

    @abstractmethod
    def order_webhook(self, order: Order, topic: str = "") -> SignedWebhook:
        """Make a webhook about an order, the one of its creation when no topic is given; nothing is sent."""

    @abstractmethod
    def announce(self) -> None:
        """Send what the platform sends when it meets an app."""

    @abstractmethod
    def _new_tokens(self) -> tuple[str, str]:
        """Make up a checkout's token and its cart's."""

    @abstractmethod
    def _next_order(self) -> tuple[int, int]:
        """Take the next order's id and the number that people see."""

    @abstractmethod
    def _tell_checkout(self, checkout: Checkout, *, is_new: bool) -> None:
        """Send what the platform sends when a checkout was begun or changed."""

    @abstractmethod
    def _tell_sent_off(self, order: Order) -> None:
        """Send what the platform sends when an order was handed over to the carrier."""

    @abstractmethod
    def _tell_delivered(self, order: Order) -> None:
        """Send what the platform sends when a parcel arrived, if it does."""

    @abstractmethod
    def _tell_order(self, order: Order) -> None:
        """Send what the platform sends when an order was paid."""
