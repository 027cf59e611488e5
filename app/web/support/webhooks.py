"""The inbox of all shops: find a webhook, see why it failed and what changed since the one before, replay it."""

from difflib import ndiff
from typing import Any

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app.domain.errors import BadPayload
from app.domain.events import Event
from app.domain.json_input import parse_json
from app.models import Role, Shop, Webhook, WebhookState
from app.services import audit, desk, listings, replay
from app.services import results as counting
from app.services.desk import Asked
from app.web.admin import payload
from app.web.admin.asked import MOST_ID, asked_before, asked_state
from app.web.admin.charts import bars
from app.web.support.door import actor, asked_shop, blueprint, opened, staff_only
from integrations import PLATFORMS

MOST_LINES = 600  # of each of two bodies that are compared
MOST_WORDS = 200  # characters of a search


@blueprint.get("/webhooks")
@staff_only(Role.VIEWER)
def webhooks() -> ResponseReturnValue:
    """List webhooks of all shops or of one, newest first."""
    with opened() as session:
        shop = asked_shop(session)
        asked = Asked(
            shop_id=shop.id if shop else None,
            state=asked_state(WebhookState),
            topic=request.args.get("topic", "")[:MOST_WORDS] or None,
            words=request.args.get("q", "")[:MOST_WORDS].strip() or None,
            before=asked_before(),
        )
        page = desk.list_webhooks(session, asked)
        look = desk.LOOK if shop else desk.looked_through(session)
        pulse = counting.pulse(session, shop.id) if shop else None
        names = desk.names(session, (line.shop_id for line in page.lines))
    drawn = bars(pulse.buckets, width=1000, height=70) if pulse else []
    return render_template(
        "support/webhooks.html", webhook_page=page, look=look, asked=asked, shop=shop, names=names, pulse=pulse, bars=drawn
    )


@blueprint.get(f"/webhooks/<int(max={MOST_ID}):webhook_id>")
@staff_only(Role.VIEWER)
def webhook(webhook_id: int) -> ResponseReturnValue:
    """Show one webhook, people masked."""
    with opened() as session:
        context = _detail(session, _found(session, webhook_id), revealed=False)
    return render_template("support/webhook.html", **context)


@blueprint.post(f"/webhooks/<int(max={MOST_ID}):webhook_id>/payload")
@staff_only(Role.SUPPORT)
def reveal(webhook_id: int) -> ResponseReturnValue:
    """Show it with its personal data; that somebody looked is kept in the audit log (D15)."""
    with opened() as session:
        found = _found(session, webhook_id)
        audit.record(
            session, found.shop_id, actor=actor(), action="webhook.revealed", object_kind="webhook", object_id=webhook_id
        )
        context = _detail(session, found, revealed=True)
    return render_template("support/webhook.html", **context)


def _found(session: Session, webhook_id: int) -> Webhook:
    found = desk.find_webhook(session, webhook_id)
    return found if found is not None else abort(404)


def _detail(session: Session, found: Webhook, *, revealed: bool) -> dict[str, Any]:
    text, is_cut = _pretty(found, revealed=revealed)
    told = _told(found)
    earlier = desk.before_it(session, found, told) if told else None
    return {
        "webhook": found,
        "shop": session.get(Shop, found.shop_id),
        "events": listings.events_of(session, found.shop_id, found.id),
        "why_not": replay.why_not(found),
        "payload": text,
        "is_cut": is_cut,
        "revealed": revealed,
        "earlier": earlier,
        "difference": _difference(earlier, found, revealed=revealed) if earlier else [],
    }


def _told(webhook: Webhook) -> Event | None:
    """Read what a webhook tells first, also of one that was never handled; None when nobody can."""
    if webhook.body is None or webhook.platform not in PLATFORMS:
        return None
    try:
        at = webhook.triggered_at or webhook.received_at
        events = PLATFORMS[webhook.platform].normalise(webhook.topic, parse_json(webhook.body), at=at)
    except BadPayload:
        return None
    return next(iter(events), None)


def _pretty(webhook: Webhook, *, revealed: bool) -> tuple[Any, bool]:
    body = payload.read(webhook.body) if webhook.body is not None else None
    return payload.pretty(body if revealed else payload.masked(body))


def _difference(earlier: Webhook, later: Webhook, *, revealed: bool) -> list[tuple[str, str]]:
    """Return the lines that went (-) and came (+), and no others."""
    before, after = (_lines(webhook, revealed=revealed) for webhook in (earlier, later))
    return [(line[0], line[2:]) for line in ndiff(before, after) if line[0] in "+-"]


def _lines(webhook: Webhook, *, revealed: bool) -> list[str]:
    body = payload.read(webhook.body) if webhook.body is not None else None
    return payload.plain(body if revealed else payload.masked(body))[:MOST_LINES]
