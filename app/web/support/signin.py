"""Staff come in by a link that works once, and go out again."""

from flask import redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue

from app.db import sessions
from app.models import Role
from app.services import signin, staff
from app.web.guards import Guard, guarded
from app.web.support.door import blueprint, staff_only


@blueprint.get("/sign-in/<token>")
@guarded(Guard.TOKEN)
def show_link(token: str) -> ResponseReturnValue:
    """Show a button: what previews a message opens its links, and must not use this one up."""
    with sessions().begin() as database:
        is_open = signin.is_open_to_staff(database, token, now=signin.real_now(database))
    return render_template("support/sign_in.html") if is_open else _no_such_link()


@blueprint.post("/sign-in/<token>")
@guarded(Guard.TOKEN)
def use_link(token: str) -> ResponseReturnValue:
    """Use the link up and let its holder in."""
    with sessions().begin() as database:
        found = staff.enter(database, token, now=signin.real_now(database))
    if found is None:
        return _no_such_link()
    session.clear()
    session["staff_id"] = found.id
    return redirect(url_for("support.home"), 303)


@blueprint.get("/signed-out")
@guarded(Guard.PUBLIC)
def signed_out() -> ResponseReturnValue:
    """Say how to get in."""
    return render_template("support/signed_out.html")


@blueprint.post("/sign-out")
@staff_only(Role.VIEWER)
def sign_out() -> ResponseReturnValue:
    """End the session."""
    session.clear()
    return redirect(url_for("support.signed_out"), 303)


def _no_such_link() -> ResponseReturnValue:
    """Answer an unknown, a used and an expired link alike, so that nobody can tell them apart by trying."""
    return render_template("support/no_such_link.html"), 404
