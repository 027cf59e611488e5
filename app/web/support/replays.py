"""Replays: foretell one, ask for it, watch it, stop it."""

from datetime import datetime
from typing import Any

from flask import abort, g, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.models import Replay, Role, Shop, WebhookState
from app.queues import QueueName, ring
from app.services import desk, replays
from app.services.replays import Which
from app.web.admin.asked import MOST_ID, asked_before
from app.web.support.door import actor, blueprint, done, opened, staff_only

MOST_FORETOLD = 2_000  # webhooks; a forecast works them in one transaction
MOST_REASON = 500  # characters


@blueprint.get("/replays")
@staff_only(Role.VIEWER)
def list_replays() -> ResponseReturnValue:
    """List what was asked for, newest first."""
    with opened() as session:
        found = list(replays.newest(session, before=asked_before(), limit=desk.PAGE + 1))
    older = found[desk.PAGE - 1].id if len(found) > desk.PAGE else None
    return render_template("support/replays.html", replays=found[: desk.PAGE], older=older)


@blueprint.get(f"/replays/<int(max={MOST_ID}):replay_id>")
@staff_only(Role.VIEWER)
def show_replay(replay_id: int) -> ResponseReturnValue:
    """Show how far it is, and what it would do or did; while it is under way the page looks again by itself."""
    with opened() as session:
        found = _found(session, replay_id)
        which = Which.from_json(found.which)
        shop = session.get(Shop, which.shop_id) if which.shop_id else None
    return render_template("support/replay.html", replay=found, which=which, shop=shop)


@blueprint.post("/replays")
@staff_only(Role.SUPPORT)
def ask() -> ResponseReturnValue:
    """Ask for a forecast or for the replay itself, of the webhooks that the form names."""
    is_dry_run = request.form.get("do") != "replay"
    with opened() as session:
        asked = replays.ask(
            session,
            _asked_which(),
            is_dry_run=is_dry_run,
            actor=actor(),
            reason=request.form.get("reason", "")[:MOST_REASON],
            now=g.frame.now,
            most=MOST_FORETOLD if is_dry_run else None,
        )
        replay_id = asked.id
    ring(QueueName.HOUSEKEEPING)
    say = "Nothing is changed: this is worked for trial." if is_dry_run else "Replaying. Nothing is done twice."
    return done("show_replay", say=say, replay_id=replay_id)


@blueprint.post(f"/replays/<int(max={MOST_ID}):replay_id>/go")
@staff_only(Role.SUPPORT)
def go(replay_id: int) -> ResponseReturnValue:
    """Replay what was foretold."""
    with opened() as session:
        foretold = _found(session, replay_id)
        reason = request.form.get("reason", "")[:MOST_REASON]
        which = Which.from_json(foretold.which)
        asked = replays.ask(session, which, is_dry_run=False, actor=actor(), reason=reason, now=g.frame.now)
        new_id = asked.id
    ring(QueueName.HOUSEKEEPING)
    return done("show_replay", say="Replaying. Nothing is done twice.", replay_id=new_id)


@blueprint.post(f"/replays/<int(max={MOST_ID}):replay_id>/stop")
@staff_only(Role.SUPPORT)
def stop(replay_id: int) -> ResponseReturnValue:
    """Stop it before its next slice."""
    with opened() as session:
        replays.stop(session, _found(session, replay_id), actor=actor())
    return done("show_replay", say="It stops before its next slice. What was set due stays due.", replay_id=replay_id)


def _found(session: Session, replay_id: int) -> Replay:
    found = session.scalar(select(Replay).where(Replay.id == replay_id))
    return found if found is not None else abort(404)


def _asked_which() -> Which:
    form = request.form
    state = form.get("state") or WebhookState.FAILED
    if state not in set(WebhookState):
        raise Refused("There is no such state.")
    return Which(
        shop_id=form.get("shop", type=int),
        state=WebhookState(state),
        topic=form.get("topic") or None,
        since=_asked_time(form.get("since", "")),
        cause=form.get("cause") or None,
        ids=tuple(n for n in form.getlist("id", type=int) if 0 < n <= MOST_ID),
    )


def _asked_time(text: str) -> Any:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise Refused("Write the time like 2026-11-19T08:00, in UTC.") from exc
    return found if found.tzinfo else found.replace(tzinfo=g.frame.zone)
