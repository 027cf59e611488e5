"""A decision in words: what it did and what it saw. It answers "why did, or didn't, this shopper get this mail"."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import g
from markupsafe import Markup, escape

from app.models import DecisionRow
from app.web.admin import show, words

_CONSENT = {
    "subscribed": "agreed to marketing mail",
    "unsubscribed": "unsubscribed",
    "pending": "asked, not confirmed yet",
    "none": "never asked",
}


def did(row: DecisionRow) -> list[Markup]:
    """Say what a decision made happen, in its order."""
    return [_effect(effect) for effect in row.effects]


def saw(row: DecisionRow) -> list[tuple[str, Markup]]:
    """Say what a decision looked at: pairs of a name and a value, only what it really knew."""
    return saw_values(row.saw)


def saw_values(seen: Mapping[str, Any]) -> list[tuple[str, Markup]]:
    """Say what was looked at, as a decision keeps it or as it stands now."""
    pairs = [
        ("Cart", _pieces(seen)),
        ("Last change to it", _time(seen.get("cart_changed_at"))),
        ("Order", _order(seen)),
        ("Delivered", _time(seen.get("order_delivered_at"))),
        ("Bought since", _time(seen.get("ordered_at")) or "nothing"),
        ("In twelve months", _year(seen)),
        ("Stars given", show.number(seen["score"]) if seen.get("score") else None),
        ("Clicked in", ", ".join(words.step(step).lower() for step in seen.get("clicked", ()))),
        ("Consent", _CONSENT.get(str(seen.get("consent")), seen.get("consent"))),
        ("Address", words.reason(seen["suppressed"]) if seen.get("suppressed") else "may be mailed"),
        ("Flow", "on" if seen.get("flow_on") else "paused"),
        ("Stopped by", words.actor(str(seen["stopped_by"])) if seen.get("stopped_by") else None),
        ("Comparison group", "yes" if seen.get("held_out") else None),
        ("Shop", None if seen.get("shop") == "active" else str(seen.get("shop", "")).replace("_", " ")),
    ]
    return [(name, Markup("{}").format(value)) for name, value in pairs if value]


def explained(row: DecisionRow) -> dict[str, Any]:
    """Return what a decision did and what it saw, for a template."""
    return {"did": did(row), "saw": saw(row)}


def _effect(effect: Mapping[str, Any]) -> Markup:
    mail = Markup("<b>{}</b>").format(words.step(str(effect.get("step") or "")))
    coupon = effect.get("coupon")
    said = {
        "SendEmail": mail + ": queued" + (f" with {coupon['percent']}% off" if coupon else ""),
        "SkipEmail": mail + ": not sent",
        "TagCustomer": Markup("The shop is to {} the tag “{}”").format(
            "give" if effect.get("is_given") else "take away", effect.get("tag")
        ),
        "Schedule": Markup("Looks again at {}").format(_time(effect.get("due_at"))),
        "Exit": Markup("Left the flow; {}: not sent").format(mail) if effect.get("step") else Markup("Left the flow"),
        "Finish": Markup("The flow is over"),
    }
    kind = str(effect.get("effect"))
    return said.get(kind) or escape(kind)


def _pieces(seen: Mapping[str, Any]) -> str | None:
    if seen.get("cart_pieces") is None:
        return None
    pieces = int(seen["cart_pieces"])
    done = ", bought" if seen.get("checkout_completed") else ""
    return f"{show.number(pieces)} {'thing' if pieces == 1 else 'things'}{done}" if pieces else "empty"


def _order(seen: Mapping[str, Any]) -> str | None:
    if seen.get("order_nth") is None:
        return None
    undone = ", undone" if seen.get("order_undone") else ""
    return f"their {show.number(int(seen['order_nth']))}. order{undone}"


def _year(seen: Mapping[str, Any]) -> str | None:
    if seen.get("year_orders") is None:
        return None
    orders = int(seen["year_orders"])
    spent = show.money(int(seen.get("year_spent_minor", 0)), g.frame.shop.currency)
    return f"{show.number(orders)} {'order' if orders == 1 else 'orders'}, {spent}"


def _time(text: object) -> Markup | None:
    return show.when(datetime.fromisoformat(text), "d MMM, HH:mm:ss") if isinstance(text, str) else None
