"""Keeps the leases of the mails that a live worker has in its hands, and looks for those of dead ones meanwhile.

A hand-over waits up to 23 seconds for an answer, a coupon as long for its shop, and the drain's own thread waits with them.
A thread of its own lets the lease of a hand-over be short: what a dead worker left is listed soon (I5), and no live one
loses a mail to another.
"""

import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Self

from app.config import settings
from app.db import sessions
from app.log import fault
from app.models import Delivery, claims

SENDING_LEASE = timedelta(seconds=30)  # since it was renewed last, whatever CARTWHEEL_LEASE_SECONDS says
BEATS = 4  # renewals in the time of a lease


class Keeper:
    """A thread that renews leases until the block is left.

    Args:
        look: what is done at each beat besides; it may raise what the database raises.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._lease = sending_lease()
        self._lock = threading.Lock()
        self._held: dict[int, Delivery] = {}
        self._until: dict[int, float] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self._is_over.set()
        self._thread.join()

    def hold(self, deliveries: Iterable[Delivery], *, since: float) -> None:
        """Keep these from now on; `since` is `time.monotonic` from before they were claimed."""
        with self._lock:
            for delivery in deliveries:
                self._held[delivery.id] = delivery
                self._until[delivery.id] = since + self._lease.total_seconds() / 2

    def let_go(self, deliveries: Iterable[Delivery]) -> None:
        """Keep these no longer: they are recorded, or they were never claimed."""
        with self._lock:
            for delivery in deliveries:
                self._held.pop(delivery.id, None)
                self._until.pop(delivery.id, None)

    def is_ours(self, delivery: Delivery) -> bool:
        """Say whether a hand-over may begin: nobody else can take the mail for half a lease yet."""
        return time.monotonic() < self._until.get(delivery.id, 0.0)

    def renew(self) -> None:
        """Renew the leases of what is held; what another worker took, or what ended, is not ours any more."""
        with self._lock:
            held = list(self._held.values())
        started = time.monotonic()
        with sessions().begin() as session:
            kept = claims.renew(session, Delivery, held, lease=self._lease)
        with self._lock:
            for delivery in held:
                if delivery.id in kept and delivery.id in self._until:
                    self._until[delivery.id] = started + self._lease.total_seconds() / 2

    def _beat(self) -> None:
        while not self._is_over.wait(self._lease.total_seconds() / BEATS):
            try:
                self.renew()
                self._look()
            except Exception as exc:  # noqa: BLE001  (the next beat may renew; if none does, nothing more is begun)
                fault("mail.not_renewed", exc)


def sending_lease() -> timedelta:
    """Return how long a mail that is being handed over is its worker's without a renewal."""
    return min(SENDING_LEASE, timedelta(seconds=settings().lease_seconds))
