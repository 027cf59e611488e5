"""Consent: on what ground a shop may mail a person, by what was said, where the person is, and what the shop chose.

Rules of a product, not legal advice. Source: ePrivacy directive art. 13, PECR reg. 22, CASL s. 10, CAN-SPAM.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.events import ConsentState
from app.domain.sunset import Silence


class MessageClass(StrEnum):
    """Marketing needs a ground; transactional mail answers something that the person did."""

    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"


class ConsentMode(StrEnum):
    """Whom a shop mails marketing: who agreed, who the law of their region lets it mail, or everybody who did not refuse."""

    SUBSCRIBERS = "subscribers"
    REGIONAL = "regional"
    ANYONE = "anyone"


class Basis(StrEnum):
    """The ground on which marketing may be mailed."""

    EXPRESS = "express"  # the person agreed
    SOFT = "soft"  # bought, or nearly, and was offered to refuse
    IMPLIED = "implied"  # Canada: a purchase within two years, an enquiry within six months
    OPT_OUT = "opt_out"  # the United States: nothing was refused
    NONE = "none"


class Frequency(StrEnum):
    """How much marketing mail a person wants at the most."""

    ALL = "all"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


# Who says something for somebody else: a shop's own list, an import. Everything else is the person's act.
SECOND_HAND = frozenset({"platform", "import"})

# What a person can say yes and no to, one by one. The words on the page are in templates/public/preferences.html.
TOPICS = ("cart", "recommendations", "reviews", "win_back", "birthday", "news")
PAUSE = timedelta(days=30)
GAPS = {Frequency.ALL: timedelta(0), Frequency.WEEKLY: timedelta(days=7), Frequency.MONTHLY: timedelta(days=30)}

# The union with Iceland, Liechtenstein and Norway: the directive holds in the whole economic area.
_EU = frozenset(re.findall("..", "ATBEBGHRCYCZDKEEFIFRDEGRHUIEITLVLTLUMTNLPLPTROSKSIESSEISLINO"))
SOFT_FOR = timedelta(days=730)  # 24 months after a purchase
IMPLIED_BY_PURCHASE = timedelta(days=730)
IMPLIED_BY_ENQUIRY = timedelta(days=183)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What is known of a person beside the plain consent state, for the gates. The default knows nothing.

    `needs_confirmation`: the shop asks for a double opt-in here, and the consent is newer than that rule.
    `blocked` is the reason of a suppression that stops every mail, not only marketing.
    """

    mode: ConsentMode = ConsentMode.SUBSCRIBERS
    offers_refusal: bool = False  # the shop attests that its checkout offers to refuse (soft opt-in)
    country: str | None = None  # ISO 3166, of shipping, then billing, then the language
    bought_at: datetime | None = None
    began_at: datetime | None = None  # the newest checkout
    needs_confirmation: bool = False
    is_confirmed: bool = False
    blocked: str | None = None
    topics_off: Collection[str] = field(default_factory=frozenset)
    paused_until: datetime | None = None
    frequency: Frequency = Frequency.ALL
    mailed_at: datetime | None = None  # the newest marketing mail; loaded only for people who asked for less
    has_birthday: bool = False
    may_be_watched: bool = False  # agreed to be followed through the shop
    silence: Silence | None = None  # mails left unanswered; loaded only for people who were mailed long ago


def basis(state: ConsentState, known: Permission, *, now: datetime) -> Basis:
    """Return the ground on which marketing may be mailed to a person now.

    A refusal leaves none in any mode. What was agreed and not confirmed, where the shop asks for that, is no ground either.
    """
    if state is ConsentState.UNSUBSCRIBED or known.blocked:
        return Basis.NONE
    if state is ConsentState.SUBSCRIBED:
        return Basis.EXPRESS if known.is_confirmed or not known.needs_confirmation else Basis.NONE
    if state is ConsentState.PENDING or known.mode is ConsentMode.SUBSCRIBERS:
        return Basis.NONE
    if known.mode is ConsentMode.ANYONE:
        return Basis.OPT_OUT
    return _regional(known, now)


def region(country: str | None) -> str:
    """Return the name under which a country's rules are set: EU for the whole economic area, `unknown` without a country."""
    code = (country or "").upper()
    return "EU" if code in _EU else code or "unknown"


def in_region(by_region: Mapping[str, str], country: str | None, default: str) -> str:
    """Return a shop's choice for a country: the country's own, else its region's, else the default."""
    return by_region.get((country or "").upper()) or by_region.get(region(country)) or default


def standing(folded: ConsentState, *, agreed_at: datetime | None, refused_at: datetime | None) -> ConsentState:
    """Return what counts of an address: the newest word, except that only the person undoes a refusal.

    Args:
        folded: the newest statement, whoever made it.
        agreed_at: when the person last agreed, by a box, a form or a link.
        refused_at: when the person last refused through us. A shop that says "subscribed" afterwards is not believed:
            it may be an import, a stale copy, or its own answer to us. Of the two sides the stricter counts.
    """
    if refused_at and (agreed_at is None or agreed_at <= refused_at):
        return ConsentState.UNSUBSCRIBED
    return folded


def _regional(known: Permission, now: datetime) -> Basis:
    bought, began, place = known.bought_at, known.began_at, region(known.country)
    if place == "US":
        return Basis.OPT_OUT
    if place == "GB" and known.offers_refusal and _within(bought or began, SOFT_FOR, now):
        return Basis.SOFT
    if place == "EU" and known.offers_refusal and _within(bought, SOFT_FOR, now):
        return Basis.SOFT
    if place == "CA" and (_within(bought, IMPLIED_BY_PURCHASE, now) or _within(began, IMPLIED_BY_ENQUIRY, now)):
        return Basis.IMPLIED
    return Basis.NONE


def _within(at: datetime | None, span: timedelta, now: datetime) -> bool:
    return at is not None and now - at <= span
