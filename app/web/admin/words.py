"""Our words for what the machine holds: states, reasons, events, steps. One place, so that a page never shows a code."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from flask import g

from app.flows.vocabulary import Condition, Flow, Send, Wait, text_key, walk
from app.models import DeliveryState, WebhookState
from app.web.admin.show import about, money


@dataclass(frozen=True, slots=True)
class Badge:
    """A word in a pill; the tone is a class of the style sheet, a hollow dot means "nothing happened"."""

    word: str
    tone: str = ""


class Waits(Protocol):
    """A row that a job takes: what a badge needs of it."""

    @property
    def state(self) -> str:
        """Return how it stands."""

    @property
    def attempts(self) -> int:
        """Return how often it was tried."""

    @property
    def due_at(self) -> datetime:
        """Return when it is tried next."""


RAIL_MOST = 8  # waits and mails

REASONS = {
    "ordered": "They bought in the meantime",
    "cart_emptied": "They emptied the cart",
    "superseded": "They began a newer cart",
    "too_soon": "They were in this flow a short while ago",
    "unhappy": "They gave a low score that nobody has settled yet",
    "quiet_hours": "It waits until the night is over where they are",
    "capped": "It waits, because they got enough mail lately",
    "gives_way": "It waits for a weightier mail to the same person",
    "no_longer_fits": "They no longer are who this flow is for",
    "order_undone": "The order was cancelled, or its money went back",
    "money_went_back": "Money of this order went back",
    "answered": "They answered",
    "scored_at_most": "They gave a low score",
    "merged": "Two accounts of this person became one, and the other run goes on",
    "flow_off": "The flow was paused",
    "person_gone": "The customer was deleted in the shop, or asked to be forgotten",
    "unsubscribed": "They unsubscribed",
    "bounced": "Their address does not take mail",
    "complained": "They marked an earlier mail as spam",
    "manual": "Somebody asked never to mail this address",
    "shop_paused": "It waits while the shop is paused in Cartwheel",
    "shop_uninstalled": "Cartwheel was removed from the shop",
    "shop_needs_reconnect": "It waits until the shop is connected again",
    "held_out": "They are in the comparison group, which gets no mail",
    "not_subscribed": "They have not agreed to marketing mail",
    "not_confirmed": "They have not confirmed their address yet",
    "topic_off": "They do not want mails of this kind",
    "paused_by_person": "They asked for a pause",
    "asked_for_less": "They asked for fewer mails",
    "silent": "They have not reacted to any mail for a long time",
    "no_birthday": "They have not told their birthday",
    "not_watched": "They have not agreed to be followed through the shop",
    "opt_in_ended": "They confirmed, or a week was over",
    "stale": "It was too late for this mail to make sense",
    "waiting": "It was not time yet",
    "due": "It was time, and nothing spoke against it",
    "finished": "The flow came to its end",
    "no_address": "There was no address to mail",
    "step_failed": "Something broke on our side, again and again",
    "stopped": "Somebody of the shop stopped it",
    "entered": "They entered the flow",
    "cart_refilled": "They filled the cart again",
}

TRIGGERS = {
    "checkout_updated": "Checkout left unfinished",
    "order_placed": "Order placed",
    "order_paid": "Order paid",
    "order_fulfilled": "Order sent off or delivered",
    "customer_subscribed": "Agreed to marketing mail",
    "customer_ordered": "Bought again",
    "opt_in_asked": "Signed up, not confirmed yet",
}
# {} is the condition's value; an amount of money comes written out.
CONDITIONS = {
    "has_email": "with an e-mail address",
    "cart_is_not_empty": "at least one item",
    "ordered": "they bought in the meantime",
    "has_open_cart": "they are in the middle of a checkout",
    "is_first_order": "it is their first order",
    "never_bought": "they have not bought yet",
    "order_undone": "the order was undone",
    "money_went_back": "money went back",
    "spent_in_a_year": "{} or more spent in twelve months",
    "orders_in_a_year": "{} orders or more in twelve months",
    "will_fit_in_days": "they will still belong here in {} days without buying",
    "clicked": "they clicked in the mail “{}”",
    "answered": "they answered",
    "scored_at_most": "they gave {} stars or fewer",
}
JOINS = {"any_of": " or ", "all_of": " and ", "none_of": " nor "}
EXITS = {
    "opt_in_ended": "confirms, or a week is over",
    "ordered": "buys",
    "cart_emptied": "empties the cart",
    "superseded": "begins a newer cart",
    "no_longer_fits": "is no longer who the flow is for",
    "order_undone": "cancels, or gets the money back",
    "money_went_back": "gets money back",
    "answered": "answers",
    "scored_at_most": "gives a low score",
}
STAYS = {
    "opt_in_ended": "not confirmed yet",
    "ordered": "no order yet",
    "cart_emptied": "something in the cart",
    "superseded": "no newer cart",
    "no_longer_fits": "still who the flow is for",
    "order_undone": "the order still stands",
    "money_went_back": "no money back",
    "answered": "no answer yet",
    "scored_at_most": "no low score",
}
FLOW_ICONS = {
    "abandoned_cart": "cart",
    "double_opt_in": "mail",
    "welcome": "mail",
    "post_purchase": "tag",
    "review_request": "check",
    "vip": "shop",
}
SHOWS = {
    "opt_in": "A button that confirms their address",
    "checkout": "The cart and a link back to it",
    "order": "About their order",
    "customer": "Addressed to them, about nothing they bought",
}
COUNTED_FROM = {
    "last_activity": "the last change to the cart",
    "entered": "when they entered",
    "ordered": "the order",
    "delivered": "the delivery; where none is told, from some days after the order was sent off",
    "step_before": "the step before",
}
SINCE = {
    "last_activity": "the cart changed last",
    "entered": "they entered",
    "ordered": "the order",
    "delivered": "the delivery",
    "step_before": "the step before",
}
STEPS = {
    "reminder": "Reminder",
    "coupon": "Coupon",
    "confirm": "Please confirm",
    "confirm_reminder": "Please confirm, once more",
    "hello": "Welcome",
    "story": "Who we are",
    "favourites": "What people like",
    "gift_reminder": "Reminder of the gift",
    "thanks_first": "Thanks for the first order",
    "tips": "Tips",
    "promotion": "Coupon for the next order",
    "thanks_again": "Thanks for coming back",
    "ask": "Stars, please",
    "ask_again": "Stars, once more",
    "thanks": "Thanks",
    "early_access": "Early access",
    "drop_out_warning": "Their place ends soon",
}
EVENTS = {
    "checkout_updated": "Cart changed",
    "checkout_deleted": "Cart deleted",
    "order_updated": "Order changed",
    "order_deleted": "Order deleted",
    "deletion_told": "Said to be deleted: the shop was asked",
    "refund_created": "Money went back",
    "shipment_updated": "Parcel moved",
    "customer_updated": "Customer changed",
    "customer_deleted": "Customer deleted",
    "customers_merged": "Customers merged",
    "customer_tagged": "Customer tagged",
    "purchases_summed": "Customer's orders summed",
    "consent_changed": "Consent changed",
    "product_updated": "Product changed",
    "product_deleted": "Product deleted",
    "shop_updated": "Shop changed",
    "app_uninstalled": "Cartwheel removed",
    "scopes_changed": "Rights changed",
    "data_requested": "Personal data asked for",
    "customer_redacted": "Customer erased",
    "shop_redacted": "Shop erased",
}
PLATFORMS = {"shopify": "Shopify", "woocommerce": "WooCommerce"}
ACTORS = {"cartwheel": "Cartwheel", "merchant": "you or a colleague", "command line": "the command line"}

WEBHOOK_STATES = {
    WebhookState.PENDING: Badge("Waiting", "info"),
    WebhookState.DONE: Badge("Handled", "ok"),
    WebhookState.IGNORED: Badge("Ignored", "hollow"),
    WebhookState.FAILED: Badge("Failed", "crit"),
    WebhookState.REDACTED: Badge("Erased", "hollow"),
}
MAIL_STATES = {
    DeliveryState.SENT: Badge("Sent", "ok"),
    DeliveryState.PENDING: Badge("Waiting", "info"),
    DeliveryState.SENDING: Badge("Sending", "info"),
    DeliveryState.SKIPPED: Badge("Skipped", "hollow"),
    DeliveryState.FAILED: Badge("Failed", "crit"),
    DeliveryState.UNKNOWN: Badge("Unknown", "warn"),
}


def reason(code: str | None) -> str:
    """Say a reason in words. Free text, as of a failed mail, stays as it is; a new code is at least readable."""
    if not code:
        return ""
    return REASONS.get(code) or _readable(code)


def event(kind: str) -> str:
    """Say what kind of event it was."""
    return EVENTS.get(kind) or _readable(kind)


def step(key: str) -> str:
    """Name the mail of a step."""
    name, turn = text_key(key), key.removeprefix(f"{text_key(key)}").lstrip("_")
    words = STEPS.get(name) or _readable(name)
    return f"{words}, number {turn}" if turn else words


def actor(name: str) -> str:
    """Say who did something."""
    return ACTORS.get(name, name)


def webhook_badge(webhook: Waits, now: datetime) -> Badge:
    """Say how a webhook stands."""
    return _retrying(webhook, now) or WEBHOOK_STATES[WebhookState(webhook.state)]


def mail_badge(mail: Waits, now: datetime) -> Badge:
    """Say how a mail stands."""
    return _retrying(mail, now) or MAIL_STATES[DeliveryState(mail.state)]


def trigger(flow: Flow) -> str:
    """Say what makes a person enter."""
    return TRIGGERS.get(flow.trigger.event) or _readable(flow.trigger.event)


def conditions(flow: Flow) -> list[str]:
    """Say what must hold when a person enters."""
    return [condition(c) for c in flow.trigger.when]


def condition(told: Condition) -> str:
    """Say a condition in words."""
    if told.of:
        words = JOINS[told.name].join(condition(inner) for inner in told.of)
        return f"neither {words}" if told.name == "none_of" else words
    words = CONDITIONS.get(told.name) or _readable(told.name)
    if told.name == "spent_in_a_year" and isinstance(told.value, int):
        return words.format(money(told.value, g.frame.shop.currency))
    value = step(told.value).lower() if isinstance(told.value, str) else told.value
    return words.format(value)


def exits(flow: Flow) -> list[str]:
    """Say what makes a person leave, as endings of "Anyone who"; the last ones hold for every flow."""
    return [
        *(EXITS.get(c.name) or _readable(c.name) for c in flow.exits),
        *(["unsubscribes"] if flow.is_all_marketing else []),
    ]


def stays(flow: Flow) -> list[str]:
    """Say what must still hold before each mail."""
    return [
        *(STAYS.get(c.name) or f"not {_readable(c.name)}" for c in flow.exits),
        *(["agreed to marketing mail"] if flow.is_all_marketing else []),
    ]


def rail(flow: Flow) -> list[Wait | Send]:
    """Return the first waits and mails of a flow, for a line that shows it at a glance."""
    return [s for s in walk(flow.steps) if isinstance(s, Wait | Send)][:RAIL_MOST]


def mail_title(flow: Flow, send: Send) -> str:
    """Name a mail by its place in the flow."""
    ordinals = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh")
    place = flow.sends.index(send)
    return f"{ordinals[place]} mail" if place < len(ordinals) else f"Mail {place + 1}"


def _retrying(row: Waits, now: datetime) -> Badge | None:
    if row.state == WebhookState.PENDING and row.attempts > 0 and row.due_at > now:
        return Badge(f"Retry in {about(row.due_at - now)}", "warn")
    return None


def _readable(code: str) -> str:
    return code if " " in code else code.replace("_", " ").capitalize()
