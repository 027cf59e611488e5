"""What a replay would do: the very work of the inbox, in a transaction that is rolled back."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app import clock
from app.db import sessions
from app.domain.errors import BadPayload
from app.domain.events import Event
from app.models import Webhook
from app.services import effects, replay
from app.services.effects import Effects
from jobs import inbox
from jobs.drain import BATCH

# All are worked in one transaction, as a later one builds on an earlier; meanwhile the shop's own webhooks wait.
MOST_WEBHOOKS = 2_000

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would come of replaying these webhooks; nothing was changed.

    `ends` counts how they would end, as (state, reason); `left_out` are those beyond MOST_WEBHOOKS; `refused` those that
    are not replayed, with the reason.
    """

    webhooks: int
    effects: Effects
    ends: tuple[tuple[tuple[str, str | None], int], ...]
    refused: tuple[tuple[str, int], ...]
    left_out: int


def foretell(keys: Sequence[Key]) -> Forecast:
    """Work these webhooks for trial, oldest first, and say what would become of everything."""
    taken = sorted(keys, key=lambda key: key[1])[:MOST_WEBHOOKS]
    with sessions()() as trial, sessions()() as committed:
        found = _load(trial, taken)
        refused = Counter(why for webhook in found if (why := replay.why_not(webhook)))
        webhooks = [webhook for webhook in found if replay.why_not(webhook) is None]
        broken = _work(trial, webhooks)
        seen = effects.compare(trial, committed, {w.shop_id for w in webhooks}, _told(webhooks))
        ends = _ends(trial, webhooks, broken)
        trial.rollback()
    return Forecast(
        webhooks=len(webhooks),
        effects=seen,
        ends=tuple(ends.most_common()),
        refused=tuple(refused.most_common()),
        left_out=len(keys) - len(taken),
    )


def _load(session: Session, keys: Sequence[Key]) -> list[Webhook]:
    found: list[Webhook] = []
    for start in range(0, len(keys), BATCH):
        some = tuple_(Webhook.shop_id, Webhook.id).in_(keys[start : start + BATCH])
        found += session.scalars(select(Webhook).where(some).order_by(Webhook.id))
    return found


def _work(session: Session, webhooks: Sequence[Webhook]) -> dict[int, str]:
    """Work them batch by batch as the drain does, one by one where a batch raises; return what broke, by id."""
    now = clock.now(session)
    broken: dict[int, str] = {}
    for start in range(0, len(webhooks), BATCH):
        broken |= _try(session, webhooks[start : start + BATCH], now)
    return broken


def _try(session: Session, batch: Sequence[Webhook], now: datetime) -> dict[int, str]:
    try:
        with session.begin_nested():
            inbox.work(session, batch, now)
    except Exception as exc:  # noqa: BLE001  (what breaks in the forecast would break in the replay: that is the forecast)
        if len(batch) == 1:
            return {batch[0].id: f"{type(exc).__name__}: it would be tried again"}
        return {key: why for webhook in batch for key, why in _try(session, [webhook], now).items()}
    return {}


def _ends(session: Session, webhooks: Sequence[Webhook], broken: dict[int, str]) -> Counter[tuple[str, str | None]]:
    ends: Counter[tuple[str, str | None]] = Counter()
    for start in range(0, len(webhooks), BATCH):
        keys = [(w.shop_id, w.id) for w in webhooks[start : start + BATCH]]
        query = select(Webhook.id, Webhook.state, Webhook.error).where(tuple_(Webhook.shop_id, Webhook.id).in_(keys))
        for webhook_id, state, error in session.execute(query):
            ends["failed" if webhook_id in broken else str(state), broken.get(webhook_id, error)] += 1
    return ends


def _told(webhooks: Sequence[Webhook]) -> list[Event]:
    told: list[Event] = []
    for webhook in webhooks:
        try:
            told += inbox.events_of(webhook)
        except BadPayload:  # how it ends says so
            continue
    return told
