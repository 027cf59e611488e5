"""Whom a flow would have let in, in words: never more than was looked at; about, as a cart is known as it is today."""

from flask_babel import gettext as _

from app.catalogues import noted
from app.services.reach import Reach
from app.web.admin import show

# What was counted, as a heading before the number.
COUNTED = {
    "checkout_updated": noted("Carts with an address, last 90 days"),
    "order_placed": noted("Orders, last 90 days"),
    "order_paid": noted("Paid orders, last 90 days"),
    "order_fulfilled": noted("Orders that were sent off, last 90 days"),
    "customer_subscribed": noted("People who agreed to marketing mail, last 90 days"),
    "customer_ordered": noted("People who bought, last 90 days"),
}


def told(reach: Reach) -> str:
    """Say how many would have come in."""
    words = {"what": _(COUNTED[reach.of]), "fit": show.number(reach.fit), "looked": show.number(reach.looked)}
    if not reach.looked:
        return str(_("%(what)s: none, so nothing can be said yet.", **words))
    if reach.is_cut:
        return str(_("%(what)s: more than %(looked)s. Of the newest %(looked)s about %(fit)s would have come in.", **words))
    return str(_("%(what)s: %(looked)s. About %(fit)s of them would have come in.", **words))


def incomplete() -> str:
    """Say that there is something to fill in first."""
    return str(_("Complete every line, then count."))


def nobody(reach: Reach) -> str:
    """Say that nobody would have come in, and what to do about it."""
    words = {"what": _(COUNTED[reach.of]), "looked": show.number(reach.looked)}
    return str(
        _(
            "Nobody would have come in. %(what)s: %(looked)s looked at, and none meets all of this. Change a condition or"
            " take one away; or tick the box to save it all the same.",
            **words,
        )
    )
