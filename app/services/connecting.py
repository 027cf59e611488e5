"""Connect a WooCommerce shop: an attempt, its token, and the keys that come in answer to it.

Nobody is signed in yet, so an attempt belongs to no shop: only who holds its token sees it, and a shop's row is made when
its keys were proven against that very shop. Keys arrive unsigned and name no shop (reliability.md 5), so only the token says
which attempt they are for; it works once, for a quarter of an hour, and only for the address that it was made for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from app import crypto
from app.domain.errors import Refused
from app.models import NO_SHOP, OAuthState, Phase, Shop, ShopToken, TokenKind
from app.services import audit, connections, install
from app.services.install import ShopFacts
from app.services.shops import working_facts

LIFE = timedelta(minutes=15)  # of a token
# Keys lie still this long before they are used: the browser that approved comes back meanwhile, and when it is another one
# than the one that began, it stops the attempt (`stop`).
GRACE = timedelta(seconds=2)
SHOWN = timedelta(hours=24)  # how long the page of an attempt can be opened
MOST_OF_ADDRESS = 10  # attempts for one address in LIFE
MOST_OPEN = 200  # attempts that wait for a job: strangers can begin them
_LONGEST_KEY = 200  # characters; theirs have 43
ACTOR = "merchant"


@dataclass(frozen=True, slots=True)
class Keys:
    """A pair of REST keys, in clear: they stay in memory and go nowhere but into a call."""

    key: str = field(repr=False)
    secret: str = field(repr=False)


def begin(session: Session, url: str, *, keys: Keys | None = None, now: datetime) -> tuple[OAuthState, str]:
    """Begin an attempt and return it with its token, of which only a hash is kept.

    Args:
        session: the caller's transaction.
        url: the vetted address (`shops.woocommerce_url`).
        keys: where the merchant typed them in, instead of approving in the shop.
        now: real time.

    Raises:
        Refused: too many attempts; the message says how long to wait.
    """
    mine = select(func.count()).where(OAuthState.shop_id == NO_SHOP)
    of_address = session.scalar(mine.where(OAuthState.url == url, OAuthState.created_at > now - LIFE)) or 0
    waiting = session.scalar(mine.where(OAuthState.state == "pending")) or 0
    if of_address >= MOST_OF_ADDRESS or waiting >= MOST_OPEN:
        raise Refused("There were many tries just now. Wait a quarter of an hour, then try again.")
    token = crypto.new_token()
    attempt = OAuthState(
        shop_id=NO_SHOP, token_hash=crypto.hash_token(token), url=url, phase=Phase.CHECKING, created_at=now, due_at=now,
        expires_at=now + LIFE, front={}, keys=_seal(keys) if keys else None, used_at=now if keys else None,
    )  # fmt: skip
    session.add(attempt)
    session.flush()
    return attempt, token


def find(session: Session, token: str, *, now: datetime) -> OAuthState | None:
    """Return the attempt of a token, for its page."""
    query = select(OAuthState).where(OAuthState.shop_id == NO_SHOP, OAuthState.token_hash == crypto.hash_token(token))
    return session.scalar(query.where(OAuthState.created_at > now - SHOWN))


def take_keys(session: Session, token: str, keys: Keys, *, now: datetime) -> bool:
    """Keep the keys that came for an attempt, unproven; False when its token is unknown, used or too old.

    Of two answers at once one is taken. What the other brought, the shop throws away when we do not answer 200.
    """
    if not 0 < len(keys.key) <= _LONGEST_KEY or not 0 < len(keys.secret) <= _LONGEST_KEY:
        return False
    taken = session.execute(
        update(OAuthState)
        .where(
            OAuthState.shop_id == NO_SHOP,
            OAuthState.token_hash == crypto.hash_token(token),
            OAuthState.phase == Phase.APPROVING,
            OAuthState.used_at.is_(None),
            OAuthState.expires_at > now,
        )
        .values(keys=_seal(keys), used_at=now, phase=Phase.PROVING, state="pending", due_at=now + GRACE, attempts=0)
        .returning(OAuthState.id)
    )
    return taken.first() is not None


def stop(session: Session, token: str, problem: str, *, now: datetime) -> bool:
    """End an attempt that somebody else's browser came back for; keys that came are thrown away. False: nothing to end."""
    stopped = session.execute(
        update(OAuthState)
        .where(
            OAuthState.shop_id == NO_SHOP,
            OAuthState.token_hash == crypto.hash_token(token),
            OAuthState.phase.not_in([Phase.CONNECTED, Phase.STOPPED]),
        )
        .values(phase=Phase.STOPPED, problem=problem, state="done", keys=None, used_at=now, fence=OAuthState.fence + 1)
        .returning(OAuthState.id)
    )
    return stopped.first() is not None


