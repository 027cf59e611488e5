"""`cartwheel shop`: the shops we work for."""

from collections.abc import Mapping
from dataclasses import asdict

import click

from app.cli.facts import facts_options
from app.cli.output import Row, emit, emit_list, json_option, say
from app.cli.rules import spelled
from app.cli.scope import actor, shop_option, transaction
from app.config import settings
from app.models import Cursor, Shop, ShopState
from app.services import (
    connections,
    edit_rules,
    hygiene_weeks,
    install,
    mail_pace,
    mail_rules,
    reconcile,
    sender_domain,
    shops,
)
from app.services.hygiene import COUNTED
from integrations.names import Dns

COLUMNS = ("shop_id", "platform", "domain", "name", "state", "installed_at")
LEFT_BEHIND = (
    "No mail of the shop leaves any more. WooCommerce lets nobody revoke a key from outside: remove Cartwheel's in the "
    "shop, under WooCommerce > Settings > Advanced > REST API."
)
HOOKS_LEFT = (
    "The shop could not be asked to forget our webhooks. They are refused from now on, and the shop switches them off by "
    "itself; or delete them there, under WooCommerce > Settings > Advanced > Webhooks: those named Cartwheel."
)
HYGIENE = ("week_on", *COUNTED, "verdict")


@click.group("shop")
def group() -> None:
    """List, connect, pause, resume and disconnect shops. A shop is named by its id or its domain."""


@group.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all shops, oldest first."""
    with transaction() as (session, _):
        rows = [_row(shop) for shop in shops.everyone(session)]
    emit_list(rows, as_json=as_json, columns=COLUMNS, nothing="No shop is connected yet: cartwheel shop connect")


@group.command()
@click.argument("shop", required=False)
@click.option("--mail-domain", is_flag=True, help="Also ask the DNS about the domain that its mails come from.")
@json_option
def show(shop: str | None, mail_domain: bool, as_json: bool) -> None:
    """Show one shop with the address its webhooks go to, how far its import is, and what it says that it has."""
    with transaction() as (session, _):
        found = shops.find(session, shop)
        row = {**_row(found), "read": _read(reconcile.progress(session, found.id))}
        row["webhooks"] = reconcile.webhook_ailment(session, found.id) or "in order"
        if known := connections.of(session, found.id):
            shown = ("version", "wordpress", "companion", "senders", "looked_at", "problem")
            row["connection"] = {name: getattr(known, name) for name in shown}
        sender = found.sender_email
    if mail_domain:
        records = sender_domain.look_up(sender.rpartition("@")[2], Dns())
        row["mail_domain"] = {r.kind: f"{r.verdict}: {r.detail}{f'. {r.remedy}' if r.remedy else ''}" for r in records}
    emit(row, as_json=as_json)


@group.command()
@click.argument("shop", required=False)
@json_option
def pause(shop: str | None, as_json: bool) -> None:
    """Stop all mail of a shop. Webhooks are still taken in, so that nothing is lost."""
    _switch(shop, ShopState.PAUSED, as_json)


@group.command()
@click.argument("shop", required=False)
@json_option
def resume(shop: str | None, as_json: bool) -> None:
    """Let a paused shop's mail go out again. What grew stale meanwhile is skipped, and says so."""
    _switch(shop, ShopState.ACTIVE, as_json)


@group.command()
@click.argument("shop")
@json_option
def disconnect(shop: str, as_json: bool) -> None:
    """Disconnect a WooCommerce shop: its mail stops at once, then our webhooks are removed from the shop.

    What was set stays for the day it is connected again. The exit code is 3 when the shop could not be tidied up.
    """
    from jobs import leaving

    with transaction() as (session, _):
        found = shops.find(session, shop)
    removed, problem = leaving.disconnect(found.id, actor=actor())
    with transaction() as (session, _):
        row = {**_row(shops.find(session, str(found.id))), "webhooks_removed": removed, "problem": problem}
    emit(row, as_json=as_json)
    say(LEFT_BEHIND if problem is None else f"{HOOKS_LEFT} {LEFT_BEHIND}")
    if problem is not None:
        raise click.exceptions.Exit(3)


@group.command()
@click.argument("shop", required=False)
@click.option("--quiet", metavar="FROM-UNTIL", help="No marketing at night: 21:00-08:00 by the shopper's clock, or off.")
@click.option("--caps", metavar="CAPS", help="Marketing mails to one person: 1/20h,3/7d,10/30d, or off.")
@json_option
def pace(shop: str | None, quiet: str | None, caps: str | None, as_json: bool) -> None:
    """Show or change when marketing may reach a person. It puts mails off and drops none."""
    with transaction() as (session, _):
        found = shops.find(session, shop)
        if quiet is not None or caps is not None:
            mail_pace.change(session, found, quiet=quiet, caps=caps, actor=actor())
        row = {"shop_id": found.id, "quiet": mail_pace.written_quiet(found), "caps": mail_pace.written_caps(found)}
    emit(row, as_json=as_json)


