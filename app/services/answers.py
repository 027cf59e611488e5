"""Answers: five stars and a few words, to a mail's question or as a review that somebody wrote in the shop (`reviews.py`).

A low score stops marketing until somebody has settled it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.flows.messages import Stars
from app.models import Answer, Customer, Delivery, Enrollment, Order, Product, Shop
from app.models.bulk import one_of
from app.services import audit, content, people, react, render

SCORES = range(1, 6)
LOW = 2  # so many stars or fewer
WORDS_LIMIT = 2_000  # characters
LISTED_MOST = 50


@dataclass(frozen=True, slots=True)
class Question:
    """What a survey page is about: whose mail, about which order, and what was answered so far."""

    shop: Shop
    delivery: Delivery
    order_number: str
    locale: str | None
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as the shop's people see it: to which mail, or of which product; a product that is not held has no title."""

    answer: Answer
    flow: str | None
    step: str | None
    email: str | None
    order_number: str | None
    product: str | None


def find(session: Session, token: str) -> Question | None:
    """Return what a link of stars is about, or None when it leads nowhere: only mails about an order ask."""
    raw = content.read_token(token)
    if raw is None:
        return None
    row = session.execute(
        select(Shop, Delivery, Order, Customer.locale, Answer)
        .select_from(Delivery)
        .join(Shop, Shop.id == Delivery.shop_id)
        .join(Enrollment, and_(Enrollment.shop_id == Delivery.shop_id, Enrollment.id == Delivery.enrollment_id))
        .join(Order, and_(Order.shop_id == Delivery.shop_id, Order.external_id == Enrollment.episode))
        .join(Customer, and_(Customer.shop_id == Delivery.shop_id, Customer.id == Delivery.customer_id))
        .outerjoin(Answer, and_(Answer.shop_id == Delivery.shop_id, Answer.delivery_id == Delivery.id))
        .where(Delivery.token == raw, Enrollment.subject_key == "order", Delivery.recipient.is_not(None))
    ).one_or_none()
    return Question(row.Shop, row.Delivery, row.Order.number, row.locale, row.Answer) if row else None


def asks(session: Session, delivery: Delivery, *, now: datetime) -> bool:
    """Say whether a mail showed stars: a number that somebody writes back to another mail is no score."""
    drafts = content.gather(session, [delivery], "", now=now)
    return bool(drafts) and any(isinstance(block, Stars) for block in render.texts_of(drafts[0].content).message.blocks)


def record(
    session: Session, token: str, *, score: int, words: str, now: datetime, at: datetime | None = None
) -> Question | None:
    """Keep an answer; a second one to the same mail takes the place of the first. None when the link leads nowhere.

    Behind the subject lock: a marketing mail that was claimed before has gone, none is claimed after a low score.

    Args:
        session: the caller's transaction.
        token: of the mail's link.
        score: stars.
        words: the person's own.
        now: the time.
        at: when it was said, if that was earlier: a written answer may lie in our inbox for a while.

    Raises:
        Refused: the score is not one of one to five.
    """
    if score not in SCORES:
        raise Refused("Give one to five stars.")
    found = find(session, token)
    if found is None:
        return None
    shop, delivery = found.shop, found.delivery
    people.lock(session, shop.id, [delivery.customer_id])
    values: dict[str, object] = {"score": score, "is_low": score <= LOW, "words": words.strip()[:WORDS_LIMIT] or None}
    values["answered_at"] = at or now
    names = {"shop_id": shop.id, "delivery_id": delivery.id, "enrollment_id": delivery.enrollment_id}
    statement = insert(Answer).values(**names, customer_id=delivery.customer_id, **values)
    reopened = {"settled_at": None, "settled_by": None} if score <= LOW else {}
    session.execute(
        statement.on_conflict_do_update(index_elements=["shop_id", "delivery_id"], set_=values | reopened),
        execution_options={"populate_existing": True},
    )
    look_after(session, shop.id, [delivery.customer_id])
    react.look_again(session, shop, {delivery.customer_id}, now=now)
    session.expire_all()
    return find(session, token)


def settle(session: Session, shop: Shop, answer_id: int, *, actor: str, now: datetime) -> None:
    """Say that somebody has seen to a low score: the person may be mailed again. Again and again changes nothing.

    Raises:
        Refused: the shop has no such answer.
    """
    answer = session.scalar(select(Answer).where(Answer.shop_id == shop.id, Answer.id == answer_id))
    if answer is None:
        raise Refused("There is no such answer.")
    if answer.settled_at is not None or not answer.is_low:
        return
    people.lock(session, shop.id, [answer.customer_id])
    answer.settled_at, answer.settled_by = now, actor
    session.flush()
    look_after(session, shop.id, [answer.customer_id])
    audit.record(session, shop.id, actor=actor, action="answer.settled", object_kind="answer", object_id=answer.id)


def look_after(session: Session, shop_id: int, customer_ids: Collection[int]) -> None:
    """Hold since when each of these people is unhappy: since their oldest open low score. The caller holds their locks."""
    since = (
        select(func.min(Answer.answered_at))
        .where(
            Answer.shop_id == Customer.shop_id,
            Answer.customer_id == Customer.id,
            Answer.is_low,
            Answer.settled_at.is_(None),
        )
        .correlate(Customer)
        .scalar_subquery()
    )
    session.execute(
        update(Customer)
        .where(Customer.shop_id == shop_id, one_of(Customer.id, customer_ids))
        .values(unhappy_since=since)
        .execution_options(synchronize_session=False)
    )


def listed(session: Session, shop_id: int, *, only_open: bool = False) -> list[Told]:
    """Return the newest answers of a shop."""
    email = func.coalesce(Delivery.recipient, Customer.email)
    query = (
        select(Answer, Delivery.flow, Delivery.step, email, Order.number, Product.title)
        .join(Customer, and_(Customer.shop_id == Answer.shop_id, Customer.id == Answer.customer_id))
        .outerjoin(Delivery, and_(Delivery.shop_id == Answer.shop_id, Delivery.id == Answer.delivery_id))
        .outerjoin(Enrollment, and_(Enrollment.shop_id == Answer.shop_id, Enrollment.id == Answer.enrollment_id))
        .outerjoin(Order, and_(Order.shop_id == Answer.shop_id, Order.external_id == Enrollment.episode))
        .outerjoin(Product, and_(Product.shop_id == Answer.shop_id, Product.external_id == Answer.product_id))
        .where(Answer.shop_id == shop_id)
        .order_by(Answer.id.desc())
        .limit(LISTED_MOST)
    )
    if only_open:
        query = query.where(Answer.is_low, Answer.settled_at.is_(None))
    return [Told(*row) for row in session.execute(query)]


def count_open(session: Session, shop_id: int) -> int:
    """Count low scores that nobody has settled, up to LISTED_MOST."""
    rows = select(Answer.id).where(Answer.shop_id == shop_id, Answer.is_low, Answer.settled_at.is_(None))
    return session.scalar(select(func.count()).select_from(rows.limit(LISTED_MOST).subquery())) or 0
