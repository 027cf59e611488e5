"""The language of a shopper's page: the person's own choice, else the browser's, else the shop's, else English."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from babel import Locale, UnknownLocaleError

from app.catalogues import SHOPPERS, translations

# Written as their readers write them; in the order of the English alphabet of their tags.
LANGUAGES = {"ar": "العربية", "az": "Azərbaycanca", "en": "English", "zh-Hans": "简体中文", "zh-Hant": "繁體中文"}
LONGEST = 35  # characters of a language tag (RFC 5646, 4.4.1)


@dataclass(frozen=True, slots=True)
class Language:
    """A language that the pages are written in: its tag, its direction, and how English words are said in it."""

    tag: str
    direction: str
    say: Callable[[str], str]


def choose(*wanted: str | None) -> Language:
    """Return the first of the wanted languages that the pages are written in, else English."""
    return next((language(tag) for raw in wanted if raw and (tag := _known(raw))), language("en"))


@lru_cache(maxsize=len(LANGUAGES))
def language(tag: str) -> Language:
    """Return a language of the pages by its tag."""
    locale = Locale.parse(tag, sep="-")
    return Language(tag, str(locale.text_direction), translations(SHOPPERS, locale).gettext)


def preferred(header: Iterable[str]) -> tuple[str, ...]:
    """Return what a browser prefers that the pages are written in."""
    return tuple(tag for raw in header if (tag := _known(raw)))


@lru_cache(maxsize=512)
def _known(raw: str) -> str | None:
    if len(raw) > LONGEST:
        return None
    try:
        locale = Locale.parse(raw.replace("_", "-"), sep="-")
    except (ValueError, UnknownLocaleError):
        return _known(raw.rpartition("-")[0]) if "-" in raw else None
    if locale.language != "zh":
        return locale.language if locale.language in LANGUAGES else None
    # Babel makes zh-Hans of zh-Hant-CN: the tag itself is asked first.
    is_traditional = "hant" in raw.lower() or locale.script == "Hant"
    return "zh-Hant" if is_traditional else "zh-Hans"
