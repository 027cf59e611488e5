"""Load what happened to people, many at once: a fixed number of queries for a batch, each by an index, each with a limit."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app import crypto
from app.domain.errors import Refused
from app.domain.events import Consent, ConsentState
from app.flows.snapshot import AnswerFacts
from app.flows.vocabulary import Flow
from app.models import (
    Answer,
    Checkout,
    ConsentRow,
    Customer,
    CustomerIdentity,
    Delivery,
    DeliveryState,
    Engagement,
    EngagementKind,
    Enrollment,
    EventRow,
    Order,
    Preference,
    PurchaseMark,
    Refund,
    Reply,
    Shipment,
    Suppression,
)
from app.models.bulk import one_of
from app.services import held, histories, permissions, snapshots
from app.services.as_of import Setting
from app.services.histories import PURCHASES_MOST, UNDONE
from app.services.past import Block, Bought, Cart, Facts, Mark, Posted, Said, Score

PEOPLE_MOST = 20_000  # of one rehearsal, the newest
_ROWS_MOST = 100_000  # carts, orders or statements that are looked at to find them
_OF_EACH = 200  # carts, mails and statements of one person, the newest; the shop's own account may have thousands
_TELLINGS = 1_000  # changes of one person's carts and orders
_SENDING_OFF = timedelta(days=60)  # how long before it was sent off an order may have been placed

_GONE_OUT = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN)


def people(session: Session, shop_id: int, flow: Flow, *, since: datetime, until: datetime) -> tuple[list[int], bool]:
    """Return whom a flow might have been about, who was so last first, and whether there were more.

    Raises:
        Refused: what the flow begins with is not kept.
    """
    model, at, only = _begins_with(flow, since)
    rows = (
        select(model.customer_id, at.label("at"))
        .where(model.shop_id == shop_id, at <= until, model.customer_id.is_not(None), *only)
        .order_by(at.desc())
        .limit(_ROWS_MOST)
        .subquery()
    )
    latest = func.max(rows.c.at)
    query = select(rows.c.customer_id).group_by(rows.c.customer_id).order_by(latest.desc(), rows.c.customer_id.desc())
    found = list(session.scalars(query.limit(PEOPLE_MOST + 1)))
    return found[:PEOPLE_MOST], len(found) > PEOPLE_MOST


def recall(
    session: Session, setting: Setting, customers: Collection[int], *, since: datetime, until: datetime
) -> list[Facts]:
    """Return what is held of these people up to a moment; who is not held any more is missing.

    Args:
        session: for reading.
        setting: the shop and its flow.
        customers: whom.
        since: from when on the flow is thought to be on: its own true runs and mails after that are left out.
        until: what happened later is left out.
    """
    shop, flow = setting.shop, setting.flow
    rows = _Rows(session, shop.id, customers, until)
    key = snapshots.hash_key(shop)
    emails = _emails(rows)
    hashes = {crypto.hash_email(key, email): email for of_one in emails.values() for email in of_one}
    said, blocks = _said(rows, hashes), _blocks(rows, hashes)
    preferences = rows.by_customer(select(Preference).where(*rows.mine(Preference)), is_entity=True)
    carts, orders = _carts(rows, shop.currency), _orders(rows, shop.currency)
    marks, mails = _marks(rows, carts), _mails(rows, flow)
    answers = rows.by_customer(
        select(Answer.customer_id, Answer.answered_at, Answer.is_low, Answer.settled_at).where(*rows.mine(Answer))
    )
    signs, entered, kept = _signs(rows), _entered(rows, flow, since), _kept_orders(rows)
    found = []
    for person in session.execute(_customers(rows)):
        who = person.id
        of_orders = tuple(orders[who])
        loaded = sum(order.is_kept(until) for order in of_orders)
        summed = sum(order.is_kept(person.summed_at) for order in of_orders) if person.summed_at else loaded
        older = max(0, kept.get(who, 0) - loaded)
        facts = Facts(
            customer_id=who,
            email=person.email,
            emails=tuple(emails[who]),
            country=person.country,
            tags=held.given(person.tags),
            place=person.country or permissions.territory(person.locale),
            deleted_at=person.deleted_at if held.is_gone(person.deleted_at, person.facts) else None,
            older_orders=older,
            orders_elsewhere=max(0, (person.orders_count or 0) - older - summed),
            said=tuple(said[who]),
            blocks={email: tuple(blocks[email]) for email in emails[who] if email in blocks},
            preferences=tuple(preferences[who]),
            carts=tuple(carts[who]),
            orders=of_orders,
            marks=tuple(marks[who]),
            mails=tuple(mails[who]),
            scores=tuple(Score(a.answered_at, a.is_low, a.settled_at) for a in answers[who]),
            signs=tuple(signs[who]),
            entered_at=tuple(entered[who]),
        )
        found.append(facts)
    return found


class _Rows:
    """What every query has in common: whose rows, of which people, up to when."""

    def __init__(self, session: Session, shop_id: int, customers: Collection[int], until: datetime) -> None:
        self.session, self.shop_id, self.customers, self.until = session, shop_id, customers, until

    def mine(self, model: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """Say that a row is the shop's and about one of these people."""
        return model.shop_id == self.shop_id, one_of(model.customer_id, self.customers)

    def newest(
        self, columns: Sequence[Any], at: Any, *, most: int, only: Sequence[ColumnElement[bool]] = ()
    ) -> Sequence[Row[Any]]:
        """Return the newest rows of each person up to the moment, the oldest of them first."""
        model = columns[0].class_
        nth = func.row_number().over(partition_by=model.customer_id, order_by=at.desc()).label("nth")
        ranked = select(*columns, at.label("_at"), nth).where(*self.mine(model), at <= self.until, *only).subquery()
        return self.session.execute(select(ranked).where(ranked.c.nth <= most).order_by(ranked.c["_at"])).all()

    def by_customer(self, query: Select[*tuple[Any, ...]], *, is_entity: bool = False) -> dict[int, list[Any]]:
        """Return the rows of a query by their person."""
        found: dict[int, list[Any]] = defaultdict(list)
        for row in self.session.scalars(query) if is_entity else self.session.execute(query):
            found[row.customer_id].append(row)
        return found


