"""Staff: who of ours may look after all shops, and as what."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.models import NO_SHOP, Role, Staff
from app.services import audit, signin

LINK_LIFETIME = timedelta(hours=24)


def invite(session: Session, email: str, role: Role, *, actor: str, now: datetime) -> str:
    """Let somebody in as staff, in a role that replaces the one they had, and return the token of a one-time link.

    Args:
        session: as the owner.
        email: checked and normalised.
        role: what they may do.
        actor: for the audit log.
        now: real time.
    """
    given = insert(Staff).values(shop_id=NO_SHOP, email=email, role=role, invited_by=actor)
    statement = given.on_conflict_do_update(
        index_elements=["shop_id", "email"], set_={"role": role, "disabled_at": None, "invited_by": actor}
    ).returning(Staff.id)
    staff_id = session.execute(statement).scalar_one()
    _record(session, actor, "staff.invited", staff_id, role=role)
    return signin.create_staff_link(session, staff_id, now=now, lifetime=LINK_LIFETIME)


def disable(session: Session, staff_id: int, *, actor: str, now: datetime) -> Staff:
    """Shut somebody out; the session they have ends with their next click.

    Raises:
        Refused: there is nobody of this id, or they are the last admin who could let anybody in.
    """
    admins = select(Staff).where(Staff.role == Role.ADMIN, Staff.disabled_at.is_(None)).with_for_update()
    holding = session.scalars(admins).all()
    found = session.get(Staff, (NO_SHOP, staff_id), with_for_update=True)
    if found is None:
        raise Refused(f"There is nobody with the number {staff_id} among the staff.")
    if [admin.id for admin in holding] == [staff_id]:
        raise Refused("This is the only admin. Invite another one first.")
    found.disabled_at = now
    _record(session, actor, "staff.disabled", staff_id)
    return found


def enter(session: Session, token: str, *, now: datetime) -> Staff | None:
    """Use a one-time link up and return who came in; None when it opens nothing, or they were shut out since."""
    staff_id = signin.consume_as_staff(session, token, now=now)
    if staff_id is None or (found := active(session, staff_id)) is None:
        return None
    found.seen_at = now
    _record(session, actor_name(staff_id), "session.started", staff_id)
    return found


def active(session: Session, staff_id: int) -> Staff | None:
    """Return one of the staff, or None when there is nobody of this id or they were shut out."""
    found = session.get(Staff, (NO_SHOP, staff_id))
    return found if found is not None and found.disabled_at is None else None


def everybody(session: Session) -> Sequence[Staff]:
    """Return all staff, those who were shut out last."""
    return session.scalars(select(Staff).order_by(Staff.disabled_at.is_not(None), Staff.email)).all()


def actor_name(staff_id: int) -> str:
    """Return how one of the staff stands in the audit log: by number, so that no address is repeated there."""
    return f"staff:{staff_id}"


def _record(session: Session, actor: str, action: str, staff_id: int, **detail: str) -> None:
    audit.record(session, NO_SHOP, actor=actor, action=action, object_kind="staff", object_id=staff_id, detail=dict(detail))
