"""What the page of an attempt shows: one line for each thing that must be true, each with its state and its words."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlencode

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Connection, Cursor, OAuthState, Phase, Webhook
from app.services import connections
from app.web.admin.show import number

APP_NAME = "Cartwheel"
SCOPE = "read_write"  # webhooks and coupons are made, orders read
_ORDER = [Phase.CHECKING, Phase.APPROVING, Phase.PROVING, Phase.LINKING, Phase.CONNECTED]


class Mark(StrEnum):
    """How a line stands."""

    DONE = "done"
    NOW = "now"
    LATER = "later"
    OPEN = "open"  # not there, and not needed to go on
    WRONG = "wrong"  # here it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the list."""

    title: str
    mark: Mark
    hint: str = ""
    brings_plugin: bool = False  # a link to download the companion plugin stands beside it


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An attempt as its page shows it. `is_moving`: something may still change by itself, so the page asks again."""

    url: str
    name: str
    lines: list[Line]
    problem: str | None
    instead: str | None
    is_approving: bool
    is_expired: bool
    is_connected: bool
    is_moving: bool


def read(session: Session, attempt: OAuthState, *, now: datetime) -> Seen:
    """Read how far an attempt is, and of its shop what has happened already."""
    shop_id = attempt.connected_shop_id
    known = connections.of(session, shop_id) if shop_id else None
    lines = [*_lines(attempt), *_signs(session, shop_id, known)]
    if attempt.phase == Phase.STOPPED:  # what would have come next is of no use to anybody now
        lines = [line for line in lines if line.mark in {Mark.DONE, Mark.WRONG}]
    is_expired = attempt.phase == Phase.APPROVING and attempt.expires_at <= now
    is_connected = attempt.phase == Phase.CONNECTED
    is_whole = is_connected and all(line.mark in {Mark.DONE, Mark.OPEN} for line in lines)
    return Seen(
        url=attempt.url,
        name=str(attempt.front.get("name") or ""),
        lines=lines,
        problem=attempt.problem,
        instead=attempt.instead,
        is_approving=attempt.phase == Phase.APPROVING and not is_expired,
        is_expired=is_expired,
        is_connected=is_connected,
        is_moving=not (attempt.phase == Phase.STOPPED or is_expired or is_whole),
    )


def approve_url(shop_url: str, token: str, *, return_url: str, callback_url: str) -> str:
    """Return the page of the shop on which its owner approves; the token travels as `user_id`."""
    asked = {
        "app_name": APP_NAME, "scope": SCOPE, "user_id": token, "return_url": return_url, "callback_url": callback_url,
    }  # fmt: skip
    return f"{shop_url}/wc-auth/v1/authorize?{urlencode(asked)}"


def _lines(attempt: OAuthState) -> list[Line]:
    """Return what the attempt itself has to go through."""
    at = _ORDER.index(Phase(attempt.phase)) if attempt.phase != Phase.STOPPED else _reached(attempt)
    titles = [
        (_("The shop answers"), _("Over https, with WooCommerce and its REST API.")),
        (_("You approve in your shop"), _("You sign in there; we never see your password.")),
        (_("The keys work"), _("They are tried on this very shop before they are kept.")),
        (_("Webhooks are made"), _("Each with a secret of its own.")),
    ]
    now = Mark.WRONG if attempt.phase == Phase.STOPPED else Mark.NOW
    marks = [Mark.DONE if n < at else now if n == at else Mark.LATER for n in range(len(titles))]
    return [
        Line(title=title, mark=mark, hint="" if mark is Mark.DONE else hint)
        for (title, hint), mark in zip(titles, marks, strict=True)
    ]


def _reached(attempt: OAuthState) -> int:
    """Return how many lines were done before something went wrong."""
    if not attempt.front:
        return 0
    return 2 if attempt.used_at is not None else 1


def _signs(session: Session, shop_id: int | None, known: Connection | None) -> list[Line]:
    """Return what the shop has shown of itself by now."""
    is_heard = known is not None and (known.pinged_at is not None or _has_webhook(session, shop_id))
    if known is None:
        companion = Line(title=_("The companion plugin is there"), mark=Mark.LATER, hint=_("It tells of carts."))
    elif known.companion:
        companion = Line(title=_("The companion plugin %(version)s is there", version=known.companion), mark=Mark.DONE)
    else:
        hint = _("Without it, WooCommerce tells us of orders and not of carts. Install it any time: it is found by itself.")
        companion = Line(title=_("The companion plugin is not there yet"), mark=Mark.OPEN, hint=hint, brings_plugin=True)
    heard = Line(
        title=_("A test delivery has come through"),
        mark=Mark.DONE if is_heard else Mark.NOW if known else Mark.LATER,
        hint="" if is_heard else _("The shop sends it while the webhooks are made."),
    )
    return [heard, companion, _import_line(session, shop_id)]


def _has_webhook(session: Session, shop_id: int | None) -> bool:
    return session.scalar(select(Webhook.id).where(Webhook.shop_id == shop_id).limit(1)) is not None


def _import_line(session: Session, shop_id: int | None) -> Line:
    """Say how far the first import of orders is; it goes on when this page is closed."""
    cursor = shop_id and session.scalar(select(Cursor).where(Cursor.shop_id == shop_id, Cursor.kind == "orders"))
    if not cursor:
        return Line(title=_("The first import runs"), mark=Mark.LATER, hint=_("Orders, customers and products."))
    if cursor.imported_at is not None:
        read = ngettext("%(num)s order was read", "%(num)s orders were read", cursor.done)
        return Line(title=read if cursor.done else _("No orders yet: there was nothing to import"), mark=Mark.DONE)
    done, total = number(cursor.done), number(cursor.total or 0)
    if cursor.total is None:
        title = ngettext("The first import runs: %(num)s order", "The first import runs: %(num)s orders", cursor.done)
    else:
        title = _("The first import runs: %(done)s of %(total)s orders", done=done, total=total)
    return Line(title=title, mark=Mark.NOW, hint=_("It goes on by itself."))
