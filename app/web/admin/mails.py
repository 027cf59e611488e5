"""The mails of a shop, sent and not sent, and for each one why."""

from flask import abort, render_template
from flask.typing import ResponseReturnValue

from app.models import DeliveryState
from app.services import listings
from app.web.admin import why, words
from app.web.admin.asked import MOST_ID, asked_before, asked_state
from app.web.admin.door import blueprint, opened
from app.web.guards import Guard, guarded, shop_id

# What the filter calls "waiting" is everything that may still go out.
_TOGETHER = {DeliveryState.PENDING: (DeliveryState.PENDING, DeliveryState.SENDING)}


@blueprint.get("/mails")
@guarded(Guard.MERCHANT)
def mails() -> ResponseReturnValue:
    """List the mails, newest first."""
    state = asked_state(DeliveryState)
    states = _TOGETHER.get(state, (state,)) if state else ()
    with opened() as session:
        page = listings.list_mails(session, shop_id(), states, before=asked_before())
    return render_template(
        "admin/mails.html", mail_page=page, state=state, before=asked_before(), words=words, titles=words.titles()
    )


@blueprint.get(f"/mails/<int(max={MOST_ID}):mail_id>")
@guarded(Guard.MERCHANT)
def mail(mail_id: int) -> ResponseReturnValue:
    """Show one mail and the decisions that led to it."""
    with opened() as session:
        story = listings.mail_story(session, shop_id(), mail_id)
        if story is None:
            abort(404)
    decisions = [(row, why.did(row), why.saw(row)) for row in story.decisions]
    return render_template("admin/mail.html", story=story, decisions=decisions, words=words, titles=words.titles())
