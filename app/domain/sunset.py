"""Who has not answered for so long that mailing them hurts everybody's delivery. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Sunset(StrEnum):
    """What is done with a person who gets marketing mail."""

    KEEP = "keep"
    ASK = "ask"  # once, whether mail is still wanted; other mail still goes
    WAIT = "wait"  # for the answer
    HOLD = "hold"  # no marketing mail until they come back


@dataclass(frozen=True, slots=True, kw_only=True)
class SunsetRule:
    """A shop's rule: how long somebody may be silent, how long an answer is waited for, how few mails prove nothing."""

    silent: timedelta = timedelta(days=180)
    answer: timedelta = timedelta(days=14)
    fewest: int = 3  # one mail or two in half a year, unanswered, say nothing about a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The marketing mails that a person has left unanswered: those after their last sign of life.

    A sign of life is what only a person does: an order, a click that is no robot's, an answer, a consent, a choice on the
    preference page. Opens do not count, robots make them; nor does a cart, in which anybody may type the address.
    """

    rule: SunsetRule
    mails: int
    since: datetime  # of the first of them: nobody is silent before they were mailed
    asked_at: datetime | None = None  # of the one that asked whether mail is still wanted


def silent_from(silence: Silence) -> datetime | None:
    """Return when a person fell, or will fall, silent; None as long as they had too few mails."""
    return None if silence.mails < silence.rule.fewest else silence.since + silence.rule.silent


def sunset(silence: Silence, *, now: datetime) -> Sunset:
    """Say what is done with a person; where nobody asked them, they have as long to answer to the other mails."""
    rule, silent = silence.rule, now - silence.since
    if silence.mails < rule.fewest or silent < rule.silent:
        return Sunset.KEEP
    if silence.asked_at is not None:
        return Sunset.WAIT if now - silence.asked_at < rule.answer else Sunset.HOLD
    return Sunset.ASK if silent < rule.silent + rule.answer else Sunset.HOLD
