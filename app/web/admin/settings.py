"""The settings of a shop: each section is a form of its own, saved alone.

Of two people who save the same section the second is told: a form says what stood in it when it was shown.
"""

from flask import abort, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app import clock
from app.flows import FLOWS
from app.services import brand, sender_checks
from app.web import languages
from app.web.admin import sections, settings_facts, show
from app.web.admin.door import blueprint, done, opened
from app.web.admin.sections import SECTIONS, By, Fields, Section
from app.web.guards import Guard, actor, guarded
from app.web.htmx import htmx_request, redirect_whole_page, respond

SEEN = "seen"  # the field with the print of what the form was shown with
THEIRS = "theirs"  # the button that gives up what was typed


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
        if THEIRS in request.form:
            return _saved(session, key, say=None)
        held = _locked(session, section)
        typed = {name: request.form.get(name, "").strip()[: sections.LIMIT] for name in held}
        if request.form.get(SEEN, sections.print_of(held)) != sections.print_of(held):
            return _not_saved(session, key, 409, typed=typed, theirs=held)
        with session.begin_nested() as attempt:
            errors = section.save(session, g.frame.shop, typed, By(actor(), g.frame.now))
            if errors:
                attempt.rollback()
        if errors:
            return _not_saved(session, key, 422, typed=typed, errors=errors)
        return _saved(session, key, say=_("%(part)s: saved.", part=show.translated(section.title)))


@blueprint.post("/settings/sender/check")
@guarded(Guard.MERCHANT)
def check_sender() -> ResponseReturnValue:
    """Ask the DNS about the sender's domain, with no transaction open and an end after some seconds; keep what it says."""
    with opened():
        email = g.frame.shop.sender_email
    found = settings_facts.checked(email)
    with opened() as session:
        sender_checks.keep(session, g.frame.shop, email.rpartition("@")[2].lower(), found)
        context = {**_context(session), "check": found, "checked_at": clock.real(session)}
        if htmx_request().wants_fragment:
            return render_template("admin/_sender_check.html", **context)
        return render_template("admin/settings.html", **context)


def _locked(session: Session, section: Section) -> Fields:
    """Return what a section holds, so that nobody else saves until we have."""
    session.refresh(g.frame.shop, with_for_update={"key_share": True})
    return section.stored(session, g.frame.shop)


def _saved(session: Session, key: str, *, say: str | None) -> ResponseReturnValue:
    if key == sections.LANGUAGE:
        languages.forget()
        return redirect_whole_page(url_for("admin.settings")) if htmx_request().htmx else done("settings", say=None)
    if htmx_request().wants_fragment:
        return respond(render_template("admin/_settings.html", key=key, **_context(session)), toast=say)
    return done("settings", say=say)


def _not_saved(session: Session, key: str, status: int, **told: Fields) -> ResponseReturnValue:
    """Answer with what was typed, and either what is wrong with it or what somebody else saved meanwhile."""
    context = _context(session, key, **told)
    if htmx_request().wants_fragment:
        return respond(render_template("admin/_settings.html", key=key, **context), status=status)
    return render_template("admin/settings.html", **context), status


def _context(
    session: Session,
    key: str = "",
    *,
    typed: Fields | None = None,
    errors: Fields | None = None,
    theirs: Fields | None = None,
) -> dict[str, object]:
    """Return what the page shows; one section as it was typed, with what is wrong with it or was saved by others."""
    shop = g.frame.shop
    held = {name: section.stored(session, shop) for name, section in SECTIONS.items()}
    return {
        "fields": {**held, key: typed} if typed else held, "errors": {key: errors or {}}, "theirs": {key: theirs or {}},
        "seen": {name: sections.print_of(values) for name, values in held.items()}, "sections": sections, "flows": FLOWS,
        "warnings": brand.warnings(brand.of_shop(session, shop.id)), **settings_facts.of(session, shop),
    }  # fmt: skip
