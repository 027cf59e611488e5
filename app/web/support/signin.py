"""Staff come in by a link that works once, and go out again."""

from flask import abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from app import clock
from app.config import settings
from app.db import sessions
from app.domain.errors import Refused
from app.models import Role
from app.queues import QueueName, ring_soon
from app.services import sign_in_mail, signin, staff
from app.web.guards import Guard, guarded
from app.web.support.door import blueprint, staff_only

_LONGEST = 320  # characters of an address


@blueprint.post("/sign-in")
@guarded(Guard.PUBLIC)
def ask_link() -> ResponseReturnValue:
    """Mail a link to who asks, if they are of the staff; the answer is the same for any address."""
    if not settings().staff_sender:
        abort(404)
    email = request.form.get("email", "")[:_LONGEST]
    try:
        with sessions().begin() as database:
            times = {"now": clock.now(database), "real_now": signin.real_now(database)}
            is_asked = sign_in_mail.ask(database, email, **times)
    except Refused as exc:
        return _signed_out(email=email, wrong=str(exc)), 422
    if is_asked:
        ring_soon(QueueName.MAIL)
    return redirect(url_for("support.signed_out", asked=1), 303)


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
    return _signed_out(is_asked="asked" in request.args)


@blueprint.post("/sign-out")
@staff_only(Role.VIEWER)
def sign_out() -> ResponseReturnValue:
    """End the session."""
    session.clear()
    return redirect(url_for("support.signed_out"), 303)


def _signed_out(**context: object) -> str:
    minutes = int(sign_in_mail.LIFETIME.total_seconds() // 60)
    return render_template("support/signed_out.html", is_mailed=bool(settings().staff_sender), minutes=minutes, **context)


def _no_such_link() -> ResponseReturnValue:
    """Answer an unknown, a used and an expired link alike, so that nobody can tell them apart by trying."""
    return render_template("support/no_such_link.html"), 404
