"""How long to wait before the next try: pure, with the dice passed in."""

from datetime import timedelta
from random import Random

# Waits of the inbox and of scheduled steps after try 1, 2, ...; the sixth failure is final.
WEBHOOK_WAITS = tuple(timedelta(minutes=m) for m in (1, 5, 30, 120, 360))
# Waits of a mail that was surely not accepted: 8 tries in some 8 hours.
MAIL_WAITS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120, 240))
_JITTER = 0.2  # share of the wait, so that a thousand rows that failed together do not return together


def backoff(attempt: int, waits: tuple[timedelta, ...], rng: Random, at_least: timedelta | None = None) -> timedelta | None:
    """Return the wait after try number `attempt` (from 1), or None when all waits are used up.

    Args:
        attempt: how many tries were made.
        waits: the wait after each try; one more try follows the last of them.
        rng: the dice.
        at_least: what the far side asked for.
    """
    if not 1 <= attempt <= len(waits):
        return None
    wait = waits[attempt - 1] * (1 + _JITTER * rng.random())
    return max(wait, at_least or wait)
