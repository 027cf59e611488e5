"""The coupons of a shop: every code that a mail carried, for whom it was, and what became of it."""

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from app.catalogues import noted
from app.services import coupon_list
from app.services.coupon_list import Fate
from app.web.admin import words
from app.web.admin.asked import asked_before, asked_state
from app.web.admin.door import blueprint, opened
from app.web.admin.words import Badge
from app.web.guards import Guard, guarded, shop_id

FATES = {
    Fate.ASKED: Badge(noted("Asked for"), "info"),
    Fate.MADE: Badge(noted("Made"), "ok"),
    Fate.REDEEMED: Badge(noted("Redeemed"), "live"),
    Fate.ENDED: Badge(noted("Ended"), "hollow"),
    Fate.FAILED: Badge(noted("Failed"), "crit"),
}


@blueprint.get("/coupons")
@guarded(Guard.MERCHANT)
def coupons() -> ResponseReturnValue:
    """List the codes, newest first."""
    fate, before = asked_state(Fate), asked_before()
    code = request.args.get("code", "").replace("\0", "")[: coupon_list.LONGEST_CODE].strip()
    with opened() as session:
        now = g.frame.now
        page = coupon_list.list_page(session, shop_id(), fate=fate, code=code or None, before=before, now=now)
        summed = coupon_list.summary(session, g.frame.shop, now=now)
    return render_template(
        "admin/coupons.html", coupon_page=page, summary=summed, fate=fate, code=code, before=before, fates=FATES,
        words=words, titles=words.titles(), look=coupon_list.LOOK, summed_most=coupon_list.SUMMED_MOST,
    )  # fmt: skip
