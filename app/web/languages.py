"""The language of the merchant's pages: what was chosen, else what the back office or the browser speaks.

The words are marked with `_()` in templates and code; their catalogues are templates/locale/*.po (`script/messages`).
A frame has no cookie, so there the choice is the shop's own, and the back office's language stands in every address. Some
sentences of refusal that name something of the merchant's, and the staff's desk, are English still.
"""

from typing import cast

from babel.support import NullTranslations
from flask import Flask, g, has_request_context, request, session
from flask_babel import Babel, Domain, get_locale

from app import catalogues
from app.services.writing import locale_of

# Written as their readers write them.
LANGUAGES = {"en": "English", "ar": "العربية", "az": "Azərbaycanca", "zh_Hans": "简体中文", "zh_Hant": "繁體中文"}
PARAMETER = "locale"  # Shopify's name for the language of its admin; the companion plugin uses it too
_LONGEST = 35  # characters of a language tag (RFC 5646, 4.4.1)
_MOST = 10  # languages of a browser that are looked at
_SESSION = "language"
_TRANSLATED = {"admin", "woocommerce", "shopify"}  # blueprints whose every page has our languages


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
    """Return the language of this page: the session's, else the shop's, the back office's around it, or the browser's."""
    if not has_request_context():
        return "en"
    wanted = [session.get(_SESSION), g.get("page_language"), g.get("marks", {}).get(PARAMETER)]
    if request.blueprint in _TRANSLATED:
        wanted += [spoken(tag) for tag in list(request.accept_languages.values())[:_MOST]]
    return next((cast("str", name) for name in wanted if name in LANGUAGES), "en")


def choose(language: str) -> None:
    """Show the pages of this session in a language."""
    session[_SESSION] = language


def forget() -> None:
    """Give up what was chosen for this session, so that what the shop chose holds."""
    session.pop(_SESSION, None)


def of_host() -> dict[str, str]:
    """Return what every address in this frame says of the back office's language; nothing where we do not speak it."""
    language = spoken(request.args.get(PARAMETER, ""))
    return {PARAMETER: language} if language else {}


def spoken(tag: str) -> str | None:
    """Return which of our languages a back office means (`ar`, `zh-TW`, `zh_CN`), or None when it is none of them."""
    locale = locale_of(tag) if len(tag) <= _LONGEST else None
    if locale is None:
        return None
    name = f"zh_{locale.script or 'Hans'}" if locale.language == "zh" else locale.language
    return name if name in LANGUAGES else None
