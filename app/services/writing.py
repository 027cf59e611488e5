"""Writes words, numbers and dates in one mail's language, and says how the language is set."""

import re
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_timezone_gmt, get_timezone_name
from babel.numbers import format_currency, format_percent

from app import catalogues
from app.domain.mailing import Font, MailContent
from app.domain.money import to_decimal
from app.services.layout import Script

_SANS = "-apple-system, BlinkMacSystemFont, Segoe UI, Roboto, Helvetica, Arial, sans-serif"
_SERIF = "Georgia, DejaVu Serif, Times New Roman, serif"
_ROUNDED = "ui-rounded, Nunito, Quicksand, Trebuchet MS, Segoe UI, sans-serif"
# Of the words and of the headlines, by the brand kit's font. None is loaded from anywhere.
FONTS: dict[Font, tuple[str, str]] = {"system": (_SANS, _SERIF), "serif": (_SERIF, _SERIF), "rounded": (_ROUNDED, _ROUNDED)}
# Scripts whose serif faces are not on every machine have one stack for both, whatever the brand.
_STACKS = {
    "ar": "Tahoma, Arial, sans-serif",
    "zh": "PingFang SC, Microsoft YaHei, Noto Sans CJK SC, Arial, sans-serif",
    "zh_Hant": "PingFang TC, Microsoft JhengHei, Noto Sans CJK TC, Arial, sans-serif",
}


def warm_up() -> None:
    """Load what writes English."""
    _money(0, "USD", Locale("en"))
    _day_pattern(Locale("en"))


@lru_cache(maxsize=512)
def locale_of(tag: str) -> Locale | None:
    """Return what is known of a BCP 47 tag: without the country when that is unknown, None when the language is."""
    subtags = tag.replace("_", "-").split("-")
    for known in ("_".join(subtags), subtags[0]):
        try:
            return Locale.parse(known)
        except (ValueError, UnknownLocaleError):
            continue
    return None


class Writer:
    """Writes words, numbers and dates as one mail needs them.

    Args:
        content: for the currency and the shop's time zone.
        words: the locale of the texts, with a country where one is known.
        numbers: the recipient's locale.
    """

    def __init__(self, content: MailContent, *, words: Locale, numbers: Locale) -> None:
        self.words = words
        self._numbers = numbers
        self._currency = content.currency
        self._zone = _zone(content.sender.timezone)
        self._is_rtl = words.text_direction == "rtl"
        self._font = content.brand.font
        translations = catalogues.translations(catalogues.MAILS, words)
        self.say = translations.gettext
        self.say_many = translations.ngettext

    def money(self, minor: int) -> str:
        """Write an amount in the mail's currency."""
        return self.isolate(_money(minor, self._currency, self._numbers), "\u2066")

    def percent(self, percent: int) -> str:
        """Write a percentage."""
        return self.isolate(format_percent(Decimal(percent) / 100, locale=self._numbers), "\u2066")

    def day(self, at: datetime) -> str:
        """Write the day in the shop's time zone: "Monday, November 23"."""
        return _day(at, self._zone, self.words)

    def moment(self, at: datetime) -> str:
        """Write day, time and time zone of the shop: "Monday, November 23, 6:24 PM (PST)"."""
        return _moment(at, self._zone, self.words)

    def isolate(self, text: str, mark: str = "\u2068") -> str:
        """Keep a Latin word or a number from turning the words around it, in a text from right to left.

        Args:
            text: what to guard; never a coupon code, which people copy.
            mark: U+2068 goes by the text's first letter, U+2066 is left to right.
        """
        return f"{mark}{text}\u2069" if self._is_rtl else text

    def script(self) -> Script:
        """Say how the language is set."""
        words = self.words
        stack = _STACKS.get(f"{words.language}_{words.script}") or _STACKS.get(words.language)
        sans, serif = (stack, stack) if stack else FONTS[self._font]
        return Script(
            lang=str(words).replace("_", "-"),
            direction="rtl" if self._is_rtl else "ltr",
            start="right" if self._is_rtl else "left",
            end="left" if self._is_rtl else "right",
            sans=sans,
            serif=serif,
        )


# A mail shows each price and its one date two or three times, and writing them takes babel half of the mail's time.
# The zone is a key of its own: one instant in two zones is one key.
@lru_cache(maxsize=4096)
def _money(minor: int, currency: str, locale: Locale) -> str:
    return format_currency(to_decimal(minor, currency), currency, locale=locale)


@lru_cache(maxsize=512)
def _day(at: datetime, zone: tzinfo, locale: Locale) -> str:
    return format_date(at.astimezone(zone), _day_pattern(locale), locale=locale)


@lru_cache(maxsize=512)
def _moment(at: datetime, zone: tzinfo, locale: Locale) -> str:
    local = at.astimezone(zone)
    name = get_timezone_name(local, width="short", locale=locale)
    if not name[0].isalpha():  # "+0400": there is no short name for it
        name = get_timezone_gmt(local, width="long", locale=locale)
    time = format_time(local, "short", locale=locale).replace("\u202f", "\xa0")  # many fonts show a box for it
    say = catalogues.translations(catalogues.MAILS, locale).gettext
    return say("%(day)s, %(time)s (%(zone)s)") % {"day": _day(at, zone, locale), "time": time, "zone": name}


@lru_cache(maxsize=512)
def _zone(name: str) -> tzinfo:
    """Return the time zone; UTC where the shop's is unknown, because a mail with a time in UTC beats no mail."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # unknown, "../../x", a folder of the tz database
        return UTC


@lru_cache(maxsize=64)
def _day_pattern(locale: Locale) -> str:
    """Return the locale's long date with the day of the week and, where that is simple, without the year."""
    pattern = str(locale.date_formats["full"].pattern)
    # "'de' y" and its like would leave a word behind.
    return pattern if "'" in pattern else re.sub(r",? y$|^y年| y(?=[,،])", "", pattern)
