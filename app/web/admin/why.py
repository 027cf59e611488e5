"""A decision in words: what it did and what it saw. It answers "why did, or didn't, this shopper get this mail"."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

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
    seen = row.saw
    pairs = [
        ("Cart", _pieces(seen)),
        ("Last change to it", _time(seen.get("cart_changed_at"))),
        ("Order", _time(seen.get("ordered_at")) or "none"),
        ("Consent", _CONSENT.get(str(seen.get("consent")), seen.get("consent"))),
        ("Address", words.reason(seen["suppressed"]) if seen.get("suppressed") else "may be mailed"),
        ("Flow", "on" if seen.get("flow_on") else "paused"),
        ("Comparison group", "yes" if seen.get("held_out") else None),
        ("Shop", None if seen.get("shop") == "active" else str(seen.get("shop", "")).replace("_", " ")),
    ]
    return [(name, Markup("{}").format(value)) for name, value in pairs if value]


def _effect(effect: Mapping[str, Any]) -> Markup:
    mail = Markup("<b>{}</b>").format(words.step(str(effect.get("step") or "")))
    coupon = effect.get("coupon")
    said = {
        "SendEmail": mail + ": queued" + (f" with {coupon['percent']}% off" if coupon else ""),
        "SkipEmail": mail + ": not sent",
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


def _time(text: object) -> Markup | None:
    return show.when(datetime.fromisoformat(text), "d MMM, HH:mm:ss") if isinstance(text, str) else None
