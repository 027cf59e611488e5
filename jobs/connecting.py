"""Attempts to connect a shop are carried on, and connected WooCommerce shops looked at; no transaction is open meanwhile."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import select

from app import clock
from app.catalogues import noted
from app.config import settings
from app.db import sessions
from app.domain.errors import AdapterError, Ambiguous, NotAllowed, Transient
from app.domain.ports import ShopAccess
from app.log import fault, get_logger
from app.models import NO_SHOP, Connection, OAuthState, Phase, Shop, ShopState, claims
from app.queues import QueueName, ring
from app.services import connecting, connections, shops
from integrations.woocommerce import hooks
from integrations.woocommerce.look import NoShop, look, look_inside
from jobs import drain as draining
from jobs import slots
from jobs.access import shop_access

TRIES = 4  # of one part of an attempt: somebody is looking at the page
_AGAIN = timedelta(seconds=3)
_LATER = timedelta(minutes=20)
_WRONG_KEYS = noted(
    "The shop refuses these keys: they are not its own, or they were revoked. Approve again while you are signed in to this "
    "very shop, or make a new key there with the permission Read/Write."
)
_BROKEN = noted("Something broke on our side, and nothing was changed. Try again in a minute.")
Values = dict[str, Any]
log = get_logger()


def drain(until: float) -> None:
    """Carry attempts on first, because somebody waits; then look at shops. Ring again when the time is up.

    Args:
        until: by `time.monotonic`.
    """
    for model, step in ((OAuthState, _attempt), (Connection, _look)):
        work = draining.Work(queue=QueueName.SHOPS, model=model, do=lambda *_: None, batch=1)
        while rows := draining.take(work):
            _carry_on(model, rows[0], step)
            if time.monotonic() > until:
                ring(QueueName.SHOPS)
                return


def _carry_on(model: Any, row: Any, step: Callable[[Any], Values | None]) -> None:
    """Do the next part for a claimed row, and write what became of it, whatever became of it, unless that is done."""
    try:
        values = step(row)
    except claims.FenceLost:
        return
    except Exception as exc:  # noqa: BLE001  (one strange shop must not stop the others)
        fault("connecting.failed", exc, row_id=row.id, shop_id=row.shop_id)
        values = {"due_at": _now() + _LATER} if model is Connection else connecting.stopped(_BROKEN)
    if values is None:
        return
    try:
        with sessions().begin() as session:
            claims.finish(session, model, [row], values)
    except claims.FenceLost:
        return  # it was stopped, or somebody else has it


def _attempt(attempt: OAuthState) -> Values | None:
    try:
        return _PARTS[Phase(attempt.phase)](attempt)
    except NoShop as exc:
        return connecting.stopped(str(exc), instead=exc.instead)
    except NotAllowed:
        return connecting.stopped(_WRONG_KEYS)
    except (Transient, Ambiguous) as exc:
        return {"due_at": _now() + _AGAIN, "error": str(exc)} if attempt.attempts < TRIES else connecting.stopped(str(exc))
    except AdapterError as exc:
        return connecting.stopped(str(exc))


def _check(attempt: OAuthState) -> Values:
    """Look at an address that anybody may have typed."""
    with _slot(attempt):
        front = look(attempt.url)
    return connecting.checked(attempt, asdict(front), now=_now())


def _prove(attempt: OAuthState) -> None:
    """Ask this very shop with the keys that came, and make the shop of them, together with what is written of the attempt.

    An attempt that was stopped while we asked has another fence: its keys are nobody's, and no shop is made of them.
    """
    keys = connecting.keys_of(attempt)
    access = ShopAccess(
        shop_id=NO_SHOP, domain=attempt.url, base_url=attempt.url, key=keys.key, secret=keys.secret,
        slot=partial(_slot, attempt),
    )  # fmt: skip
    inside = asdict(look_inside(access))
    with sessions().begin() as session:
        now = clock.now(session)
        shop = connecting.prove(session, attempt, keys, inside, now=now)
        claims.finish(session, OAuthState, [attempt], connecting.proven(shop, now=now))


def _slot(attempt: OAuthState) -> AbstractContextManager[None]:
    """Return a slot of the shop, where this is one that is connected again: its two calls are those of all our work."""
    with sessions().begin() as session:
        shop_id = connecting.known_shop(session, attempt.url)
    return slots.slot_at(attempt.url) if shop_id is None else slots.slot(shop_id)


def _link(attempt: OAuthState) -> Values:
    shop_id = attempt.connected_shop_id or NO_SHOP
    look_after_hooks(shop_id)
    return {"phase": Phase.CONNECTED, "state": "done"}


def look_after_hooks(shop_id: int) -> None:
    """Set a shop's webhooks right, and note that they are."""
    access = shop_access(shop_id)
    with sessions().begin() as session:
        shop = session.scalars(select(Shop).where(Shop.id == shop_id)).one()
        address = shops.webhook_url(shop, settings().public_url)
        known = connections.of(session, shop_id)
    if known is not None and known.hooks_are_stale:
        hooks.remove_all(access, address)
        with sessions().begin() as session:
            connections.cleared(session, shop_id)
    missing, mended = hooks.look_after(access, address)
    log.info("hooks.looked_after", shop_id=shop_id, missing=missing, mended=mended)
    if not missing:
        with sessions().begin() as session:
            connections.hooked(session, shop_id, now=clock.now(session))


def _look(connection: Connection) -> Values:
    """Look at a connected shop once a day, or when something seems wrong."""
    shop_id = connection.shop_id
    with sessions().begin() as session:
        state = session.scalar(select(Shop.state).where(Shop.id == shop_id))
    if state not in {ShopState.ACTIVE, ShopState.PAUSED}:
        return {"due_at": _now() + connections.LOOK_EVERY, "attempts": 0}
    try:
        return connections.learned(asdict(look_inside(shop_access(shop_id))), now=_now())
    except NotAllowed as exc:
        return _refused(connection, str(exc))
    except AdapterError as exc:
        return {"problem": str(exc), "problem_at": _now(), "due_at": _now() + _LATER, "error": str(exc)}


def _refused(connection: Connection, problem: str) -> Values:
    with sessions().begin() as session:
        if connection.attempts >= connections.TRIES:
            connections.lose(session, connection.shop_id)
        now = clock.now(session)
    return {"problem": problem, "problem_at": now, "due_at": now + _LATER}


_PARTS: dict[Phase, Callable[[OAuthState], Values | None]] = {
    Phase.CHECKING: _check,
    Phase.PROVING: _prove,
    Phase.LINKING: _link,
}


def _now() -> datetime:
    with sessions().begin() as session:
        return clock.now(session)
