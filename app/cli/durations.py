"""Durations and points in time as people write them: 5s, 10m, 1h30m, 2d; 2026-11-19T08:00."""

import re
from datetime import datetime, timedelta

import click

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
# Largest unit first, each at most once: "30m1h" is more likely a slip than a wish. Eight digits are 3 years in seconds.
_DURATION = re.compile(r"(?:([0-9]{1,8})d)?(?:([0-9]{1,8})h)?(?:([0-9]{1,8})m)?(?:([0-9]{1,8})s)?")
HINT = "Write it like 5s, 10m, 1h, 1h30m or 2d."


def parse(text: str) -> timedelta:
    """Read a duration.

    Raises:
        ValueError: it is none; the message shows how to write one.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if not text.strip() or found is None:
        raise ValueError(f"“{text}” is not a duration. {HINT}")
    parts = dict(zip(_UNITS.values(), (int(n or 0) for n in found.groups()), strict=True))
    return timedelta(**parts)


def show(length: timedelta) -> str:
    """Write a duration the way `parse` reads it, to the second: 90 minutes is 1h30m."""
    seconds = int(length.total_seconds())
    words = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count}{unit}")
    return "".join(words) or "0s"


def instant(text: str, now: datetime, option: str = "--since") -> datetime:
    """Read a time, or how long ago; a time without a zone is UTC.

    Raises:
        BadParameter: it is neither.
    """
    try:
        return now - parse(text)
    except ValueError:
        pass
    except OverflowError as exc:
        raise click.BadParameter("That is too long ago.", param_hint=option) from exc
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        words = "Write a time such as 2026-11-19T08:00, or how long ago: 2h."
        raise click.BadParameter(words, param_hint=option) from exc
    return found if found.tzinfo else found.replace(tzinfo=now.tzinfo)


class Duration(click.ParamType[timedelta]):
    """An option's value that is a duration."""

    name = "duration"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it; a wrong one is wrong usage."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)
