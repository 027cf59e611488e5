"""The audit log: who did what, when and to which object."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Text, and_, cast, false, func, or_, update
from sqlalchemy.orm import Session

from app.models import AuditRow


def record(
    session: Session,
    shop_id: int,
    *,
    actor: str,
    action: str,
    object_kind: str,
    object_id: object,
    detail: dict[str, Any] | None = None,
) -> None:
    """Add a row to the audit log, in the caller's transaction: the act and its record are committed together."""
    session.add(
        AuditRow(
            shop_id=shop_id,
            actor=actor,
            action=action,
            object_kind=object_kind,
            object_id=str(object_id),
            detail=detail or {},
        )
    )


def forget(
    session: Session, shop_id: int, *, words: Collection[str] = (), kind: str = "", ids: Collection[str] = ()
) -> None:
    """Empty what was written beside acts where it holds one of the words, and all of it for these objects of a kind.

    This alone changes rows: who did what and when stays, whom it was about goes (I12).
    """
    detail, about = cast(AuditRow.detail, Text), func.lower(AuditRow.object_id)
    named = [func.strpos(func.lower(detail), word.lower()) > 0 for word in words]
    of_object = and_(AuditRow.object_kind == kind, AuditRow.object_id.in_(ids), detail != "{}") if ids else false()
    mine = update(AuditRow).where(AuditRow.shop_id == shop_id).execution_options(synchronize_session=False)
    session.execute(mine.where(or_(of_object, *named)).values(detail={"erased": True}))
    if words:
        holds = or_(*(func.strpos(about, word.lower()) > 0 for word in words))
        session.execute(mine.where(holds).values(object_id="erased"))
