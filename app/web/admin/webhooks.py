"""The webhooks of a shop: the log, one webhook with its body and its events, and replay."""

from typing import Any

from flask import abort, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy.orm import Session

from app import clock
from app.db import tenant_session
from app.domain.errors import Refused
from app.models import Webhook, WebhookState
from app.queues import QueueName, ring
from app.services import audit, listings, replay
from app.services import results as counting
from app.services.listings import WebhookFilter, WebhookLine
from app.web.admin import payload, show, words
from app.web.admin.asked import MOST_ID, asked_before, asked_state
from app.web.admin.charts import bars
from app.web.admin.door import blueprint, done, opened
from app.web.guards import Guard, actor, guarded, shop_id
from app.web.htmx import htmx_request, respond
from integrations import PLATFORMS

MOST_ROUNDS = 10  # of replay.MOST_AT_ONCE each, so that one click ends; the button says what is left
MOST_LOOKS = 8  # times that a row which waits to be handled looks again by itself
REASON = "asked for on the webhooks page"


@blueprint.get("/webhooks")
@guarded(Guard.MERCHANT)
def webhooks() -> ResponseReturnValue:
    """List what the shop told us, newest first."""
    which = _asked_filter()
    with opened() as session:
        page = listings.list_webhooks(session, shop_id(), which, before=asked_before())
        topics = listings.recent_topics(session, shop_id())
        failed = listings.count_failed(session, shop_id(), which.topic)
        pulse = counting.pulse(session, shop_id())
    return render_template(
        "admin/webhooks.html",
        webhook_page=page,
        which=which,
        topics=topics,
        platform_names=list(PLATFORMS),
        failed=failed,
        failed_limit=listings.COUNT_LIMIT,
        look=listings.LOOK,
        pulse=pulse,
        bars=bars(pulse.buckets, width=1000, height=70),
        before=asked_before(),
        words=words,
    )


@blueprint.get(f"/webhooks/<int(max={MOST_ID}):webhook_id>")
@guarded(Guard.MERCHANT)
def webhook(webhook_id: int) -> ResponseReturnValue:
    """Show one webhook: as a page, as the panel beside the log, or as its line there."""
    with opened() as session:
        if htmx_request().wants_fragment and htmx_request().hx_target_id == f"webhook-{webhook_id}":
            return respond(_line(_found_line(session, webhook_id), look=request.args.get("look", 0, type=int)))
        context = _detail(session, _found(session, webhook_id))
    if htmx_request().wants_fragment:
        return respond(render_template("admin/_webhook.html", **context, in_panel=True))
    return render_template("admin/webhook.html", **context, in_panel=False)


@blueprint.post(f"/webhooks/<int(max={MOST_ID}):webhook_id>/payload")
@guarded(Guard.MERCHANT)
def reveal(webhook_id: int) -> ResponseReturnValue:
    """Show the body with its personal data; that somebody looked is kept in the audit log."""
    with opened() as session:
        found = _found(session, webhook_id)
        audit.record(
            session, shop_id(), actor=actor(), action="webhook.revealed", object_kind="webhook", object_id=webhook_id
        )
        context = _detail(session, found, revealed=True)
    if htmx_request().wants_fragment:
        return respond(render_template("admin/_payload.html", **context))
    return render_template("admin/webhook.html", **context, in_panel=False)


@blueprint.post(f"/webhooks/<int(max={MOST_ID}):webhook_id>/replay")
@guarded(Guard.MERCHANT)
def replay_webhook(webhook_id: int) -> ResponseReturnValue:
    """Set one webhook due again."""
    with opened() as session:
        _found_line(session, webhook_id)
        try:
            replay.replay_one(session, shop_id(), webhook_id, actor=actor(), reason=REASON, now=g.frame.now)
            say, status = str(_("Replaying. It is handled in a moment.")), 200
        except Refused as refusal:
            say, status = str(refusal), 422
        line, context = _found_line(session, webhook_id), _detail(session, _found(session, webhook_id))
    if status == 200:
        ring(QueueName.INBOX)
    if not htmx_request().wants_fragment:
        return done("webhook", say=say, webhook_id=webhook_id)
    if htmx_request().hx_target_id == f"webhook-{webhook_id}":
        return respond(_line(line, look=1), toast=say, status=status)
    piece = render_template("admin/_webhook_replayed.html", **context, in_panel=True, line=line, again=2)
    return respond(piece, toast=say, status=status)


@blueprint.post("/webhooks/replay")
@guarded(Guard.MERCHANT)
def replay_failed() -> ResponseReturnValue:
    """Set all failed webhooks due again, or those of one topic."""
    which = replay.Which(topic=request.form.get("topic") or None)
    total = 0
    for _round in range(MOST_ROUNDS):
        with tenant_session(shop_id()) as session:
            count = replay.replay_matching(session, shop_id(), which, actor=actor(), reason=REASON, now=clock.now(session))
        ring(QueueName.INBOX)
        total += count
        if count < replay.MOST_AT_ONCE:
            break
    say = ngettext("Replaying %(count)s webhook.", "Replaying %(count)s webhooks.", total, count=show.number(total))
    return done("webhooks", say=say if total else _("No webhook failed, so there was nothing to replay."), topic=which.topic)


def _asked_filter() -> WebhookFilter:
    platform = request.args.get("platform") or None
    return WebhookFilter(
        state=asked_state(WebhookState),
        topic=request.args.get("topic", "")[:200] or None,
        platform=platform if platform in PLATFORMS else None,
    )


def _found(session: Session, webhook_id: int) -> Webhook:
    found = listings.find_webhook(session, shop_id(), webhook_id)
    return found if found is not None else abort(404)


def _found_line(session: Session, webhook_id: int) -> WebhookLine:
    found = listings.webhook_line(session, shop_id(), webhook_id)
    return found if found is not None else abort(404)


def _line(line: WebhookLine, *, look: int) -> str:
    """Render a line of the log; one that waits looks again by itself, a few times."""
    again = look + 1 if line.state == WebhookState.PENDING and 0 < look < MOST_LOOKS else None
    return render_template("admin/_webhook_line.html", line=line, again=again, words=words)


def _detail(session: Session, found: Webhook, *, revealed: bool = False) -> dict[str, Any]:
    body = payload.read(found.body) if found.body is not None else None
    text, is_cut = payload.pretty(body if revealed else payload.masked(body))
    return {
        "webhook": found, "events": listings.events_of(session, shop_id(), found.id), "why_not": replay.why_not(found),
        "payload": text, "is_cut": is_cut, "revealed": revealed, "words": words,
    }  # fmt: skip
