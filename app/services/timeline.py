"""Everything that happened to one person, newest first: eight kinds of rows, each read from its index, merged by time.

A page goes on from a place (time, kind, id), so it costs the same wherever it begins, and rows of one instant are all met.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, true
from sqlalchemy.orm import Session, aliased

from app.models import (
    Answer,
    Checkout,
    ConsentRow,
    DecisionRow,
    Delivery,
    Engagement,
    EngagementKind,
    Enrollment,
    Link,
    Order,
    Product,
    Shipment,
)

PAGE = 40
PARCELS_MOST = 100  # of one order
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_YEAR_3000 = 32_503_680_000_000_000  # in microseconds; no clock says more


class Kind(StrEnum):
    """What kinds of things there are; of one instant the later in this list comes first, as effects follow causes."""

    CONSENT = "consent"
    CHECKOUT = "checkout"
    ORDER = "order"
    PARCEL = "parcel"
    DECISION = "decision"
    MAIL = "mail"
    CLICK = "click"
    ANSWER = "answer"


RANKS = {kind: rank for rank, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a timeline; what comes before it is older."""

    at: datetime
    rank: int
    id: int

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // _MICROSECOND}-{self.rank}-{self.id}"

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """Return the place that an address names, None for nonsense."""
        parts = text.split("-")
        if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) < 20 for part in parts):
            return None
        micros, rank, row_id = map(int, parts)
        if rank >= len(Kind) or row_id >= 2**63 or micros > _YEAR_3000:
            return None
        return cls(_EPOCH + micros * _MICROSECOND, rank, row_id)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `row` is what the kind's table holds of it; `flow` of a decision, or an answer to a mail."""

    place: Place
    kind: Kind
    row: Any
    flow: str | None = None
    detail: str | None = None  # the order's number of a parcel, the link of a click, the mail or the product of an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelinePage:
    """One page; `older` is where the next one starts, None at the end."""

    entries: list[Entry]
    older: Place | None


def page(
    session: Session, shop_id: int, customer_id: int, *, kind: Kind | None = None, before: Place | None = None
) -> TimelinePage:
    """Return the page of a person's timeline below a place; of one kind, or of all."""
    found: list[Entry] = []
    for each in [kind] if kind else list(Kind):
        found += _SOURCES[each](session, shop_id, customer_id, before)
    found.sort(key=lambda entry: entry.place, reverse=True)
    older = found[PAGE - 1].place if len(found) > PAGE else None
    return TimelinePage(entries=found[:PAGE], older=older)


def _below(kind: Kind, at: Any, row_id: Any, before: Place | None) -> ColumnElement[bool]:
    """Say that a row lies below a place."""
    if before is None:
        return true()
    rank = RANKS[kind]
    if rank != before.rank:
        return and_(at <= before.at if rank < before.rank else at < before.at)
    return or_(at < before.at, and_(at == before.at, row_id < before.id))


def _read(session: Session, kind: Kind, query: Any, at: Any, row_id: Any, before: Place | None) -> list[Any]:
    rows = query.add_columns(at.label("at")).where(_below(kind, at, row_id, before))
    return list(session.execute(rows.order_by(at.desc(), row_id.desc()).limit(PAGE + 1)))


def _entries(kind: Kind, rows: list[Any]) -> list[Entry]:
    """Make entries of rows: the object first, then the flow and a detail where the query has them, the time last."""
    return [Entry(Place(row.at, RANKS[kind], row[0].id), kind, *row[:-1]) for row in rows]


def _of_person(kind: Kind, model: Any, at: Any) -> Callable[[Session, int, int, Place | None], list[Entry]]:
    def read(session: Session, shop_id: int, customer_id: int, before: Place | None) -> list[Entry]:
        query = select(model).where(model.shop_id == shop_id, model.customer_id == customer_id)
        return _entries(kind, _read(session, kind, query, at, model.id, before))

    return read


