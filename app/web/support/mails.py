"""Mails of all shops; those whose outcome nobody knows wait here for a person's word (D7)."""

from flask import abort, g, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import literal, select

from app.models import NO_SHOP, Delivery, DeliveryState, Role, Shop
from app.queues import QueueName, ring
from app.services import desk, listings, resolve
from app.web.admin import why, words
from app.web.admin.asked import MOST_ID, asked_before, asked_state
from app.web.support.door import about, actor, asked_shop, blueprint, done, opened, staff_only

MOST_REASON = 500  # characters


@blueprint.get("/mails")
@staff_only(Role.VIEWER)
def mails() -> ResponseReturnValue:
    """List mails, newest first; recipients masked."""
    state = asked_state(DeliveryState)
    with opened() as session:
        shop = asked_shop(session)
        found, older = desk.list_mails(
            session, (state,) if state else (), shop_id=shop.id if shop else None, before=asked_before()
        )
        names = desk.names(session, (row.shop_id for row in found))
    return render_template(
        "support/mails.html", mails=found, older=older, state=state, shop=shop, names=names, titles=words.titles()
    )


@blueprint.get(f"/mails/<int(max={MOST_ID}):mail_id>")
@staff_only(Role.VIEWER)
def mail(mail_id: int) -> ResponseReturnValue:
    """Show one mail with every decision that led to it; whom it went to is masked."""
    with opened() as session:
        owners = select(Shop.id).union_all(select(literal(NO_SHOP)))
        shop_id = session.scalar(select(Delivery.shop_id).where(Delivery.shop_id.in_(owners), Delivery.id == mail_id))
        story = listings.mail_story(session, shop_id, mail_id) if shop_id is not None else None
        if story is None:
            abort(404)
        shop = about(session.get_one(Shop, story.mail.shop_id))
        decisions = [(row, why.did(row), why.saw(row)) for row in story.decisions]
    return render_template("support/mail.html", story=story, shop=shop, decisions=decisions, titles=words.titles())


@blueprint.post(f"/mails/<int(max={MOST_ID}):mail_id>/resolution")
@staff_only(Role.SUPPORT)
def settle(mail_id: int) -> ResponseReturnValue:
    """Say that an unknown mail went out, or that it did not; the latter goes through every check before it leaves."""
    was_sent = request.form.get("as") == "sent"
    with opened() as session:
        shop_id = session.scalar(select(Delivery.shop_id).where(Delivery.id == mail_id))
        resolve.resolve(
            session, shop_id or NO_SHOP, mail_id, was_sent=was_sent, actor=actor(),
            reason=request.form.get("reason", "")[:MOST_REASON], now=g.frame.now,
        )  # fmt: skip
    if not was_sent:
        ring(QueueName.MAIL)
    say = "It counts as sent." if was_sent else "It is due again, and leaves once if every check still allows it."
    return done("mail", say=say, mail_id=mail_id)
