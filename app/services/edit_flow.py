"""What a merchant may change about a flow: the switch and other settings, and the tree, as a new version."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select, true, update
from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.flows import FLOWS, read_flow
from app.flows.edits import with_coupon, with_wait
from app.flows.vocabulary import Flow, to_json
from app.models import Enrollment, EnrollmentState, FlowSettings, FlowVersion
from app.models.bulk import one_of
from app.services import audit

PEOPLE_MOST = 5_000  # in one flow that are counted; beyond it "5,000 or more" says enough


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowState:
    """A shop's flow as it stands."""

    settings: FlowSettings
    flow: Flow
    people: int  # in it now, counted up to PEOPLE_MOST
    texts: dict[str, Any]  # the shop's own: step -> locale -> message


def current(session: Session, shop_id: int, key: str) -> FlowState:
    """Return a shop's flow in its current version.

    Raises:
        Refused: the shop has no flow of this name.
    """
    row = session.execute(
        select(FlowSettings, FlowVersion.tree, FlowVersion.texts)
        .join(FlowVersion, _same_version())
        .where(FlowSettings.shop_id == shop_id, FlowSettings.flow == key)
    ).one_or_none()
    if row is None:
        raise Refused(f"There is no flow named {key}. There are: {', '.join(FLOWS)}.")
    people = people_in(session, shop_id, [key]).get(key, 0)
    return FlowState(settings=row[0], flow=read_flow(row[1]), people=people, texts=row[2])


def locked(session: Session, shop_id: int, key: str) -> FlowState:
    """Return a shop's flow as it stands, and keep other editors out until the transaction ends.

    Raises:
        Refused: the shop has no flow of this name.
    """
    mine = (FlowSettings.shop_id == shop_id, FlowSettings.flow == key)
    session.scalars(select(FlowSettings).where(*mine).with_for_update(), execution_options={"populate_existing": True}).all()
    return current(session, shop_id, key)


def all_current(session: Session, shop_id: int) -> list[FlowState]:
    """Return all flows of a shop, in the order we list them."""
    rows = session.execute(
        select(FlowSettings, FlowVersion.tree, FlowVersion.texts)
        .join(FlowVersion, _same_version())
        .where(FlowSettings.shop_id == shop_id, FlowSettings.flow.in_(FLOWS))
    ).all()
    people = people_in(session, shop_id, FLOWS)
    states = [FlowState(settings=s, flow=read_flow(f), people=people.get(s.flow, 0), texts=t) for s, f, t in rows]
    return sorted(states, key=lambda state: list(FLOWS).index(state.settings.flow))


def row_of(session: Session, state: FlowState) -> FlowVersion:
    """Return the row of a flow's current version: who made it and when."""
    settings = state.settings
    return session.scalars(
        select(FlowVersion).where(
            FlowVersion.shop_id == settings.shop_id,
            FlowVersion.flow == settings.flow,
            FlowVersion.version == settings.version,
        )
    ).one()


def people_in(session: Session, shop_id: int, keys: Iterable[str]) -> dict[str, int]:
    """Count who is part-way through, by flow, up to PEOPLE_MOST in each."""
    flows = select(FlowSettings.flow).where(FlowSettings.shop_id == shop_id, one_of(FlowSettings.flow, keys)).subquery()
    active = select(Enrollment.state).where(
        Enrollment.shop_id == shop_id, Enrollment.flow == flows.c.flow, Enrollment.state == EnrollmentState.ACTIVE
    )
    each = active.limit(PEOPLE_MOST).correlate(flows).lateral()
    rows = session.execute(select(flows.c.flow, func.count()).select_from(flows.join(each, true())).group_by(flows.c.flow))
    return dict(rows.all())


def switch(session: Session, shop_id: int, key: str, *, on: bool, actor: str, now: datetime) -> FlowState:
    """Turn a flow on or off. Off stops the people in it at their next step, and every mail that is not handed over yet (I7).

    Raises:
        Refused: the shop has no flow of this name.
    """
    session.execute(
        update(FlowSettings)
        .where(FlowSettings.shop_id == shop_id, FlowSettings.flow == key)
        .values(is_on=on, updated_at=now)
    )
    state = current(session, shop_id, key)
    audit.record(session, shop_id, actor=actor, action="flow.on" if on else "flow.off", object_kind="flow", object_id=key)
    return state


def set_wait(
    session: Session, shop_id: int, key: str, step: str, length: timedelta, *, actor: str, now: datetime
) -> FlowState:
    """Change the wait before a mail. People already in the flow keep the version they entered with.

    Raises:
        Refused: there is no such flow, mail or wait, or the length makes no sense.
    """
    state = current(session, shop_id, key)
    return new_version(session, shop_id, state, with_wait(state.flow, step, length), actor=actor, now=now)


def set_coupon(
    session: Session, shop_id: int, key: str, step: str, *, percent: int, valid_hours: int, actor: str, now: datetime
) -> FlowState:
    """Change the coupon of a mail.

    Raises:
        Refused: there is no such flow or coupon, or the terms make no sense.
    """
    state = current(session, shop_id, key)
    changed = with_coupon(state.flow, step, percent, valid_hours)
    return new_version(session, shop_id, state, changed, actor=actor, now=now)


def import_flow(session: Session, shop_id: int, tree: object, *, actor: str, now: datetime) -> FlowState:
    """Make a given tree the flow's new version.

    Raises:
        Refused: it is not a flow, or not one of ours.
    """
    flow = read_flow(tree)
    return new_version(session, shop_id, current(session, shop_id, flow.key), flow, actor=actor, now=now)


def set_holdout(session: Session, shop_id: int, key: str, share: float, *, actor: str, now: datetime) -> FlowState:
    """Set the share of people who get no mail, so that the flow's effect can be told.

    Raises:
        Refused: the share is not between 0 and 0.5, or there is no such flow.
    """
    if not 0 <= share <= 0.5:
        raise Refused("The held-out share must lie between 0 and 0.5.")
    session.execute(
        update(FlowSettings)
        .where(FlowSettings.shop_id == shop_id, FlowSettings.flow == key)
        .values(holdout_share=share, updated_at=now)
    )
    detail = {"holdout_share": share}
    audit.record(session, shop_id, actor=actor, action="flow.changed", object_kind="flow", object_id=key, detail=detail)
    return current(session, shop_id, key)


def new_version(
    session: Session,
    shop_id: int,
    state: FlowState,
    flow: Flow,
    *,
    actor: str,
    now: datetime,
    texts: dict[str, Any] | None = None,
) -> FlowState:
    """Keep a tree, or other texts, as the flow's next version; what is as before makes none."""
    texts = state.texts if texts is None else texts
    if flow == state.flow and texts == state.texts:
        return state
    # The settings row is the lock: two editors get two versions, one after the other.
    settings = session.scalars(
        select(FlowSettings).where(FlowSettings.shop_id == shop_id, FlowSettings.flow == flow.key).with_for_update()
    ).one()
    settings.version += 1
    settings.updated_at = now
    session.add(
        FlowVersion(
            shop_id=shop_id, flow=flow.key, version=settings.version, tree=to_json(flow), texts=texts, created_by=actor
        )
    )
    detail = {"version": settings.version}
    audit.record(session, shop_id, actor=actor, action="flow.changed", object_kind="flow", object_id=flow.key, detail=detail)
    session.flush()
    return current(session, shop_id, flow.key)


def _same_version() -> ColumnElement[bool]:
    return (
        (FlowVersion.shop_id == FlowSettings.shop_id)
        & (FlowVersion.flow == FlowSettings.flow)
        & (FlowVersion.version == FlowSettings.version)
    )