def enter(session: Session, token: str, *, now: datetime) -> int | None:
    """Use the attempt up as a way in, and return its shop; None when it is not connected, used or too old."""
    shop_id = session.scalar(
        update(OAuthState)
        .where(
            OAuthState.shop_id == NO_SHOP,
            OAuthState.token_hash == crypto.hash_token(token),
            OAuthState.phase == Phase.CONNECTED,
            OAuthState.state == "done",
            OAuthState.created_at > now - SHOWN,
        )
        .values(state="entered")
        .returning(OAuthState.connected_shop_id)
    )
    if shop_id is not None:
        audit.record(session, shop_id, actor=ACTOR, action="session.started", object_kind="shop", object_id=shop_id)
    return shop_id


def keys_of(attempt: OAuthState) -> Keys:
    """Open the keys of an attempt."""
    return Keys(*json.loads(crypto.decrypt(NO_SHOP, attempt.keys or b"")))


def checked(attempt: OAuthState, front: Mapping[str, object], *, now: datetime) -> dict[str, Any]:
    """Return what is written into an attempt whose address has a shop: on to its keys, or to the merchant."""
    if attempt.keys is not None:
        return {"front": front, "phase": Phase.PROVING, "due_at": now, "attempts": 0}
    return {"front": front, "phase": Phase.APPROVING, "state": "waiting"}


def stopped(problem: str, *, instead: str = "") -> dict[str, Any]:
    """Return what is written into an attempt that cannot go on."""
    return {"phase": Phase.STOPPED, "state": "done", "problem": problem, "instead": instead or None, "keys": None}


def prove(session: Session, attempt: OAuthState, keys: Keys, inside: Mapping[str, Any], *, now: datetime) -> Shop:
    """Make the shop whose keys were proven, or connect it again, and return it; no mail goes out by it: flows begin off.

    A shop that we know keeps what its people set: its sender, its name, and the secret that its webhooks sign with.
    """
    domain = attempt.url.partition("://")[2]
    known = session.scalar(_known(attempt.url))
    shop = install.connect_woocommerce(
        session, attempt.url, key=keys.key, secret=keys.secret, webhook_secret=_hook_secret(session, known),
        facts=_facts(domain, known, attempt.front, inside), actor=ACTOR, now=now,
        is_by_merchant=True,
    )  # fmt: skip
    connections.learn(session, shop.id, inside, now=now)
    return shop


def known_shop(session: Session, url: str) -> int | None:
    """Return the shop that an address is of, None where it is no shop's yet."""
    shop = session.scalar(_known(url))
    return shop.id if shop else None


def _known(url: str) -> Select[Shop]:
    return select(Shop).where(Shop.platform == "woocommerce", Shop.domain == url.partition("://")[2].lower())


def proven(shop: Shop, *, now: datetime) -> dict[str, Any]:
    """Return what is written into an attempt whose keys are its shop's: its webhooks come next."""
    return {"phase": Phase.LINKING, "keys": None, "connected_shop_id": shop.id, "attempts": 0, "due_at": now}


def _facts(domain: str, known: Shop | None, front: Mapping[str, Any], inside: Mapping[str, Any]) -> ShopFacts:
    if known is not None:
        kept = ("name", "sender_email", "postal_address", "timezone", "locale")
        return ShopFacts(currency=inside["currency"] or known.currency, **{name: getattr(known, name) for name in kept})
    told = {
        "name": front.get("name"), "timezone": front.get("timezone"), "currency": inside["currency"],
        "locale": inside["locale"], "sender_email": inside["sender_email"], "postal_address": inside["address"],
    }  # fmt: skip
    return working_facts(domain, **{name: value or None for name, value in told.items()})


def _hook_secret(session: Session, known: Shop | None) -> str:
    """Return the secret of the shop's webhooks: the one they sign with, else a new one."""
    sealed = known and session.scalar(
        select(ShopToken.secret).where(ShopToken.shop_id == known.id, ShopToken.kind == TokenKind.WEBHOOK_SECRET)
    )
    return crypto.decrypt(known.id, sealed) if known and sealed else crypto.new_token()


def _seal(keys: Keys) -> bytes:
    return crypto.encrypt(NO_SHOP, json.dumps([keys.key, keys.secret]))
