"""`cartwheel reconcile`: ask shops what changed, take in what is missing, and say what they have and what we hold."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from app.cli.durations import instant
from app.cli.output import emit_list, json_option, progress, say
from app.cli.scope import shop_option, transaction
from app.domain.errors import AdapterError
from app.domain.polling import Kind
from app.models import Cursor, Shop, ShopState
from app.services import shops


@click.command("reconcile")
@click.option("--since", metavar="TIME|DURATION", help="Read at least since 2026-11-19T08:00 (UTC), or since 2d ago.")
@shop_option
@json_option
def command(since: str | None, shop: str | None, as_json: bool) -> None:
    """Ask shops what changed, take in what is missing, and compare the counts.

    Without --shop, all shops that are connected. What the counts show to be missing is looked for by reading everything.
    It can be stopped at any moment: the worker goes on, and so does the next call.
    The exit code is 3 when a shop could not be read, or what it says still differs from what we hold.
    """
    with transaction() as (session, now):
        wanted = [shops.find(session, shop)] if shop else _connected(shops.everyone(session))
        start = instant(since, now) if since else None
    if not wanted:
        say("No shop is connected: cartwheel shop connect")
    rows = [row for each in wanted for row in _shop(each, start)]
    if as_json:
        emit_list(rows, as_json=True, columns=(), nothing="")
    for row in rows if not as_json else ():
        click.echo(_sentence(row))
    if not all(row["is_equal"] for row in rows):
        raise click.exceptions.Exit(3)


def _connected(found: Any) -> list[Shop]:
    return [shop for shop in found if shop.state in {ShopState.ACTIVE, ShopState.PAUSED}]


def _shop(shop: Shop, since: datetime | None) -> list[dict[str, Any]]:
    from integrations import SOURCES

    source = SOURCES.get(shop.platform)
    if source is None:
        say(f"{shop.domain}: {shop.platform} cannot be asked yet.")
    return [_kind(shop, kind, since) for kind in (source.EVERY if source else ())]


def _kind(shop: Shop, kind: Kind, since: datetime | None) -> dict[str, Any]:
    from jobs import catch_up

    row: dict[str, Any] = {"shop_id": shop.id, "domain": shop.domain, "kind": kind.value}
    numbers: dict[str, Any] = {"shop_says": None, "we_hold": None, "found": 0, "is_equal": False}
    try:
        with progress(f"{shop.domain} {kind.value}", None) as advance:
            told = catch_up.reconcile_kind(shop.id, kind, since, _advancing(advance))
    except AdapterError as exc:
        say(f"{shop.domain} {kind.value}: {exc}")
        return {**row, **numbers, "error": str(exc)}
    numbers = {"shop_says": told.shop_says, "we_hold": told.we_hold, "found": told.found, "is_equal": told.is_equal}
    return {**row, **numbers, "error": None}


def _advancing(advance: Callable[[int], None]) -> Callable[[Cursor], None]:
    seen = 0

    def watch(cursor: Cursor) -> None:
        nonlocal seen
        if cursor.done < seen:  # another run began
            seen = 0
        advance(cursor.done - seen)
        seen = cursor.done

    return watch


def _sentence(row: dict[str, Any]) -> str:
    if row["error"]:
        return f"{row['domain']}  {row['kind']}: not read. {row['error']}"
    says = "cannot tell how many there are" if row["shop_says"] is None else f"says {row['shop_says']}"
    found = f" ({row['found']} found now)" if row["found"] > 0 else ""
    return f"{row['domain']}  {row['kind']}: the shop {says}, we hold {row['we_hold']}{found}"
