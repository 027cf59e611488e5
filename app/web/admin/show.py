"""How times, amounts and numbers look: in the shop's time zone, through Babel."""

import json
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_datetime, get_timezone_name
from babel.numbers import format_currency, format_decimal
from babel.units import format_unit
from flask import g
from flask_babel import get_locale
from flask_babel import gettext as _
from jinja2 import Environment
from markupsafe import Markup

from app.catalogues import noted
from app.domain.money import to_decimal

_UNITS = (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))
_SHORT = {
    "days": noted("%(count)s d"),
    "hours": noted("%(count)s h"),
    "minutes": noted("%(count)s min"),
    "seconds": noted("%(count)s s"),
}


def locale() -> Locale:
    """Return the language of the pages; the shop's own locale is that of its mails."""
    return get_locale() or Locale("en")


def zone(name: str) -> tzinfo:
    """Return the time zone of this name, UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def when(at: datetime | None, pattern: str = "d MMM, HH:mm") -> Markup:
    """Show a time in the shop's zone; one that is shown without its seconds tells the exact one to who points at it."""
    if at is None:
        return Markup("—")
    short = format_datetime(at, _ordered(pattern), tzinfo=g.frame.zone, locale=locale())
    iso = at.isoformat(timespec="seconds")
    if "ss" in pattern:
        return Markup('<time datetime="{}">{}</time>').format(iso, short)
    full = format_datetime(at, "d MMMM y, HH:mm:ss zzz", tzinfo=g.frame.zone, locale=locale())
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, full, short)


def _ordered(pattern: str) -> str:
    """Put day and month in the order of the pages' language; the time of day is written alike in all of them."""
    day, comma, time = pattern.partition(", ")
    skeleton = {"d MMM": "MMMd", "d MMM y": "yMMMd"}[day]
    chosen = locale()
    return pattern if chosen.language == "en" else f"{chosen.datetime_skeletons[skeleton].pattern}{comma}{time}"


def zone_name(at: datetime) -> str:
    """Name the shop's zone as it is at a time, such as EST."""
    return get_timezone_name(at.astimezone(g.frame.zone), width="short", locale=locale())


def number(value: int | Decimal) -> str:
    """Show a number with its separators."""
    return format_decimal(value, locale=locale())


def at_least(value: int, limit: int) -> str:
    """Show a number that was counted up to a limit."""
    return f"{number(limit)}+" if value >= limit else number(value)


def money(amount_minor: int, currency: str) -> str:
    """Show an amount in minor units of its currency."""
    return format_currency(to_decimal(amount_minor, currency), currency, locale=locale())


def in_words(length: timedelta) -> str:
    """Say how long, in the largest unit that says it exactly: 24 hours, but 3 days."""
    count, unit = split(length)
    return format_unit(count, f"duration-{unit.removesuffix('s')}", locale=locale())


def in_short(length: timedelta) -> str:
    """Say how long in as few letters as possible: 24 h."""
    count, unit = split(length)
    return str(_(_SHORT[unit], count=number(count)))


def split(length: timedelta) -> tuple[int, str]:
    """Return a duration as a whole number and its unit; one day is 24 hours, as merchants say it."""
    seconds = int(length.total_seconds())
    for unit, size in _UNITS:
        if seconds % size == 0 and seconds >= (2 * size if unit == "days" else size):
            return seconds // size, unit
    return seconds, "seconds"


def took(length: timedelta | None) -> str:
    """Say how long something took, to about two digits."""
    if length is None or length < timedelta(0):
        return "—"
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return str(_(_SHORT["seconds"], count=number(Decimal(f"{seconds:.1f}"))))
    return about(length)


def about(length: timedelta) -> str:
    """Say how long, roughly, for something that is still to come: 4 min."""
    minutes = max(1, round(length.total_seconds() / 60))
    if minutes < 100:
        return str(_(_SHORT["minutes"], count=minutes))
    if minutes < 48 * 60:
        return str(_(_SHORT["hours"], count=round(minutes / 60)))
    return in_words(timedelta(days=round(minutes / 1440)))


def initials(name: str) -> str:
    """Return one or two letters that stand for a name."""
    words = [w for w in name.split() if w[0].isalnum()]
    return "".join(w[0] for w in words[:2]).upper() or "?"


def toast(text: str) -> str:
    """Return the HX-Trigger header that shows a sentence for a moment."""
    return json.dumps({"toast": {"text": text}})


def mask_address(address: str) -> str:
    """Show an address so that its owner knows it and nobody else: jo•••@example.com."""
    local, _, domain = address.rpartition("@")
    return f"{local[:2]}•••@{domain}" if local else "•••"


def translated(words: str) -> str:
    """Say marked words (`noted`) in the language of the pages. What is no marked word stays, and is escaped as any text."""
    return str(_(words))


def add_filters(environment: Environment) -> None:
    """Give the templates these words."""
    for function in (when, number, at_least, money, in_words, in_short, took, about, initials, translated):
        environment.filters[function.__name__] = function
    environment.filters["masked_address"] = mask_address
    environment.globals["zone_name"] = zone_name
