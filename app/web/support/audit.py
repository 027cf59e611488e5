"""The audit log: who did what, to what, when and why. It can be read and nothing else."""

from flask import render_template
from flask.typing import ResponseReturnValue

from app.models import Role
from app.services import desk, staff
from app.web.admin.asked import asked_before
from app.web.support.door import asked_shop, blueprint, opened, staff_only


@blueprint.get("/audit")
@staff_only(Role.SUPPORT)
def audit_log() -> ResponseReturnValue:
    """List it, newest first."""
    with opened() as session:
        shop = asked_shop(session)
        rows, older = desk.audit_page(session, shop_id=shop.id if shop else None, before=asked_before())
        names = desk.names(session, (row.shop_id for row in rows))
        who = {staff.actor_name(person.id): person.email for person in staff.everybody(session)}
    return render_template("support/audit.html", rows=rows, older=older, names=names, who=who, shop=shop)
