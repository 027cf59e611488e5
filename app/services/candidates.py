"""Who may enter a flow by what a batch changed, and is not in it yet; one query or two, whatever their number."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.flows.news import may_enter_again
from app.flows.vocabulary import Flow
from app.models import Checkout, Enrollment, EnrollmentState, Order
from app.models.bulk import one_of
from app.services.snapshots import Subject


@dataclass(slots=True)
class Touched:
    """What a batch changed, for the flows to look at. The caller holds the locks of all these customers."""

    entering: set[str] = field(default_factory=set)  # tokens of checkouts that a flow may begin with
    tokens: set[str] = field(default_factory=set)  # of checkouts that changed, or were answered by an order
    customers: set[int] = field(default_factory=set)
    orders: set[str] = field(default_factory=set)  # platform's ids of orders that changed, or whose parcels did
    consenting: set[int] = field(default_factory=set)  # customers who said something about marketing mail
    opt_ins: dict[int, int] = field(default_factory=dict)  # requests to confirm that were begun, and whose they are
    buying: set[int] = field(default_factory=set)  # customers whose orders changed
    silent: set[int] = field(default_factory=set)  # customers who left mail unanswered for long


def of_flow(session: Session, shop_id: int, flow: Flow, touched: Touched, *, now: datetime) -> list[Subject]:
    """Return whom a flow's trigger may be about."""
    match flow.subject:
        case "checkout":
            return _checkouts(session, shop_id, flow, touched.entering, now)
        case "order":
            return _orders(session, shop_id, flow, touched.orders, now)
        case "opt_in":
            begun = touched.opt_ins.items()
            return [_subject(flow, str(opt_in_id), customer_id, now) for opt_in_id, customer_id in begun]
        case "customer":
            who = {"customer_subscribed": touched.consenting, "customer_silent": touched.silent}
            return _customers(session, shop_id, flow, who.get(flow.trigger.event, touched.buying), now)


def _checkouts(session: Session, shop_id: int, flow: Flow, tokens: set[str], now: datetime) -> list[Subject]:
    if not tokens:
        return []
    rows = session.execute(
        select(Checkout.token, Checkout.customer_id).where(
            Checkout.shop_id == shop_id,
            one_of(Checkout.token, tokens),
            Checkout.customer_id.is_not(None),
            ~_is_enrolled(shop_id, flow, Checkout.token),
        )
    )
    return [_subject(flow, token, customer_id, now) for token, customer_id in rows if customer_id is not None]


def _orders(session: Session, shop_id: int, flow: Flow, external_ids: set[str], now: datetime) -> list[Subject]:
    if not external_ids:
        return []
    rows = session.execute(
        select(Order.external_id, Order.customer_id).where(
            Order.shop_id == shop_id,
            one_of(Order.external_id, external_ids),
            Order.customer_id.is_not(None),
            ~_is_enrolled(shop_id, flow, Order.external_id),
        )
    )
    return [_subject(flow, order_id, customer_id, now) for order_id, customer_id in rows if customer_id is not None]


def _customers(session: Session, shop_id: int, flow: Flow, customers: set[int], now: datetime) -> list[Subject]:
    """Return people who are not in the flow, and were never or not within its re-entry gap.

    The episode is our id of the person and how often they were in it before: under the subject lock that is settled.
    """
    if not customers:
        return []
    rows = session.execute(
        select(
            Enrollment.customer_id,
            func.count(),
            func.max(Enrollment.entered_at),
            func.bool_or(Enrollment.state == EnrollmentState.ACTIVE),
        )
        .where(Enrollment.shop_id == shop_id, Enrollment.flow == flow.key, one_of(Enrollment.customer_id, customers))
        .group_by(Enrollment.customer_id)
    ).all()
    held = {customer_id: (times, last_at, is_in) for customer_id, times, last_at, is_in in rows}
    found = []
    for customer_id in sorted(customers):
        times, last_at, is_in = held.get(customer_id, (0, None, False))
        if may_enter_again(flow, last_at, now=now) and not is_in:
            found.append(_subject(flow, f"{customer_id}.{times + 1}", customer_id, now))
    return found


def _is_enrolled(shop_id: int, flow: Flow, episode: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    return (
        select(Enrollment.id)
        .where(
            Enrollment.shop_id == shop_id,
            Enrollment.flow == flow.key,
            Enrollment.subject_key == flow.subject,
            Enrollment.episode == episode,
        )
        .exists()
    )


def _subject(flow: Flow, episode: str, customer_id: int, now: datetime) -> Subject:
    return Subject(
        flow=flow.key, key=flow.subject, episode=episode, customer_id=customer_id, entered_at=now, is_held_out=False
    )
