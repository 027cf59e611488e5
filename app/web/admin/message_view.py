"""A mail as it would look, for the frame beside its texts: a page of its own that may run and load next to nothing.

A back office's token cannot reach a frame inside our page, so the address carries the right to look: signed, for one mail of
one shop, and for an hour. What is typed comes as a form and is rendered, never kept.
"""

from html import escape

from flask import Response, abort, current_app, request, url_for
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.config import settings
from app.db import tenant_session
from app.domain.errors import CartwheelError, Refused
from app.models import Shop
from app.services import preview as previews
from app.services.preview import Preview, Reader
from app.web.admin import message_form
from app.web.admin.door import blueprint
from app.web.guards import Guard, guarded

GOOD_FOR = 3600  # seconds
READERS = ("sample", "cart")  # a made-up person, or who left the newest cart behind
# No frame-ancestors: nothing in it can be clicked to any effect, and the outer page says who may frame that.
_POLICY = (
    "default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; sandbox"
)


def address(shop_id: int, flow: str, step: str, locale: str) -> str:
    """Return where the frame finds the mail."""
    return url_for("admin.seen", ticket=_tickets().dumps([shop_id, flow, step, locale]))


@blueprint.route("/preview/<ticket>", methods=["GET", "POST"])
@guarded(Guard.TOKEN)
def seen(ticket: str) -> ResponseReturnValue:
    """Render a mail: as it is kept (GET), or with the texts that came along (POST). Nothing is written."""
    try:
        shop_id, flow, step, locale = _tickets().loads(ticket, max_age=GOOD_FOR)
    except BadSignature:
        return _page(f"<p>{escape('This view is too old. Reload the page.')}</p>", status=410)
    fields = message_form.typed(request.form) if request.method == "POST" else None
    tree = message_form.tree_of(fields, locale) if fields else None
    if fields and tree is None:
        return _page("".join(f"<p>{escape(words)}</p>" for words in fields.errors.values()), status=422)
    with tenant_session(shop_id) as session:
        shop = session.scalar(select(Shop).where(Shop.id == shop_id)) or abort(404)
        try:
            shown = look(session, shop, flow, step, locale, tree=tree, reader=request.form.get("reader", READERS[0]))
        except CartwheelError as exc:
            return _page(f"<p>{escape(str(exc))}</p>", status=422)
    return _page(shown.mail.html)


def look(
    session: Session, shop: Shop, flow: str, step: str, locale: str, *, tree: object = None, reader: str = READERS[0]
) -> Preview:
    """Return a mail in one language and what the checks say.

    Raises:
        CartwheelError: it cannot be rendered; `Refused` with a mistake in its texts.
    """
    if reader not in READERS:
        raise Refused("There is no such reader.")
    cart = previews.newest_cart(session, shop.id) if reader == "cart" else None
    eyes = Reader(checkout_id=cart.id if cart else None, locale=locale)
    now = clock.now(session)
    return previews.preview(session, shop, flow, step, eyes, public_url=settings().public_url, now=now, tree=tree)


def _page(html: str, *, status: int = 200) -> Response:
    headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
    return Response(html, status, mimetype="text/html", headers=headers)


def _tickets() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="a look at a mail")
