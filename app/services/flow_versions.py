"""The versions of a shop's flow: the list, what differs between two, and an old one made the newest."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.flows import read_flow
from app.flows.differences import Change, differences
from app.flows.vocabulary import Condition
from app.models import Enrollment, EnrollmentState, FlowVersion
from app.services import edit_flow
from app.services.edit_flow import FlowState

MOST = 100  # versions in one list


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One version in the list."""

    version: int
    created_at: datetime
    created_by: str
    is_current: bool
    people: int  # in it now


def listed(session: Session, shop_id: int, key: str, *, below: int | None = None, limit: int = MOST) -> list[Listed]:
    """Return a flow's versions, the newest first.

    Args:
        session: for reading.
        shop_id: whose.
        key: the flow.
        below: only versions with a lower number, for the next page.
        limit: how many, 100 at the most.

    Raises:
        Refused: the shop has no flow of this name.
    """
    state = edit_flow.current(session, shop_id, key)
    query = select(FlowVersion.version, FlowVersion.created_at, FlowVersion.created_by).where(
        FlowVersion.shop_id == shop_id, FlowVersion.flow == key
    )
    if below is not None:
        query = query.where(FlowVersion.version < below)
    rows = session.execute(query.order_by(FlowVersion.version.desc()).limit(min(limit, MOST))).all()
    people = _people(session, shop_id, key)
    return [
        Listed(
            version=row.version, created_at=row.created_at, created_by=row.created_by, people=people.get(row.version, 0),
            is_current=row.version == state.settings.version,
        )
        for row in rows
    ]  # fmt: skip


def compare(
    session: Session,
    shop_id: int,
    key: str,
    before: int,
    after: int,
    *,
    name: Callable[[Condition], str] | None = None,
) -> list[Change]:
    """Return what differs between two versions of a flow; `name` says a condition.

    Raises:
        Refused: there is no such version, or one of them cannot be read any more.
    """
    old, new = (_version(session, shop_id, key, number) for number in (before, after))
    return differences(read_flow(old.tree), read_flow(new.tree), old.texts, new.texts, name=name)


def restore(session: Session, shop_id: int, key: str, version: int, *, actor: str, now: datetime) -> FlowState:
    """Make an old version the flow's next one; people in the flow keep theirs, and one that is equal makes none.

    Raises:
        Refused: there is no such version, or it holds something that flows no longer know; nothing is changed then.
    """
    row = _version(session, shop_id, key, version)
    try:
        flow = read_flow(row.tree)
    except Refused as exc:
        raise Refused(f"Version {version} cannot be restored, because flows have changed since: {exc}") from exc
    state = edit_flow.locked(session, shop_id, key)
    return edit_flow.new_version(session, shop_id, state, flow, texts=row.texts, actor=actor, now=now)


def _version(session: Session, shop_id: int, key: str, version: int) -> FlowVersion:
    found = session.scalar(
        select(FlowVersion).where(FlowVersion.shop_id == shop_id, FlowVersion.flow == key, FlowVersion.version == version)
    )
    if found is None:
        newest = edit_flow.current(session, shop_id, key).settings.version
        raise Refused(f"{key} has no version {version}. It has 1 to {newest}.")
    return found


def _people(session: Session, shop_id: int, key: str) -> dict[int, int]:
    """Count by version who is in the flow; of PEOPLE_MOST people at the most."""
    active = (
        select(Enrollment.version)
        .where(Enrollment.shop_id == shop_id, Enrollment.flow == key, Enrollment.state == EnrollmentState.ACTIVE)
        .limit(edit_flow.PEOPLE_MOST)
        .subquery()
    )
    return dict(session.execute(select(active.c.version, func.count()).group_by(active.c.version)).all())
