"""`cartwheel webhook`: the inbox, and replaying what failed."""

from dataclasses import asdict
from typing import Any

import click
from sqlalchemy import select

from app.cli.durations import instant
from app.cli.output import Row, emit, emit_list, json_option, printable, progress, say
from app.cli.scope import actor, list_options, one, page, shop_option, transaction
from app.domain.errors import Refused
from app.models import EventRow, Webhook, WebhookState
from app.queues import QueueName, ring
from app.services import audit, replay, shops
from app.services.replay import Which

COLUMNS = ("id", "shop_id", "topic", "state", "reason", "attempts", "received_at", "due_at")
BATCH = 100  # webhooks in one transaction of a replay
SHOWN = 20  # of a dry run


@click.group("webhook")
def group() -> None:
    """List, show and replay the webhooks that shops sent us."""


@group.command("list")
@click.option("--state", type=click.Choice([s.value for s in WebhookState]), help="Only those in this state.")
@shop_option
@list_options
@json_option
def list_(state: str | None, shop: str | None, limit: int, after: int | None, as_json: bool) -> None:
    """List webhooks, oldest first."""
    with transaction() as (session, _):
        found = page(session, Webhook, shop=shop, state=state, after=after, limit=limit)
        rows = [_row(webhook) for webhook in found]
    emit_list(rows, as_json=as_json, columns=COLUMNS, nothing="There are no such webhooks.")
    if len(rows) == limit and not as_json:
        say(f"There may be more: --after {rows[-1]['id']}")


@group.command()
@click.argument("webhook_id", type=int, metavar="ID")
@click.option("--body", "with_body", is_flag=True, help="Also what the shop said; the look is audited.")
@json_option
def show(webhook_id: int, with_body: bool, as_json: bool) -> None:
    """Show one webhook, what became of it and what can be done."""
    with transaction() as (session, _):
        webhook = one(session, Webhook, webhook_id, "webhook")
        row = {**_row(webhook), **_details(webhook), "events": _events(session, webhook)}
        if with_body:
            row["body"] = None if webhook.body is None else webhook.body.decode("utf-8", "replace")
            audit.record(
                session, webhook.shop_id, actor=actor(), action="webhook.read", object_kind="webhook", object_id=webhook_id
            )
    emit(row, as_json=as_json)


@group.command("replay")
@click.argument("webhook_id", type=int, required=False, metavar="[ID]")
@click.option("--since", metavar="TIME|DURATION", help="Received since 2026-11-19T08:00 (UTC), or since 2h ago.")
@click.option("--topic", help="Only of this topic, such as orders/create.")
@click.option("--state", type=click.Choice(["failed", "ignored"]), default="failed", show_default=True)
@click.option("--dry-run", is_flag=True, help="Say what would be added, changed and left (+ ~ =); change nothing.")
@click.option("--reason", default="", help="Why; kept in the audit log.")
@shop_option
@json_option
def replay_(
    webhook_id: int | None,
    since: str | None,
    topic: str | None,
    state: str,
    dry_run: bool,
    reason: str,
    shop: str | None,
    as_json: bool,
) -> None:
    """Handle a webhook again, or all failed ones that match. Nothing happens twice: mails are sent once per step."""
    if webhook_id is not None and (since or topic):
        raise click.UsageError("Give an ID, or --since and --topic, not both.")
    keys = [_key(webhook_id, shop)] if webhook_id is not None else _matching(shop, state, topic, since)
    if dry_run:
        _foretell(keys, as_json)
        return
    replayed, refused = _replay(keys, reason)
    if webhook_id is not None and refused:
        raise Refused(refused[0])
    emit({"replayed": replayed, "refused": len(refused)}, as_json=as_json)


def _key(webhook_id: int, shop: str | None) -> tuple[int, int]:
    with transaction() as (session, _):
        webhook = one(session, Webhook, webhook_id, "webhook")
        if shop and shops.find(session, shop).id != webhook.shop_id:
            raise Refused(f"There is no webhook {webhook_id} of that shop.")
        if why := replay.why_not(webhook):
            raise Refused(why)
        return webhook.shop_id, webhook.id


