"""Housekeeping: erasures and replays are carried on, days counted, promises proved, and what is over thrown away."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import clock
from app.db import sessions
from app.domain.errors import AdapterError
from app.domain.ports import MailTransport
from app.log import get_logger
from app.models import Erasure, claims
from app.queues import QueueName, ring
from app.services import comparison, erasing, hygiene_weeks, opt_in, proof, retention, signin
from jobs import crediting, rehearsals, replays, silent
from jobs import drain as draining
from jobs.way_out import open_transport

log = get_logger()


def drain() -> None:
    """Carry on what was asked for, credit, count, prove, and throw away what is over: an RQ job. It calls no shop."""
    transport = open_transport(_now)
    work = draining.Work(
        queue=QueueName.HOUSEKEEPING, model=Erasure, do=_advance, batch=1, before=lambda: forget_mails(transport)
    )
    draining.drain(work)
    end_requests()
    crediting.drain()
    replays.drain()
    rehearsals.drain()
    prove()
    compare()
    look_back()
    silent.look()
    with sessions().begin() as session:
        if failed := erasing.show_failures(session):
            log.error("housekeeping.erasures_failed", erasures=failed)
        is_due = retention.is_due(session)
    if not is_due:
        return
    try:
        throw_away()
    except SQLAlchemyError as exc:
        # Erasures do not wait for it, and an hour is soon enough for what is days over.
        log.error("housekeeping.retention_failed", error_class=type(exc).__name__)
        with sessions().begin() as session:
            retention.mark_done(session)


def end_requests() -> None:
    """End requests to confirm an address that nobody answered."""
    with sessions().begin() as session:
        if ended := opt_in.expire(session, now=clock.now(session)):
            log.info("opt_ins.expired", rows=ended)


def prove() -> None:
    """Once a day, ask the ledger whether the promises were kept, keep the answer, and be loud when not."""
    with sessions().begin() as session:
        if not proof.is_night(session):
            return
        until = signin.real_now(session)
        made = proof.prove(session, since=until - timedelta(days=1), until=until)
        proof.keep_night(session, made)
    if not made.holds:
        log.error("proof.broken", doubles=made.doubles.mails, after_purchase=made.after_purchase.mails,
                  without_consent=made.without_consent.mails)  # fmt: skip


def compare() -> None:
    """A few times a day, count what treated and held-out people spent, shop by shop."""
    with sessions().begin() as session:
        shop_ids = comparison.begin(session) if comparison.is_due(session) else []
    for shop_id in shop_ids:
        with sessions().begin() as session:
            comparison.count(session, shop_id, now=clock.now(session))


def look_back() -> None:
    """Once a day, count how healthy the weeks were that are over, each in a transaction of its own."""
    with sessions().begin() as session:
        if not hygiene_weeks.is_due(session):
            return
        hygiene_weeks.mark_done(session)
        now = clock.now(session)
    for monday in hygiene_weeks.over(now):
        with sessions().begin() as session:
            hygiene_weeks.count(session, monday, now=now)


def forget_mails(transport: MailTransport) -> None:
    """Let the transport drop what it keeps of erased mails, outside any transaction; again and again changes nothing."""
    with sessions().begin() as session:
        waiting = erasing.mails_to_forget(session)
    for shop_id, erasure_id, mail_ids in waiting:
        try:
            for mail_id in mail_ids:
                transport.forget(str(mail_id))
        except AdapterError as exc:
            log.error("housekeeping.mails_kept", erasure_id=erasure_id, shop_id=shop_id, error_class=type(exc).__name__)
            continue
        with sessions().begin() as session:
            erasing.mails_forgotten(session, shop_id, erasure_id, mail_ids)


def throw_away() -> None:
    """Apply the rules of the retention, batch by batch; when the time is up with more left, ring again."""
    started = time.monotonic()
    for rule in retention.RULES:
        taken, total = retention.BATCH, 0
        while taken == retention.BATCH:
            if time.monotonic() - started > draining.BUDGET:
                ring(QueueName.HOUSEKEEPING)
                return
            with sessions().begin() as session:
                taken = retention.apply(session, rule)
            total += taken
        if total:
            log.info("housekeeping.thrown_away", what=rule.name, rows=total)
    with sessions().begin() as session:
        retention.mark_done(session)


def _advance(session: Session, erasures: Sequence[Erasure], now: datetime) -> None:
    for erasure in erasures:
        values = erasing.advance(session, erasure, now=now)
        claims.finish(session, Erasure, [erasure], values)


def _now() -> datetime:
    with sessions().begin() as session:
        return clock.now(session)
