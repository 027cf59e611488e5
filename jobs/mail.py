"""The mail drain: lease, prepare, ask all gates once more, hand over, record (house-style 3.8).

No transaction is open across a call to anybody. A crash before `sending` costs a lease; one in it ends as `unknown`, or as
what the transport can prove. While a batch is handed over by threads, the next one is prepared, and a keeper renews the
leases of both (jobs/keeper.py).
"""

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from app import clock
from app.config import settings
from app.db import sessions
from app.domain.outcomes import Again, Failed, Outcome, Sent, Unknown
from app.domain.ports import MailTransport
from app.domain.receipts import Receipt, ReceiptKind
from app.log import get_logger
from app.models import Delivery, claims
from app.queues import QueueName, ring
from app.services import ledger, meter, pauses, receipts
from jobs import sign_in_mails, trials
from jobs.drain import BUDGET
from jobs.flight import Flight, Landed
from jobs.keeper import Keeper, sending_lease
from jobs.prepare import Ready, prepare
from jobs.way_out import open_transport

BATCH = 100  # mails between the claim and the record: as many may be `unknown` after a crash, until events settle them
CLAIM_HOLDS = 30.0  # seconds from the claim, which asked all gates, to the last hand-over that it is good for
OVER_RATE = Again("The shop sends as fast as it may.", timedelta(seconds=1), is_counted=False)
PROBING = Again("One mail goes first, to see whether the way out is open again.", timedelta(seconds=5), is_counted=False)

_POISON = Failed(f"{claims.MOST_DEATHS} processes died while working on it.")

log = get_logger()


class Stamp:
    """The date that mails of a batch carry: the database's, read once when the batch is claimed."""

    now: datetime

    def read(self) -> datetime:
        """Return the date."""
        return self.now


def drain() -> None:
    """Work off the mails that are due; RQ calls it by name."""
    stamp = Stamp()
    transport = open_transport(stamp.read)
    try:
        settle_stuck(transport)
        trials.send_due(transport, stamp)
        sign_in_mails.send_due(transport, stamp)
        with Keeper(lambda: settle_stuck(transport)) as keeper:
            is_all_done = _send_due(transport, stamp, keeper)
    finally:
        transport.close()
    if not is_all_done:
        ring(QueueName.MAIL)


def send_batch(transport: MailTransport, stamp: Stamp) -> int:
    """Work one batch to its end and return how many mails it took."""
    with Keeper(lambda: None) as keeper, _threads() as pool:
        found, taken = _lease_some(stamp, keeper)
        _land(_take_off(pool, transport, _prepared(taken), keeper))
    return found


def settle_stuck(transport: MailTransport) -> None:
    """Find out what became of mails whose process died while handing over; what nobody can say is `unknown` (D7)."""
    with sessions().begin() as session:
        stuck = ledger.take_stuck(session, sending_lease())
    landed: list[Landed] = []
    for delivery in stuck:
        was_sent = transport.was_sent(str(delivery.id))
        outcome: Outcome = Unknown("The process that handed it over died before it heard the answer.")
        if was_sent is not None:
            not_gone = Again("The process that handed it over died; the mail had not gone out.", timedelta(0))
            outcome = Sent("found") if was_sent else _POISON if delivery.deaths >= claims.MOST_DEATHS else not_gone
        log.warning("mail.settled", delivery_id=delivery.id, shop_id=delivery.shop_id, outcome=type(outcome).__name__)
        landed.append((delivery, outcome))
    _record(landed)


def _send_due(transport: MailTransport, stamp: Stamp, keeper: Keeper) -> bool:
    """Send until nothing is due (True) or the time is up (False)."""
    started = time.monotonic()
    flight: Flight | None = None
    flying: list[Delivery] = []
    with _threads() as pool:
        while True:
            is_over = time.monotonic() - started > BUDGET
            found, taken = (0, []) if is_over else _lease_some(stamp, keeper)
            ready = _prepared(taken)
            if flight:
                _land(flight)
                keeper.let_go(flying)
            if not found:
                return not is_over
            flying, flight = taken, _take_off(pool, transport, ready, keeper)


