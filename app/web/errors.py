"""Error pages: what happened, and what to do next. No stack, no address, no body (I13)."""

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from app.catalogues import noted
from app.domain.errors import AdapterError, Ambiguous, Refused, Transient
from app.log import fault

_WORDS = {
    400: (noted("This request could not be read"), noted("Go back, reload the page and try again.")),
    401: (noted("You are not signed in"), noted("Open Cartwheel from your shop's back office, or use your sign-in link.")),
    403: (noted("You may not do this"), noted("Ask the person who manages this shop for the right.")),
    404: (
        noted("There is nothing here"),
        noted("The address is wrong, or what it showed is gone. Go back and choose again."),
    ),
    405: (noted("This address works in another way"), noted("Go back and use the button on the page.")),
    413: (noted("That is too large"), noted("Send less at once.")),
    422: (noted("That could not be saved"), noted("Read the words beside the field and try again.")),
    429: (noted("Too many tries"), noted("Wait a minute, then try again.")),
    500: (
        noted("Something broke on our side"),
        noted("Nothing was lost. Try again; if it stays, tell support the time shown below."),
    ),
    503: (noted("We are not ready"), noted("The database does not answer. Try again in a minute.")),
}


def init_app(app: Flask) -> None:
    """Give every error a page."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(AdapterError, _not_let_in)
    app.register_error_handler(Exception, _broken)


def page(status: int, *, title: str | None = None, advice: str | None = None) -> ResponseReturnValue:
    """Return the page for a status; webhook routes get an empty body."""
    if request.path.startswith(("/webhooks/", "/u/")) and request.method == "POST":
        return "", status
    words = _WORDS.get(status, _WORDS[500 if status >= 500 else 400])
    return render_template("admin/error.html", title=title or words[0], advice=advice or words[1], status=status), status


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error
    return page(error.code)


def _stale_form(_error: CSRFError) -> ResponseReturnValue:
    return page(400, title=noted("This page is too old"), advice=noted("Reload it and try again; nothing was changed."))


def _refused(error: Refused) -> ResponseReturnValue:
    return page(422, title=str(error))


def _not_let_in(error: AdapterError) -> ResponseReturnValue:
    """Say what a platform said when a page needed it; its errors are written for people, without secrets."""
    if isinstance(error, Transient | Ambiguous):
        return page(503, title=noted("Your shop's platform does not answer"), advice=noted("Reload the page in a minute."))
    return page(403, title=noted("Your shop does not let Cartwheel in"), advice=str(error))


def _broken(error: Exception) -> ResponseReturnValue:
    fault("request.failed", error, endpoint=request.endpoint)
    return page(500)
