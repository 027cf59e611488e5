"""Our words for what the machine holds: states, reasons, events, steps. One place, so that a page never shows a code."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from babel.lists import format_list
from flask import g
from flask_babel import gettext as _

from app.catalogues import noted
from app.flows import FLOWS
from app.flows.vocabulary import Condition, Flow, Send, Wait, text_key, walk
from app.models import DeliveryState, WebhookState
from app.web.admin.show import about, locale, money


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


# The flows name themselves and know no language: what they are called is marked here.
TITLES = {
    "abandoned_cart": noted("Abandoned cart"),
    "double_opt_in": noted("Double opt-in"),
    "welcome": noted("Welcome"),
    "post_purchase": noted("Post-purchase"),
    "review_request": noted("Review request"),
    "vip": noted("VIP"),
    "re_permission": noted("Still interested"),
}
ORDINALS = (
    noted("First mail"),
    noted("Second mail"),
    noted("Third mail"),
    noted("Fourth mail"),
    noted("Fifth mail"),
    noted("Sixth mail"),
    noted("Seventh mail"),
)
RAIL_MOST = 8  # waits and mails

REASONS = {
    "ordered": noted("They bought in the meantime"),
    "cart_emptied": noted("They emptied the cart"),
    "superseded": noted("They began a newer cart"),
    "too_soon": noted("They were in this flow a short while ago"),
    "unhappy": noted("They gave a low score that nobody has settled yet"),
    "quiet_hours": noted("It waits until the night is over where they are"),
    "capped": noted("It waits, because they got enough mail lately"),
    "gives_way": noted("It waits for a weightier mail to the same person"),
    "no_longer_fits": noted("They no longer are who this flow is for"),
    "order_undone": noted("The order was cancelled, or its money went back"),
    "money_went_back": noted("Money of this order went back"),
    "answered": noted("They answered"),
    "scored_at_most": noted("They gave a low score"),
    "merged": noted("Two accounts of this person became one, and the other run goes on"),
    "flow_off": noted("The flow was paused"),
    "person_gone": noted("The customer was deleted in the shop, or asked to be forgotten"),
    "unsubscribed": noted("They unsubscribed"),
    "bounced": noted("Their address does not take mail"),
    "complained": noted("They marked an earlier mail as spam"),
    "manual": noted("Somebody asked never to mail this address"),
    "shop_paused": noted("It waits while the shop is paused in Cartwheel"),
    "shop_uninstalled": noted("Cartwheel was removed from the shop"),
    "shop_needs_reconnect": noted("It waits until the shop is connected again"),
    "held_out": noted("They are in the comparison group, which gets no mail"),
    "not_subscribed": noted("They have not agreed to marketing mail"),
    "not_confirmed": noted("They have not confirmed their address yet"),
    "topic_off": noted("They do not want mails of this kind"),
    "paused_by_person": noted("They asked for a pause"),
    "asked_for_less": noted("They asked for fewer mails"),
    "silent": noted("They have not reacted to any mail for a long time"),
    "no_birthday": noted("They have not told their birthday"),
    "not_watched": noted("They have not agreed to be followed through the shop"),
    "opt_in_ended": noted("They confirmed, or a week was over"),
    "not_meant": noted("This mail was only for some people of the flow, and they are not among them"),
    "stale": noted("It was too late for this mail to make sense"),
    "waiting": noted("It was not time yet"),
    "due": noted("It was time, and nothing spoke against it"),
    "finished": noted("The flow came to its end"),
    "no_address": noted("There was no address to mail"),
    "step_failed": noted("Something broke on our side, again and again"),
    "stopped": noted("Somebody of the shop stopped it"),
    "entered": noted("They entered the flow"),
    "cart_refilled": noted("They filled the cart again"),
}

TRIGGERS = {
    "checkout_updated": noted("Checkout left unfinished"),
    "order_placed": noted("Order placed"),
    "order_paid": noted("Order paid"),
    "order_fulfilled": noted("Order sent off or delivered"),
    "customer_subscribed": noted("Agreed to marketing mail"),
    "customer_ordered": noted("Bought again"),
    "customer_silent": noted("Reacted to no mail for a long time"),
    "opt_in_asked": noted("Signed up, not confirmed yet"),
}
# {} is the condition's value; an amount of money comes written out.
CONDITIONS = {
    "has_email": noted("with an e-mail address"),
    "cart_is_not_empty": noted("at least one item"),
    "ordered": noted("they bought in the meantime"),
    "has_open_cart": noted("they are in the middle of a checkout"),
    "is_first_order": noted("it is their first order"),
    "never_bought": noted("they have not bought yet"),
    "order_undone": noted("the order was undone"),
    "money_went_back": noted("money went back"),
    "spent_in_a_year": noted("{} or more spent in twelve months"),
    "orders_in_a_year": noted("{} orders or more in twelve months"),
    "will_fit_in_days": noted("they will still belong here in {} days without buying"),
    "has_fallen_silent": noted("they left all marketing mail unanswered for as long as your settings say"),
    "clicked": noted("they clicked in the mail “{}”"),
    "answered": noted("they answered"),
    "scored_at_most": noted("they gave {} stars or fewer"),
    "worth_at_least": noted("worth {} or more"),
    "in_country": noted("they live in {}"),
    "has_tag": noted("with the tag “{}”"),
}
# What is said when a condition must not hold; one without a line here is said with "neither".
NEGATIVES = {
    "has_open_cart": noted("they are not in the middle of a checkout"),
    "is_first_order": noted("it is a later order than the first"),
    "never_bought": noted("they have bought before"),
    "spent_in_a_year": noted("less than {} spent in twelve months"),
    "orders_in_a_year": noted("fewer than {} orders in twelve months"),
    "clicked": noted("they did not click in the mail “{}”"),
    "worth_at_least": noted("worth less than {}"),
    "in_country": noted("they do not live in {}"),
    "has_tag": noted("without the tag “{}”"),
}
JOINS = {"any_of": noted(" or "), "all_of": noted(" and "), "none_of": noted(" nor ")}
EXITS = {
    "opt_in_ended": noted("confirms, or a week is over"),
    "ordered": noted("buys"),
    "cart_emptied": noted("empties the cart"),
    "superseded": noted("begins a newer cart"),
    "no_longer_fits": noted("is no longer who the flow is for"),
    "order_undone": noted("cancels, or gets the money back"),
    "money_went_back": noted("gets money back"),
    "answered": noted("answers"),
    "scored_at_most": noted("gives a low score"),
}
STAYS = {
    "opt_in_ended": noted("not confirmed yet"),
    "ordered": noted("no order yet"),
    "cart_emptied": noted("something in the cart"),
    "superseded": noted("no newer cart"),
    "no_longer_fits": noted("still who the flow is for"),
    "order_undone": noted("the order still stands"),
    "money_went_back": noted("no money back"),
    "answered": noted("no answer yet"),
    "scored_at_most": noted("no low score"),
}
FLOW_ICONS = {
    "abandoned_cart": "cart",
    "double_opt_in": "mail",
    "welcome": "mail",
    "post_purchase": "tag",
    "review_request": "check",
    "vip": "shop",
    "re_permission": "mail",
}
SHOWS = {
    "opt_in": noted("A button that confirms their address"),
    "checkout": noted("The cart and a link back to it"),
    "order": noted("About their order"),
    "customer": noted("Addressed to them, about nothing they bought"),
}
COUNTED_FROM = {
    "last_activity": noted("the last change to the cart"),
    "entered": noted("when they entered"),
    "ordered": noted("the order"),
    "delivered": noted("the delivery; where none is told, from some days after the order was sent off"),
    "step_before": noted("the step before"),
}
SINCE = {
    "last_activity": noted("the cart changed last"),
    "entered": noted("they entered"),
    "ordered": noted("the order"),
    "delivered": noted("the delivery"),
    "step_before": noted("the step before"),
}
STEPS = {
    "reminder": noted("Reminder"),
    "coupon": noted("Coupon"),
    "confirm": noted("Please confirm"),
    "confirm_reminder": noted("Please confirm, once more"),
    "hello": noted("Welcome"),
    "story": noted("Who we are"),
    "favourites": noted("What people like"),
    "gift_reminder": noted("Reminder of the gift"),
    "thanks_first": noted("Thanks for the first order"),
    "tips": noted("Tips"),
    "promotion": noted("Coupon for the next order"),
    "thanks_again": noted("Thanks for coming back"),
    "ask": noted("Stars, please"),
    "ask_again": noted("Stars, once more"),
    "thanks": noted("Thanks"),
    "early_access": noted("Early access"),
    "drop_out_warning": noted("Their place ends soon"),
    "still_wanted": noted("Shall we keep writing?"),
}
EVENTS = {
    "checkout_updated": noted("Cart changed"),
    "checkout_deleted": noted("Cart deleted"),
    "order_updated": noted("Order changed"),
    "order_deleted": noted("Order deleted"),
    "deletion_told": noted("Said to be deleted: the shop was asked"),
    "refund_created": noted("Money went back"),
    "shipment_updated": noted("Parcel moved"),
    "customer_updated": noted("Customer changed"),
    "customer_deleted": noted("Customer deleted"),
    "customers_merged": noted("Customers merged"),
    "customer_tagged": noted("Customer tagged"),
    "purchases_summed": noted("Customer's orders summed"),
    "consent_changed": noted("Consent changed"),
    "product_updated": noted("Product changed"),
    "product_deleted": noted("Product deleted"),
    "review_updated": noted("Review written"),
    "review_deleted": noted("Review taken away"),
    "shop_updated": noted("Shop changed"),
    "app_uninstalled": noted("Cartwheel removed"),
    "scopes_changed": noted("Rights changed"),
    "data_requested": noted("Personal data asked for"),
    "customer_redacted": noted("Customer erased"),
    "shop_redacted": noted("Shop erased"),
}
PLATFORMS = {"shopify": "Shopify", "woocommerce": "WooCommerce"}
ACTORS = {"cartwheel": "Cartwheel", "merchant": noted("you or a colleague"), "command line": noted("the command line")}

WEBHOOK_STATES = {
    WebhookState.PENDING: Badge(noted("Waiting"), "info"),
    WebhookState.DONE: Badge(noted("Handled"), "ok"),
    WebhookState.IGNORED: Badge(noted("Ignored"), "hollow"),
    WebhookState.FAILED: Badge(noted("Failed"), "crit"),
    WebhookState.REDACTED: Badge(noted("Erased"), "hollow"),
}
MAIL_STATES = {
    DeliveryState.SENT: Badge(noted("Sent"), "ok"),
    DeliveryState.PENDING: Badge(noted("Waiting"), "info"),
    DeliveryState.SENDING: Badge(noted("Sending"), "info"),
    DeliveryState.SKIPPED: Badge(noted("Skipped"), "hollow"),
    DeliveryState.FAILED: Badge(noted("Failed"), "crit"),
    DeliveryState.UNKNOWN: Badge(noted("Unknown"), "warn"),
}


def titles() -> dict[str, str]:
    """Name every flow."""
    return {key: _(flow.title) for key, flow in FLOWS.items()}


def reason(code: str | None) -> str:
    """Say a reason in words. Free text, as of a failed mail, stays as it is; a new code is at least readable."""
    if not code:
        return ""
    return _found(REASONS, code)


def event(kind: str) -> str:
    """Say what kind of event it was."""
    return _found(EVENTS, kind)


def step(key: str) -> str:
    """Name the mail of a step."""
    name, turn = text_key(key), key.removeprefix(f"{text_key(key)}").lstrip("_")
    words = _found(STEPS, name)
    return _("%(mail)s, number %(turn)s", mail=words, turn=turn) if turn else words


def actor(name: str) -> str:
    """Say who did something."""
    return str(_(ACTORS[name])) if name in ACTORS else name


def webhook_badge(webhook: Waits, now: datetime) -> Badge:
    """Say how a webhook stands."""
    return _retrying(webhook, now) or WEBHOOK_STATES[WebhookState(webhook.state)]


def mail_badge(mail: Waits, now: datetime) -> Badge:
    """Say how a mail stands."""
    return _retrying(mail, now) or MAIL_STATES[DeliveryState(mail.state)]


def trigger(flow: Flow) -> str:
    """Say what makes a person enter."""
    return _found(TRIGGERS, flow.trigger.event)


def conditions(flow: Flow) -> list[str]:
    """Say what must hold when a person enters."""
    return [condition(c) for c in flow.trigger.when]


def condition(told: Condition) -> str:
    """Say a condition in words."""
    if told.name == "none_of" and len(told.of) == 1 and told.of[0].name in NEGATIVES:
        return _found(NEGATIVES, told.of[0].name).format(_value(told.of[0]))
    if told.of:
        words = _(JOINS[told.name]).join(condition(inner) for inner in told.of)
        return str(_("neither %(words)s", words=words)) if told.name == "none_of" else words
    return _found(CONDITIONS, told.name).format(_value(told))


def _value(told: Condition) -> object:
    """Say the value of a condition: an amount, countries, a mail by its name."""
    match told:
        case Condition("spent_in_a_year" | "worth_at_least", int(minor)):
            return money(minor, g.frame.shop.currency)
        case Condition("in_country", str(codes)):
            return countries(codes)
        case Condition("clicked", str(mail)):
            return step(mail).lower()
    return told.value


def countries(codes: str) -> str:
    """Name countries, each way of a list in the language of the pages."""
    return format_list([locale().territories.get(code, code) for code in codes.split()], "or", locale=locale())


def exits(flow: Flow) -> list[str]:
    """Say what makes a person leave, as endings of "Anyone who"; the last ones hold for every flow."""
    return [
        *(_found(EXITS, c.name) for c in flow.exits),
        *([_("unsubscribes")] if flow.is_all_marketing else []),
    ]


def stays(flow: Flow) -> list[str]:
    """Say what must still hold before each mail."""
    return [
        *(_(STAYS[c.name]) if c.name in STAYS else f"not {_readable(c.name)}" for c in flow.exits),
        *([_("agreed to marketing mail")] if flow.is_all_marketing else []),
    ]


def rail(flow: Flow) -> list[Wait | Send]:
    """Return the first waits and mails of a flow, for a line that shows it at a glance."""
    return [s for s in walk(flow.steps) if isinstance(s, Wait | Send)][:RAIL_MOST]


def mail_title(flow: Flow, send: Send) -> str:
    """Name a mail by its place in the flow."""
    place = flow.sends.index(send)
    return str(_(ORDINALS[place]) if place < len(ORDINALS) else _("Mail %(number)s", number=place + 1))


def _found(words: Mapping[str, str], code: str) -> str:
    return str(_(words[code])) if code in words else _readable(code)


def _retrying(row: Waits, now: datetime) -> Badge | None:
    if row.state == WebhookState.PENDING and row.attempts > 0 and row.due_at > now:
        return Badge(_("Retry in %(length)s", length=about(row.due_at - now)), "warn")
    return None


def _readable(code: str) -> str:
    return code if " " in code else code.replace("_", " ").capitalize()