def _begins_with(flow: Flow, since: datetime) -> tuple[Any, InstrumentedAttribute[Any], Sequence[ColumnElement[bool]]]:
    match flow.trigger.event:
        case "checkout_updated":
            return Checkout, Checkout.changed_at, (Checkout.changed_at >= since, Checkout.email.is_not(None))
        case "order_placed" | "order_paid" | "customer_ordered":
            return Order, Order.placed_at, (Order.placed_at >= since,)
        case "order_fulfilled":
            return Order, Order.placed_at, (Order.placed_at >= since - _SENDING_OFF,)
        case "customer_subscribed":
            is_yes = ConsentRow.state == ConsentState.SUBSCRIBED
            return ConsentRow, ConsentRow.at, (ConsentRow.at >= since, is_yes)
    raise Refused("This flow cannot be rehearsed: what it begins with is not kept.")


def _customers(rows: _Rows) -> Select[*tuple[Any, ...]]:
    c = Customer
    columns = (c.id, c.email, c.country, c.tags, c.locale, c.deleted_at, c.facts, c.orders_count, c.summed_at)
    return select(*columns).where(c.shop_id == rows.shop_id, one_of(c.id, rows.customers))


def _emails(rows: _Rows) -> dict[int, list[str]]:
    # For all kinds of identities, as snapshots.py asks, and for its reason.
    columns = (CustomerIdentity.customer_id, CustomerIdentity.kind, CustomerIdentity.value)
    found: dict[int, list[str]] = defaultdict(list)
    for who, kind, value in rows.session.execute(select(*columns).where(*rows.mine(CustomerIdentity))):
        if kind == "email":
            found[who].append(value)
    return found


def _said(rows: _Rows, hashes: dict[bytes, str]) -> dict[int, list[Said]]:
    c = ConsentRow
    columns = (c.customer_id, c.email_hash, c.state, c.at.label("said_at"), c.source, c.level)
    found: dict[int, list[Said]] = defaultdict(list)
    for row in rows.newest(columns, c.at, most=_OF_EACH):
        if email := hashes.get(bytes(row.email_hash)):
            word = Consent(state=ConsentState(row.state), at=row.said_at, source=row.source, level=row.level)
            found[row.customer_id].append(Said(email, word))
    return found


def _blocks(rows: _Rows, hashes: dict[bytes, str]) -> dict[str, list[Block]]:
    s = Suppression
    query = select(s.email_hash, s.reason, s.scope, s.created_at, s.expires_at).where(
        s.shop_id == rows.shop_id, one_of(s.email_hash, hashes)
    )
    found: dict[str, list[Block]] = defaultdict(list)
    for row in rows.session.execute(query.order_by(s.created_at)):
        found[hashes[bytes(row.email_hash)]].append(Block(row.reason, row.scope, row.created_at, row.expires_at))
    return found


