"""Pages for shoppers, reached by the links in mails. GET shows, POST acts: scanners fetch every link (I14)."""

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from app import clock
from app.db import sessions
from app.services import unsubscribe
from app.services.unsubscribe import Subscription
from app.web.guards import Guard, guarded

blueprint = Blueprint("public", __name__)


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
    page = render_template(
        "public/unsubscribe.html",
        state=state,
        shop_name=found.shop.name if found else "",
        masked_email=found.masked_email if found else "",
        action_url=f"/u/{token}",
        locale="en",
        direction="ltr",
    )
    response = make_response(page)
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
