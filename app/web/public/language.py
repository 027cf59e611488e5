"""The language of a shopper's page: the person's own choice, else the browser's, else the shop's, else English."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.pofile import read_po

FOLDER = Path(__file__).resolve().parents[3] / "templates" / "public" / "locale"
# Written as their readers write them; in the order of the English alphabet of their tags.
LANGUAGES = {"ar": "العربية", "az": "Azərbaycanca", "en": "English", "zh-Hans": "简体中文", "zh-Hant": "繁體中文"}
_TRADITIONAL = {"TW", "HK", "MO"}


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
    words = _words(tag)
    return Language(tag, "rtl" if tag == "ar" else "ltr", lambda english: words.get(english) or english)


def preferred(header: Iterable[str]) -> tuple[str, ...]:
    """Return what a browser prefers that the pages are written in."""
    return tuple(tag for raw in header if (tag := _known(raw)))


@lru_cache(maxsize=512)
def _known(raw: str) -> str | None:
    try:
        locale = Locale.parse(raw[:35].replace("_", "-"), sep="-")
    except (ValueError, UnknownLocaleError):
        return _known(raw.partition("-")[0]) if "-" in raw else None
    if locale.language != "zh":
        return locale.language if locale.language in LANGUAGES else None
    return "zh-Hant" if locale.script == "Hant" or (not locale.script and locale.territory in _TRADITIONAL) else "zh-Hans"


def _words(tag: str) -> dict[str, str]:
    path = FOLDER / f"{tag.replace('-', '_')}.po"
    if not path.is_file():
        return {}
    with path.open("rb") as source:
        return {str(m.id): str(m.string) for m in read_po(source) if m.id and m.string}
