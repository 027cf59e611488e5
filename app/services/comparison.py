"""Load what treated and held-out people spent, for the comparison that says what a flow really earned."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Double, and_, cast, func, select
from sqlalchemy.orm import Session

from app.domain.lift import Lift, Spending, lift
from app.models import Arm, Enrollment, Order, Shop

WATCHED = timedelta(days=7)  # each person's orders count for so long after entering, in both groups alike
PERIOD = timedelta(days=90)  # who entered so long ago at most; a flow of last year says little about today's
_NOBODY = Spending(people=0, buyers=0, total_minor=0, squares=0.0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both groups of one flow, in the shop's currency, and what follows; `lift` is None while one of them is empty."""

    treated: Spending
    held_out: Spending
    currency: str
    lift: Lift | None


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
    return Comparison(treated, held_out, currency, lift(treated, held_out))
