"""Who may have fallen silent lately: looked for once a day, because nothing happens when nothing happens."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app.domain.sunset import silent_from
from app.flows.engine import OLDEST_START
from app.models import Delivery, FlowSettings, Shop, ShopState
from app.models.bulk import one_of
from app.services import mail_rules, silences, watch
from app.services.silences import QUESTION

EVERY = timedelta(days=1)
BATCH = 5_000  # people in one statement: each reads a day of mails anew

PROCESS = "silent"  # whose sign of life says when it was done last
_DAY = timedelta(days=1)


def is_due(session: Session) -> bool:
    """Say whether nobody looked for a day."""
    silent = watch.silence(session, PROCESS)
    return silent is None or silent >= EVERY


def mark_done(session: Session) -> None:
    """Note that somebody looked; the next time is in a day."""
    watch.beat(session, PROCESS)


def shops(session: Session) -> dict[timedelta, list[int]]:
    """Return the shops that ask the silent, by how long somebody may be silent there."""
    on = (
        select(FlowSettings.shop_id)
        .join(Shop, Shop.id == FlowSettings.shop_id)
        .where(FlowSettings.flow == QUESTION, FlowSettings.is_on, Shop.state == ShopState.ACTIVE)
        .order_by(FlowSettings.shop_id)
    )
    found: dict[timedelta, list[int]] = defaultdict(list)
    for shop_id in session.scalars(on):
        if rule := mail_rules.of(session, shop_id).sunset:
            found[rule.silent].append(shop_id)
    return found


def windows(silent: timedelta, *, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the days in which the first unanswered mail of somebody went out who fell silent lately.

    As far back as anything may begin a run; one statement reads one of these days, by the index of their times.
    """
    until = now - silent
    for n in range(OLDEST_START // _DAY):
        yield until - (n + 1) * _DAY, until - n * _DAY


def mailed(
    session: Session, shop_ids: list[int], since: datetime, until: datetime, *, after: tuple[int, int] = (0, 0)
) -> list[tuple[int, int]]:
    """Return whom shops sent marketing mail in a time, BATCH at the most, as pairs of shop and customer above `after`."""
    rows = session.execute(
        select(Delivery.shop_id, Delivery.customer_id)
        .where(
            Delivery.sent_at >= since,
            Delivery.sent_at < until,
            one_of(Delivery.shop_id, shop_ids),
            Delivery.message_class == "marketing",
            tuple_(Delivery.shop_id, Delivery.customer_id) > tuple_(*after),
        )
        .group_by(Delivery.shop_id, Delivery.customer_id)
        .order_by(Delivery.shop_id, Delivery.customer_id)
        .limit(BATCH)
    )
    return [(shop_id, customer_id) for shop_id, customer_id in rows]


def of(session: Session, shop_id: int, customers: set[int], *, now: datetime) -> set[int]:
    """Return who of these fell silent lately; whoever reacted since did not."""
    found = silences.load(session, shop_id, customers, mail_rules.of(session, shop_id).sunset, now=now)
    fell_at = {customer_id: silent_from(silence) for customer_id, silence in found.items()}
    return {customer_id for customer_id, at in fell_at.items() if at and now - OLDEST_START <= at <= now}
