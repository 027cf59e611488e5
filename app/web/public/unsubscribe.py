"""The unsubscribe link of every mail: GET shows a page with one button, POST acts (RFC 8058)."""

from flask import Response, request
from flask.typing import ResponseReturnValue

from app import clock
from app.db import sessions
from app.services import unsubscribe
from app.services.unsubscribe import Subscription
from app.web.guards import Guard, guarded
from app.web.public.door import blueprint, language_of, show


@blueprint.get("/u/<token>")
@guarded(Guard.TOKEN)
def ask(token: str) -> ResponseReturnValue:
    """Show the unsubscribe page with its one button."""
    with sessions().begin() as session:
        found = unsubscribe.find(session, token)
    state = "unknown" if found is None else "done" if found.is_stopped else "ask"
    return _page(found, state, token)


@blueprint.post("/u/<token>")
@guarded(Guard.TOKEN)
def stop(token: str) -> ResponseReturnValue:
    """Unsubscribe, for a mailbox provider (RFC 8058: no cookie, no redirect, 200 also the second time) and for a person."""
    one_click = request.form.get("List-Unsubscribe") == "One-Click"
    with sessions().begin() as session:
        source = "one_click" if one_click else "page"
        found = unsubscribe.unsubscribe(session, token, source=source, now=clock.now(session))
    if one_click:
        return Response("Unsubscribed.\n", mimetype="text/plain")
    return _page(found, "unknown" if found is None else "done", token)


def _page(found: Subscription | None, state: str, token: str) -> Response:
    language = language_of(found.locale if found else None)
    masked_email = found.masked_email if found else ""
    shop = found.shop if found else None
    return show("unsubscribe.html", shop, language, state=state, masked_email=masked_email, token=token)
