"""Take in mail that came back: a bounce, an answer of a shopper, or somebody who unsubscribes by mail."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.events import Consent, ConsentState
from app.domain.inbound import Purpose
from app.domain.receipts import Receipt, ReceiptKind
from app.domain.replies import Returned
from app.domain.stars import Rating, read_rating
from app.models import Delivery, Reply, Shop
from app.services import answers, consent, content, erase, people, receipts

ANSWER_EVERY = timedelta(days=1)  # our own answer goes once per mail and day
SOURCE = "mail"


@dataclass(frozen=True, slots=True)
class Courtesy:
    """An answer of ours that is due: it was noted as begun, so it is never sent twice."""

    reply_id: int
    delivery: Delivery
    shop: Shop


def take_in(session: Session, told: Returned, *, at: datetime, now: datetime) -> Courtesy | None:
    """Do what a returned mail asks for; return the answer of ours that it deserves, if any.

    Args:
        session: the caller's transaction.
        told: the mail.
        at: when it came to our door.
        now: the time.
    """
    delivery = session.scalar(select(Delivery).where(Delivery.token == told.token.token))
    if delivery is None or delivery.recipient is None:
        return None
    shop = session.scalars(select(Shop).where(Shop.id == delivery.shop_id)).one()
    if erase.is_erased(shop):
        return None
    if told.status is not None or told.is_complaint:
        receipts.take_in(session, [_report(delivery, told, now)], source=SOURCE, now=now)
        return None
    if told.token.purpose is Purpose.UNSUBSCRIBE:
        no = Consent(state=ConsentState.UNSUBSCRIBED, at=now, source=SOURCE)
        consent.say(session, shop, delivery.customer_id, delivery.recipient, no, {"delivery_id": delivery.id}, now=now)
        return None
    if told.token.purpose is Purpose.REPLY:
        return _reply(session, shop, delivery, told, at=at, now=now)
    return None


def _report(delivery: Delivery, told: Returned, now: datetime) -> Receipt:
    key = hashlib.sha256(f"report:{delivery.id}:{told.message_id}".encode()).digest()
    if told.is_complaint:
        return Receipt(
            kind=ReceiptKind.COMPLAINED, key=key, happened_at=now, delivery_id=delivery.id, shop_id=delivery.shop_id,
            blocks="complained",
        )  # fmt: skip
    status = told.status or "5.0.0"
    is_soft = not status.startswith("5.1.") and status != "5.0.0"  # only "no such address" is for good
    return Receipt(
        kind=ReceiptKind.BOUNCED, key=key, happened_at=now, delivery_id=delivery.id, shop_id=delivery.shop_id,
        status=status, is_soft=is_soft, blocks=None if is_soft else "bounced",
    )  # fmt: skip


def _reply(
    session: Session, shop: Shop, delivery: Delivery, told: Returned, *, at: datetime, now: datetime
) -> Courtesy | None:
    mine = (Reply.shop_id == shop.id, Reply.delivery_id == delivery.id)
    people.lock(session, shop.id, [delivery.customer_id])
    session.execute(select(Delivery.id).where(Delivery.shop_id == shop.id, Delivery.id == delivery.id).with_for_update())
    last = session.scalar(select(func.max(Reply.answered_at)).where(*mine))
    is_due = not told.is_automatic and (last is None or now - last >= ANSWER_EVERY)
    key = hashlib.sha256(f"{delivery.id}:{told.message_id or told.text}".encode()).digest()
    statement = insert(Reply).values(
        shop_id=shop.id, delivery_id=delivery.id, customer_id=delivery.customer_id, message_key=key, text=told.text,
        is_automatic=told.is_automatic, received_at=at, answered_at=now if is_due else None,
    )  # fmt: skip
    reply_id = session.scalar(statement.on_conflict_do_nothing().returning(Reply.id))
    if reply_id is None:
        return None
    rating = None if told.is_automatic else read_rating(told.text)
    if rating and _is_answer(session, delivery, rating, at=at, now=now):
        session.execute(update(Reply).where(Reply.shop_id == shop.id, Reply.id == reply_id).values(score=rating.stars))
    return Courtesy(reply_id, delivery, shop) if is_due else None


def _is_answer(session: Session, delivery: Delivery, rating: Rating, *, at: datetime, now: datetime) -> bool:
    """Keep stars that were written back as the answer to the mail's question; say whether they are.

    What was said last counts, on the page or by mail. Stars without words leave the words that were said before.
    """
    token = content.unsubscribe_token(delivery)
    asked = answers.find(session, token)
    if asked is None or not answers.asks(session, delivery, now=now):
        return False
    before = asked.answer
    if before and before.answered_at > at:
        return False
    words = rating.words or (before.words if before else None) or ""
    return answers.record(session, token, score=rating.stars, words=words, now=now, at=at) is not None
