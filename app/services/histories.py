"""Load orders and what people bought, for runs that are about an order or a customer; many at once, as snapshots do."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, func, select
from sqlalchemy.orm import Session

from app.flows.engine import TOO_SOON
from app.flows.snapshot import YEAR, AnswerFacts, OrderFacts, Purchase
from app.flows.vocabulary import text_key
from app.models import (
    Answer,
    Delivery,
    Engagement,
    EngagementKind,
    Enrollment,
    EnrollmentState,
    Order,
    OrderLine,
    Shipment,
    Shop,
)
from app.models.bulk import one_of

PURCHASES_MOST = 500  # of one person; a shop's own staff account may have many thousands
ENTRIES_MOST = 200
UNDONE = ("cancelled", "failed")  # parcels that nobody waits for any more


@dataclass(frozen=True, slots=True)
class History:
    """What a person bought: how often ever, and the orders of the last twelve months, the oldest first."""

    orders: int
    purchases: tuple[Purchase, ...]

    def ordered_after(self, at: datetime, *, but: str | None = None) -> datetime | None:
        """Return when the first order after a moment was placed, another than `but`."""
        return next((p.at for p in self.purchases if p.at >= at and p.external_id != but), None)

    def nth(self, placed_at: datetime, *, ever: int) -> int:
        """Return which order one of that moment is, of all there ever were; a year back at the most."""
        return max(1, ever - sum(p.at > placed_at for p in self.purchases))


@dataclass(frozen=True, slots=True)
class Entry:
    """One run of a person in a flow; one that came too soon after another does not count as an entry."""

    run_id: int
    at: datetime
    is_active: bool
    counts: bool


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a person did with the mails of a run."""

    clicked: frozenset[str] = frozenset()
    answer: AnswerFacts | None = None


NOTHING = History(0, ())
NO_REACTION = Reaction()


def histories(session: Session, shop: Shop, customers: Iterable[int], *, now: datetime) -> dict[int, History]:
    """Return what each of these people bought; who bought nothing is missing."""
    rows = session.execute(_ranked(shop.id, customers, now))
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.customer_id].append(row)
    return {customer_id: _history(rows, shop.currency, now) for customer_id, rows in found.items()}


def orders(
    session: Session, shop: Shop, external_ids: Iterable[str], known: dict[int, History], ever: dict[int, int]
) -> dict[str, OrderFacts]:
    """Return the orders of these platform ids.

    Args:
        session: the caller's transaction.
        shop: the shop.
        external_ids: the platform's ids.
        known: what their people bought.
        ever: how often their people bought, ours or as the platform sums it.
    """
    wanted = set(external_ids)
    delivered = _delivered(session, shop.id, wanted)
    rows = session.scalars(select(Order).where(Order.shop_id == shop.id, one_of(Order.external_id, wanted)))
    found = {}
    for order in rows:
        person = order.customer_id or 0
        found[order.external_id] = OrderFacts(
            external_id=order.external_id,
            placed_at=order.placed_at,
            paid_at=order.paid_at,
            fulfilled_at=order.fulfilled_at,
            delivered_at=delivered.get(order.external_id),
            is_cancelled=order.cancelled_at is not None or order.deleted_at is not None,
            total_minor=order.total_minor,
            refunded_minor=order.refunded_minor,
            nth=known.get(person, NOTHING).nth(order.placed_at or order.started_at, ever=ever.get(person, 1)),
            worth_minor=order.total_minor if order.currency == shop.currency else 0,
        )
    return found


def entries(session: Session, shop_id: int, customers: Iterable[int]) -> dict[tuple[str, int], list[Entry]]:
    """Return the runs about these customers and their orders, by flow and customer; the newest 200 of each."""
    nth = func.row_number().over(partition_by=(Enrollment.flow, Enrollment.customer_id), order_by=Enrollment.id.desc())
    runs = (
        select(
            Enrollment.id, Enrollment.flow, Enrollment.customer_id, Enrollment.entered_at, Enrollment.state,
            Enrollment.reason, nth.label("nth"),
        )
        .where(
            Enrollment.shop_id == shop_id,
            one_of(Enrollment.customer_id, customers),
            Enrollment.subject_key != "checkout",
        )
        .subquery()
    )  # fmt: skip
    found: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for row in session.execute(select(runs).where(runs.c.nth <= ENTRIES_MOST)):
        is_active = row.state == EnrollmentState.ACTIVE
        found[row.flow, row.customer_id].append(Entry(row.id, row.entered_at, is_active, row.reason != TOO_SOON))
    return found


