"""The door of the desk: who of ours may come in and as what, one transaction that sees all shops, the frame of a page."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import wraps
from typing import Any

from flask import Blueprint, abort, flash, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app import clock
from app.db import sessions
from app.models import Role, Shop, Staff
from app.services import staff
from app.web.admin import words
from app.web.guards import Guard, guarded

blueprint = Blueprint("support", __name__, url_prefix="/support")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What stands around every page of the desk. Times are in UTC: the shops' zones differ."""

    staff: Staff
    now: datetime
    zone: tzinfo = UTC
    shop: Shop | None = None  # of the one person or mail that the page is about: amounts are in its currency

    def may(self, role: str) -> bool:
        """Say whether the person at the desk may do what this role does."""
        return Role(self.staff.role).includes(Role(role))


def staff_only(role: Role) -> Callable[[Callable[..., Any]], Callable[..., ResponseReturnValue]]:
    """Declare a door for staff who have at least this role; who they are is looked up anew for each request."""

    def declare(view: Callable[..., Any]) -> Callable[..., ResponseReturnValue]:
        @guarded(Guard.STAFF)
        @wraps(view)
        def inner(*args: Any, **kwargs: Any) -> ResponseReturnValue:
            with sessions().begin() as database:
                found = staff.active(database, session.get("staff_id", 0))
            if found is None:
                return redirect(url_for("support.signed_out"))
            if not Role(found.role).includes(role):
                abort(403)
            g.staff = found
            return view(*args, **kwargs)  # type: ignore[no-any-return]

        inner.role = role  # type: ignore[attr-defined]
        return inner

    return declare


@contextmanager
def opened() -> Iterator[Session]:
    """Open the transaction of a request of the staff: as the owner, over all shops."""
    with sessions().begin() as database:
        g.frame = Desk(staff=g.staff, now=clock.now(database))
        yield database


def about(shop: Shop) -> Shop:
    """Say that the page is about a person or a mail of this shop."""
    g.frame = replace(g.frame, shop=shop)
    return shop


def actor() -> str:
    """Return who acts, for the audit log."""
    return staff.actor_name(g.staff.id)


def done(endpoint: str, *, say: str, **values: Any) -> ResponseReturnValue:
    """Answer a finished act: the page it belongs to, with a sentence on it."""
    flash(say)
    return redirect(url_for(f"support.{endpoint}", **values), 303)


def asked_shop(database: Session) -> Shop | None:
    """Return the shop that a list is narrowed to; an unknown one narrows to none."""
    shop_id = request.args.get("shop", type=int)
    if shop_id is None:
        return None
    found = database.get(Shop, shop_id)
    return found if found is not None else abort(404)


@blueprint.context_processor
def _frame() -> dict[str, Any]:
    return {"frame": g.get("frame"), "platforms": words.PLATFORMS, "words": words}
