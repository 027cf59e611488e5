"""The one way to a shop: whoever calls it gets the address and a living token here, whatever the platform (D11).

No transaction is open while a token is renewed; the lease on the refresh token keeps all others from renewing it too.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import takewhile
from math import inf
from typing import TypeVar

from sqlalchemy.orm import Session

from app.config import settings
from app.db import sessions
from app.domain.errors import AdapterError, Ambiguous, NotAllowed, Transient
from app.domain.ports import ShopAccess, Tokens
from app.log import get_logger
from app.models import ShopState, TokenKind
from app.services import tokens
from app.services.tokens import Held, Renewal
from integrations.shopify.auth import AppRefused, TokenDead, TokenRefused, refresh_token
from jobs.slots import slot

PATIENCE = 20.0  # seconds that a call waits for another worker's renewal
_LOOK = 0.1  # seconds between two looks
_BUSY = timedelta(seconds=10)
_NO_SHOP = "There is no such shop."
_GONE = {
    ShopState.UNINSTALLED: "The shop removed Cartwheel.",
    ShopState.RECONNECT: "The shop must be connected again: its merchant opens Cartwheel once.",
}

T = TypeVar("T")
log = get_logger()


def shop_access(shop_id: int) -> ShopAccess:
    """Return how to call a shop, with a token that lives for five minutes more; keys of WooCommerce have no end.

    Raises:
        NotAllowed: the shop removed us, or must be connected again.
        Transient: its token could not be renewed now.
    """
    with sessions().begin() as session:
        held = _working(tokens.read(session, shop_id))
    return _access(held) if held.lives(tokens.RENEW_BEFORE) or not _ends(held) else renewed(shop_id)


def parting_access(session: Session, shop_id: int) -> ShopAccess:
    """Return how to call a shop once more before its secrets are thrown away, whatever its state.

    Raises:
        NotAllowed: there is no such shop.
    """
    held = tokens.read(session, shop_id)
    if held is None:
        raise NotAllowed(_NO_SHOP)
    return _access(held)


def call_shop(shop_id: int, call: Callable[[ShopAccess], T]) -> T:
    """Call a shop; when it refuses the token, renew that and call once more, which does no harm: nothing was done.

    Raises:
        NotAllowed, Transient: as `shop_access`; and what the call raises.
    """
    access = shop_access(shop_id)
    try:
        return call(access)
    except TokenRefused:
        access = renewed(shop_id, refused=access.secret)
    try:
        return call(access)
    except TokenRefused:
        _lose(shop_id, access.secret, None, is_for_good=True)
        raise


def renewed(shop_id: int, *, refused: str | None = None) -> ShopAccess:
    """Return how to call a shop whose token has ended or was refused: renewed here, or by another worker meanwhile.

    Raises:
        NotAllowed: nothing renews it any more; the shop now needs its merchant.
        Transient: it could not be renewed now.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with sessions().begin() as session:
            held = _working(tokens.lease(session, shop_id, refused=refused))
        if held.renewal:
            renew(shop_id, held, held.renewal)
        elif held.access_token != refused and held.lives(timedelta(0)):
            return _access(held)  # renewed by somebody else, or being renewed early enough
        elif not held.secrets.get(TokenKind.REFRESH_TOKEN):
            _lose(shop_id, held.access_token, None, is_for_good=True)
            raise NotAllowed(_GONE[ShopState.RECONNECT])
        else:
            time.sleep(_LOOK)
    raise Transient("Another process is renewing the shop's token.", _BUSY)


def renew(shop_id: int, held: Held, renewal: Renewal) -> None:
    """Renew a shop's tokens, with the right to do so in hand.

    Raises:
        TokenDead: nothing renews them any more, and the shop was marked so.
        NotAllowed, Transient: not now.
    """
    try:
        fresh = _ask_twice(held, renewal)
    except TokenDead as exc:
        _lose(shop_id, held.access_token, renewal, is_for_good=not isinstance(exc, AppRefused))
        raise
    except AdapterError as exc:
        with sessions().begin() as session:
            tokens.release(session, shop_id, renewal)
        if isinstance(exc, Ambiguous):  # about the token; the call that it was for was surely not made
            raise Transient(str(exc)) from exc
        raise
    with sessions().begin() as session:
        is_kept = tokens.keep_renewed(session, shop_id, renewal, fresh)
    log.info("tokens.renewed", shop_id=shop_id, is_kept=is_kept)


def keep_alive(until: float = inf) -> int:
    """Renew the tokens of shops that were quiet for a week, and try again where a renewal failed; return how many.

    Args:
        until: by `time.monotonic`; the others are due still.
    """
    with sessions().begin() as session:
        shop_ids = tokens.idle(session)
    tried = 0
    for shop_id in takewhile(lambda _: time.monotonic() < until, shop_ids):
        tried += 1
        with sessions().begin() as session:
            held = tokens.lease(session, shop_id, refused=_any_token(tokens.read(session, shop_id)))
        if held is None or held.renewal is None:
            continue
        try:
            renew(shop_id, held, held.renewal)
        except AdapterError as exc:
            log.warning("tokens.not_renewed", shop_id=shop_id, error_class=type(exc).__name__)
    return tried


def _ask_twice(held: Held, renewal: Renewal) -> Tokens:
    """Ask for new tokens, a second time when the answer was lost: the old refresh token holds until a new one is used."""
    base_url, config = settings().shopify_base_url(held.shop.domain), settings()
    app = {"client_id": config.shopify_client_id, "client_secret": config.shopify_client_secret}
    try:
        return refresh_token(base_url, renewal.refresh_token, **app)
    except Ambiguous:
        return refresh_token(base_url, renewal.refresh_token, **app)


def _lose(shop_id: int, access_token: str, renewal: Renewal | None, *, is_for_good: bool) -> None:
    with sessions().begin() as session:
        is_lost = tokens.lose(session, shop_id, access_token=access_token, renewal=renewal, is_for_good=is_for_good)
    if is_lost:
        log.error("tokens.lost", shop_id=shop_id, is_for_good=is_for_good)


def _working(held: Held | None) -> Held:
    if held is None:
        raise NotAllowed(_NO_SHOP)
    if held.shop.state in _GONE:
        raise NotAllowed(_GONE[ShopState(held.shop.state)])
    return held


def _ends(held: Held) -> bool:
    """Say whether the shop is called with a token that may end; WooCommerce's keys do not."""
    return held.shop.platform == "shopify"


def _any_token(held: Held | None) -> str | None:
    return held.access_token if held else None


def _access(held: Held) -> ShopAccess:
    shop, secrets = held.shop, held.secrets
    if _ends(held):
        base_url, key, secret = settings().shopify_base_url(shop.domain), "", held.access_token
    else:
        base_url, key = shop.url, secrets.get(TokenKind.CONSUMER_KEY, "")
        secret = secrets.get(TokenKind.CONSUMER_SECRET, "")
    hook_secret = secrets.get(TokenKind.WEBHOOK_SECRET, "")
    return ShopAccess(
        shop_id=shop.id, domain=shop.domain, base_url=base_url, key=key, secret=secret, hook_secret=hook_secret,
        slot=partial(slot, shop.id),
    )  # fmt: skip