def reactions(session: Session, shop_id: int, run_ids: Collection[int]) -> dict[int, Reaction]:
    """Return what people did with the mails of these runs: which they clicked themselves, and what they answered."""
    if not run_ids:
        return {}
    clicks = session.execute(
        select(Delivery.enrollment_id, Delivery.step)
        .join(Engagement, and_(Engagement.shop_id == Delivery.shop_id, Engagement.delivery_id == Delivery.id))
        .where(
            Delivery.shop_id == shop_id,
            one_of(Delivery.enrollment_id, run_ids),
            Engagement.kind == EngagementKind.CLICKED,
            Engagement.machine.is_(None),
        )
        .distinct()
    )
    clicked: dict[int, set[str]] = defaultdict(set)
    for run_id, step in clicks:
        clicked[run_id].add(text_key(step))
    newest = session.execute(
        select(Answer.enrollment_id, Answer.score, Answer.answered_at)
        .where(Answer.shop_id == shop_id, one_of(Answer.enrollment_id, run_ids))
        .order_by(Answer.answered_at)
    )
    answers = {run_id: AnswerFacts(score=score, at=at) for run_id, score, at in newest if run_id}
    return {run: Reaction(frozenset(clicked.get(run, ())), answers.get(run)) for run in clicked.keys() | answers.keys()}


def reviewed(session: Session, shop_id: int, order_ids: Collection[str]) -> dict[str, AnswerFacts]:
    """Return what people wrote in the shop of a product of these orders, after they had ordered it; the newest of each."""
    return dict(reviews(session, shop_id, order_ids))


def reviews(session: Session, shop_id: int, order_ids: Collection[str]) -> list[tuple[str, AnswerFacts]]:
    """Return all of these, with the order that each is about, the oldest first."""
    if not order_ids:
        return []
    rows = session.execute(
        select(Order.external_id, Answer.score, Answer.answered_at)
        .join(OrderLine, and_(OrderLine.shop_id == Order.shop_id, OrderLine.order_id == Order.id))
        .join(
            Answer,
            and_(
                Answer.shop_id == Order.shop_id,
                Answer.customer_id == Order.customer_id,
                Answer.product_id == OrderLine.product_id,
                Answer.answered_at >= func.coalesce(Order.placed_at, Order.started_at),
            ),
        )
        .where(Order.shop_id == shop_id, one_of(Order.external_id, order_ids), Answer.review_id.is_not(None))
        .order_by(Answer.answered_at, Answer.id)
    )
    return [(order_id, AnswerFacts(score=score, at=at)) for order_id, score, at in rows]


def _ranked(shop_id: int, customers: Iterable[int], now: datetime) -> Select[*tuple[Any, ...]]:
    placed = (
        select(
            Order.customer_id, Order.external_id, Order.placed_at, Order.currency,
            (Order.total_minor - Order.refunded_minor).label("minor"),
            func.count().over(partition_by=Order.customer_id).label("orders"),
            func.row_number().over(partition_by=Order.customer_id, order_by=Order.placed_at.desc()).label("nth_newest"),
        )
        .where(
            Order.shop_id == shop_id,
            one_of(Order.customer_id, customers),
            Order.placed_at.is_not(None),
            Order.cancelled_at.is_(None),
            Order.deleted_at.is_(None),
        )
        .subquery()
    )  # fmt: skip
    is_lately = and_(placed.c.placed_at > now - YEAR, placed.c.nth_newest <= PURCHASES_MOST)
    # The newest one of all always comes along: it carries the count.
    return select(placed).where(is_lately | (placed.c.nth_newest == 1)).order_by(placed.c.placed_at, placed.c.external_id)


def _history(rows: Sequence[Row[*tuple[Any, ...]]], currency: str, now: datetime) -> History:
    lately = [row for row in rows if row.placed_at > now - YEAR]
    # An order in another currency counts as an order; what it was worth is not guessed.
    return History(
        orders=rows[0].orders,
        purchases=tuple(
            Purchase(at=row.placed_at, external_id=row.external_id, minor=row.minor if row.currency == currency else 0)
            for row in lately
        ),
    )


def _delivered(session: Session, shop_id: int, external_ids: Iterable[str]) -> dict[str, datetime]:
    """Return when the last parcel of each order arrived, for orders whose parcels all have."""
    counts = Shipment.state.not_in(UNDONE)
    rows = session.execute(
        select(Shipment.order_external_id, func.max(Shipment.delivered_at))
        .where(Shipment.shop_id == shop_id, one_of(Shipment.order_external_id, external_ids), counts)
        .group_by(Shipment.order_external_id)
        .having(func.bool_and(Shipment.delivered_at.is_not(None)))
    )
    return {order_id: at for order_id, at in rows if at}
