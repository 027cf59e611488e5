"""How a pretend shop's webhooks travel: with the real platforms' time limits, retries and bad days."""

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Condition, Thread

import requests

from app.demo.webhook import Attempt, Faults, Job, Manners, SignedWebhook

_LOG_SIZE = 200  # attempts kept for the control page
_STOP_PATIENCE = 6.0  # seconds: a Shopify delivery in flight ends within five
_REVERSED_GAP = 0.05  # seconds between webhooks sent in reverse, so that two threads keep that order
_SIGNATURES = ("X-Shopify-Hmac-Sha256", "X-WC-Webhook-Signature")


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    job: Job = field(compare=False)


class Sender:
    """Background threads that deliver webhooks.

    Args:
        now: the time written into the log.
        threads: how many deliver at once; they start with the first job. One keeps the order.
        time_scale: factor on the waits before retries; 0.001 makes four hours fourteen seconds.
    """

    def __init__(self, now: Callable[[], datetime], *, threads: int = 2, time_scale: float = 1.0) -> None:
        self.faults = Faults()
        self._now = now
        self._log: deque[Attempt] = deque(maxlen=_LOG_SIZE)
        self._scale = time_scale
        self._heap: list[_Due] = []
        self._held: list[Job] = []
        self._numbers = itertools.count()
        self._in_flight = 0
        self._started = self._stopped = False
        self._changed = Condition()
        self._threads = [Thread(target=self._work, name=f"webhooks-{n}", daemon=True) for n in range(threads)]

    def submit(self, job: Job) -> None:
        """Queue a webhook, with the faults of the day."""
        with self._changed:
            if job.merge_key is not None and any(due.job.merge_key == job.merge_key for due in self._heap):
                return
            for _ in range(self.faults.copies):
                self._push(replace(job), job.delay + self.faults.delay)
            if not self._started:
                self._started = True
                for thread in self._threads:
                    thread.start()

    def release(self) -> None:
        """Send what a reversing fault holds back."""
        with self._changed:
            held, self._held = self._held[::-1], []
            for n, job in enumerate(held):
                self._enqueue(job, n * _REVERSED_GAP)

    def recent(self, limit: int = _LOG_SIZE) -> list[Attempt]:
        """List the last tries, newest first."""
        with self._changed:
            return list(itertools.islice(self._log, limit))

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until nothing is queued, not even a retry, nor under way; False when that took too long (seconds)."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._heap and not self._in_flight, timeout)

    def stop(self) -> None:
        """End the threads; what is queued is lost, what is under way is finished."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_STOP_PATIENCE)

    def _push(self, job: Job, delay: float) -> None:
        if self.faults.reverse:
            self._held.append(job)
            if len(self._held) >= self.faults.reverse:
                self.release()
        else:
            self._enqueue(job, delay)

    def _enqueue(self, job: Job, delay: float) -> None:
        heapq.heappush(self._heap, _Due(time.monotonic() + delay, next(self._numbers), job))
        self._changed.notify_all()

    def _work(self) -> None:
        with requests.Session() as session:
            session.trust_env = False  # no proxy of the machine's between two loopback ports
            while (job := self._take()) is not None:
                try:
                    self._deliver(session, job)
                finally:
                    with self._changed:
                        self._in_flight -= 1
                        self._changed.notify_all()

    def _take(self) -> Job | None:
        with self._changed:
            while not self._stopped:
                wait = self._heap[0].at - time.monotonic() if self._heap else None
                if wait is not None and wait <= 0:
                    self._in_flight += 1
                    return heapq.heappop(self._heap).job
                self._changed.wait(wait)
            return None

    def _deliver(self, session: requests.Session, job: Job) -> None:
        job.webhook = webhook = job.webhook or job.build()
        if webhook is None:
            return
        if self.faults.drop & {webhook.topic, "*"}:
            job.on_end(True)  # lost on the way: the platform believes it arrived
            return
        job.tries += 1
        started = time.monotonic()
        status, note = self._post(session, webhook, job.manners)
        elapsed = time.monotonic() - started
        if elapsed > job.manners.timeout:
            status, note = None, "too slow"
        arrived = status is not None and status in job.manners.accepts
        retries = job.manners.retry_waits[job.tries - 1 : job.tries] if not arrived else ()
        if retries:
            note = f"{note}, again in {_words(retries[0] * self._scale)}"
        ms = round(elapsed * 1000)
        attempt = Attempt(self._now(), job.manners.platform, webhook.topic, status, ms, note, arrived)
        with self._changed:
            self._log.appendleft(attempt)
            for wait in retries:
                self._enqueue(job, wait * self._scale)
        if not retries:
            job.on_end(arrived)

    def _post(self, session: requests.Session, webhook: SignedWebhook, manners: Manners) -> tuple[int | None, str]:
        headers = dict(webhook.headers)
        if self.faults.forge:
            headers.update({name: _forged(headers[name]) for name in _SIGNATURES if name in headers})
        try:
            answer = session.post(
                webhook.url,
                data=webhook.body,
                headers=headers,
                timeout=(manners.connect_timeout, manners.timeout),
                allow_redirects=False,  # a redirect is an answer, not a forwarding order, on both platforms
            )
        except requests.Timeout:
            return None, "no answer in time"
        except requests.RequestException:
            return None, "not reached"
        finally:
            if not manners.keeps_alive:
                session.close()  # it told "Connection: close"; the session itself can be used again
        session.cookies.clear()
        return answer.status_code, "" if answer.status_code in manners.accepts else "refused"


def _forged(signature: str) -> str:
    return ("B" if signature[0] == "A" else "A") + signature[1:]


def _words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
