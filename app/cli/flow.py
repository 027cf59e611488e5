"""`cartwheel flow`: a shop's flows, their switch, their waits and coupons."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any, TextIO

import click
import yaml

from app.cli import durations, flow_file, rehearse
from app.cli.output import Row, emit, emit_list, json_option, say
from app.cli.scope import actor, shop_option, transaction
from app.domain.errors import Refused
from app.flows.differences import name_of
from app.flows.edits import with_coupon, with_wait
from app.flows.vocabulary import Branch, Condition, Flow, Leave, Repeat, Send, Step, Tag, Wait, blocks, to_json
from app.services import connections, edit_flow, flow_versions, shops
from app.services.edit_flow import FlowState

COLUMNS = ("flow", "title", "is_on", "version", "holdout", "people", "updated_at")
VERSION_COLUMNS = ("version", "created_at", "created_by", "is_current", "people")
CHANGE_COLUMNS = ("what", "mail", "language", "before", "after")
NUMBER = click.IntRange(1, 2**31 - 1)  # of a version


@click.group("flow")
def group() -> None:
    """List, switch, change, export and import the flows of a shop."""


group.add_command(rehearse.command)


@group.command("list")
@shop_option
@json_option
def list_(shop: str | None, as_json: bool) -> None:
    """List a shop's flows."""
    with transaction() as (session, _):
        rows = [_row(state) for state in edit_flow.all_current(session, shops.find(session, shop).id)]
    emit_list(rows, as_json=as_json, columns=COLUMNS, nothing="This shop has no flows.")


@group.command()
@click.argument("flow")
@shop_option
@json_option
def show(flow: str, shop: str | None, as_json: bool) -> None:
    """Show one flow, step by step."""
    with transaction() as (session, _):
        state = edit_flow.current(session, shops.find(session, shop).id, flow)
    _print(state, as_json)


@group.command()
@click.argument("flow")
@shop_option
@json_option
def enable(flow: str, shop: str | None, as_json: bool) -> None:
    """Switch a flow on: from now on people enter it."""
    _switch(flow, shop, on=True, as_json=as_json)


@group.command()
@click.argument("flow")
@shop_option
@json_option
def disable(flow: str, shop: str | None, as_json: bool) -> None:
    """Switch a flow off: nobody enters, and no mail that still waits is sent."""
    _switch(flow, shop, on=False, as_json=as_json)


@group.command("set")
@click.argument("flow")
@click.argument("changes", nargs=-1, required=True, metavar="NAME=VALUE...")
@shop_option
@json_option
def set_(flow: str, changes: tuple[str, ...], shop: str | None, as_json: bool) -> None:
    """Change a flow: its waits, its coupons, its held-out share.

    \b
    MAIL.after=DURATION    the wait before a mail: reminder.after=1h, reminder.after=5s
    MAIL.percent=NUMBER    the coupon of a mail: coupon.percent=15
    MAIL.valid=DURATION    how long it is valid, in whole hours: coupon.valid=48h
    holdout=SHARE          who gets no mail, to tell the effect: holdout=0.1 or 10%

    People already in the flow keep the version they entered with.
    """  # noqa: D301  (\b keeps click from joining the lines)
    with transaction() as (session, now):
        shop_id = shops.find(session, shop).id
        state = edit_flow.current(session, shop_id, flow)
        tree, holdout = state.flow, None
        for change in changes:
            name, _, value = change.partition("=")
            if name == "holdout":
                holdout = _share(value)
            else:
                tree = _changed(tree, name, value)
        state = edit_flow.import_flow(session, shop_id, to_json(tree), actor=actor(), now=now)
        if holdout is not None:
            state = edit_flow.set_holdout(session, shop_id, flow, holdout, actor=actor(), now=now)
    _print(state, as_json)


@group.command()
@click.argument("flow")
@shop_option
@click.option("--output", "-o", type=click.File("w", encoding="utf-8"), default="-", help="A file, instead of printing it.")
def export(flow: str, shop: str | None, output: TextIO) -> None:
    """Write a flow as YAML, to edit it and import it again, here or in another shop."""
    with transaction() as (session, _):
        state = edit_flow.current(session, shops.find(session, shop).id, flow)
    yaml.safe_dump(to_json(state.flow), output, sort_keys=False, allow_unicode=True)


@group.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@shop_option
@json_option
def import_(file: TextIO, shop: str | None, as_json: bool) -> None:
    """Make the YAML in FILE (- for standard input) the new version of the flow it names."""
    tree = flow_file.read(file)
    with transaction() as (session, now):
        shop_id = shops.find(session, shop).id
        state = edit_flow.import_flow(session, shop_id, tree, actor=actor(), now=now)
    _print(state, as_json)


@group.command()
@click.argument("flow")
@click.option("--compare", "pair", type=(NUMBER, NUMBER), metavar="OLD NEW", help="Show what differs between these two.")
@click.option("--below", type=NUMBER, help="Only versions with a lower number.")
@shop_option
@json_option
def versions(flow: str, pair: tuple[int, int] | None, below: int | None, shop: str | None, as_json: bool) -> None:
    """List a flow's versions, the newest first, or compare two of them."""
    with transaction() as (session, _):
        shop_id = shops.find(session, shop).id
        found: list[Any] = (
            flow_versions.compare(session, shop_id, flow, *pair)
            if pair
            else flow_versions.listed(session, shop_id, flow, below=below)
        )
    nothing = "These two are the same." if pair else "There are no such versions."
    columns = CHANGE_COLUMNS if pair else VERSION_COLUMNS
    emit_list([asdict(row) for row in found], as_json=as_json, columns=columns, nothing=nothing)


