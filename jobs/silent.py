"""Once a day, let the flow that asks whether mail is still wanted begin with those who fell silent."""

import time
from collections import defaultdict
from datetime import datetime

from sqlalchemy import select

from app import clock
from app.db import sessions
from app.log import get_logger
from app.models import Shop
from app.services import people, react, silent_people

LONGEST = 120.0  # seconds; RQ ends a job after 300

log = get_logger()


def look() -> None:
    """Look for them if it is a day since; most of whom are found have reacted since and do not enter."""
    with sessions().begin() as session:
        if not silent_people.is_due(session):
            return
        silent_people.mark_done(session)
        now = clock.now(session)
    ask(now)


def ask(now: datetime) -> int:
    """Let those begin who fell silent up to now, and return how many were looked at; each batch is a transaction."""
    started = time.monotonic()
    with sessions().begin() as session:
        shops = silent_people.shops(session)
    looked_at = 0
    for silent, shop_ids in shops.items():
        for since, until in silent_people.windows(silent, now=now):
            after = (0, 0)
            while batch := _next(shop_ids, since, until, after):
                if time.monotonic() - started > LONGEST:
                    log.error("silent.not_all", people=looked_at)
                    return looked_at
                _enter(batch, now)
                looked_at += len(batch)
                after = batch[-1]
    if looked_at:
        log.info("silent.looked_at", people=looked_at)
    return looked_at


def _next(shop_ids: list[int], since: datetime, until: datetime, after: tuple[int, int]) -> list[tuple[int, int]]:
    with sessions().begin() as session:
        return silent_people.mailed(session, shop_ids, since, until, after=after)


def _enter(batch: list[tuple[int, int]], now: datetime) -> None:
    by_shop: dict[int, set[int]] = defaultdict(set)
    for shop_id, customer_id in batch:
        by_shop[shop_id].add(customer_id)
    for shop_id, customers in by_shop.items():
        with sessions().begin() as session:
            if silent := silent_people.of(session, shop_id, customers, now=now):
                shop = session.scalars(select(Shop).where(Shop.id == shop_id)).one()
                people.lock(session, shop_id, silent)
                react.fell_silent(session, shop, silent, now=now)
