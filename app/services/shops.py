"""Find a shop by what people call it, pause and resume it, and tell whether an address can be a shop's."""

import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.models import Shop, ShopState
from app.services import audit, connections, tokens
from app.services.install import ShopFacts

_SHOPIFY_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")
_MOST_LISTED = 20
_ACTIONS = {ShopState.PAUSED: "shop.paused", ShopState.ACTIVE: "shop.resumed"}


def everyone(session: Session) -> Sequence[Shop]:
    """Return all shops, oldest first."""
    return session.scalars(select(Shop).order_by(Shop.id)).all()


def find(session: Session, id_or_domain: str | None) -> Shop:
    """Return the shop with this id, domain or address; without any, the only shop there is.

    Raises:
        Refused: none or several fit; the message lists the shops.
    """
    wanted = (id_or_domain or "").strip()
    shops = _fitting(session, wanted) if wanted else everyone(session)
    if len(shops) == 1:
        return shops[0]
    if not wanted:
        raise Refused(f"Say which shop, with --shop.\n{_listed(shops)}")
    if shops:
        raise Refused(f"More than one shop is called {wanted}. Give the id.\n{_listed(shops)}")
    raise Refused(f"There is no shop {wanted}.\n{_listed(everyone(session))}")


def set_state(session: Session, shop: Shop, state: ShopState, *, actor: str, now: datetime) -> Shop:
    """Pause a shop, so that no mail leaves, or resume it. Pausing a paused shop changes nothing.

    Raises:
        Refused: the shop is not connected any more.
    """
    session.refresh(shop, with_for_update=True)
    if shop.state not in {ShopState.ACTIVE, ShopState.PAUSED}:
        raise Refused(f"{shop.domain} is {shop.state.replace('_', ' ')}. Connect it again: cartwheel shop connect")
    if shop.state != state:
        shop.state = state
        detail = {"at": now.isoformat()}
        audit.record(
            session, shop.id, actor=actor, action=_ACTIONS[state], object_kind="shop", object_id=shop.id, detail=detail
        )
    session.flush()
    return shop


def disconnect(session: Session, shop: Shop, *, actor: str, now: datetime) -> Shop:
    """Stop working for a WooCommerce shop: no mail leaves from now on (I7), its secrets go, what was set stays.

    Its webhooks are in the shop still; who calls this removes them afterwards, with an access that was read before.

    Raises:
        Refused: it is not connected, or it is a Shopify shop, whose merchant removes the app.
    """
    session.refresh(shop, with_for_update=True)
    if shop.platform != "woocommerce":
        raise Refused(f"{shop.domain} is on Shopify. Remove the app in the shop's admin, under Settings, Apps: it tells us.")
    if shop.state == ShopState.UNINSTALLED:
        raise Refused(f"{shop.domain} is not connected.")
    shop.state, shop.uninstalled_at = ShopState.UNINSTALLED, now
    tokens.forget(session, shop.id)
    connections.unhook(session, shop.id)
    audit.record(session, shop.id, actor=actor, action="shop.disconnected", object_kind="shop", object_id=shop.id)
    session.flush()
    return shop


def webhook_url(shop: Shop, public_url: str) -> str:
    """Return where this shop's webhooks must go."""
    path = f"woocommerce/{shop.connection_id}" if shop.connection_id else shop.platform
    return f"{public_url}/webhooks/{path}"


def shopify_domain(text: str) -> str:
    """Return a Shopify shop's domain.

    Raises:
        Refused: it is none; a look-alike domain must not be sent a token.
    """
    domain = text.strip().lower().removeprefix("https://").rstrip("/")
    if not _SHOPIFY_DOMAIN.fullmatch(domain):
        raise Refused("Give the shop's permanent domain, such as tea-and-tin.myshopify.com")
    return domain


def woocommerce_url(text: str, *, allow_loopback: bool) -> str:
    """Return a WooCommerce shop's address (reliability.md 6): https, a name, no sign-in, nothing behind the path.

    Raises:
        Refused: it is none, or one that could lead into our own network.
    """
    url = text.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise Refused("That is no address. Give it as the browser shows it: https://shop.example.com") from exc
    if not host or parts.username is not None or parts.query or parts.fragment:
        raise Refused("Give the shop's address as the browser shows it, such as https://shop.example.com")
    if allow_loopback and parts.scheme in {"http", "https"} and _is_loopback(host):
        return url
    if parts.scheme != "https":
        raise Refused("The shop's address must begin with https://: its keys travel with every call.")
    if port not in {None, 443} or _is_ip(host) or "." not in host or _is_loopback(host):
        raise Refused("Give the shop's public name, without a port: https://shop.example.com")
    return url


def working_facts(domain: str, **given: str | None) -> ShopFacts:
    """Fill in what was not given: the name and the sender follow from the domain."""
    host = urlsplit(f"//{domain}").hostname or domain
    name = host.removesuffix(".myshopify.com").removeprefix("www.")
    title = name if _is_ip(name) else name.split(".")[0].replace("-", " ").title()
    sender = f"hello@{'localhost' if _is_ip(name) else host.removeprefix('www.')}"
    kept = {key: value for key, value in given.items() if value is not None}
    return ShopFacts(**({"name": title, "sender_email": sender} | kept))


def _fitting(session: Session, wanted: str) -> Sequence[Shop]:
    if wanted.isdecimal():
        return session.scalars(select(Shop).where(Shop.id == int(wanted[:18]))).all()
    domain = wanted.lower().partition("://")[2] or wanted.lower()
    domain = domain.rstrip("/")
    exact = session.scalars(select(Shop).where(Shop.domain == domain)).all()
    # A host alone is enough where it names one shop: "127.0.0.1:8001/woocommerce" is a lot to type.
    return exact or [s for s in everyone(session) if urlsplit(f"//{s.domain}").hostname == domain]


def _listed(shops: Sequence[Shop]) -> str:
    if not shops:
        return "No shop is connected yet: cartwheel shop connect"
    lines = [f"  {s.id}  {s.domain}  ({s.platform}, {s.name})" for s in shops[:_MOST_LISTED]]
    if len(shops) > _MOST_LISTED:
        lines.append(f"  and {len(shops) - _MOST_LISTED} more: cartwheel shop list")
    return "\n".join(["The shops are:", *lines])


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Browsers and resolvers also read 127.1, 0x7f000001 and 2130706433 as addresses: no public name ends in a number.
        return host.rpartition(".")[2].isdecimal() or host.rpartition(".")[2].startswith("0x")
    return True


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