def _parcels(session: Session, shop_id: int, customer_id: int, before: Place | None) -> list[Entry]:
    of_order = select(Shipment).where(Shipment.shop_id == shop_id, Shipment.order_external_id == Order.external_id)
    # The limit makes the database go from order to order, and not read all parcels of the shop.
    parcel = aliased(Shipment, of_order.limit(PARCELS_MOST).correlate(Order).lateral())
    at = func.coalesce(parcel.delivered_at, parcel.changed_at)
    query = (
        select(parcel, literal(None).label("flow"), Order.number)
        .select_from(Order)
        .join(parcel, true())
        .where(Order.shop_id == shop_id, Order.customer_id == customer_id)
    )
    return _entries(Kind.PARCEL, _read(session, Kind.PARCEL, query, at, parcel.id, before))


def _decisions(session: Session, shop_id: int, customer_id: int, before: Place | None) -> list[Entry]:
    query = (
        select(DecisionRow, Enrollment.flow)
        .join(Enrollment, (Enrollment.shop_id == DecisionRow.shop_id) & (Enrollment.id == DecisionRow.enrollment_id))
        .where(Enrollment.shop_id == shop_id, Enrollment.customer_id == customer_id)
    )
    return _entries(Kind.DECISION, _read(session, Kind.DECISION, query, DecisionRow.decided_at, DecisionRow.id, before))


def _clicks(session: Session, shop_id: int, customer_id: int, before: Place | None) -> list[Entry]:
    """Read what people followed themselves; robots' clicks are no doing of theirs."""
    of_mail = select(Engagement).where(
        Engagement.shop_id == shop_id,
        Engagement.delivery_id == Delivery.id,
        Engagement.kind == EngagementKind.CLICKED,
        Engagement.machine.is_(None),
    )
    newest = of_mail.order_by(Engagement.at.desc()).limit(PAGE + 1)  # mail by mail, as for parcels
    click = aliased(Engagement, newest.correlate(Delivery).lateral())
    url = select(Link.url).where(Link.shop_id == shop_id, Link.id == click.link_id).scalar_subquery()
    query = (
        select(click, Delivery.flow, url)
        .select_from(Delivery)
        .join(click, true())
        .where(Delivery.shop_id == shop_id, Delivery.customer_id == customer_id)
    )
    return _entries(Kind.CLICK, _read(session, Kind.CLICK, query, click.at, click.id, before))


def _answers(session: Session, shop_id: int, customer_id: int, before: Place | None) -> list[Entry]:
    query = (
        select(Answer, Delivery.flow, case((Answer.review_id.is_(None), Delivery.step), else_=Product.title))
        .outerjoin(Delivery, (Delivery.shop_id == Answer.shop_id) & (Delivery.id == Answer.delivery_id))
        .outerjoin(Product, (Product.shop_id == Answer.shop_id) & (Product.external_id == Answer.product_id))
        .where(Answer.shop_id == shop_id, Answer.customer_id == customer_id)
    )
    return _entries(Kind.ANSWER, _read(session, Kind.ANSWER, query, Answer.answered_at, Answer.id, before))


_SOURCES: dict[Kind, Callable[[Session, int, int, Place | None], list[Entry]]] = {
    Kind.CONSENT: _of_person(Kind.CONSENT, ConsentRow, ConsentRow.at),
    Kind.CHECKOUT: _of_person(Kind.CHECKOUT, Checkout, Checkout.started_at),
    Kind.ORDER: _of_person(Kind.ORDER, Order, func.coalesce(Order.placed_at, Order.started_at)),
    Kind.PARCEL: _parcels,
    Kind.DECISION: _decisions,
    Kind.MAIL: _of_person(Kind.MAIL, Delivery, func.coalesce(Delivery.sent_at, Delivery.created_at)),
    Kind.CLICK: _clicks,
    Kind.ANSWER: _answers,
}
