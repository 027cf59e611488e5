"""The queues, and the bell that says "there is work of this kind". Losing every ring costs a second, nothing else (I9)."""

import threading
import time
from enum import StrEnum
from functools import lru_cache
from queue import SimpleQueue

import redis
from prometheus_client import Counter
from rq import Queue

from app.config import settings

RING_GAP = 0.05  # seconds; a process rings a queue at most this often, a busy web process would ring thousands of times
BREAKER_PAUSE = 5.0  # seconds without a try after Redis failed, so that ingest does not wait for it
JOB_TIMEOUT = 300  # seconds; far above a drain's own budget (jobs/drain.py), because RQ raises its time-out anywhere


class QueueName(StrEnum):
    """Every queue there is; each has its own worker process."""

    INBOX = "inbox"
    STEPS = "steps"
    MAIL = "mail"
    RECEIPTS = "receipts"
    SHOPS = "shops"  # all that waits for a shop's answer, so that a slow one holds back nothing else
    HOUSEKEEPING = "housekeeping"


DRAINS = {
    QueueName.INBOX: "jobs.inbox.drain",
    QueueName.STEPS: "jobs.runner.drain",
    QueueName.MAIL: "jobs.mail.drain",
    QueueName.RECEIPTS: "jobs.receipts.drain",
    QueueName.SHOPS: "jobs.shops.drain",
    QueueName.HOUSEKEEPING: "jobs.housekeeping.drain",
}

RING_FAILURES = Counter("cartwheel_ring_failures_total", "Rings that did not reach Redis; the scheduler rings again.")


class Bell:
    """Rings queues, coalesced: at most once per RING_GAP, and not while an unanswered ring still waits in the queue."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._queues = {name: Queue(name, connection=client, serializer="json") for name in QueueName}
        self._not_before: dict[QueueName, float] = {}
        self._later: set[QueueName] = set()
        self._lock = threading.Lock()
        self._asked: SimpleQueue[QueueName] = SimpleQueue()
        self._ringer: threading.Thread | None = None

    def ring(self, name: QueueName) -> bool:
        """Say that there is work of this kind; False when Redis could not be told. Never raises."""
        with self._lock:
            is_early = self._not_before.get(name, 0.0) > time.monotonic()
            if not is_early:
                self._not_before[name] = time.monotonic() + RING_GAP
        if is_early:  # the drain of the ring before may have looked before our commit
            self.ring_soon(name)
            return True
        return self._enqueue(name)

    def ring_soon(self, name: QueueName) -> None:
        """Have a thread ring, now or when the gap is over: the caller does not wait for Redis, slow or gone."""
        with self._lock:
            if name in self._later:
                return
            self._later.add(name)
            if self._ringer is None or not self._ringer.is_alive():  # at first, and after a fork
                self._ringer = threading.Thread(target=self._keep_ringing, name="bell", daemon=True)
                self._ringer.start()
        self._asked.put(name)

    def _keep_ringing(self) -> None:
        while True:
            name = self._asked.get()
            time.sleep(max(0.0, self._not_before.get(name, 0.0) - time.monotonic()))
            with self._lock:
                self._later.discard(name)
                self._not_before[name] = time.monotonic() + RING_GAP
            self._enqueue(name)

    def _enqueue(self, name: QueueName) -> bool:
        try:
            # A ring that still waits is answered after our commit, so its drain will see our rows.
            if self._client.llen(self._queues[name].key) == 0:
                self._queues[name].enqueue(DRAINS[name], job_timeout=JOB_TIMEOUT, result_ttl=0, failure_ttl=3600)
        except redis.RedisError:
            RING_FAILURES.inc()
            self._not_before = dict.fromkeys(QueueName, time.monotonic() + BREAKER_PAUSE)
            return False
        return True


@lru_cache(maxsize=1)
def bell() -> Bell:
    """Return this process's bell. Its Redis client is never given to an RQ worker, which would raise its time-outs."""
    return Bell(connect(socket_timeout=0.5))


def ring(name: QueueName) -> bool:
    """Ring a queue; call it after the commit, never before."""
    return bell().ring(name)


def ring_soon(name: QueueName) -> None:
    """Ring a queue from a thread, for whoever must not wait; call it after the commit, never before."""
    bell().ring_soon(name)


def connect(socket_timeout: float | None = None) -> redis.Redis:
    """Open a Redis client."""
    return redis.Redis.from_url(
        settings().redis_url, socket_connect_timeout=0.2 if socket_timeout else 3.0, socket_timeout=socket_timeout
    )
