"""Who of ours may use the desk. Admins invite and shut out; the link is shown once, to be passed on by hand."""

from email_validator import EmailNotValidError, validate_email
from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from app.config import settings
from app.domain.errors import Refused
from app.models import Role
from app.services import signin, staff
from app.web.admin.asked import MOST_ID
from app.web.support.door import actor, blueprint, done, opened, staff_only


@blueprint.get("/staff")
@staff_only(Role.ADMIN)
def team() -> ResponseReturnValue:
    """List the staff."""
    return _page()


@blueprint.post("/staff")
@staff_only(Role.ADMIN)
def invite() -> ResponseReturnValue:
    """Invite somebody, or change the role they have."""
    email, role = request.form.get("email", ""), request.form.get("role", "")
    try:
        checked = validate_email(email, check_deliverability=False, globally_deliverable=False).normalized
        if role not in set(Role):
            raise Refused("Choose a role.")
    except (EmailNotValidError, Refused) as exc:
        return _page(email=email, role=role, wrong=str(exc)), 422
    with opened() as session:
        token = staff.invite(session, checked, Role(role), actor=actor(), now=signin.real_now(session))
    return _page(link=f"{settings().public_url}/support/sign-in/{token}", invited=checked)


@blueprint.post(f"/staff/<int(max={MOST_ID}):staff_id>/disabled")
@staff_only(Role.ADMIN)
def disable(staff_id: int) -> ResponseReturnValue:
    """Shut somebody out."""
    with opened() as session:
        gone = staff.disable(session, staff_id, actor=actor(), now=signin.real_now(session))
        say = f"{gone.email} is shut out from now on."
    return done("team", say=say)


def _page(**context: object) -> str:
    with opened() as session:
        everybody = staff.everybody(session)
    return render_template("support/team.html", everybody=everybody, roles=list(Role), me=g.staff.id, **context)
