"""Which back office a request comes from, and who is asking: by a bearer token for each request, else by our own cookie.

To add one: an entry in `HOSTS`. A request that brings a bearer is never let in by a cookie, so it needs no CSRF token.
"""

import re

from flask import g, make_response, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect, generate_csrf

from app import clock
from app.catalogues import noted
from app.db import sessions
from app.log import get_logger
from app.web import errors, languages
from app.web.host import STANDALONE, Host, NotAdmitted, retry
from app.web.install.shopify_host import SHOPIFY
from app.web.install.wordpress_host import WORDPRESS

_BOUNCED = "bounced"  # in the address that a page comes back to: when it was sent for a fresh token, real time in seconds
_MOMENT = re.compile(r"[0-9]{10}")
_A_MINUTE = 60  # seconds; one who reloads the page later is sent for a token again

HOSTS: tuple[Host, ...] = (SHOPIFY, WORDPRESS)


class BearerOrCsrf(CSRFProtect):  # type: ignore[misc]  # flask-wtf has no types
    """Asks for a CSRF token where a browser might send a cookie by itself; a bearer token is never sent by itself."""

    def protect(self, apply_exemptions: bool = False) -> None:
        """Let bearers pass, and ask everybody else."""
        if bearer() is None:
            super().protect(apply_exemptions)


def csrf_token() -> str:
    """Return the token for a page's forms; none inside a frame, where it would need a cookie."""
    return "" if current() is not STANDALONE else str(generate_csrf())


def current() -> Host:
    """Return the back office that this request's page is shown in."""
    host: Host = g.get("host", STANDALONE)
    return host


def marks() -> dict[str, str]:
    """Return what every address on this page carries."""
    found: dict[str, str] = g.get("marks", {})
    return found


def bearer() -> str | None:
    """Return the token that this request brings in its header; an empty one is one too, and a bad one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def is_embedded() -> bool:
    """Say whether a back office brought this request: by a bearer, or as a page in its frame."""
    return bearer() is not None or _host_of_page() is not None


def admit() -> ResponseReturnValue | None:
    """Let the person behind a back office's request in, or return the answer that asks for a better token.

    Raises:
        AdapterError: the token is good, and the platform does not let us work for its shop.
    """
    token, host = bearer(), _host_of_page()
    if token is not None:
        return None if any(_enters(each, token) for each in HOSTS) else _stale()
    if host is None or _enters(host, request.args.get(host.parameter, "")):
        return None if host else _stale()
    return _fetch_again(host)


def _enters(host: Host, token: str) -> bool:
    try:
        domain = host.read(token)
        # Before the shop is looked up, because an error has a page in the frame too.
        g.host, g.framing, g.marks = host, host.framing(domain), host.marks(domain) | languages.of_host()
        g.shop_id, g.actor = host.enter(domain, token), "merchant"
    except NotAdmitted as exc:
        g.refusal = str(exc)
        return False
    return True


def _fetch_again(host: Host) -> ResponseReturnValue:
    """Have the page come again with a fresh token; if it just did, it would do so for ever, and its reader is told."""
    domain = host.named()
    if domain is None:
        return _stale()
    with sessions().begin() as session:
        now = int(clock.real(session).timestamp())
    bounced = request.args.get(_BOUNCED, "")
    if _MOMENT.fullmatch(bounced) and 0 <= now - int(bounced) <= _A_MINUTE:
        get_logger().warning("host.token_refused", host=host.name, reason=g.get("refusal"))
        g.framing = host.framing(domain)
        return errors.page(403, title=noted("Cartwheel could not be opened here"), advice=host.unknown)
    kept = [(name, value) for name, value in request.args.items(multi=True) if name not in {host.parameter, _BOUNCED}]
    return host.bounce(domain, [*kept, (_BOUNCED, str(now))])


def _stale() -> ResponseReturnValue:
    return retry(make_response(errors.page(401)))


def _host_of_page() -> Host | None:
    """Find the host in whose frame a page is opened: by the token in its address, else by what marks our own addresses."""
    if request.method not in {"GET", "HEAD"}:
        return None
    by_token = next((host for host in HOSTS if host.parameter in request.args), None)
    return by_token or next((host for host in HOSTS if request.args.get(host.marker[0]) == host.marker[1]), None)
