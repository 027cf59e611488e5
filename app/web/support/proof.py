"""The proof on a page: do the ledgers agree with what is promised."""

from datetime import timedelta

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.models import Role
from app.services import proof as proofs
from app.services import signin
from app.web.support.door import blueprint, opened, staff_only

DAYS = (1, 7, 30)
MOST_MAILS = 10_000  # that are proved while somebody waits for the page


@blueprint.get("/proof")
@staff_only(Role.VIEWER)
def proof() -> ResponseReturnValue:
    """Prove the last days, by real time; and list what the nightly proofs found."""
    days = request.args.get("days", default=1, type=int)
    days = days if days in DAYS else DAYS[0]
    with opened() as session:
        until = signin.real_now(session)
        since = until - timedelta(days=days)
        is_short = proofs.handed_over(session, since=since, until=until, most=MOST_MAILS + 1) <= MOST_MAILS
        found = proofs.prove(session, since=since, until=until) if is_short else None
        nights = proofs.nights(session)
    return render_template("support/proof.html", proof=found, days=days, choices=DAYS, nights=nights, most=MOST_MAILS)
