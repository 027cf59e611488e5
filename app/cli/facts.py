"""What can be said about a shop when it is connected by hand, each part checked."""

import re
from collections.abc import Callable
from typing import Any, TypeVar
from zoneinfo import available_timezones

import click
from email_validator import EmailNotValidError, validate_email

F = TypeVar("F", bound=Callable[..., Any])


def address(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Check an e-mail address, as an option's callback."""
    if value is None:
        return None
    try:
        return validate_email(value, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError as exc:
        raise click.BadParameter(f"{exc} Write it like hello@shop.example.") from exc


def _currency(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{3}", value):
        raise click.BadParameter(f"{value} is no currency. Use the three letters of ISO 4217, such as EUR.")
    return value.upper()


def _timezone(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if value not in available_timezones():
        raise click.BadParameter(f"{value} is no time zone. Use a name such as Europe/Lisbon or America/New_York.")
    return value


def _locale(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    from babel import Locale, UnknownLocaleError

    try:
        Locale.parse(value, sep="-")
    except (ValueError, UnknownLocaleError) as exc:
        raise click.BadParameter(f"{value} is no language we know. Use one such as en, ar, zh-Hans or pt-BR.") from exc
    return value


_OPTIONS = (
    click.option("--name", help="As shoppers know it; from the domain when left out."),
    click.option("--sender-email", callback=address, help="Who its mails come from; hello@ the domain when left out."),
    click.option("--currency", default="USD", show_default=True, callback=_currency, help="ISO 4217, three letters."),
    click.option("--timezone", default="UTC", show_default=True, callback=_timezone, help="Such as Europe/Lisbon."),
    click.option("--locale", default="en", show_default=True, callback=_locale, help="Such as en, ar, zh-Hans, az."),
    click.option("--postal-address", default="", help="Printed at the foot of each mail; the law asks for it."),
)


def facts_options(command: F) -> F:
    """Give a command the options of a shop's facts."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
