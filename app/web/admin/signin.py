"""The way in without a back office (design 8.20): a one-time link, and the switch between the shops it is for."""

from flask import abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from app.db import sessions
from app.services import signin
from app.web.admin.door import blueprint
from app.web.guards import Guard, guarded, sign_in
from app.web.htmx import htmx_request, redirect_whole_page
from app.web.languages import LANGUAGES, choose


@blueprint.get("/")
@guarded(Guard.MERCHANT)
def home() -> ResponseReturnValue:
    """Show the first page there is."""
    return redirect(url_for("admin.flows"))


@blueprint.get("/sign-in/<token>")
@guarded(Guard.TOKEN)
def show_link(token: str) -> ResponseReturnValue:
    """Show a button: mail scanners and previews open links, and must not use this one up."""
    with sessions().begin() as database:
        is_open = signin.is_open(database, token, now=signin.real_now(database))
    return render_template("admin/sign_in.html", token=token) if is_open else _no_such_link()


@blueprint.post("/sign-in/<token>")
@guarded(Guard.TOKEN)
def use_link(token: str) -> ResponseReturnValue:
    """Use the link up and let its holder in."""
    with sessions().begin() as database:
        shop_ids = signin.consume(database, token, now=signin.real_now(database))
    if shop_ids is None:
        return _no_such_link()
    sign_in(shop_ids)
    return redirect(url_for("admin.flows"), 303)


@blueprint.get("/signed-out")
@guarded(Guard.PUBLIC)
def signed_out() -> ResponseReturnValue:
    """Say how to get in. A request of htmx was led here from inside a page, so the whole page must follow."""
    if htmx_request().htmx:
        return redirect_whole_page(url_for("admin.signed_out"))
    return render_template("admin/signed_out.html")


@blueprint.post("/sign-out")
@guarded(Guard.MERCHANT)
def sign_out() -> ResponseReturnValue:
    """End the session."""
    session.clear()
    return redirect(url_for("admin.signed_out"), 303)


@blueprint.post("/shop")
@guarded(Guard.MERCHANT)
def choose_shop() -> ResponseReturnValue:
    """Show another shop of this session; any other shop is as unknown as one that does not exist."""
    chosen = request.form.get("shop", type=int)
    if chosen not in session.get("shop_ids", []):
        abort(404)
    session["shop_id"] = chosen
    return redirect(url_for("admin.flows"), 303)


@blueprint.post("/language")
@guarded(Guard.MERCHANT)
def choose_language() -> ResponseReturnValue:
    """Show the pages of this session in another language."""
    wanted = request.form.get("language", "")
    if wanted not in LANGUAGES:
        abort(404)
    choose(wanted)
    return redirect(url_for("admin.flows"), 303)


def _no_such_link() -> ResponseReturnValue:
    """Answer an unknown, a used and an expired link the same way, so that nobody can tell them apart by trying."""
    return render_template("admin/no_such_link.html"), 404