@group.command()
@click.argument("changes", nargs=-1, metavar="[NAME=VALUE]...")
@shop_option
@click.option("--acknowledge", is_flag=True, help="You may mail people who never agreed (mode=anyone).")
@json_option
def rules(changes: tuple[str, ...], shop: str | None, acknowledge: bool, as_json: bool) -> None:
    """Show or change whom a shop may mail and what it measures: mode=regional double_opt_in=on tracks_opens=off ..."""
    values = {name: spelled(name, value) for name, _, value in (change.partition("=") for change in changes)}
    with transaction() as (session, now):
        found = shops.find(session, shop)
        if values:
            told = {**values, "acknowledged": acknowledge}
            edit_rules.change(session, found.id, told, actor=actor(), now=now)
        token = edit_rules.form_token(session, found.id, now=now)
        row = {"shop_id": found.id, **asdict(mail_rules.of(session, found.id))}
    emit({**row, "sign_up_url": f"{settings().public_url}/signup/{token}"}, as_json=as_json)


@group.command()
@click.argument("shop", required=False)
@click.option("--weeks", type=click.IntRange(1, hygiene_weeks.KEPT_MOST), default=12, show_default=True)
@json_option
def hygiene(shop: str | None, weeks: int, as_json: bool) -> None:
    """Show how a shop's mail fared, week by week, the newest first: bounces, complaints, and what to think of them."""
    with transaction() as (session, _):
        found = hygiene_weeks.kept(session, shops.find(session, shop).id, weeks)
        rows = [{name: getattr(week, name) for name in HYGIENE} for week in found]
    emit_list(rows, as_json=as_json, columns=HYGIENE, nothing="No week is over in which it mailed: cartwheel mail health")


@group.group()
def connect() -> None:
    """Connect a shop by hand, for tests and for support. Connecting it again replaces its secrets."""


@connect.command()
@click.option("--domain", required=True, help="The permanent domain: NAME.myshopify.com")
@click.option("--access-token", prompt=True, hide_input=True, help="Of the Admin API. Asked for when left out.")
@facts_options
@json_option
def shopify(domain: str, access_token: str, as_json: bool, **facts: str) -> None:
    """Connect a Shopify shop. Its webhooks are signed with the app's client secret."""
    known = shops.shopify_domain(domain)
    with transaction() as (session, now):
        details = shops.working_facts(known, **facts)
        shop = install.connect_shopify(session, known, access_token, details, actor=actor(), now=now)
        row = _row(shop)
    emit(row, as_json=as_json)


@connect.command()
@click.option("--url", required=True, help="The shop's address: https://shop.example.com")
@click.option("--key", prompt=True, hide_input=True, help="Consumer key, ck_... Asked for when left out.")
@click.option("--secret", prompt=True, hide_input=True, help="Consumer secret, cs_... Asked for when left out.")
@click.option("--webhook-secret", prompt=True, hide_input=True, help="What its webhooks are signed with.")
@facts_options
@json_option
def woocommerce(url: str, key: str, secret: str, webhook_secret: str, as_json: bool, **facts: str) -> None:
    """Connect a WooCommerce shop. The answer holds the address to enter for its webhooks."""
    known = shops.woocommerce_url(url, allow_loopback=settings().allow_loopback_shops)
    with transaction() as (session, now):
        details = shops.working_facts(known.partition("://")[2], **facts)
        shop = install.connect_woocommerce(
            session, known, key=key, secret=secret, webhook_secret=webhook_secret, facts=details, actor=actor(), now=now
        )
        row = _row(shop)
    emit(row, as_json=as_json)


def _switch(name: str | None, state: ShopState, as_json: bool) -> None:
    with transaction() as (session, now):
        row = _row(shops.set_state(session, shops.find(session, name), state, actor=actor(), now=now))
    emit(row, as_json=as_json)


def _read(cursors: Mapping[str, Cursor]) -> Row:
    """Return for each kind how far it is: objects done of all there are, when it was imported, and both counts."""
    return {
        kind: {
            "done": c.done, "total": c.total, "is_reading": c.began_at is not None, "imported_at": c.imported_at,
            "until": c.watermark, "shop_says": c.shop_count, "we_hold": c.held_count, "error": c.error,
        }
        for kind, c in cursors.items()
    }  # fmt: skip


def _row(shop: Shop) -> Row:
    row = {
        "shop_id": shop.id,
        "platform": shop.platform,
        "domain": shop.domain,
        "url": shop.url,
        "name": shop.name,
        "state": shop.state,
        "sender_email": shop.sender_email,
        "postal_address": shop.postal_address,
        "currency": shop.currency,
        "timezone": shop.timezone,
        "locale": shop.locale,
        "installed_at": shop.installed_at,
        "webhook_url": shops.webhook_url(shop, settings().public_url),
    }
    return row | ({"connection_id": shop.connection_id} if shop.connection_id else {})
