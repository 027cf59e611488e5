"""Load how long people have left marketing mail unanswered: two statements, mostly the first alone."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Subquery, func, select, union_all
from sqlalchemy.orm import Session

from app.domain.sunset import Silence, SunsetRule
from app.models import (
    Answer,
    CustomerIdentity,
    Delivery,
    DeliveryState,
    Engagement,
    EngagementKind,
    Preference,
    PurchaseMark,
    Reply,
)
from app.models.bulk import one_of

QUESTION = "re_permission"  # the flow whose mail asks whether mail is still wanted

_GONE_OUT = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN)
_AT = func.coalesce(Delivery.sent_at, Delivery.sending_at)


def load(
    session: Session, shop_id: int, customers: Iterable[int], rule: SunsetRule | None, *, now: datetime
) -> dict[int, Silence]:
    """Return the silence of those who were mailed longer ago than the rule lets anybody be silent."""
    if rule is None:
        return {}
    mailed = set(customers)
    old = select(Delivery.customer_id).where(*_gone_to(shop_id, mailed), now - rule.silent >= _AT).distinct()
    ids = set(session.scalars(old))
    if not ids:
        return {}
    signs = _signs(shop_id, ids)
    asked_at = func.max(_AT).filter(Delivery.flow == QUESTION)
    unanswered = (
        select(Delivery.customer_id, func.count(), func.min(_AT), asked_at)
        .outerjoin(signs, signs.c.customer_id == Delivery.customer_id)
        .where(*_gone_to(shop_id, ids), signs.c.at.is_(None) | (signs.c.at < _AT))
        .group_by(Delivery.customer_id)
    )
    return {
        customer_id: Silence(rule=rule, mails=mails, since=since, asked_at=asked)
        for customer_id, mails, since, asked in session.execute(unanswered)
    }


def _gone_to(shop_id: int, customers: set[int]) -> tuple[ColumnElement[bool], ...]:
    """Say which are the marketing mails that have gone out to people, or may have."""
    return (
        Delivery.shop_id == shop_id,
        one_of(Delivery.customer_id, customers),
        Delivery.message_class == "marketing",
        Delivery.state.in_(_GONE_OUT),
    )


def _signs(shop_id: int, customers: set[int]) -> Subquery:
    """Select each person's newest sign of life, of whatever kind."""
    identity = CustomerIdentity
    clicks = (
        select(Delivery.customer_id, Engagement.at)
        .join(Delivery, (Delivery.shop_id == Engagement.shop_id) & (Delivery.id == Engagement.delivery_id))
        .where(
            Delivery.shop_id == shop_id,
            one_of(Delivery.customer_id, customers),
            Engagement.kind == EngagementKind.CLICKED,
            Engagement.machine.is_(None),
        )
    )
    others = [
        select(model.customer_id, at.label("at")).where(model.shop_id == shop_id, one_of(model.customer_id, customers))
        for model, at in (
            (PurchaseMark, PurchaseMark.ordered_at),
            (Answer, Answer.answered_at),
            (identity, func.greatest(identity.agreed_at, identity.confirmed_at)),
            (Preference, Preference.updated_at),
        )
    ]
    replies = select(Reply.customer_id, Reply.received_at.label("at")).where(
        Reply.shop_id == shop_id, one_of(Reply.customer_id, customers), Reply.is_automatic.is_(False)
    )
    every = union_all(clicks, *others, replies).subquery()
    return select(every.c.customer_id, func.max(every.c.at).label("at")).group_by(every.c.customer_id).subquery()
