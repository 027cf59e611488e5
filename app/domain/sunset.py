"""Who has not answered for so long that mailing them hurts everybody's delivery. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Sunset(StrEnum):
    """What is done with an address."""

    KEEP = "keep"
    ASK = "ask"  # once, whether mail is still wanted
    WAIT = "wait"  # for the answer
    HOLD = "hold"  # no marketing mail until they come back


@dataclass(frozen=True, slots=True, kw_only=True)
class SunsetRule:
    """A shop's rule: how long somebody may be silent, and how long an answer is waited for."""

    silent: timedelta = timedelta(days=180)
    answer: timedelta = timedelta(days=14)


def sunset(
    rule: SunsetRule, *, began_at: datetime, engaged_at: datetime | None, asked_at: datetime | None, now: datetime
) -> Sunset:
    """Say what is done with an address that gets marketing mail.

    Args:
        rule: the shop's rule.
        began_at: when it was first mailed; nobody is silent before that.
        engaged_at: the last click of a person or order; opens do not count, robots make them.
        asked_at: when they were asked whether mail is still wanted.
        now: the time.
    """
    heard_at = max(began_at, engaged_at or began_at)
    if now - heard_at < rule.silent:
        return Sunset.KEEP
    if asked_at is None or asked_at < heard_at:
        return Sunset.ASK
    return Sunset.WAIT if now - asked_at < rule.answer else Sunset.HOLD
