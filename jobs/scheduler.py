"""The scheduler: a plain loop that rings the queue of whatever is due. It remembers nothing; two may run (I8, I9)."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import FrameType
from typing import Any

import redis
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import clock, log
from app.config import settings
from app.db import sessions
from app.models import (
    Attribution,
    Connection,
    ConsentWrite,
    Cursor,
    Delivery,
    Doubt,
    Erasure,
    OAuthState,
    Rehearsal,
    Replay,
    ScheduledStep,
    SignInMail,
    TagWrite,
    TestMail,
    Webhook,
    claims,
)
from app.queues import QueueName, ring
from app.services import (
    account,
    comparison,
    hygiene_weeks,
    ledger,
    opt_in,
    pauses,
    proof,
    retention,
    silent_people,
    statistics,
    tokens,
    watch,
)
from jobs import domains, inbox, receipts

TICK = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Rule:
    """When to ring a queue."""

    queue: QueueName
    is_due: Callable[[Session, Any], bool]


def is_mail_due(session: Session, now: datetime) -> bool:
    """Say whether a mail is due that may go: not one of a shop whose sending is paused."""
    held = pauses.held(session, now)
    if held.is_all_closed:
        return False
    only = Delivery.shop_id.not_in(held.closed) if held.closed else None
    return claims.is_anything_due(session, Delivery, now, only)


# All periodic work there is.
RULES = (
    Rule(QueueName.INBOX, lambda session, now: claims.is_anything_due(session, Webhook, now, inbox.ONLY_SHOPS)),
    Rule(QueueName.RECEIPTS, lambda session, now: claims.is_anything_due(session, Webhook, now, receipts.ONLY_OURS)),
    Rule(QueueName.STEPS, lambda session, now: claims.is_anything_due(session, ScheduledStep, now)),
    Rule(QueueName.MAIL, is_mail_due),
    Rule(QueueName.MAIL, lambda session, _now: ledger.is_any_stuck(session)),
    Rule(QueueName.MAIL, lambda session, now: claims.is_anything_due(session, TestMail, now)),
    Rule(QueueName.MAIL, lambda session, now: claims.is_anything_due(session, SignInMail, now)),
    Rule(QueueName.SHOPS, lambda session, now: claims.is_anything_due(session, OAuthState, now)),
    Rule(QueueName.SHOPS, lambda session, now: claims.is_anything_due(session, Connection, now)),  # once a day each
    Rule(QueueName.SHOPS, lambda session, now: claims.is_anything_due(session, Doubt, now)),
    # Orders and checkouts every quarter of an hour, the rest more rarely: what the source's EVERY says.
    Rule(QueueName.SHOPS, lambda session, now: claims.is_anything_due(session, Cursor, now)),
    Rule(QueueName.SHOPS, lambda session, now: claims.is_anything_due(session, TagWrite, now)),
    Rule(QueueName.SHOPS, lambda session, now: claims.is_anything_due(session, ConsentWrite, now)),
    Rule(QueueName.SHOPS, lambda session, _now: tokens.is_any_idle(session)),  # once a week for each quiet shop
    Rule(QueueName.SHOPS, lambda session, _now: account.are_facts_due(session)),  # after each install
    Rule(QueueName.SHOPS, lambda session, _now: domains.is_due(session)),  # once a day for each shop
    Rule(QueueName.HOUSEKEEPING, lambda session, now: claims.is_anything_due(session, Erasure, now)),
    Rule(QueueName.HOUSEKEEPING, lambda session, now: claims.is_anything_due(session, Replay, now)),
    Rule(QueueName.HOUSEKEEPING, lambda session, now: claims.is_anything_due(session, Rehearsal, now)),
    Rule(QueueName.HOUSEKEEPING, opt_in.is_any_over),
    Rule(QueueName.HOUSEKEEPING, lambda session, now: claims.is_anything_due(session, Attribution, now)),
    Rule(QueueName.HOUSEKEEPING, lambda session, _now: statistics.is_due(session)),  # every five minutes
    Rule(QueueName.HOUSEKEEPING, lambda session, _now: retention.is_due(session)),  # once an hour
    Rule(QueueName.HOUSEKEEPING, lambda session, _now: proof.is_night(session)),  # once a day
    Rule(QueueName.HOUSEKEEPING, lambda session, _now: hygiene_weeks.is_due(session)),  # once a day, for weeks that are over
    Rule(QueueName.HOUSEKEEPING, lambda session, _now: silent_people.is_due(session)),  # once a day
    Rule(QueueName.HOUSEKEEPING, lambda session, _now: comparison.is_due(session)),  # every six hours
)


def run() -> int:
    """Ring until told to stop; return the exit code."""
    log.configure(settings().log_format)
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    log.get_logger().info("scheduler.started")
    while not stop.is_set():
        try:
            tick()
        except (SQLAlchemyError, redis.RedisError) as exc:
            # The database is away or restarting: say so and look again, for ever; a supervisor could do no better.
            log.get_logger().error("scheduler.tick_failed", error_class=type(exc).__name__)
        stop.wait(TICK)
    return 0


def tick() -> list[QueueName]:
    """Look once, ring what is due, leave a sign of life, and return what was rung."""
    with sessions().begin() as session:
        now = clock.now(session)
        due = list(dict.fromkeys(rule.queue for rule in RULES if rule.is_due(session, now)))
        watch.beat(session, "scheduler")
    for queue in due:
        ring(queue)
    return due
