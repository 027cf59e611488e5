"""The versions of a flow: who made which and when, what differs between two, and an old one brought back."""

from dataclasses import dataclass

from flask import abort, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.catalogues import noted
from app.domain.errors import Refused
from app.flows import FLOWS
from app.flows.differences import Change
from app.services import edit_flow, flow_versions
from app.web.admin import words
from app.web.admin.door import blueprint, done, opened
from app.web.guards import Guard, actor, guarded, shop_id

PAGE = 30  # versions
MOST_NUMBER = 2**31 - 1
WHATS = {
    "mail": noted("Mail"),
    "only": noted("Sent only when"),
    "wait": noted("Wait"),
    "coupon": noted("Coupon"),
    "latest": noted("Left out when later than"),
    "enters": noted("Who enters"),
    "leaves": noted("Who leaves"),
    "asks": noted("Where ways part"),
    "again_after_days": noted("Enters again after days"),
    "subject": noted("Subject"),
    "preheader": noted("Preheader"),
    "body": noted("Text"),
    "rest": noted("Order of the steps, or tags"),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """Two versions and what differs; `refusal` says why they cannot be compared."""

    old: int
    new: int
    changes: list[Change]
    refusal: str = ""


@blueprint.get("/flows/<key>/versions")
@guarded(Guard.MERCHANT)
def versions(key: str) -> ResponseReturnValue:
    """List a flow's versions, the newest first, and compare two: those that were asked for, else the last two."""
    with opened() as session:
        return _page(session, key)


@blueprint.post(f"/flows/<key>/versions/<int(max={MOST_NUMBER}):number>/restoration")
@guarded(Guard.MERCHANT)
def restore_version(key: str, number: int) -> ResponseReturnValue:
    """Make an old version the next one; one that cannot be, says why, and nothing is changed."""
    _known(key)
    with opened() as session:
        before = edit_flow.current(session, shop_id(), key).settings.version
        try:
            state = flow_versions.restore(session, shop_id(), key, number, actor=actor(), now=g.frame.now)
        except Refused as refusal:
            return _page(session, key, refusal=str(refusal), status=422)
        after = state.settings.version
    is_new = after != before
    said = (
        _("Version %(old)s is back, as version %(new)s.", old=number, new=after) if is_new else _("It is as that version.")
    )
    return done("versions", say=str(said), key=key)


def theirs(session: Session, key: str, *, seen: int | None, newest: int) -> list[Change]:
    """Return what others changed since a version that somebody still looked at; nothing where that cannot be told."""
    return _compared(session, key, seen, newest).changes if seen else []


def _page(session: Session, key: str, *, refusal: str = "", status: int = 200) -> ResponseReturnValue:
    _known(key)
    state = edit_flow.current(session, shop_id(), key)
    below = request.args.get("below", type=int)
    newest = state.settings.version
    new = request.args.get("new", newest, type=int)
    old = request.args.get("old", max(new - 1, 1), type=int)
    rows = flow_versions.listed(session, shop_id(), key, below=below, limit=PAGE)
    older = rows[-1].version if rows and rows[-1].version > 1 else None
    page = render_template(
        "admin/versions.html", state=state, rows=rows, below=below, older=older, words=words, whats=WHATS, refusal=refusal,
        compared=_compared(session, key, old, new) if newest > 1 else None,
        people_partly=state.people >= edit_flow.PEOPLE_MOST,
    )  # fmt: skip
    return page, status


def _compared(session: Session, key: str, old: int, new: int) -> Compared:
    try:
        return Compared(old, new, flow_versions.compare(session, shop_id(), key, old, new, name=words.condition))
    except Refused as refusal:
        return Compared(old, new, [], str(refusal))


def _known(key: str) -> None:
    if key not in FLOWS:
        abort(404)
