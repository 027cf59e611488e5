"""What waits, and whether somebody works on it."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services import pauses

SCHEDULER_SILENCE = timedelta(seconds=15)  # it beats every second
_TABLES = {"webhooks": "inbox", "scheduled_steps": "steps", "deliveries": "mail"}
_MOST = 10_000  # counting stops here: a number on a dashboard must not read a million rows


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much of one kind is due and how long the oldest has waited; `due` stops at 10,000."""

    kind: str
    due: int
    oldest_seconds: float


def waiting(session: Session) -> list[Waiting]:
    """Say what is due now, by queue."""
    found = []
    for table, kind in _TABLES.items():
        due, oldest = session.execute(
            text(
                "SELECT count(*), coalesce(extract(epoch FROM now() - min(due_at)), 0) FROM "  # noqa: S608
                f"(SELECT due_at FROM {table} WHERE state = 'pending' AND lease_until IS NULL AND due_at <= now() "
                f"ORDER BY due_at LIMIT {_MOST}) d"
            )
        ).one()
        found.append(Waiting(kind, due, float(oldest)))
    return found


def beat(session: Session, process: str) -> None:
    """Leave a sign of life."""
    session.execute(
        text("INSERT INTO heartbeats (process) VALUES (:p) ON CONFLICT (process) DO UPDATE SET beat_at = now()"),
        {"p": process},
    )


def silence(session: Session, process: str) -> timedelta | None:
    """Return how long a process has given no sign of life; None when it never did."""
    found: timedelta | None = session.execute(
        text("SELECT now() - beat_at FROM heartbeats WHERE process = :p"), {"p": process}
    ).scalar_one_or_none()
    return found


def complaints(session: Session) -> list[str]:
    """Say what is wrong, in words for the person on duty; nothing when all is well."""
    silent = silence(session, "scheduler")
    said = []
    if silent is None or silent > SCHEDULER_SILENCE:
        said.append("The scheduler gives no sign of life: waits do not end. Start it: cartwheel scheduler")
    for pause in pauses.of(session):
        whose = f"of shop {pause.shop_id}" if pause.shop_id else "of every shop"
        said.append(f"The mail {whose} is paused since {pause.since:%Y-%m-%d %H:%M} UTC: {pause.reason}")
    return said
