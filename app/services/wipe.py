"""Empty the rows of a person: what is left says that something was bought, for how much and when, and not by whom."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, text, update
from sqlalchemy.orm import Session

from app.domain.traces import Traces
from app.models import (
    Answer,
    Checkout,
    ConsentRow,
    ConsentWrite,
    Cursor,
    Customer,
    CustomerIdentity,
    Delivery,
    DeliveryEvent,
    Doubt,
    Engagement,
    Enrollment,
    EventRow,
    Export,
    Link,
    OptIn,
    Order,
    OrderLine,
    Preference,
    PurchaseMark,
    Refund,
    Reply,
    ScheduledStep,
    Shipment,
    TestMail,
)
from app.services import audit, bodies, rehearsals

# Events whose `object_id` is the person's own: the platform's customer id, the address, or its hash.
_ABOUT_PEOPLE = (
    "customer_updated", "customer_deleted", "customers_merged", "customer_tagged", "purchases_summed", "consent_changed",
    "customer_redacted", "data_requested", "deletion_told",
)  # fmt: skip
_GONE = "redacted-"  # in the place of a token
_LINE = '{"title": "", "variant_title": null, "sku": null, "image_url": null, "url": null}'


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is forgotten: our rows of the person, and what they are recognised by in what the platform sent."""

    customer_ids: tuple[int, ...]
    traces: Traces
    names: tuple[str, ...]  # first and last name together: one of them alone is somebody else's too


def subject_of(
    session: Session,
    shop_id: int,
    customer_ids: Collection[int],
    *,
    emails: Iterable[str],
    external_ids: Iterable[str],
    hashes: Iterable[str],
    order_ids: Iterable[str],
) -> Subject:
    """Collect everything that a person is recognised by, before it is emptied."""
    held = select(CustomerIdentity.kind, CustomerIdentity.value).where(*_of(CustomerIdentity, shop_id, customer_ids))
    identities = [tuple(row) for row in session.execute(held)]
    addresses = {*emails, *(value for kind, value in identities if kind == "email")}
    checkouts = session.execute(
        select(Checkout.email, Checkout.token, Checkout.cart_token).where(*_of(Checkout, shop_id, customer_ids))
    ).all()
    orders = session.execute(
        select(Order.external_id, Order.checkout_token, Order.cart_token).where(*_of(Order, shop_id, customer_ids))
    ).all()
    people = session.execute(
        select(Customer.first_name, Customer.last_name).where(Customer.shop_id == shop_id, Customer.id.in_(customer_ids))
    )
    tokens = {t for c in checkouts for t in (c.token, c.cart_token)} | {
        t for o in orders for t in (o.checkout_token, o.cart_token)
    }
    traces = Traces(
        emails=_sorted({*addresses, *(c.email for c in checkouts)}),
        customer_ids=_sorted({*external_ids, *(value for kind, value in identities if kind == "id")}),
        order_ids=_sorted({*order_ids, *(o.external_id for o in orders)}),
        tokens=_sorted(token for token in tokens if token and not token.startswith(_GONE)),
        hashes=_sorted(hashes),
    )
    names = _sorted(f"{first} {last}" for first, last in people if first and last)
    return Subject(tuple(sorted(customer_ids)), traces, names)


def webhooks_of(session: Session, shop_id: int, subject: Subject, *, asked_by: int | None, now: datetime) -> None:
    """Erase the stored webhooks whose events were about the person; the others are found by searching."""
    traces = subject.traces
    parcels = select(Shipment.external_id).where(
        Shipment.shop_id == shop_id, Shipment.order_external_id.in_(traces.order_ids)
    )
    refunds = select(Refund.external_id).where(Refund.shop_id == shop_id, Refund.order_external_id.in_(traces.order_ids))
    about = or_(
        EventRow.customer_id.in_(subject.customer_ids),
        (EventRow.kind == "shipment_updated") & EventRow.object_id.in_(parcels),
        (EventRow.kind == "refund_created") & EventRow.object_id.in_(refunds),
    )
    query = (
        select(EventRow.webhook_id).where(EventRow.shop_id == shop_id, EventRow.webhook_id.is_not(None), about).distinct()
    )
    ids = set(session.scalars(query)) - {asked_by, None}
    bodies.erase(session, [(shop_id, webhook_id) for webhook_id in sorted(i for i in ids if i)], now=now)


