"""Load what treated and held-out people spent, for the comparison that says what a flow really earned."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Double, and_, cast, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.lift import Lift, Spending, lift
from app.models import Arm, Enrollment, Experiment, Order, Shop, ShopState
from app.services import watch

WATCHED = timedelta(days=7)  # each person's orders count for so long after entering, in both groups alike
PERIOD = timedelta(days=90)  # who entered so long ago at most; a flow of last year says little about today's
EVERY = timedelta(hours=6)  # a group's spending does not change in minutes
_PROCESS = "comparison"  # whose sign of life says when it was done last
_NOBODY = Spending(people=0, buyers=0, total_minor=0, squares=0.0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both groups of one flow, in the shop's currency, and what follows; `lift` is None while one of them is empty."""

    treated: Spending
    held_out: Spending
    currency: str
    lift: Lift | None
    counted_at: datetime


def is_due(session: Session) -> bool:
    """Say whether the shops were not counted for some hours."""
    silent = watch.silence(session, _PROCESS)
    return silent is None or silent > EVERY


def begin(session: Session) -> Sequence[int]:
    """Note that the shops are counted now, and return which."""
    watch.beat(session, _PROCESS)
    return session.scalars(select(Shop.id).where(Shop.state == ShopState.ACTIVE).order_by(Shop.id)).all()


def count(session: Session, shop_id: int, *, now: datetime) -> int:
    """Count every flow of a shop that somebody entered lately, keep the sums, and return how many flows that were."""
    entered = select(Enrollment.flow).where(Enrollment.shop_id == shop_id, Enrollment.entered_at >= now - PERIOD - WATCHED)
    flows = session.scalars(entered.distinct()).all()
    rows = [_kept(shop_id, flow, compare(session, shop_id, flow, now=now), now) for flow in flows]
    for row in rows:
        statement = insert(Experiment).values(row)
        session.execute(statement.on_conflict_do_update(index_elements=["shop_id", "flow"], set_=row))
    return len(rows)


def kept(session: Session, shop_id: int) -> dict[str, Comparison]:
    """Return what was counted last, by flow."""
    rows = session.scalars(select(Experiment).where(Experiment.shop_id == shop_id))
    return {row.flow: _read(row) for row in rows}


def compare(session: Session, shop_id: int, flow: str, *, now: datetime) -> Comparison:
    """Compare who got a flow's mails with who was held out.

    A person counts once, from the first entry in the period; who entered less than WATCHED ago does not count yet, as
    their orders are still to come. Only orders in the shop's own currency count, less what was refunded.
    """
    currency = session.scalars(select(Shop.currency).where(Shop.id == shop_id)).one()
    people = (
        select(Enrollment.customer_id, Enrollment.arm, func.min(Enrollment.entered_at).label("entered_at"))
        .where(
            Enrollment.shop_id == shop_id,
            Enrollment.flow == flow,
            Enrollment.entered_at >= now - PERIOD - WATCHED,
            Enrollment.entered_at < now - WATCHED,
        )
        .group_by(Enrollment.customer_id, Enrollment.arm)
        .subquery()
    )
    bought = and_(
        Order.shop_id == shop_id,
        Order.customer_id == people.c.customer_id,
        Order.placed_at > people.c.entered_at,
        Order.placed_at <= people.c.entered_at + WATCHED,
        Order.currency == currency,
        Order.is_test.is_(False),
        Order.cancelled_at.is_(None),
        Order.deleted_at.is_(None),
    )
    spent = func.coalesce(func.sum(Order.total_minor - Order.refunded_minor), 0)
    each = (
        select(people.c.arm, spent.label("spent"), func.count(Order.id).label("orders"))
        .select_from(people)
        .outerjoin(Order, bought)
        .group_by(people.c.customer_id, people.c.arm)
        .subquery()
    )
    square = cast(each.c.spent, Double) * cast(each.c.spent, Double)
    rows = session.execute(
        select(
            each.c.arm,
            func.count().label("people"),
            func.count().filter(each.c.orders > 0).label("buyers"),
            func.sum(each.c.spent).label("total"),
            func.sum(square).label("squares"),
        ).group_by(each.c.arm)
    )
    groups = {row.arm: Spending(row.people, row.buyers, int(row.total), float(row.squares)) for row in rows}
    treated, held_out = groups.get(Arm.TREATED, _NOBODY), groups.get(Arm.HOLDOUT, _NOBODY)
    return Comparison(treated, held_out, currency, lift(treated, held_out), now)


def _kept(shop_id: int, flow: str, found: Comparison, now: datetime) -> dict[str, object]:
    treated, held = found.treated, found.held_out
    return {
        "shop_id": shop_id, "flow": flow, "currency": found.currency, "counted_at": now,
        "treated_people": treated.people, "treated_buyers": treated.buyers, "treated_minor": treated.total_minor,
        "treated_squares": treated.squares, "held_people": held.people, "held_buyers": held.buyers,
        "held_minor": held.total_minor, "held_squares": held.squares,
    }  # fmt: skip


def _read(row: Experiment) -> Comparison:
    treated = Spending(row.treated_people, row.treated_buyers, row.treated_minor, row.treated_squares)
    held = Spending(row.held_people, row.held_buyers, row.held_minor, row.held_squares)
    return Comparison(treated, held, row.currency, lift(treated, held), row.counted_at)
