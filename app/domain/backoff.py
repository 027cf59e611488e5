"""How long to wait before the next try: pure, with the dice passed in."""

from datetime import timedelta
from random import Random

# Waits of the inbox and of scheduled steps after try 1, 2, ... (reliability rule: 5 tries).
WEBHOOK_WAITS = tuple(timedelta(minutes=m) for m in (1, 5, 30, 120, 360))
# Waits of a mail that was surely not accepted: 8 tries within 24 hours.
MAIL_WAITS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120, 240, 480))
_JITTER = 0.2  # share of the wait, so that a thousand rows that failed together do not return together


def backoff(
    attempt: int, waits: tuple[timedelta, ...], rng: Random, at_least: timedelta | None = None
) -> timedelta | None:
    """Return the wait after try number `attempt` (from 1), or None when that was the last one.

    Args:
        attempt: how many tries were made.
        waits: the wait after each try but the last.
        rng: the dice.
        at_least: what the far side asked for.
    """
    if attempt >= len(waits) or attempt < 1:
        return None
    wait = waits[attempt - 1] * (1 + _JITTER * rng.random())
    return max(wait, at_least or wait)
