"""What shoppers answered and wrote back; somebody who was unhappy gets no marketing until a person has seen to it."""

from flask import abort, g, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from app.domain.errors import Refused
from app.models import Shop
from app.services import answers as told
from app.services import replies
from app.web.admin import words
from app.web.admin.asked import MOST_ID
from app.web.admin.door import blueprint, done, opened
from app.web.guards import Guard, actor, guarded, shop_id


@blueprint.get("/answers")
@guarded(Guard.MERCHANT)
def answers() -> ResponseReturnValue:
    """List the newest answers, the unhappy ones that nobody has seen to first, and what else was written back."""
    with opened() as session:
        found = told.listed(session, shop_id())
        written = replies.listed(session, shop_id())
    found.sort(key=lambda each: not (each.answer.is_low and each.answer.settled_at is None))
    return render_template("admin/answers.html", answers=found, replies=written, titles=words.titles(), words=words)


@blueprint.post(f"/answers/<int(max={MOST_ID}):answer_id>/settled")
@guarded(Guard.MERCHANT)
def settle_answer(answer_id: int) -> ResponseReturnValue:
    """Say that somebody has seen to it: the person may be mailed again."""
    with opened() as session:
        shop = session.scalars(select(Shop).where(Shop.id == shop_id())).one()
        try:
            told.settle(session, shop, answer_id, actor=actor(), now=g.frame.now)
        except Refused:
            abort(404)
    return done("answers", say="Settled. This person may get your mails again.")
