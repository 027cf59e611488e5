"""`cartwheel flow rehearse`: a flow played over a shop's past, here and now; nothing is sent."""

import time
from contextlib import suppress
from typing import Any, TextIO

import click

from app.cli import flow_file
from app.cli.output import emit, json_option, progress, say
from app.cli.scope import actor, shop_option, transaction
from app.domain.errors import Refused
from app.flows import read_flow
from app.flows.tally import Tally
from app.models import Rehearsal, RehearsalState
from app.services import edit_flow, rehearsals, shops

_PAUSE = 0.5  # seconds, while a worker has it
_DAYS = click.IntRange(1, rehearsals.DAYS)


@click.command("rehearse")
@click.argument("flow")
@click.option("--days", type=_DAYS, default=rehearsals.DAYS, show_default=True, help="How far back.")
@click.option("--file", type=click.File("r", encoding="utf-8"), help="Play this YAML instead of the saved version.")
@shop_option
@json_option
def command(flow: str, days: int, file: TextIO | None, shop: str | None, as_json: bool) -> None:
    """Play a flow over the shop's last days, as if it had been on.

    Says who would have come in, which mails would have gone, which not and why, and which orders came anyway. Nothing is
    sent, made or changed but the row of the rehearsal, which is kept for 30 days. Ctrl-C stops it and shows what it has.
    """
    tree = flow_file.read(file) if file else None
    with transaction() as (session, now):
        shop_id = shops.find(session, shop).id
        state = edit_flow.current(session, shop_id, flow)
        played = read_flow(tree) if tree is not None else state.flow
        if played.key != flow:
            raise Refused(f"The file holds the flow {played.key}, not {flow}.")
        version = state.settings.version if played == state.flow else None
        asked = rehearsals.ask(session, shop_id, played, version=version, days=days, actor=actor(), now=now)
    ended = _carry_out(asked)
    _print(ended, as_json)
    if ended.state == RehearsalState.FAILED:
        raise click.exceptions.Exit(3)


def _carry_out(asked: Rehearsal) -> Rehearsal:
    try:
        return _watch(asked)
    except KeyboardInterrupt:
        with transaction() as (session, _), suppress(Refused):  # it may be over by now
            rehearsals.stop(session, asked.shop_id, asked.id)
        while asked.state == RehearsalState.PENDING:
            asked = _next(asked)
        return asked


def _watch(asked: Rehearsal) -> Rehearsal:
    now = _next(asked)
    with progress("people", now.total or 0) as advance:
        advance(now.looked_at)
        while now.state == RehearsalState.PENDING:
            before, now = now.looked_at, _next(now)
            advance(now.looked_at - before)
    return now


def _next(seen: Rehearsal) -> Rehearsal:
    """Work one slice, or wait while a worker does; return how it stands then."""
    from jobs.rehearsals import work_one

    while True:
        found = work_one((seen.shop_id, seen.id))
        if found is None:
            raise Refused("The rehearsal is gone: its shop was forgotten.")
        if found.state != RehearsalState.PENDING or (found.total, found.looked_at) != (seen.total, seen.looked_at):
            return found
        time.sleep(_PAUSE)


def _print(ended: Rehearsal, as_json: bool) -> None:
    tally = Tally.from_json(ended.tally)
    row: dict[str, Any] = {
        "id": ended.id, "shop_id": ended.shop_id, "flow": ended.flow, "version": ended.version, "state": ended.state,
        "since": ended.since_at, "until": ended.until_at, "people": tally.people, "of": ended.total,
        "came_in": tally.came_in, "sent": tally.sent, "coupons": tally.coupons, "skipped": tally.skipped.total(),
    }  # fmt: skip
    if as_json:
        emit({**row, **tally.to_json(), "is_more": ended.is_more, "is_late": ended.is_late}, as_json=True)
        return
    for step, words in tally.mails.items():
        row[f"mail {step}"] = ", ".join(f"{word} {count}" for word, count in words.most_common())
    row["left"] = ", ".join(f"{reason} {count}" for reason, count in tally.left.most_common())
    row["orders that came anyway"] = tally.anyway_orders
    emit(row, as_json=False)
    for message in _remarks(ended, tally):
        say(message)


def _remarks(ended: Rehearsal, tally: Tally) -> list[str]:
    """Return what the numbers do not say by themselves."""
    told = []
    if ended.state == RehearsalState.FAILED:
        told.append(f"It could not be finished: {ended.error}")
    if ended.state == RehearsalState.STOPPED or ended.is_late:
        told.append(f"Only the newest {ended.looked_at} of {ended.total or 0} people were looked at.")
    if ended.is_more:
        told.append(f"The shop has more people than a rehearsal looks at; these are the last {ended.total}.")
    if not ended.total and ended.state == RehearsalState.DONE:
        told.append("Nothing happened in these days that this flow could begin with.")
    if tally.emptied:
        told.append(f"{tally.emptied} carts were left out: they ended empty, and only the last state of a cart is kept.")
    return told