def _lease_some(stamp: Stamp, keeper: Keeper) -> tuple[int, list[Delivery]]:
    """Lease mails that are due, and return how many there were and which may go now.

    Those of a paused shop stay where they are; those over a shop's rate go back.
    """
    since = time.monotonic()
    with sessions().begin() as session:
        stamp.now = now = clock.now(session)
        held = pauses.held(session, now)
        if held.is_all_closed:
            return 0, []
        only = Delivery.shop_id.not_in(held.closed) if held.closed else None
        limit = 1 if held.is_all_probed else BATCH
        taken = claims.claim(session, Delivery, limit=limit, lease=_lease(), now=now, only=only)
        poison = [d for d in taken if d.deaths >= claims.MOST_DEATHS]
        probed = [d for n, d in enumerate(taken) if d.shop_id in held.probed & {p.shop_id for p in taken[:n]}]
        back = {d.id: PROBING for d in probed}
        back |= {d.id: OVER_RATE for d in meter.too_many(session, taken, settings().mail_shop_rate, now=now)}
        ends: list[Landed] = [(d, _POISON) for d in poison]
        ends += [(d, back[d.id]) for d in taken if d.id in back and d not in poison]
        ledger.record(session, ends, now=now)
        ended = {d.id for d, _ in ends}
    going = [d for d in taken if d.id not in ended]
    keeper.hold(going, since=since)
    return len(taken), going


def _prepared(taken: Sequence[Delivery]) -> list[Ready]:
    ready, undone = prepare(taken)
    _record(undone)
    return ready


def _take_off(pool: ThreadPoolExecutor, transport: MailTransport, ready: Sequence[Ready], keeper: Keeper) -> Flight:
    since = time.monotonic()
    going = _claim(ready)
    keeper.hold([r.delivery for r in going], since=since)
    return Flight(pool, transport, going, since + CLAIM_HOLDS, keeper.is_ours)


def _land(flight: Flight) -> None:
    """Record what became of the mails, as they land, and hold back what would meet the same refusal."""
    went: set[int] = set()
    for landed in flight.landed():
        _record(landed)
        went |= {d.shop_id for d, outcome in landed if isinstance(outcome, Sent)}
    if not (went or flight.shut):
        return
    with sessions().begin() as session:
        now = clock.now(session)
        pauses.end(session, went - flight.shut.keys() | ({0} - flight.shut.keys() if went else set()))
        for shut in flight.shut.values():
            outcome = shut.outcome
            wait = None if outcome.is_counted else outcome.wait
            pauses.begin(session, shut.shop_id, outcome.reason, is_refusal=outcome.is_refusal, now=now, at_least=wait)
            log.warning("mail.paused", shop_id=shut.shop_id, is_refusal=outcome.is_refusal)


def _claim(ready: Sequence[Ready]) -> list[Ready]:
    """Claim rendered mails for sending; when another worker took one of them, the others are claimed one by one."""
    if not ready:
        return []
    try:
        with sessions().begin() as session:
            now = clock.now(session)
            going = ledger.claim_for_sending(
                session, [r.delivery for r in ready], {r.delivery.id: r.mail.subject for r in ready},
                lease=sending_lease(), now=now,
            )  # fmt: skip
            ids = {d.id for d in going}
    except claims.FenceLost:
        return [g for r in ready for g in _claim([r])] if len(ready) > 1 else []
    return [r for r in ready if r.delivery.id in ids]


def _record(landed: Sequence[Landed]) -> None:
    """Write down what became of mails; one that another worker settled meanwhile keeps what that one wrote."""
    if not landed:
        return
    try:
        with sessions().begin() as session:
            ledger.record(session, landed, now=clock.now(session))
    except claims.FenceLost:
        if len(landed) > 1:
            for one in landed:
                _record([one])
        else:
            log.warning("mail.fence_lost", delivery_id=landed[0][0].id, shop_id=landed[0][0].shop_id)
        return
    if refused := [d for d, outcome in landed if isinstance(outcome, Failed) and outcome.is_bounce]:
        with sessions().begin() as session:
            now = clock.now(session)
            receipts.take_in(session, [_refusal(d, now) for d in refused], source="smtp", now=now)
    for delivery, outcome in landed:
        log.info("mail.recorded", delivery_id=delivery.id, shop_id=delivery.shop_id, outcome=type(outcome).__name__)


def _refusal(delivery: Delivery, now: datetime) -> Receipt:
    """Return what it means that the recipient's server knows no such mailbox: as much as a bounce."""
    key = hashlib.sha256(f"refused:{delivery.id}:{delivery.attempts}".encode()).digest()
    return Receipt(
        kind=ReceiptKind.REJECTED, key=key, happened_at=now, delivery_id=delivery.id,
        shop_id=delivery.shop_id, blocks="bounced", is_taken=False,
    )  # fmt: skip


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings().mail_threads, thread_name_prefix="mail")


def _lease() -> timedelta:
    return timedelta(seconds=settings().lease_seconds)
