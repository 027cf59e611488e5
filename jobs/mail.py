"""The mail drain: lease, prepare, ask all gates once more, hand over, record (house-style 3.8).

No transaction is open across a call to anybody. A crash before `sending` costs a lease; one in it ends as `unknown`, or as
what the transport can prove.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import SystemRandom

from app import clock
from app.config import settings
from app.db import sessions
from app.domain.backoff import MAIL_WAITS, backoff
from app.domain.errors import Ambiguous, NotAllowed, Permanent, Transient
from app.domain.outcomes import Again, Failed, Outcome, Sent, Unknown
from app.domain.ports import Mail, MailTransport
from app.log import fault, get_logger
from app.models import Delivery, claims
from app.queues import QueueName, ring
from app.services import ledger
from integrations import make_transport
from jobs.drain import BUDGET
from jobs.prepare import Ready, prepare

BATCH = 20  # mails between the claim and the record: as many are `unknown` after a crash where the provider cannot be asked
NOT_ALLOWED_WAIT = timedelta(minutes=15)  # a refused key is mended by a person, not by trying

_POISON = Failed(f"{claims.MOST_DEATHS} processes died while working on it.")

log = get_logger()
_rng = SystemRandom()


class Stamp:
    """The date that mails of a batch carry: the database's, read once when the batch is claimed."""

    now: datetime

    def read(self) -> datetime:
        """Return the date."""
        return self.now


def drain() -> None:
    """Work off the mails that are due; RQ calls it by name."""
    stamp = Stamp()
    transport = make_transport(settings().mail_transport, outbox_dir=settings().outbox_dir, now=stamp.read)
    settle_stuck(transport)
    started = time.monotonic()
    while time.monotonic() - started < BUDGET:
        if not send_batch(transport, stamp):
            return
    ring(QueueName.MAIL)


def send_batch(transport: MailTransport, stamp: Stamp) -> int:
    """Work one batch and return how many mails it took."""
    with sessions().begin() as session:
        stamp.now = clock.now(session)
        taken = claims.claim(session, Delivery, limit=BATCH, lease=_lease(), now=stamp.now)
        poison = [d for d in taken if d.deaths >= claims.MOST_DEATHS]
        for delivery in poison:
            ledger.record(session, delivery, _POISON, now=stamp.now)
    ready, undone = prepare([d for d in taken if d not in poison])
    for delivery, outcome in undone:
        _record(delivery, outcome)
    # Half a lease is kept for the last hand-over: what is begun later might be settled by another worker meanwhile.
    latest_start = time.monotonic() + _lease().total_seconds() / 2
    for going in _claim(ready):
        if time.monotonic() < latest_start:
            _record(going.delivery, hand_over(transport, going.mail, going.delivery.attempts))
        else:
            _record(going.delivery, Again("Those before it took too long; it was not begun.", timedelta(0)))
    return len(taken)


def settle_stuck(transport: MailTransport) -> None:
    """Find out what became of mails whose process died while handing over; what nobody can say is `unknown` (D7)."""
    with sessions().begin() as session:
        stuck = ledger.take_stuck(session, _lease())
    for delivery in stuck:
        was_sent = transport.was_sent(str(delivery.id))
        outcome: Outcome = Unknown("The process that handed it over died before it heard the answer.")
        if was_sent is not None:
            not_gone = Again("The process that handed it over died; the mail had not gone out.", timedelta(0))
            outcome = Sent("found") if was_sent else _POISON if delivery.deaths >= claims.MOST_DEATHS else not_gone
        log.warning("mail.settled", delivery_id=delivery.id, shop_id=delivery.shop_id, outcome=type(outcome).__name__)
        _record(delivery, outcome)


def hand_over(transport: MailTransport, mail: Mail, attempt: int) -> Outcome:
    """Give one mail to the transport and say what became of it; an error that nobody foresaw counts as perhaps sent."""
    try:
        return Sent(transport.send(mail))
    except Permanent as exc:
        return Failed(str(exc))
    except NotAllowed as exc:
        return Again(str(exc), NOT_ALLOWED_WAIT)
    except Transient as exc:
        wait = backoff(attempt, MAIL_WAITS, _rng, at_least=exc.retry_after)
        return Again(str(exc), wait) if wait else Failed(str(exc))
    except Ambiguous as exc:
        return Unknown(str(exc))
    except Exception as exc:  # noqa: BLE001  (a fault of an adapter may come after the bytes left)
        fault("mail.transport_broke", exc, delivery_id=mail.key)
        return Unknown(f"The transport broke ({type(exc).__name__}).")


def _claim(ready: Sequence[Ready]) -> list[Ready]:
    """Claim rendered mails for sending; when another worker took one of them, the others are claimed one by one."""
    try:
        with sessions().begin() as session:
            now = clock.now(session)
            going = ledger.claim_for_sending(
                session, [r.delivery for r in ready], {r.delivery.id: r.mail.subject for r in ready}, lease=_lease(), now=now
            )
            ids = {d.id for d in going}
    except claims.FenceLost:
        return [g for r in ready for g in _claim([r])] if len(ready) > 1 else []
    return [r for r in ready if r.delivery.id in ids]


def _record(delivery: Delivery, outcome: Outcome) -> None:
    try:
        with sessions().begin() as session:
            ledger.record(session, delivery, outcome, now=clock.now(session))
    except claims.FenceLost:
        # Our lease ran out and another worker settled it: what it wrote came after us and stays.
        log.warning("mail.fence_lost", delivery_id=delivery.id, shop_id=delivery.shop_id)
        return
    log.info("mail.recorded", delivery_id=delivery.id, shop_id=delivery.shop_id, outcome=type(outcome).__name__)


def _lease() -> timedelta:
    return timedelta(seconds=settings().lease_seconds)
