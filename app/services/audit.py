"""The audit log: who did what, when and to which object."""

from typing import Any

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
