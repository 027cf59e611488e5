"""When a shop's marketing may reach a person: not at night, not too often, the weightier first. It delays, never drops."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MINUTES = 24 * 60
DAY = timedelta(days=1)
GIVE_WAY = timedelta(minutes=1)  # after the time of the mail that goes first; then the caps are looked at anew


@dataclass(frozen=True, slots=True)
class Quiet:
    """No marketing from one minute of the day to another, by the clock of this zone; it may go over midnight."""

    begins: int  # minutes after midnight
    ends: int
    zone: str  # an IANA name


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many marketing mails in any stretch of so many hours."""

    hours: int
    mails: int


@dataclass(frozen=True, slots=True)
class Mailed:
    """A marketing mail that a person got, or may have got."""

    at: datetime
    priority: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A marketing mail of another run that waits for this person."""

    due_at: datetime
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What paces the mail to one person; the default is nothing. A lower priority goes first; `urgent` is recovery's."""

    quiet: Quiet | None = None
    caps: tuple[Cap, ...] = ()
    mailed: tuple[Mailed, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    urgent: int = -1


@dataclass(frozen=True, slots=True)
class Later:
    """Not now, for this reason, but then."""

    reason: str
    at: datetime


FREE = Pace()


def why_later(pace: Pace, priority: int, *, now: datetime) -> Later | None:
    """Return why a marketing mail of this priority must wait and until when, or None when it may go now."""
    if later := _after_quiet(pace, now):
        return later
    if not pace.caps:
        return None
    firsts = [w.due_at for w in pace.waiting if w.priority < priority]
    if firsts:
        return Later("gives_way", max(now, *firsts) + GIVE_WAY)
    return _after_caps(pace, priority, now)


def wall_clock(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """Return the instant at which a zone's clocks show a minute of a day.

    A minute that the clocks leave out in spring is the first one after the gap; one that they show twice is the first.
    """
    shown = datetime.combine(day, time()) + timedelta(minutes=minute)  # what the clock on the wall shows
    for _ in range(MINUTES + 1):
        instant = shown.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == shown:
            return instant
        shown += timedelta(minutes=1)
    return instant


def _after_quiet(pace: Pace, now: datetime) -> Later | None:
    quiet = pace.quiet
    if quiet is None or quiet.begins == quiet.ends:
        return None
    try:
        zone = ZoneInfo(quiet.zone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    local = now.astimezone(zone)
    minute = local.hour * 60 + local.minute
    goes_over_midnight = quiet.begins > quiet.ends
    is_evening = minute >= quiet.begins
    is_quiet = (is_evening or minute < quiet.ends) if goes_over_midnight else quiet.begins <= minute < quiet.ends
    if not is_quiet:
        return None
    day = local.date() + DAY if goes_over_midnight and is_evening else local.date()
    end = wall_clock(day, quiet.ends, zone)
    # In the second of two equal hours of autumn the end is past: it was in the first.
    return Later("quiet_hours", end) if end > now else None


def _after_caps(pace: Pace, priority: int, now: datetime) -> Later | None:
    free_at = now
    for cap in pace.caps:
        window = timedelta(hours=cap.hours)
        within = sorted((m for m in pace.mailed if m.at > now - window), key=lambda m: m.at)
        if len(within) < cap.mails:
            continue
        # A left cart does not wait for yesterday's news: of a cap within a day it goes past once.
        is_first_urgent = priority == pace.urgent and not any(m.priority == pace.urgent for m in within)
        if window <= DAY and is_first_urgent:
            continue
        free_at = max(free_at, within[len(within) - cap.mails].at + window)
    return Later("capped", free_at) if free_at > now else None
