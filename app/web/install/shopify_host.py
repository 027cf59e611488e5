"""Shopify's admin as a host of our pages: who a session token is, and what its page needs (shopify.md 1.2, 1.5, 1.6).

The shop comes from the verified token alone (D14). The parameter `shop` only says who may frame the page that fetches one.
"""

import base64
from urllib.parse import urlencode, urlsplit

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from app import clock
from app.catalogues import noted
from app.config import settings
from app.db import sessions
from app.domain.ports import Tokens
from app.queues import QueueName, ring_soon
from app.services import install, shops
from app.web.host import Framing, Host, NotAdmitted, Parameters
from integrations.shopify import auth
from integrations.shopify.scopes import missing_scopes

RELOAD = "shopify-reload"  # App Bridge's own name for where to go with a fresh token
TOKEN = "id_token"  # noqa: S105  (the word)
_KNOWN = ("shop", "host", "embedded", "locale")  # what an address inside the frame keeps of the first one


def read(token: str) -> str:
    """Return the domain of the shop that a session token is of."""
    with sessions().begin() as session:
        now = clock.real(session)
    try:
        claims = auth.read_session_token(
            token, client_id=settings().shopify_client_id, secrets=settings().shopify_secrets, now=now
        )
    except auth.BadToken as exc:
        raise NotAdmitted(str(exc)) from exc
    return claims.shop_domain


def enter(domain: str, token: str) -> int:
    """Return the shop's id; a shop without working tokens gets some for this session token, and is taken in."""
    with sessions().begin() as session:
        known = install.standing(session, "shopify", domain)
    if known.shop_id is not None and not known.needs_tokens(lacks_scopes=bool(missing_scopes(known.scopes))):
        return known.shop_id
    config = settings()
    try:
        fresh = auth.exchange_token(
            config.shopify_base_url(domain), token,
            client_id=config.shopify_client_id, client_secret=config.shopify_client_secret,
        )  # fmt: skip
    except auth.StaleSessionToken as exc:
        raise NotAdmitted(str(exc)) from exc
    return take_in(domain, fresh)


def take_in(domain: str, fresh: Tokens) -> int:
    """Store a shop with its tokens, ring for what it still needs, and return its id."""
    with sessions().begin() as session:
        shop = install.install_shopify(
            session, domain, fresh, shops.working_facts(domain), now=clock.now(session), real_now=clock.real(session)
        )
    ring_soon(QueueName.SHOPS)
    return shop.id


def framing(domain: str) -> Framing:
    """Let this shop's admin and nobody else's frame a page, and the page load App Bridge."""
    bridge = urlsplit(settings().shopify_app_bridge_url)
    origin = f"{bridge.scheme}://{bridge.netloc}"
    return Framing(
        ancestors=(f"https://{domain}", settings().shopify_admin_url),
        scripts=(origin,),
        connects=("https://*.shopify.com", origin),
    )


def marks(domain: str) -> dict[str, str]:
    """Say on every address of a page where it is, so that one that is loaded anew can fetch a token."""
    return {"embedded": "1", "shop": domain, "host": admin_host(domain)}


def admin_host(domain: str) -> str:
    """Return the name that App Bridge knows a shop's admin by: base64 without padding."""
    admin = settings().shopify_admin_url.partition("://")[2]
    return base64.urlsafe_b64encode(f"{admin}/store/{domain.partition('.')[0]}".encode()).decode().rstrip("=")


def bridge() -> dict[str, str]:
    """Return what the template of App Bridge needs."""
    return {"app_bridge_key": settings().shopify_client_id, "app_bridge_url": settings().shopify_app_bridge_url}


def named() -> str | None:
    """Return the shop that the address says it is of."""
    domain = request.args.get("shop", "")
    return domain if auth.is_shop_domain(domain) else None


def bounce(_domain: str, kept: Parameters) -> ResponseReturnValue:
    """Send a page by way of the one on which App Bridge fetches a fresh token."""
    kept = [(name, value) for name, value in kept if name != RELOAD]
    known = [(name, value) for name, value in kept if name in _KNOWN]
    again = f"{request.path}?{urlencode(kept)}"
    return redirect(f"{url_for('shopify.bounce_page')}?{urlencode([*known, (RELOAD, again)])}")


SHOPIFY = Host(
    name="shopify",
    parameter=TOKEN,
    marker=("embedded", "1"),
    read=read,
    enter=enter,
    framing=framing,
    marks=marks,
    named=named,
    bounce=bounce,
    unknown=noted(
        "Shopify says who you are, and Cartwheel cannot read it. Ask the person who runs Cartwheel to compare the client ID "
        "and the client secret in its settings with those of the app in Shopify, and to check the clock of its server."
    ),
    has_menu=True,
    head="install/_app_bridge.html",
    context=bridge,
)
