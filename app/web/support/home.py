"""What wants attention, and whether everything runs."""

from flask import render_template
from flask.typing import ResponseReturnValue

from app.models import Role
from app.services import desk, replays, watch
from app.web.support.door import blueprint, opened, staff_only

MOST_CAUSES = 10


@blueprint.get("/")
@staff_only(Role.VIEWER)
def home() -> ResponseReturnValue:
    """Show failures by their cause, mails that wait for a word, what is due, and every shop's last sign of life."""
    with opened() as session:
        newest_each = desk.looked_through(session)
        context = {
            "causes": replays.causes(session, newest_each=newest_each, most=MOST_CAUSES),
            "newest_each": newest_each,
            "counted": desk.MOST_COUNTED,
            "unknown": desk.count_unknown(session),
            "waiting": watch.waiting(session),
            "complaints": watch.complaints(session),
            "shops": desk.shops(session),
        }
    return render_template("support/home.html", **context)
