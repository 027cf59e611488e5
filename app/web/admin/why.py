"""A decision in words: what it did and what it saw. It answers "why did, or didn't, this shopper get this mail"."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import g
from flask_babel import gettext as _
from flask_babel import ngettext
from markupsafe import Markup, escape

from app.catalogues import noted
from app.flows.vocabulary import Condition
from app.models import DecisionRow
from app.web.admin import show, words

_CONSENT = {
    "subscribed": noted("agreed to marketing mail"),
    "unsubscribed": noted("unsubscribed"),
    "pending": noted("asked, not confirmed yet"),
    "none": noted("never asked"),
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
        (_("Cart"), _pieces(seen)),
        (_("Worth"), _worth(seen)),
        (_("Last change to it"), _time(seen.get("cart_changed_at"))),
        (_("Order"), _order(seen)),
        (_("Delivered"), _time(seen.get("order_delivered_at"))),
        (_("Bought since"), _time(seen.get("ordered_at")) or _("nothing")),
        (_("In twelve months"), _year(seen)),
        (_("Stars given"), show.number(seen["score"]) if seen.get("score") else None),
        (_("Clicked in"), ", ".join(words.step(step).lower() for step in seen.get("clicked", ()))),
        (_("Consent"), _consent(seen.get("consent"))),
        (_("Address"), words.reason(seen["suppressed"]) if seen.get("suppressed") else _("may be mailed")),
        (_("Flow"), _("on") if seen.get("flow_on") else _("paused")),
        (_("Stopped by"), words.actor(str(seen["stopped_by"])) if seen.get("stopped_by") else None),
        (_("Comparison group"), _("yes") if seen.get("held_out") else None),
        (_("Shop"), None if seen.get("shop") == "active" else str(seen.get("shop", "")).replace("_", " ")),
    ]
    return [(name, Markup("{}").format(value)) for name, value in pairs if value]


def explained(row: DecisionRow) -> dict[str, Any]:
    """Return what a decision did and what it saw, for a template."""
    return {"did": did(row), "saw": saw(row)}


def _effect(effect: Mapping[str, Any]) -> Markup:
    mail = Markup("<b>{}</b>").format(words.step(str(effect.get("step") or "")))
    coupon = effect.get("coupon")
    said = {
        "SendEmail": _worded(_("{mail}: queued with {percent}% off") if coupon else _("{mail}: queued")),
        "SkipEmail": _worded(_("{mail}: not sent; it is only for whom this holds: {whom}") if effect.get("unmet")
                             else _("{mail}: not sent")),
        "TagCustomer": _worded(_("The shop is to give the tag “{tag}”") if effect.get("is_given")
                               else _("The shop is to take away the tag “{tag}”")),
        "Schedule": _worded(_("Looks again at {time}")),
        "Exit": _worded(_("Left the flow; {mail}: not sent") if effect.get("step") else _("Left the flow")),
        "Finish": _worded(_("The flow is over")),
    }  # fmt: skip
    kind = str(effect.get("effect"))
    if kind not in said:
        return escape(kind)
    percent = coupon["percent"] if coupon else None
    whom = "; ".join(words.condition(_condition(told)) for told in effect.get("unmet", ()))
    return said[kind].format(mail=mail, whom=whom, percent=percent, tag=effect.get("tag"), time=_time(effect.get("due_at")))


def _condition(told: Mapping[str, Any]) -> Condition:
    return Condition(str(told["name"]), told["value"], tuple(_condition(inner) for inner in told["of"]))


def _worded(words: str) -> Markup:
    """Take our own words, which hold no markup, as the pattern that values are escaped into."""
    return Markup(words.replace("&", "&amp;").replace("<", "&lt;"))  # noqa: S704  (escaped here; the braces must stay)


def _consent(state: object) -> str | None:
    return _(_CONSENT[str(state)]) if str(state) in _CONSENT else (str(state) if state else None)


def _pieces(seen: Mapping[str, Any]) -> str | None:
    if seen.get("cart_pieces") is None:
        return None
    pieces = int(seen["cart_pieces"])
    if not pieces:
        return str(_("empty"))
    said = str(ngettext("%(num)s thing", "%(num)s things", pieces))
    return str(_("%(things)s, bought", things=said)) if seen.get("checkout_completed") else said


def _worth(seen: Mapping[str, Any]) -> str | None:
    minor = seen.get("cart_worth_minor") or seen.get("order_worth_minor")
    return show.money(int(minor), g.frame.shop.currency) if minor else None


def _order(seen: Mapping[str, Any]) -> str | None:
    if seen.get("order_nth") is None:
        return None
    nth = show.number(int(seen["order_nth"]))
    undone = _("their %(nth)s. order, undone", nth=nth)
    return str(undone if seen.get("order_undone") else _("their %(nth)s. order", nth=nth))


def _year(seen: Mapping[str, Any]) -> str | None:
    if seen.get("year_orders") is None:
        return None
    orders = int(seen["year_orders"])
    spent = show.money(int(seen.get("year_spent_minor", 0)), g.frame.shop.currency)
    return f"{ngettext('%(num)s order', '%(num)s orders', orders)}, {spent}"


def _time(text: object) -> Markup | None:
    return show.when(datetime.fromisoformat(text), "d MMM, HH:mm:ss") if isinstance(text, str) else None