def _matching(shop: str | None, state: str, topic: str | None, since: str | None) -> list[tuple[int, int]]:
    """Collect the keys first: a webhook that fails again at once must not be taken a second time."""
    with transaction() as (session, now):
        which = Which(state=WebhookState(state), topic=topic, since=instant(since, now) if since else None)
        wanted = [shops.find(session, shop)] if shop else shops.everyone(session)
        found: list[tuple[int, int]] = []
        for owner in wanted:
            query = replay.matching(owner.id, which).with_only_columns(Webhook.shop_id, Webhook.id)
            found += [(shop_id, webhook_id) for shop_id, webhook_id in session.execute(query)]
    return found


def _replay(keys: list[tuple[int, int]], reason: str) -> tuple[int, list[str]]:
    refused: list[str] = []
    with progress("Set due", len(keys)) as advance:
        for start in range(0, len(keys), BATCH):
            batch = keys[start : start + BATCH]
            with transaction() as (session, now):
                for shop_id, webhook_id in batch:
                    try:
                        replay.replay_one(session, shop_id, webhook_id, actor=actor(), reason=reason, now=now)
                    except Refused as exc:  # it was handled, erased or replayed since we looked
                        refused.append(str(exc))
            ring(QueueName.INBOX)
            advance(len(batch))
    return len(keys) - len(refused), refused


def _foretell(keys: list[tuple[int, int]], as_json: bool) -> None:
    from jobs.forecast import foretell

    found = foretell(keys)
    if as_json:
        told = [asdict(effect) for effect in found.effects.found]
        ends = [{"state": state, "reason": reason, "webhooks": count} for (state, reason), count in found.ends]
        ids = [webhook_id for _, webhook_id in keys]
        emit({"would_replay": found.webhooks, "ids": ids, "ends": ends, "effects": told}, as_json=True)
        return
    for effect in found.effects.found[:SHOWN]:
        changes = ", ".join(f"{c.field} {c.before or '-'} → {c.after or '-'}" for c in effect.changes)
        click.echo(printable(f"{effect.sign} {effect.noun} {effect.name}  {changes}".rstrip()))
    if (more := len(found.effects.found) - SHOWN) > 0 or found.effects.is_cut:
        click.echo(f"  and {max(more, 0)} more{' at least' if found.effects.is_cut else ''}")
    for (state, reason), count in found.ends:
        say(f"{count} would end as {state}{f': {reason}' if reason else ''}")
    if found.left_out:
        say(f"{found.left_out} newer ones were left out of this forecast.")
    say(f"{found.webhooks} would be replayed. Nothing was changed.")


def _row(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "shop_id": webhook.shop_id,
        "platform": webhook.platform,
        "topic": webhook.topic,
        "state": webhook.state,
        "reason": webhook.error,
        "attempts": webhook.attempts,
        "external_id": webhook.external_id,
        "delivery_id": webhook.delivery_id,
        "triggered_at": webhook.triggered_at,
        "received_at": webhook.received_at,
        "due_at": webhook.due_at,
        "processed_at": webhook.processed_at,
    }


def _details(webhook: Webhook) -> Row:
    return {
        "error_class": webhook.error_class,
        "body_bytes": None if webhook.body is None else len(webhook.body),
        "body_sha256": webhook.body_sha256.hex(),
        "headers": webhook.headers,
        "replay": replay.why_not(webhook) or f"cartwheel webhook replay {webhook.id}",
    }


def _events(session: Any, webhook: Webhook) -> list[Row]:
    query = select(EventRow).where(EventRow.shop_id == webhook.shop_id, EventRow.webhook_id == webhook.id)
    return [{"kind": e.kind, "happened_at": e.happened_at} for e in session.scalars(query.order_by(EventRow.id))]
