"""`cartwheel doctor` and `cartwheel status`: is all well, and what waits."""

from typing import Any

import click
from rq import Queue
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import queues
from app.cli.output import emit, emit_list, json_option, say
from app.cli.scope import transaction
from app.models import ShopState
from app.services import reconcile, watch

_TABLES = ("shops", "webhooks", "scheduled_steps", "deliveries", "cursors")
_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check what Cartwheel stands on.

    Each line is ok, warn or FAIL, with the remedy. The exit code is 3 when one is FAIL.
    """
    from app.cli.checks import run_all

    findings = list(run_all())
    if as_json:
        emit_list([f.as_row() for f in findings], as_json=True, columns=(), nothing="")
    for finding in findings if not as_json else ():
        click.echo(f"{_MARKS[finding.verdict]}  {finding.what}: {finding.detail}")
        if finding.remedy:
            click.echo(f"      {finding.remedy}")
    if any(f.verdict == "fail" for f in findings):
        raise click.exceptions.Exit(3)


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Say what waits, and whether somebody works on it.

    Counts by state, the age of the oldest due row, the scheduler's last sign of life, the rings in the queues.
    The exit code is 3 when the scheduler is silent.
    """
    with transaction() as (session, _):
        counts = {table: _count(session, table) for table in _TABLES}
        unread = reconcile.in_trouble(session)
        due = {w.kind: {"due": w.due, "oldest_seconds": round(w.oldest_seconds, 1)} for w in watch.waiting(session)}
        silent, complaints = watch.silence(session, "scheduler"), watch.complaints(session)
    lag = None if silent is None else round(silent.total_seconds(), 1)
    row = {"states": counts, "due": due, "scheduler_lag_seconds": lag, "queues": _queue_lengths(), "complaints": complaints}
    row["shops_not_read"] = unread
    if as_json:
        emit(row, as_json=True)
    else:
        _print(row)
    if complaints:
        raise click.exceptions.Exit(3)


def _count(session: Session, table: str) -> dict[str, int]:
    rows = session.execute(text(f"SELECT state, count(*) FROM {table} GROUP BY state ORDER BY state"))  # noqa: S608
    return {str(state): int(count) for state, count in rows}


def _queue_lengths() -> dict[str, int | None]:
    """Return how many rings wait in each queue; None when Redis does not answer: nothing is lost by that (I9)."""
    import redis

    client = queues.connect(socket_timeout=0.5)
    try:
        return {name.value: Queue(name, connection=client, serializer="json").count for name in queues.QueueName}
    except redis.RedisError:
        return dict.fromkeys((name.value for name in queues.QueueName), None)
    finally:
        client.close()


def _print(row: dict[str, Any]) -> None:
    counts = [(table, *pair) for table, found in row["states"].items() for pair in found.items()]
    states = [{"table": table, "state": state, "rows": count} for table, state, count in counts]
    emit_list(states, as_json=False, columns=("table", "state", "rows"), nothing="Nothing came in yet.")
    click.echo()
    lines = [{"queue": k, **v, "rings_waiting": row["queues"][k]} for k, v in row["due"].items()]
    emit_list(lines, as_json=False, columns=("queue", "due", "oldest_seconds", "rings_waiting"), nothing="")
    click.echo()
    lag = row["scheduler_lag_seconds"]
    emit({"scheduler": "never seen" if lag is None else f"{lag} s ago"}, as_json=False)
    if lost := row["states"]["shops"].get(ShopState.RECONNECT):
        say(f"{lost} {'shop' if lost == 1 else 'shops'} must be connected again by the merchant: cartwheel shop list")
    for shop_id, kinds in row["shops_not_read"].items():
        say(f"Shop {shop_id} cannot be asked for {', '.join(kinds)}: cartwheel shop show {shop_id}")
    for complaint in row["complaints"]:
        say(complaint)
