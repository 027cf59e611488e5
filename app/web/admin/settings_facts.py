"""What the settings page shows and nobody changes there: domain, languages, connection, retention."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from babel import Locale
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.catalogues import LANGUAGES, noted
from app.config import settings
from app.models import Shop, Webhook
from app.services import connections, mail_rules, retention, sender_checks, sender_domain, texts
from app.services.sender_domain import Record
from app.services.writing import locale_of
from app.web.admin import show
from app.web.languages import LANGUAGES as OWN_NAMES
from integrations.names import Dns

DNS_BUDGET = 5.0  # seconds for all questions about a domain: somebody waits for the page

RECORDS = {"spf": "SPF", "dkim": "DKIM", "dmarc": "DMARC", "mx": "MX"}
VERDICTS = {
    "ok": {"word": noted("Good"), "tone": "ok"},
    "warn": {"word": noted("Look at it"), "tone": "warn"},
    "fail": {"word": noted("Missing or wrong"), "tone": "crit"},
}
# What each rule of the retention throws away, as a merchant would call it; what is not named here is no shop's.
KEPT = {
    "bodies of handled webhooks": noted("What the shop told us, word for word"),
    "bodies of failed webhooks": noted("The same, where it could not be handled"),
    "keys of ended webhooks": noted("That the shop told us something"),
    "decisions": noted("Why a mail was sent or not"),
    "clicks and opens": noted("Clicks and opens of mails"),
    "network addresses of clicks": noted("From which network address somebody clicked, as a hash"),
    "links": noted("Where the links in a mail lead"),
    "requests to confirm that ended": noted("Requests to confirm a sign-up, after their end"),
    "write-backs of consent": noted("That we told the shop of a yes or no to mail"),
}
STATES = {
    "active": (noted("Connected"), "ok"),
    "paused": (noted("Paused: no mail leaves"), "warn"),
    "needs_reconnect": (noted("Has to be connected again: no mail leaves"), "crit"),
    "uninstalled": (noted("Removed: no mail leaves"), "crit"),
}


@dataclass(frozen=True, slots=True)
class Language:
    """A language that mails can be written in, and of how many mails we ship a text in it."""

    tag: str
    name: str
    mails: int
    is_default: bool


def of(session: Session, shop: Shop) -> dict[str, Any]:
    """Return all facts that the page shows."""
    held = sender_checks.of(session, shop)
    return {
        "languages_of_mails": languages(shop), "mails_shipped": len(texts.shipped()),
        "shop_language": _language_name(shop.locale), "connection": connections.of(session, shop.id),
        "heard_at": _heard_at(session, shop.id), "kept": kept(), "shop_state": STATES[shop.state],
        "sign_up_url": _sign_up_url(session, shop), "domain": shop.sender_email.rpartition("@")[2],
        "records": RECORDS, "verdicts": VERDICTS,
        "check": held.records if held else None, "checked_at": clock.real(session) - held.age if held else None,
    }  # fmt: skip


def checked(email: str) -> list[Record]:
    """Ask the DNS about the domain of an address; it ends within DNS_BUDGET, and what has no answer by then says so."""
    return sender_domain.look_up(email.rpartition("@")[2], Dns(within=DNS_BUDGET), via=_sent_via())


def languages(shop: Shop) -> list[Language]:
    """Return the languages that our mails come in; without a text in a shopper's own, the shop's is taken, else English."""
    own = locale_of(shop.locale)
    found = []
    for name in LANGUAGES:
        tag = name.replace("_", "-")
        locale, mails = Locale.parse(name), sum(tag in by_tag for by_tag in texts.shipped().values())
        found.append(Language(tag, OWN_NAMES[name], mails, is_default=own is not None and texts.is_kind_of(own, locale)))
    return found


def kept() -> list[tuple[str, timedelta]]:
    """Return what is thrown away at which age, the youngest first."""
    return sorted(((KEPT[rule.name], rule.age) for rule in retention.RULES if rule.name in KEPT), key=lambda row: row[1])


def _language_name(tag: str) -> str:
    locale = locale_of(tag)
    return str(locale.get_display_name(show.locale()) or tag) if locale else tag


def _heard_at(session: Session, shop_id: int) -> datetime | None:
    newest = select(Webhook.received_at).where(Webhook.shop_id == shop_id).order_by(Webhook.id.desc()).limit(1)
    return session.scalar(newest)


def _sign_up_url(session: Session, shop: Shop) -> str | None:
    token = mail_rules.of(session, shop.id).form_token
    return f"{settings().public_url}/signup/{token}" if token else None


def _sent_via() -> str:
    return settings().spf_term
