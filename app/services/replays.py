"""Replay many webhooks, and foretell it first: what staff ask for, as a row that a job works off and anybody can watch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select, true
from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.models import NO_SHOP, Replay, ReplayState, Shop, Webhook, WebhookState
from app.services import audit, replay

SLICE = 500  # webhooks that one transaction sets due
MOST_CHOSEN = 200  # webhooks that are chosen one by one
Key = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which webhooks are meant; None is any. `cause` is the error they failed with, word for word."""

    shop_id: int | None = None
    state: WebhookState = WebhookState.FAILED
    topic: str | None = None
    since: datetime | None = None
    cause: str | None = None
    ids: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as it is kept; `from_json` gives back an equal one."""
        since = self.since.isoformat() if self.since else None
        return {**asdict(self), "state": self.state.value, "since": since, "ids": list(self.ids)}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Which":
        """Read what `to_json` wrote."""
        since = datetime.fromisoformat(kept["since"]) if kept["since"] else None
        return cls(**{**kept, "state": WebhookState(kept["state"]), "since": since, "ids": tuple(kept["ids"])})


@dataclass(frozen=True, slots=True)
class Cause:
    """Failed webhooks that failed alike."""

    topic: str
    error: str | None
    webhooks: int
    shops: int
    first_at: datetime
    last_at: datetime


def ask(
    session: Session, which: Which, *, is_dry_run: bool, actor: str, reason: str, now: datetime, most: int | None = None
) -> Replay:
    """Ask for a replay or its forecast; a job begins with it at once.

    Args:
        session: as the owner.
        which: the webhooks that are meant; what comes later is not among them.
        is_dry_run: only foretell it.
        actor: who asks, for the audit log.
        reason: why; a replay needs one.
        now: the present.
        most: refuse more webhooks than this.

    Raises:
        Refused: no webhook is meant, too many are, or no reason is given.
    """
    if which.state not in replay.REPLAYABLE:
        raise Refused("Only failed and ignored webhooks are replayed; the others did their work or were erased.")
    if len(which.ids) > MOST_CHOSEN:
        raise Refused(f"Choose at most {MOST_CHOSEN} webhooks one by one, or replay all that match.")
    if not is_dry_run and not reason.strip():
        raise Refused("Say why: the reason is kept in the audit log.")
    total = session.scalar(select(func.count()).select_from(_matching(which).subquery())) or 0
    if not total:
        raise Refused("No webhook matches, so there is nothing to replay.")
    if most is not None and total > most:
        raise Refused(f"{total} webhooks match; at most {most} can be foretold at once. Narrow the choice.")
    asked = Replay(
        shop_id=which.shop_id or NO_SHOP, is_dry_run=is_dry_run, which=which.to_json(), asked_by=actor,
        reason=reason.strip(), asked_at=now, total=total, due_at=now,
    )  # fmt: skip
    session.add(asked)
    session.flush()
    action = "replay.foretold" if is_dry_run else "replay.asked"
    detail = {"reason": asked.reason, "webhooks": total}
    audit.record(session, asked.shop_id, actor=actor, action=action, object_kind="replay", object_id=asked.id, detail=detail)
    return asked


def stop(session: Session, asked: Replay, *, actor: str) -> None:
    """Have the job stop before its next slice; what was set due stays due.

    Raises:
        Refused: it is over already.
    """
    if asked.state != ReplayState.PENDING:
        raise Refused("It is over already.")
    asked.is_stop_wanted = True
    audit.record(session, asked.shop_id, actor=actor, action="replay.stopped", object_kind="replay", object_id=asked.id)


def advance(session: Session, asked: Replay, *, now: datetime) -> dict[str, Any]:
    """Set the next slice due and return what changes in the row; one that fails again is behind us by then."""
    if asked.is_stop_wanted:
        return {"state": ReplayState.STOPPED, "ended_at": now}
    keys = next_keys(session, Which.from_json(asked.which), after=asked.after_id, until=asked.asked_at, limit=SLICE)
    armed = replay.replay_some(session, keys, actor=asked.asked_by, reason=asked.reason, now=now)
    refused = asked.refused + len(keys) - armed
    values: dict[str, Any] = {"done": asked.done + armed, "refused": refused, "attempts": 0}
    if len(keys) < SLICE:
        return values | {"state": ReplayState.DONE, "ended_at": now}
    return values | {"after_id": keys[-1][1], "due_at": now}


def next_keys(session: Session, which: Which, *, after: int, until: datetime, limit: int) -> list[Key]:
    """Return the keys of the next webhooks that are meant, by id."""
    query = _matching(which).where(Webhook.id > after, Webhook.received_at <= until).order_by(Webhook.id).limit(limit)
    return [(shop_id, webhook_id) for shop_id, webhook_id in session.execute(query)]


def causes(session: Session, *, newest_each: int, most: int = 50) -> list[Cause]:
    """Group the newest failed webhooks of each shop by topic and error, the most numerous first.

    Args:
        session: as the owner.
        newest_each: so many of each shop, that a shop of which everything fails does not take the page with it.
        most: groups.
    """
    shops = _owners()
    columns = (Webhook.shop_id, Webhook.topic, Webhook.error, Webhook.received_at)
    mine = (Webhook.shop_id == shops.c.id, Webhook.state == WebhookState.FAILED, Webhook.body.is_not(None))
    newest = select(*columns).where(*mine).order_by(Webhook.id.desc()).limit(newest_each).correlate(shops).lateral()
    rows = session.execute(
        select(
            newest.c.topic,
            newest.c.error,
            func.count().label("webhooks"),
            func.count(newest.c.shop_id.distinct()).label("shops"),
            func.min(newest.c.received_at).label("first_at"),
            func.max(newest.c.received_at).label("last_at"),
        )
        .select_from(shops.join(newest, true()))
        .group_by(newest.c.topic, newest.c.error)
        .order_by(func.count().desc(), newest.c.topic)
        .limit(most)
    )
    return [Cause(*row) for row in rows]


def newest(session: Session, *, before: int | None, limit: int) -> Sequence[Replay]:
    """Return replays and forecasts, newest first."""
    query = select(Replay) if before is None else select(Replay).where(Replay.id < before)
    return session.scalars(query.order_by(Replay.id.desc()).limit(limit)).all()


def _matching(which: Which) -> Select[int, int]:
    return select(Webhook.shop_id, Webhook.id).where(*_conditions(which))


def _owners() -> Any:
    """Return all shops, and nobody: with them the database goes from shop to shop, as its indexes do."""
    return select(Shop.id).union_all(select(literal(NO_SHOP))).subquery("owners")


def _conditions(which: Which) -> list[ColumnElement[bool]]:
    found = [Webhook.state == which.state, Webhook.body.is_not(None)]
    owner = Webhook.shop_id.in_(select(_owners().c.id)) if which.shop_id is None else Webhook.shop_id == which.shop_id
    found.append(owner)
    if which.topic:
        found.append(Webhook.topic == which.topic)
    if which.since:
        found.append(Webhook.received_at >= which.since)
    if which.cause is not None:
        found.append(Webhook.error == which.cause)
    if which.ids:
        found.append(Webhook.id.in_(which.ids))
    return found
