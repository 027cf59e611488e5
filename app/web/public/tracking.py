"""The doors of links and pixels. GET adds a click or open record and nothing else; HEAD adds nothing (I14)."""

import base64

from flask import Response, redirect, request
from flask.typing import ResponseReturnValue

from app import clock
from app.db import sessions
from app.domain.machines import is_robot
from app.services import engagement
from app.services.engagement import Visitor
from app.web.errors import page
from app.web.guards import Guard, guarded
from app.web.public.door import blueprint

_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # 42 bytes, transparent


@blueprint.get("/c/<token>")
@guarded(Guard.TOKEN)
def click(token: str) -> ResponseReturnValue:
    """Lead to where the mail's link was stored to lead, and to nowhere that the request names."""
    with sessions().begin() as session:
        if request.method == "HEAD":
            url = engagement.target(session, token)
        else:
            url = engagement.follow(session, token, _visitor(), now=clock.now(session))
    if url is None:
        return page(404, title="This link does not work", advice="It may be incomplete, or too old. Open the shop itself.")
    response = redirect(url, 302)
    response.headers["Referrer-Policy"] = "origin"
    response.headers["X-Robots-Tag"] = "noindex"
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/o/<token>")
@guarded(Guard.TOKEN)
def opened(token: str) -> ResponseReturnValue:
    """Answer with the same pixel whatever the token is."""
    if request.method != "HEAD":
        with sessions().begin() as session:
            engagement.open_(session, token.removesuffix(".gif"), _visitor(), now=clock.now(session))
    return Response(_PIXEL, mimetype="image/gif", headers={"Cache-Control": "no-store"})


def _visitor() -> Visitor:
    headers = request.headers
    purpose = headers.get("Sec-Purpose") or headers.get("Purpose") or headers.get("X-Moz") or ""
    return Visitor(request.remote_addr or "", is_robot(headers.get("User-Agent", ""), purpose=purpose))
