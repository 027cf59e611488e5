"""The sections of the settings page: what stands in each form, and how what was typed is saved.

A section's `save` returns words about what is wrong, by the field they stand at; then nothing of it may stay.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.catalogues import noted
from app.domain.consent import ConsentMode
from app.domain.errors import Refused
from app.models import Shop
from app.services import brand, edit_flow, edit_rules, mail_pace, mail_rules, page_language, sender
from app.web.languages import LANGUAGES

Fields = dict[str, str]
REGIONS = {
    "EU": noted("European Economic Area"),
    "GB": noted("United Kingdom"),
    "US": noted("United States"),
    "CA": noted("Canada"),
}
COLOURS = ("accent", "ink", "paper", "page")
FONTS = {"system": noted("Plain"), "serif": noted("With serifs"), "rounded": noted("Rounded")}
MODES = {
    ConsentMode.SUBSCRIBERS: noted("Only who agreed"),
    ConsentMode.REGIONAL: noted("Whom the law of their country lets us mail"),
    ConsentMode.ANYONE: noted("Everybody who did not refuse"),
}
LANGUAGE = "language"  # the section that changes the words of all others
LIMIT = 1000  # characters of one field
COUNTRIES_MOST = 60  # in the list of those that are asked to confirm
_HOURS = ("click_hours", "window_hours")
_TRACKING = ("tracks_clicks", "tracks_opens", "adds_utm")


@dataclass(frozen=True, slots=True)
class By:
    """Who saves, and when."""

    actor: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Section:
    """One form of the page."""

    title: str
    stored: Callable[[Session, Shop], Fields]
    save: Callable[[Session, Shop, Fields, By], Fields]


def print_of(held: Fields) -> str:
    """Return a short print of what a section holds; two that differ have been saved differently."""
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()[:32]


def _attempt(errors: Fields, name: str, act: Callable[[], object]) -> None:
    """Do one thing; a refusal is said beside the field."""
    try:
        act()
    except Refused as refusal:
        errors[name] = str(refusal)


def _sender(_session: Session, shop: Shop) -> Fields:
    return {"sender_email": shop.sender_email, "reply_to": shop.reply_to or "", "postal_address": shop.postal_address}


def _save_sender(session: Session, shop: Shop, typed: Fields, by: By) -> Fields:
    errors: Fields = {}
    email, answers = typed["sender_email"], typed["reply_to"]
    _attempt(errors, "sender_email", lambda: sender.mailable(email))
    if answers:
        _attempt(errors, "reply_to", lambda: sender.mailable(answers))
    address = typed["postal_address"]
    _attempt(errors, "postal_address", lambda: brand.set_postal_address(session, shop, address, actor=by.actor))
    if not errors:
        sender.change(session, shop, sender_email=email, reply_to=answers, actor=by.actor)
    return errors


def _consent(session: Session, shop: Shop) -> Fields:
    rules = mail_rules.of(session, shop.id)
    return {
        "mode": rules.mode, **{f"mode_{place}": rules.modes.get(place, "") for place in REGIONS},
        "acknowledged": "", "offers_refusal": _tick(rules.offers_refusal),
        "double_opt_in": _tick(rules.double_opt_in_since is not None), "double_opt_in_in": ", ".join(rules.double_opt_in_in),
    }  # fmt: skip


def _save_consent(session: Session, shop: Shop, typed: Fields, by: By) -> Fields:
    """Change the rules; modes of countries that the page has no field for stay."""
    errors: Fields = {}
    held = {place: mode for place, mode in mail_rules.of(session, shop.id).modes.items() if place not in REGIONS}
    chosen = {place: typed[f"mode_{place}"] for place in REGIONS if typed[f"mode_{place}"]}
    for name in ("mode", *(f"mode_{place}" for place in chosen)):
        if typed[name] not in set(ConsentMode):
            errors[name] = "Choose one of the list."
    places = [place for place in re.split(r"[\s,;]+", typed["double_opt_in_in"]) if place]
    values = {
        "mode": typed["mode"], "modes": {**held, **chosen}, "acknowledged": bool(typed["acknowledged"]),
        "offers_refusal": bool(typed["offers_refusal"]), "double_opt_in": bool(typed["double_opt_in"]),
        "double_opt_in_in": places,
    }  # fmt: skip
    if len(places) > COUNTRIES_MOST:
        errors["double_opt_in_in"] = f"Write {COUNTRIES_MOST} countries at the most."
    if strange := [place for place in places if not re.fullmatch("[A-Za-z]{2}|unknown", place)]:
        errors["double_opt_in_in"] = (
            f"{strange[0][:40]} is no country. Write codes of two letters, such as DE, or EU for all of it."
        )
    if not errors:
        _attempt(errors, "acknowledged", lambda: edit_rules.change(session, shop.id, values, actor=by.actor, now=by.now))
    return errors


def _signup(session: Session, shop: Shop) -> Fields:
    # No field may be named `form`: it would hide what a script calls the form of a field.
    rules = mail_rules.of(session, shop.id)
    return {"is_open": _tick(rules.form_token is not None), "form_wording": rules.form_wording or ""}


def _save_signup(session: Session, shop: Shop, typed: Fields, by: By) -> Fields:
    """Change the words, and open or close the form; one that is opened again has a new address."""
    errors: Fields = {}
    words, is_open = {"form_wording": typed["form_wording"] or None}, bool(mail_rules.of(session, shop.id).form_token)
    _attempt(errors, "form_wording", lambda: edit_rules.change(session, shop.id, words, actor=by.actor, now=by.now))
    if not errors and typed["is_open"] and not is_open:
        edit_rules.form_token(session, shop.id, now=by.now)
    if not errors and is_open and not typed["is_open"]:
        edit_rules.close_form(session, shop.id, actor=by.actor, now=by.now)
    return errors


def _measuring(session: Session, shop: Shop) -> Fields:
    rules = mail_rules.of(session, shop.id)
    ticks = {name: _tick(getattr(rules, name)) for name in _TRACKING}
    return {**ticks, **{name: str(getattr(rules, name)) for name in _HOURS}}


def _save_measuring(session: Session, shop: Shop, typed: Fields, by: By) -> Fields:
    most = edit_rules.LONGEST_HOURS
    errors = {name: f"Write a whole number from 0 to {most}." for name in _HOURS if _whole(typed[name], 0, most) is None}
    values = {name: bool(typed[name]) for name in _TRACKING}
    if not errors:
        hours = {name: int(typed[name]) for name in _HOURS}
        edit_rules.change(session, shop.id, {**values, **hours}, actor=by.actor, now=by.now)
    return errors


def _pace(session: Session, shop: Shop) -> Fields:
    begins, _, ends = mail_pace.written_quiet(shop).partition("-")
    caps = mail_pace.written_caps(shop)
    silent = mail_rules.of(session, shop.id).sunset_days
    return {
        "quiet_from": begins if ends else "", "quiet_until": ends, "caps": "" if caps == "off" else caps,
        "sunset_days": str(silent or ""),
    }  # fmt: skip


def _save_pace(session: Session, shop: Shop, typed: Fields, by: By) -> Fields:
    errors: Fields = {}
    begins, ends, caps = typed["quiet_from"], typed["quiet_until"], typed["caps"] or "off"
    quiet = f"{begins}-{ends}" if begins or ends else "off"
    if bool(begins) != bool(ends):
        errors["quiet_until" if begins else "quiet_from"] = "Give both times, or leave both empty."
    else:
        _attempt(errors, "quiet_until", lambda: mail_pace.change(session, shop, quiet=quiet, caps=None, actor=by.actor))
    _attempt(errors, "caps", lambda: mail_pace.change(session, shop, quiet=None, caps=caps, actor=by.actor))
    least, most = edit_rules.SUNSET_DAYS[0], edit_rules.SUNSET_DAYS[-1]
    silent = _whole(typed["sunset_days"], least, most) if typed["sunset_days"] else 0
    if silent is None:
        errors["sunset_days"] = f"Write a whole number from {least} to {most}, or leave it empty."
    elif not errors:
        edit_rules.change(session, shop.id, {"sunset_days": silent}, actor=by.actor, now=by.now)
    return errors


def _brand(session: Session, shop: Shop) -> Fields:
    kit = brand.of_shop(session, shop.id)
    colours = {name: getattr(kit, name) for name in COLOURS}
    return {
        "logo_url": kit.logo_url or "", "logo_width": str(kit.logo_width), **colours, "font": kit.font,
        "signature": kit.signature,
    }  # fmt: skip


def _save_brand(session: Session, shop: Shop, typed: Fields, by: By) -> Fields:
    errors = {name: "Write a colour like #24473a." for name in COLOURS if not re.fullmatch("#[0-9a-fA-F]{6}", typed[name])}
    if typed["logo_url"] and not re.fullmatch(r"https://[^\s<>\"\\]+", typed["logo_url"]):
        errors["logo_url"] = "Write an address that begins with https://, or leave it empty."
    if _whole(typed["logo_width"], 40, 400) is None:
        errors["logo_width"] = "Write a whole number from 40 to 400."
    if typed["font"] not in FONTS:
        errors["font"] = "Choose one of the list."
    if len(typed["signature"]) > 120:
        errors["signature"] = "Write 120 characters at the most."
    if not errors:
        changes = {**typed, "logo_url": typed["logo_url"] or None, "logo_width": int(typed["logo_width"])}
        _attempt(errors, "ink", lambda: brand.save(session, shop.id, changes, actor=by.actor, now=by.now))
    return errors


def _holdout(session: Session, shop: Shop) -> Fields:
    states = edit_flow.all_current(session, shop.id)
    return {state.settings.flow: f"{float(state.settings.holdout_share) * 100:g}" for state in states}


def _save_holdout(session: Session, shop: Shop, typed: Fields, by: By) -> Fields:
    errors = {key: "Write a whole number from 0 to 50." for key in typed if _whole(typed[key], 0, 50) is None}
    held = _holdout(session, shop)
    for key in typed.keys() - errors.keys():
        if typed[key] != held[key]:
            edit_flow.set_holdout(session, shop.id, key, int(typed[key]) / 100, actor=by.actor, now=by.now)
    return errors


def _language(_session: Session, shop: Shop) -> Fields:
    return {"page_language": shop.page_language or ""}


def _save_language(session: Session, shop: Shop, typed: Fields, by: By) -> Fields:
    wanted = typed["page_language"] or None
    if wanted and wanted not in LANGUAGES:
        return {"page_language": "Choose one of the list."}
    page_language.change(session, shop, wanted, actor=by.actor)
    return {}


def _tick(is_on: bool) -> str:
    return "on" if is_on else ""


def _whole(text: str, least: int, most: int) -> int | None:
    """Return the number, None when it is none or out of bounds."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 4 else -1
    return number if least <= number <= most else None


SECTIONS = {
    "sender": Section(noted("Sender"), _sender, _save_sender),
    "brand": Section(noted("Brand"), _brand, _save_brand),
    "consent": Section(noted("Whom to mail"), _consent, _save_consent),
    "signup": Section(noted("Sign-up form"), _signup, _save_signup),
    "pace": Section(noted("Quiet hours and caps"), _pace, _save_pace),
    "measuring": Section(noted("What is measured"), _measuring, _save_measuring),
    "holdout": Section(noted("Comparison group"), _holdout, _save_holdout),
    LANGUAGE: Section(noted("Language of these pages"), _language, _save_language),
}