@group.command()
@click.argument("flow")
@click.argument("version", type=NUMBER)
@shop_option
@json_option
def restore(flow: str, version: int, shop: str | None, as_json: bool) -> None:
    """Make an old VERSION of a flow its next one, texts and all.

    People already in the flow keep the version they entered with.
    """
    with transaction() as (session, now):
        shop_id = shops.find(session, shop).id
        state = flow_versions.restore(session, shop_id, flow, version, actor=actor(), now=now)
    _print(state, as_json)


def _switch(flow: str, shop: str | None, *, on: bool, as_json: bool) -> None:
    with transaction() as (session, now):
        shop_id = shops.find(session, shop).id
        state = edit_flow.switch(session, shop_id, flow, on=on, actor=actor(), now=now)
        rivals = connections.rivals(session, shop_id, [flow]) if on else []
    _print(state, as_json)
    if rivals:
        say(f"This shop may be sending such mails already: {', '.join(rivals)}. Switch them off there, or people get two.")


def _changed(flow: Flow, name: str, value: str) -> Flow:
    """Return the flow with one NAME=VALUE applied.

    Raises:
        Refused: there is nothing of this name, or the value makes no sense.
    """
    mail, _, what = name.partition(".")
    if what == "after":
        return with_wait(flow, mail, _duration(name, value))
    coupon = next((s.coupon for s in flow.sends if s.key == mail), None)
    percent, valid_hours = (coupon.percent, coupon.valid_hours) if coupon else (1, 1)
    if what == "percent":
        return with_coupon(flow, mail, _whole_number(name, value.removesuffix("%")), valid_hours)
    if what == "valid":
        hours, rest = divmod(_duration(name, value), timedelta(hours=1))
        if rest:
            raise Refused(f"{name}: give whole hours, such as 48h or 2d.")
        return with_coupon(flow, mail, percent, hours)
    raise Refused(f"{name} cannot be set. Set MAIL.after, MAIL.percent, MAIL.valid or holdout.")


def _duration(name: str, value: str) -> timedelta:
    try:
        return durations.parse(value)
    except ValueError as exc:
        raise Refused(f"{name}: {exc}") from exc


def _whole_number(name: str, value: str) -> int:
    if not value.isascii() or not value.isdecimal() or len(value) > 9:
        raise Refused(f"{name}: “{value}” is not a whole number.")
    return int(value)


def _share(value: str) -> float:
    try:
        return float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError as exc:
        raise Refused(f"holdout: “{value}” is not a share. Write it like 0.1 or 10%.") from exc


def _row(state: FlowState) -> dict[str, Any]:
    return {
        "shop_id": state.settings.shop_id,
        "flow": state.settings.flow,
        "title": state.flow.title,
        "is_on": state.settings.is_on,
        "version": state.settings.version,
        "holdout": float(state.settings.holdout_share),
        "people": state.people,
        "updated_at": state.settings.updated_at,
    }


def _print(state: FlowState, as_json: bool) -> None:
    row: Row = _row(state)
    if as_json:
        emit({**row, "tree": to_json(state.flow)}, as_json=True)
        return
    emit({**row, "enters": _enters(state.flow), **_steps(state.flow), "leaves": _names(state.flow.exits)}, as_json=False)
    if not state.settings.is_on:
        say(f"It is off. Switch it on: cartwheel flow enable {state.settings.flow}")


def _enters(flow: Flow) -> str:
    return f"on {flow.trigger.event}" + (f", when {_names(flow.trigger.when)}" if flow.trigger.when else "")


def _names(conditions: tuple[Condition, ...]) -> str:
    return ", ".join(name_of(condition) for condition in conditions)


def _steps(flow: Flow) -> dict[str, str]:
    return {f"step {number}": words for number, words in enumerate(_told(flow.steps), start=1)}


def _told(steps: tuple[Step, ...], indent: str = "") -> Iterator[str]:
    """Yield each step in words; what stands within another is set in."""
    for step in steps:
        yield indent + _words(step)
        for part, inner in blocks(step).items():
            if part == "otherwise" and inner:
                yield f"{indent}otherwise"
            yield from _told(inner, f"{indent}  ")


def _words(step: Step) -> str:
    match step:
        case Wait():
            return f"wait until {durations.show(step.length)} since {step.since.replace('_', ' ')}"
        case Tag(tag=tag, is_given=is_given):
            return f"{'give' if is_given else 'take away'} the tag {tag}"
        case Leave(reason=reason):
            return f"leave: {reason}"
        case Branch(when=when):
            return f"if {name_of(when)}"
        case Repeat(times=times):
            return f"{times} times"
        case Send(coupon=terms):
            coupon = f", with {terms.percent} % off for {terms.valid_hours} h" if terms else ""
            return f"mail {step.key}{coupon}; skipped when more than {step.max_age_hours} h late"
