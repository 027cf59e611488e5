"""Translations of our own words, read from .po files as they are: no step compiles them, so none can be forgotten.

A catalogue is `<folder>/<locale>.po`, such as templates/email/locale/zh_Hant.po. `script/messages` brings the files up to
date with the code.
"""

import io
from functools import lru_cache
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

ROOT = Path(__file__).resolve().parents[1]
MAILS = ROOT / "templates" / "email" / "locale"
PAGES = ROOT / "templates" / "locale"
SHOPPERS = ROOT / "templates" / "public" / "locale"
# What the mails that we ship are written in (design 8.16).
LANGUAGES = ("en", "ar", "zh_Hans", "zh_Hant", "az")


def noted(words: str) -> str:
    """Mark words for the catalogues where they are written down, to be translated where they are shown."""
    return words


@lru_cache(maxsize=64)
def translations(folder: Path, locale: Locale) -> NullTranslations:
    """Return a locale's catalogue, or that of its script or language; without one everything stays English."""
    language, script = locale.language, locale.script
    for name in (str(locale), f"{language}_{script}", language):
        path = folder / f"{name}.po"
        if path.is_file():
            return _read(path)
    return NullTranslations()


def _read(path: Path) -> NullTranslations:
    # The header of the file says which plural is which. Babel's own order of the Arabic ones is another than gettext's.
    with path.open("rb") as source:
        catalogue = read_po(source, locale=path.stem)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)
