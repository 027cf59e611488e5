"""The language of the merchant's pages: English, or the one that was chosen for this session.

The words are marked with `_()` in templates and code; their catalogues are templates/locale/*.po (`script/messages`).
Some sentences of refusal that name something of the merchant's, and the staff's desk, are English still.
"""

from typing import cast

from babel.support import NullTranslations
from flask import Flask, has_request_context, session
from flask_babel import Babel, Domain, get_locale

from app import catalogues

# Written as their readers write them.
LANGUAGES = {"en": "English", "ar": "العربية", "az": "Azərbaycanca", "zh_Hans": "简体中文", "zh_Hant": "繁體中文"}


class _Catalogues(Domain):  # type: ignore[misc]
    """Finds translations where they lie as .po files; flask-babel would look for compiled ones."""

    def get_translations(self) -> NullTranslations:
        """Return those of the request's language."""
        locale = get_locale()
        return catalogues.translations(catalogues.PAGES, locale) if locale else NullTranslations()


def init_app(app: Flask) -> None:
    """Give the templates `_`, `ngettext` and `page_language`."""
    babel = Babel(app, locale_selector=chosen)
    babel.domain_instance = _Catalogues()
    app.context_processor(lambda: {"page_language": get_locale(), "languages": LANGUAGES})


def chosen() -> str:
    """Return the language of this session."""
    name = session.get("language", "en") if has_request_context() else "en"
    return cast("str", name) if name in LANGUAGES else "en"
