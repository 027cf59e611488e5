"""What all pages for shoppers have in common: the blueprint, the language, and headers that keep them private."""

from flask import Blueprint, Response, make_response, render_template, request

from app.models import Shop
from app.web.public.language import LANGUAGES, Language, choose

blueprint = Blueprint("public", __name__)
MASK = "•••"


def language_of(*wanted: str | None) -> Language:
    """Return the language of this page: what is chosen in the address, what is known of the person, the browser's."""
    return choose(request.values.get("lang"), *wanted, *request.accept_languages.values())


def show(template: str, shop: Shop | None, language: Language, *, status: int = 200, **values: object) -> Response:
    """Return a page in a language; nobody indexes it, keeps it, or learns its address from it."""
    page = render_template(
        f"public/{template}",
        _=language.say,
        locale=language.tag,
        direction=language.direction,
        languages=LANGUAGES,
        shop_name=shop.name if shop else "",
        **values,
    )
    response = make_response(page, status)
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Language"] = language.tag
    return response


def masked(email: str) -> str:
    """Return an address so that its owner knows it and nobody else learns it."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}{MASK}@{domain}"
