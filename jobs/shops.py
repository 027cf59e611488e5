"""All that waits for the answer of a shop, or of the DNS: in a queue of its own, so that a slow one holds back no other."""

import time

from jobs import access, connecting, consent, domains, doubts, facts, reconcile, tags
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
    domains.look(until)
    doubts.drain(until)
    reconcile.drain(until)