def _carts(rows: _Rows, currency: str) -> dict[int, list[Cart]]:
    c = Checkout
    columns = (
        c.customer_id, c.token, c.cart_token, c.email, c.lines, c.subtotal_minor, c.started_at, c.changed_at, c.completed_at,
        c.currency,
    )  # fmt: skip
    held = rows.newest(columns, c.started_at, most=_OF_EACH)
    told = _told(rows, "checkout_updated")
    deleted = _deleted(rows, {name for row in held for name in (row.token, row.cart_token) if name})
    found: dict[int, list[Cart]] = defaultdict(list)
    for row in held:
        changes = {*told.get((row.customer_id, row.token), ()), row.changed_at}
        gone = {*deleted.get(row.token, ()), *(deleted.get(row.cart_token, ()) if row.cart_token else ())}
        cart = Cart(
            token=row.token, cart_token=row.cart_token, email=row.email, pieces=sum(line["quantity"] for line in row.lines),
            subtotal_minor=row.subtotal_minor, worth_minor=row.subtotal_minor if row.currency == currency else 0,
            started_at=row.started_at, changes=tuple(sorted(changes)),
            deletions=tuple(sorted(gone)), completed_at=row.completed_at,
        )  # fmt: skip
        found[row.customer_id].append(cart)
    return found


def _told(rows: _Rows, kind: str) -> dict[tuple[int, str], list[datetime]]:
    """Return when each cart or order was told of, by the platform's clock."""
    e = EventRow
    found: dict[tuple[int, str], list[datetime]] = defaultdict(list)
    columns = (e.customer_id, e.object_id, e.happened_at.label("told_at"))
    for row in rows.newest(columns, e.happened_at, most=_TELLINGS, only=(e.kind == kind,)):
        found[row.customer_id, row.object_id].append(row.told_at)
    return found


def _deleted(rows: _Rows, names: set[str]) -> dict[str, list[datetime]]:
    e = EventRow
    query = select(e.object_id, e.happened_at).where(
        e.shop_id == rows.shop_id, e.kind == "checkout_deleted", one_of(e.object_id, names), e.happened_at <= rows.until
    )
    found: dict[str, list[datetime]] = defaultdict(list)
    for name, at in rows.session.execute(query) if names else ():
        found[name].append(at)
    return found


def _orders(rows: _Rows, currency: str) -> dict[int, list[Bought]]:
    o = Order
    columns = (
        o.customer_id, o.external_id, o.started_at, o.placed_at, o.paid_at, o.fulfilled_at, o.cancelled_at, o.deleted_at,
        o.changed_at, o.total_minor, o.refunded_minor, o.currency,
    )  # fmt: skip
    held = rows.newest(columns, o.started_at, most=PURCHASES_MOST)
    ids = {row.external_id for row in held}
    told, refunds, parcels = _told(rows, "order_updated"), _refunds(rows, ids), _parcels(rows, ids)
    reviews: dict[str, list[AnswerFacts]] = defaultdict(list)
    for order_id, review in histories.reviews(rows.session, rows.shop_id, ids):
        reviews[order_id].append(review)
    found: dict[int, list[Bought]] = defaultdict(list)
    for row in held:
        order = Bought(
            external_id=row.external_id, started_at=row.started_at, placed_at=row.placed_at, paid_at=row.paid_at,
            fulfilled_at=row.fulfilled_at, cancelled_at=row.cancelled_at, deleted_at=row.deleted_at,
            total_minor=row.total_minor, worth_minor=row.total_minor if row.currency == currency else 0,
            currency=row.currency, reviews=tuple(reviews[row.external_id]),
            refunds=_went_back(row, refunds.get(row.external_id, ())), parcels=tuple(parcels.get(row.external_id, ())),
            updates=tuple(sorted(told.get((row.customer_id, row.external_id), ()))),
        )  # fmt: skip
        found[row.customer_id].append(order)
    return found


def _refunds(rows: _Rows, ids: set[str]) -> dict[str, list[tuple[datetime, int]]]:
    r = Refund
    query = select(r.order_external_id, r.refunded_at, r.amount_minor).where(
        r.shop_id == rows.shop_id, one_of(r.order_external_id, ids)
    )
    found: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for order_id, at, minor in rows.session.execute(query.order_by(r.refunded_at)) if ids else ():
        found[order_id].append((at, minor))
    return found


def _went_back(order: Row[Any], refunds: Iterable[tuple[datetime, int]]) -> tuple[tuple[datetime, int], ...]:
    """Return what went back and when, in sum what the order says; what has no time of its own went with its last change."""
    left = order.refunded_minor
    found = []
    for at, minor in refunds:
        if taken := min(minor, left):
            found.append((at, taken))
            left -= taken
    return (*found, (order.changed_at, left)) if left else tuple(found)


