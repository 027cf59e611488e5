"""How times, amounts and numbers look: in the shop's time zone, through Babel."""

import json
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_datetime, get_timezone_name
from babel.numbers import format_currency, format_decimal
from flask import g
from jinja2 import Environment
from markupsafe import Markup

from app.domain.money import to_decimal

LOCALE = "en"  # of the admin's words; the shop's locale is that of its mails

_UNITS = (("days", 86_400, "d"), ("hours", 3_600, "h"), ("minutes", 60, "min"), ("seconds", 1, "s"))


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
    short = format_datetime(at, pattern, tzinfo=g.frame.zone, locale=LOCALE)
    iso = at.isoformat(timespec="seconds")
    if "ss" in pattern:
        return Markup('<time datetime="{}">{}</time>').format(iso, short)
    full = format_datetime(at, "d MMMM y, HH:mm:ss zzz", tzinfo=g.frame.zone, locale=LOCALE)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, full, short)


def zone_name(at: datetime) -> str:
    """Name the shop's zone as it is at a time, such as EST."""
    return get_timezone_name(at.astimezone(g.frame.zone), width="short", locale=LOCALE)


def number(value: int | Decimal) -> str:
    """Show a number with its separators."""
    return format_decimal(value, locale=LOCALE)


def at_least(value: int, limit: int) -> str:
    """Show a number that was counted up to a limit."""
    return f"{number(limit)}+" if value >= limit else number(value)


def money(amount_minor: int, currency: str) -> str:
    """Show an amount in minor units of its currency."""
    return format_currency(to_decimal(amount_minor, currency), currency, locale=LOCALE)


def in_words(length: timedelta) -> str:
    """Say how long, in the largest unit that says it exactly: 24 hours, but 3 days."""
    count, unit, _ = split(length)
    return f"{number(count)} {unit if count != 1 else unit.removesuffix('s')}"


def in_short(length: timedelta) -> str:
    """Say how long in as few letters as possible: 24 h."""
    count, _, short = split(length)
    return f"{number(count)} {short}"


def split(length: timedelta) -> tuple[int, str, str]:
    """Return a duration as a whole number, its unit, and the unit in short; one day is 24 hours, as merchants say it."""
    seconds = int(length.total_seconds())
    for unit, size, short in _UNITS:
        if seconds % size == 0 and seconds >= (2 * size if unit == "days" else size):
            return seconds // size, unit, short
    return seconds, "seconds", "s"


def took(length: timedelta | None) -> str:
    """Say how long something took, to about two digits."""
    if length is None or length < timedelta(0):
        return "—"
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return about(length)


def about(length: timedelta) -> str:
    """Say how long, roughly, for something that is still to come: 4 min."""
    minutes = max(1, round(length.total_seconds() / 60))
    if minutes < 100:
        return f"{minutes} min"
    return f"{round(minutes / 60)} h" if minutes < 48 * 60 else f"{round(minutes / 1440)} days"


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


def add_filters(environment: Environment) -> None:
    """Give the templates these words."""
    for function in (when, number, at_least, money, in_words, in_short, took, about, initials):
        environment.filters[function.__name__] = function
    environment.filters["masked_address"] = mask_address
    environment.globals["zone_name"] = zone_name