def trial_keys(session: Session, shop_id: int, subject: Subject | None) -> list[str]:
    """Return the transport's keys of a shop's test mails, of those about a person or of all; their files go as well."""
    query = select(TestMail).where(TestMail.shop_id == shop_id)
    if subject is not None:
        query = query.where(_shows(shop_id, subject))
    return [mail.key for mail in session.scalars(query.order_by(TestMail.id))]


def rows_of(session: Session, shop_id: int, subject: Subject, *, now: datetime) -> None:
    """Empty or delete every row that holds something personal. What flows hold comes first: it is found by the checkouts."""
    ids, orders = subject.customer_ids, subject.traces.order_ids
    _audit(session, shop_id, subject)
    for model in (CustomerIdentity, Export, Preference, OptIn, ConsentWrite):
        session.execute(delete(model).where(*_of(model, shop_id, ids)).execution_options(synchronize_session=False))
    _events(session, shop_id, subject)
    _runs(session, shop_id, ids)
    _checkouts(session, shop_id, ids)
    _set(session, ConsentRow, *_of(ConsentRow, shop_id, ids), level=None, wording=None, evidence={})
    mine = (Order.shop_id == shop_id, or_(Order.customer_id.in_(ids), Order.external_id.in_(orders)))
    lines = (OrderLine.shop_id == shop_id, OrderLine.order_id.in_(select(Order.id).where(*mine)))
    _set(session, OrderLine, *lines, title="", variant_title=None, sku=None)
    _set(session, Order, *mine, payment_url=None, checkout_token=None, cart_token=None, discount_codes=[])
    parcels = (Shipment.shop_id == shop_id, Shipment.order_external_id.in_(orders))
    _set(session, Shipment, *parcels, company=None, tracking_number=None, tracking_url=None)
    _test_mails(session, shop_id, subject)
    rehearsals.forget(session, shop_id, ids)
    marks = (PurchaseMark.customer_id.in_(ids), PurchaseMark.order_external_id.in_(orders))
    nothing = {"checkout_token": None, "cart_token": None, "email_hash": None}
    _set(session, PurchaseMark, PurchaseMark.shop_id == shop_id, or_(*marks), **nothing)
    _customers(session, shop_id, ids, now)
    _cursors(session, shop_id, subject.traces)


def _cursors(session: Session, shop_id: int, traces: Traces) -> None:
    """Begin a reading again whose place is behind the person: Shopify's places hold the id that was read last."""
    under_way = session.scalars(select(Cursor).where(Cursor.shop_id == shop_id, Cursor.page.is_not(None)))
    for cursor in under_way:
        if traces.are_in((cursor.page or "").encode()):
            cursor.page, cursor.since, cursor.began_at, cursor.lease_until = None, None, None, None
            cursor.fence += 1
    session.flush()


def _audit(session: Session, shop_id: int, subject: Subject) -> None:
    audit.forget(session, shop_id, words=(*subject.traces.emails, *subject.names))
    mails = session.scalars(select(Delivery.id).where(*_of(Delivery, shop_id, subject.customer_ids)))
    for kind, ids in (("delivery", list(mails)), ("customer", subject.customer_ids)):
        audit.forget(session, shop_id, kind=kind, ids=[str(i) for i in ids])


def _events(session: Session, shop_id: int, subject: Subject) -> None:
    traces = subject.traces
    asked = (Doubt.shop_id == shop_id, Doubt.kind == "customers", Doubt.external_id.in_(traces.customer_ids))
    session.execute(delete(Doubt).where(*asked).execution_options(synchronize_session=False))
    names = [*traces.customer_ids, *traces.emails, *traces.hashes]
    gone = or_(
        EventRow.customer_id.in_(subject.customer_ids),
        EventRow.kind.in_(_ABOUT_PEOPLE) & EventRow.object_id.in_(names),
        (EventRow.kind == "checkout_deleted") & EventRow.object_id.in_(traces.tokens),
    )
    session.execute(delete(EventRow).where(EventRow.shop_id == shop_id, gone).execution_options(synchronize_session=False))


