"""wp-admin as a host of our pages: the companion plugin's page frames them, and its token says who is looking (D15).

The shop comes from the verified token alone (D14). `back_office` in an address only says who may frame the page that asks
for a token, which shows nothing of any shop.
"""

import re
from urllib.parse import urlencode

from flask import g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from app import clock
from app.catalogues import noted
from app.config import settings
from app.db import sessions
from app.web.directory import directory
from app.web.host import Framing, Host, NotAdmitted, Parameters
from integrations.woocommerce.admin_tokens import AdminClaims, BadAdminToken, is_origin, read_admin_token

TOKEN = "wordpress_token"  # noqa: S105  (the word)
BACK_OFFICE = "back_office"
AGAIN = re.compile(r"/admin/[A-Za-z0-9_./-]{0,200}(?:\?[A-Za-z0-9_.~%&=+:-]{0,1000})?")  # a page of ours, and nothing else


def read(token: str) -> str:
    """Return the origin of the wp-admin that a token comes from, and keep what it says for `enter`."""
    with sessions().begin() as session:
        now = clock.real(session)
    try:
        claims = read_admin_token(token, secrets_of=_secrets_of, now=now)
    except BadAdminToken as exc:
        raise NotAdmitted(str(exc)) from exc
    if not is_allowed(claims.origin):
        raise NotAdmitted("The back office of this shop is not reached over https.")
    g.wordpress = claims
    return claims.origin


def enter(_origin: str, _token: str) -> int:
    """Return the id of the shop that signed the token which `read` has just checked."""
    claims: AdminClaims = g.wordpress
    shop = directory().by_connection(claims.connection_id)
    if shop is None:
        raise NotAdmitted("The shop is not connected any more.")
    return shop.id


def framing(origin: str) -> Framing:
    """Let this shop's wp-admin and nobody else's frame a page."""
    return Framing(ancestors=(origin,))


def marks(origin: str) -> dict[str, str]:
    """Say on every address of a page where it is, so that one that is loaded anew can ask for a token."""
    return {"embedded": "wordpress", BACK_OFFICE: origin}


def named() -> str | None:
    """Return the origin of the back office that the address says it is in."""
    origin = request.args.get(BACK_OFFICE, "")
    return origin if is_allowed(origin) else None


def bounce(origin: str, kept: Parameters) -> ResponseReturnValue:
    """Send a page by way of the one that asks the plugin for a fresh token."""
    return redirect(url_for("companion.renew", back_office=origin, again=f"{request.path}?{urlencode(kept)}"))


def is_allowed(origin: str) -> bool:
    """Say whether a text is the origin of a back office that may frame a page; plain http only where tests allow it."""
    return is_origin(origin) and (origin.startswith("https://") or settings().allow_loopback_shops)


def _secrets_of(connection_id: str) -> tuple[str, ...]:
    shop = directory().by_connection(connection_id)
    return shop.secrets if shop else ()


WORDPRESS = Host(
    name="wordpress",
    parameter=TOKEN,
    marker=("embedded", "wordpress"),
    read=read,
    enter=enter,
    framing=framing,
    marks=marks,
    named=named,
    bounce=bounce,
    unknown=noted(
        "Your shop says who you are, and Cartwheel does not know this shop, or not any more. Connect it again: open "
        "Cartwheel settings in WordPress. If it says Connected there, the clocks of the two servers may differ."
    ),
    head="install/_wordpress.html",
    context=lambda: {BACK_OFFICE: g.marks[BACK_OFFICE]},
)
