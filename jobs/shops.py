"""All that waits for a shop's answer, in a queue of its own: a slow shop holds back other shops' questions at the most."""

import time

from jobs import access, connecting, consent, doubts, facts, reconcile, tags
from jobs import drain as draining


def drain() -> None:
    """Connect shops, tell them what people said, ask what changed and whether it is true: an RQ job.

    Somebody waits for a shop to be connected, so that comes first. Each part ends when the time is up and rings again, or is
    due at the scheduler's next look.
    """
    until = time.monotonic() + draining.BUDGET
    connecting.drain(until)
    consent.drain(until)
    facts.learn(until)
    access.keep_alive(until)
    while tags.write_back() and time.monotonic() < until:
        pass
    doubts.drain(until)
    reconcile.drain(until)
