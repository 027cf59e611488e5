"""The settings of a shop: each section is a form of its own, saved alone."""

from flask import abort, g, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app.flows import FLOWS
from app.services import brand, connections
from app.web.admin import sections
from app.web.admin.door import blueprint, done, opened
from app.web.admin.sections import SECTIONS, By, Fields
from app.web.guards import Guard, actor, guarded
from app.web.htmx import htmx_request, respond


@blueprint.get("/settings")
@guarded(Guard.MERCHANT)
def settings() -> ResponseReturnValue:
    """Show all sections."""
    with opened() as session:
        return render_template("admin/settings.html", **_context(session))


@blueprint.post("/settings/<key>")
@guarded(Guard.MERCHANT)
def save_settings(key: str) -> ResponseReturnValue:
    """Save one section, or show what is wrong with it and what was typed; then nothing of it is kept."""
    section = SECTIONS.get(key) or abort(404)
    with opened() as session:
        typed = {
            name: request.form.get(name, "").strip()[: sections.LIMIT] for name in section.stored(session, g.frame.shop)
        }
        with session.begin_nested() as attempt:
            errors = section.save(session, g.frame.shop, typed, By(actor(), g.frame.now))
            if errors:
                attempt.rollback()
        say = f"{section.title}: saved."
        if htmx_request().wants_fragment:
            context = _context(session, key, typed, errors) if errors else _context(session)
            piece = render_template("admin/_settings.html", key=key, **context)
            return respond(piece, toast=None if errors else say, status=422 if errors else 200)
        if errors:
            return render_template("admin/settings.html", **_context(session, key, typed, errors)), 422
    return done("settings", say=say)


def _context(
    session: Session, wrong: str = "", typed: Fields | None = None, errors: Fields | None = None
) -> dict[str, object]:
    """Return what the page shows; the section `wrong` as it was typed, with what is wrong with it."""
    shop = g.frame.shop
    held = {key: section.stored(session, shop) for key, section in SECTIONS.items()}
    return {
        "fields": {**held, wrong: typed} if typed else held, "errors": {wrong: errors or {}}, "sections": sections,
        "flows": FLOWS, "warnings": brand.warnings(brand.of_shop(session, shop.id)),
        "connection": connections.of(session, shop.id),
    }  # fmt: skip