def _parcels(rows: _Rows, ids: set[str]) -> dict[str, list[datetime | None]]:
    s = Shipment
    query = select(s.order_external_id, s.delivered_at).where(
        s.shop_id == rows.shop_id, one_of(s.order_external_id, ids), s.state.not_in(UNDONE)
    )
    found: dict[str, list[datetime | None]] = defaultdict(list)
    for order_id, at in rows.session.execute(query) if ids else ():
        found[order_id].append(at)
    return found


def _kept_orders(rows: _Rows) -> dict[int, int]:
    """Count the purchases of each person that were not taken back, however old."""
    o = Order
    is_kept = and_(o.placed_at <= rows.until, o.cancelled_at.is_(None), o.deleted_at.is_(None))
    query = select(o.customer_id, func.count()).where(*rows.mine(o), is_kept).group_by(o.customer_id)
    return {who: count for who, count in rows.session.execute(query) if who}


def _marks(rows: _Rows, carts: dict[int, list[Cart]]) -> dict[int, list[Mark]]:
    """Return the purchases of each person, and those by somebody else that answered one of their carts."""
    m = PurchaseMark
    columns = (m.customer_id, m.checkout_token, m.cart_token, m.ordered_at)
    found: dict[int, list[Mark]] = defaultdict(list)
    for row in rows.newest(columns, m.ordered_at, most=PURCHASES_MOST):
        found[row.customer_id].append(Mark(row.ordered_at, row.checkout_token, row.cart_token, row.customer_id))
    owner = {name: who for who, of_one in carts.items() for c in of_one for name in (c.token, c.cart_token) if name}
    if not owner:
        return found
    by_cart = or_(one_of(m.checkout_token, owner), one_of(m.cart_token, owner))
    query = select(*columns).where(m.shop_id == rows.shop_id, m.ordered_at <= rows.until, by_cart)
    for buyer, checkout_token, cart_token, at in rows.session.execute(query):
        who = owner.get(checkout_token or "") or owner.get(cart_token or "")
        if who and who != buyer:
            found[who].append(Mark(at, checkout_token, cart_token, buyer))
    return found


def _mails(rows: _Rows, flow: Flow) -> dict[int, list[Posted]]:
    """Return the marketing mails of other flows: they count for caps, pauses and silence as they truly did."""
    d = Delivery
    columns = (
        d.customer_id, d.enrollment_id, d.flow, d.created_at.label("made_at"), d.due_at, d.sent_at, d.sending_at, d.state,
        d.priority,
    )  # fmt: skip
    only = (d.message_class == "marketing", d.flow != flow.key, d.state.in_(_GONE_OUT))
    found: dict[int, list[Posted]] = defaultdict(list)
    for row in rows.newest(columns, d.created_at, most=_OF_EACH, only=only):
        gone_at = row.sent_at or row.sending_at
        mail = Posted(row.flow, row.enrollment_id, row.made_at, row.due_at, gone_at, row.priority)
        found[row.customer_id].append(mail)
    return found


def _entered(rows: _Rows, flow: Flow, since: datetime) -> dict[int, list[datetime]]:
    e = Enrollment
    only = (e.flow == flow.key, e.entered_at < since)
    found: dict[int, list[datetime]] = defaultdict(list)
    for row in rows.newest((e.customer_id, e.entered_at.label("came_at")), e.entered_at, most=_OF_EACH, only=only):
        found[row.customer_id].append(row.came_at)
    return found


def _signs(rows: _Rows) -> dict[int, list[datetime]]:
    """Return what only a person does: clicks that are no robot's, and replies."""
    found: dict[int, list[datetime]] = defaultdict(list)
    clicks = (
        select(Delivery.customer_id, func.max(Engagement.at).label("at"))
        .join(Delivery, and_(Delivery.shop_id == Engagement.shop_id, Delivery.id == Engagement.delivery_id))
        .where(*rows.mine(Delivery), Engagement.kind == EngagementKind.CLICKED, Engagement.machine.is_(None))
        .group_by(Delivery.customer_id, func.date_trunc("day", Engagement.at))
    )
    replies = select(Reply.customer_id, Reply.received_at.label("at")).where(
        *rows.mine(Reply), Reply.is_automatic.is_(False)
    )
    for query in (clicks, replies):
        for who, at in rows.session.execute(query):
            found[who].append(at)
    return found
