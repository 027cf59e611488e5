"""The door of all merchant pages: the blueprint, one transaction that sees one shop, and what every page shows around it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, cast

from flask import Blueprint, Flask, Response, abort, current_app, flash, g, redirect, session, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.http import http_date

from app import clock
from app.config import Transport, settings
from app.db import sessions, tenant_session
from app.models import Shop
from app.services import connections, listings, pauses
from app.web import hosts
from app.web.admin import show, words
from app.web.guards import shop_id
from app.web.host import Host
from app.web.htmx import HtmxRequest, follow, htmx_request, is_piece
from integrations.shopify.scopes import missing_scopes

blueprint = Blueprint("admin", __name__, url_prefix="/admin")

MOST_SHOPS = 20  # in the switcher

_SORRY = {
    400: "This page is too old. Reload it and try again; nothing was changed.",
    404: "That is gone. Reload the page.",
}


@dataclass(frozen=True, slots=True)
class OtherShop:
    """A shop that the session may switch to."""

    id: int
    name: str
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What stands around every page: whose shop, whose clock, what needs attention."""

    shop: Shop
    others: list[OtherShop]
    failed_webhooks: int
    zone: tzinfo
    now: datetime
    mailbox_url: str | None  # where mails end up when nothing leaves this machine
    shop_front_url: str | None  # of the demo
    host: Host  # whose page we are drawn in
    missing_scopes: tuple[str, ...]  # rights that the shop has not granted
    problem: str | None  # what is wrong with a WooCommerce shop's connection
    mail_refused_since: datetime | None  # nothing leaves until a person has mended something


@contextmanager
def opened() -> Iterator[Session]:
    """Open the transaction of a merchant's request: one shop's rows (D14), and the frame of its page in `g`."""
    others = [] if htmx_request().wants_fragment or hosts.is_embedded() else _other_shops()
    refused_since = None if htmx_request().wants_fragment else _mail_refused_since()
    with tenant_session(shop_id()) as database:
        g.frame = _read_frame(database, others, refused_since)
        yield database


def done(endpoint: str, *, say: str | None, **values: Any) -> ResponseReturnValue:
    """Answer a finished act whose form was sent whole: the page it belongs to, with a sentence on it.

    In a back office's frame no cookie carries the sentence there, so htmx shows it and then fetches the page.
    """
    if hosts.is_embedded():
        return follow(url_for(f"admin.{endpoint}", **values), toast=say)
    if say:
        flash(say)
    return redirect(url_for(f"admin.{endpoint}", **values), 303)


def _read_frame(database: Session, others: list[OtherShop], refused_since: datetime | None) -> Frame:
    shop = database.scalar(select(Shop).where(Shop.id == shop_id()))
    if shop is None:  # it was forgotten since the person signed in
        session.clear()
        abort(401)
    g.page_language = shop.page_language
    granted = frozenset(filter(None, shop.scopes.split(",")))
    connection = connections.of(database, shop.id) if shop.connection_id else None
    return Frame(
        shop=shop,
        others=others,
        failed_webhooks=listings.count_failed(database, shop.id),
        zone=show.zone(shop.timezone),
        now=clock.now(database),
        mailbox_url=_mailbox_url(),
        shop_front_url=settings().demo_shops_url or None,
        host=hosts.current(),
        missing_scopes=tuple(sorted(missing_scopes(granted))) if granted else (),
        problem=connection.problem if connection else None,
        mail_refused_since=refused_since,
    )


def _mail_refused_since() -> datetime | None:
    """Say since when the way out for mail refuses us: this shop's, or everybody's, which no shop's own role may see."""
    with sessions().begin() as database:
        return min((pause.since for pause in pauses.of(database, [shop_id()]) if pause.is_refusal), default=None)


def _other_shops() -> list[OtherShop]:
    """Read the names of the session's other shops, each behind its own wall."""
    others = []
    for other_id in [i for i in session["shop_ids"] if i != shop_id()][:MOST_SHOPS]:
        with tenant_session(other_id) as database:
            row = database.execute(select(Shop.id, Shop.name, Shop.platform).where(Shop.id == other_id)).one_or_none()
        if row:
            others.append(OtherShop(*row))
    return others


def _mailbox_url() -> str | None:
    if settings().mail_transport is not Transport.OUTBOX or "mailbox" not in current_app.blueprints:
        return None
    return current_app.blueprints["mailbox"].url_prefix


@blueprint.record_once
def _teach_the_app(state: BlueprintSetupState) -> None:
    """Give the app our request class; htmx-flask sets its own before blueprints are registered."""
    app = cast("Flask", state.app)
    app.request_class = HtmxRequest
    app.jinja_env.globals.setdefault("http_date", http_date)
    show.add_filters(app.jinja_env)
    app.jinja_env.filters["event_word"] = words.event


@blueprint.context_processor
def _frame() -> dict[str, Any]:
    return {"frame": g.get("frame"), "platforms": words.PLATFORMS, **hosts.current().context()}


@blueprint.app_url_defaults
def _keep_marks(endpoint: str, values: dict[str, Any]) -> None:
    """Say in every address of the merchant's pages where they are shown, so that a reload finds its way."""
    if endpoint.startswith(f"{blueprint.name}."):
        for name, value in hosts.marks().items():
            values.setdefault(name, value)


@blueprint.after_request
def _explain_to_htmx(response: Response) -> Response:
    """Say an error in a sentence: its page is not for a piece of a page (htmx-config in base.html keeps it out)."""
    if htmx_request().htmx and response.status_code >= 400 and not is_piece():
        sorry = _SORRY.get(response.status_code, "That did not work, and nothing was changed. Try again in a minute.")
        response.headers["HX-Trigger"] = show.toast(sorry)
    return response
