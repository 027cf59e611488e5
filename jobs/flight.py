"""Hands a batch of mails over, many at once, and stops early when the way out is shut."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from queue import Empty, SimpleQueue
from random import SystemRandom

from app.domain.backoff import MAIL_WAITS, backoff
from app.domain.errors import AddressRefused, Ambiguous, NotAllowed, Permanent, Reach, Transient
from app.domain.outcomes import Again, Failed, Outcome, Sent, Unknown
from app.domain.ports import Mail, MailTransport
from app.log import fault
from app.models import NO_SHOP, Delivery
from app.services.pauses import REFUSED_WAIT
from jobs.prepare import Ready

RECORD_EVERY, RECORD_AFTER = 25, 0.3  # mails, seconds: so much may be unrecorded when the process dies
_LIMIT = 3  # outages in a row, with nothing accepted between, after which the others are not tried

_NOT_BEGUN = Again("Those before it took too long; it was not begun.", timedelta(0), is_counted=False)
_SHUT = Again("The way out is shut; it was not begun.", timedelta(0), is_counted=False)
_rng = SystemRandom()
Landed = tuple[Delivery, Outcome]


@dataclass(frozen=True, slots=True)
class Shut:
    """Why the way out is shut for a shop, or for everybody (NO_SHOP)."""

    shop_id: int
    outcome: Again


class Flight:
    """Mails that were claimed and are being handed over by the threads of a pool.

    Args:
        pool: the threads.
        transport: the way out; several threads use it at once.
        ready: the mails, all of them `sending` in the ledger.
        latest_start: `time.monotonic`; the reasons not to send were asked at the claim, and must not grow old.
        is_ours: says whether a hand-over may begin; another worker might settle what is begun without a lease.
    """

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        transport: MailTransport,
        ready: Sequence[Ready],
        latest_start: float,
        is_ours: Callable[[Delivery], bool],
    ) -> None:
        self.shut: dict[int, Shut] = {}
        self._transport, self._latest_start, self._is_ours = transport, latest_start, is_ours
        self._landed: SimpleQueue[Landed] = SimpleQueue()
        self._outages = 0
        self._left = len(ready)
        for one in ready:
            pool.submit(self._go, one)

    def landed(self) -> Iterator[list[Landed]]:
        """Yield what became of the mails, in batches worth a transaction, until all have landed."""
        while self._left:
            batch = [self._landed.get()]
            until = time.monotonic() + RECORD_AFTER
            while len(batch) < min(self._left, RECORD_EVERY):
                try:
                    batch.append(self._landed.get(timeout=max(0.0, until - time.monotonic())))
                except Empty:
                    break
            self._left -= len(batch)
            yield batch

    def _go(self, one: Ready) -> None:
        outcome: Outcome
        if NO_SHOP in self.shut or one.delivery.shop_id in self.shut:
            outcome = _SHUT
        elif time.monotonic() >= self._latest_start or not self._is_ours(one.delivery):
            outcome = _NOT_BEGUN
        else:
            outcome = hand_over(self._transport, one.mail, one.delivery.attempts)
            self._notice(one.delivery.shop_id, outcome)
        self._landed.put((one.delivery, outcome))

    def _notice(self, shop_id: int, outcome: Outcome) -> None:
        """Shut the way out after a refusal, a rate limit, or several outages in a row."""
        if isinstance(outcome, Sent):
            self._outages = 0
        if not isinstance(outcome, Again) or outcome.reach is Reach.ONE:
            return
        self._outages += 1
        if outcome.is_refusal or not outcome.is_counted or self._outages >= _LIMIT:
            whose = shop_id if outcome.reach is Reach.SHOP else NO_SHOP
            self.shut[whose] = Shut(whose, outcome)


def hand_over(transport: MailTransport, mail: Mail, attempt: int) -> Outcome:
    """Give one mail to the transport and say what became of it; an error that nobody foresaw counts as perhaps sent."""
    try:
        return Sent(transport.send(mail))
    except Permanent as exc:
        return Failed(str(exc), is_bounce=isinstance(exc, AddressRefused))
    except NotAllowed as exc:
        return Again(str(exc), REFUSED_WAIT, reach=exc.reach, is_refusal=True, is_counted=False)
    except Transient as exc:
        return _again(exc, attempt)
    except Ambiguous as exc:
        return Unknown(str(exc))
    except Exception as exc:  # noqa: BLE001  (a fault of an adapter may come after the bytes left)
        fault("mail.transport_broke", exc, delivery_id=mail.key)
        return Unknown(f"The transport broke ({type(exc).__name__}).")


def _again(exc: Transient, attempt: int) -> Outcome:
    wait = backoff(min(attempt, len(MAIL_WAITS)) if exc.is_rate else attempt, MAIL_WAITS, _rng, at_least=exc.retry_after)
    if exc.is_rate:
        wait = exc.retry_after or wait
    if wait is None:
        return Failed(str(exc))
    return Again(str(exc), wait, reach=exc.reach, is_counted=not exc.is_rate)