def _runs(session: Session, shop_id: int, ids: Collection[int]) -> None:
    runs = select(Enrollment.id).where(*_of(Enrollment, shop_id, ids))
    _set(session, ScheduledStep, ScheduledStep.shop_id == shop_id, ScheduledStep.enrollment_id.in_(runs), error=None)
    # What was refused says why in the provider's words, which may quote the address.
    said = {"reason": func.coalesce(_machine_word(Delivery.reason), "erased"), "error": None}
    mails = _of(Delivery, shop_id, ids)
    _set(session, Delivery, *mails, Delivery.reason.is_not(None), **said)
    _set(session, Delivery, *mails, recipient=None, subject=None, error=None)
    # How many stars a mail brought stays. A review's number leads to what the person wrote in the shop, so that goes whole.
    written = (*_of(Answer, shop_id, ids), Answer.review_id.is_not(None))
    session.execute(delete(Answer).where(*written).execution_options(synchronize_session=False))
    _set(session, Answer, *_of(Answer, shop_id, ids), words=None)
    # A link may hold the checkout's key; what was opened and when stays, and where from does not.
    ours = select(Delivery.id).where(*mails)
    _set(session, Link, Link.shop_id == shop_id, Link.delivery_id.in_(ours), url=None)
    _set(session, Engagement, Engagement.shop_id == shop_id, Engagement.delivery_id.in_(ours), ip_hash=None)
    _set(session, Reply, *_of(Reply, shop_id, ids), text=None)
    told = (DeliveryEvent.shop_id == shop_id, DeliveryEvent.delivery_id.in_(ours))
    _set(session, DeliveryEvent, *told, email_hash=None, reason=None)
    session.execute(
        text(
            "UPDATE enrollments e SET episode = :gone || coalesce((SELECT c.id::text FROM checkouts c "
            "WHERE c.shop_id = e.shop_id AND c.token = e.episode), 'run-' || e.id) "
            "WHERE e.shop_id = :shop AND e.customer_id = ANY(:ids)"
        ),
        {"gone": _GONE, "shop": shop_id, "ids": list(ids)},
    )


def _checkouts(session: Session, shop_id: int, ids: Collection[int]) -> None:
    """Keep amounts, quantities and products. The token goes too: it is a part of the link that opens the checkout."""
    session.execute(
        text(
            "UPDATE checkouts SET email = NULL, first_name = NULL, recovery_url = NULL, cart_token = NULL, "
            "token = :gone || id, lines = (SELECT coalesce(jsonb_agg(line || cast(:empty AS jsonb) ORDER BY n), '[]') "
            "FROM jsonb_array_elements(lines) WITH ORDINALITY AS l(line, n)) "
            "WHERE shop_id = :shop AND customer_id = ANY(:ids)"
        ),
        {"gone": _GONE, "empty": _LINE, "shop": shop_id, "ids": list(ids)},
    )


def _customers(session: Session, shop_id: int, ids: Collection[int], now: datetime) -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        (
            "email",
            "first_name",
            "last_name",
            "locale",
            "country",
            "orders_count",
            "spent_minor",
            "summed_at",
            "unhappy_since",
        )
    )
    who = (Customer.shop_id == shop_id, Customer.id.in_(ids))
    _set(session, Customer, *who, **nothing, facts={}, tags={}, deleted_at=func.greatest(Customer.deleted_at, now))


def _test_mails(session: Session, shop_id: int, subject: Subject) -> None:
    session.execute(
        delete(TestMail)
        .where(TestMail.shop_id == shop_id, _shows(shop_id, subject))
        .execution_options(synchronize_session=False)
    )


def _shows(shop_id: int, subject: Subject) -> ColumnElement[bool]:
    """Tests to the person's address, and those that showed the person's cart: such a mail may quote it."""
    carts = select(Checkout.id).where(*_of(Checkout, shop_id, subject.customer_ids))
    return or_(TestMail.recipient.in_(subject.traces.emails), TestMail.checkout_id.in_(carts))


def _machine_word(column: Any) -> ColumnElement[Any]:
    return func.substring(column, "^[a-z_]+$")


def _of(model: Any, shop_id: int, ids: Collection[int]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return model.shop_id == shop_id, model.customer_id.in_(ids)


def _set(session: Session, model: Any, *where: ColumnElement[bool], **values: Any) -> None:
    session.execute(update(model).where(*where).values(**values).execution_options(synchronize_session=False))


def _sorted(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))
