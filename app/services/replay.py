"""Replay: set stored webhooks due again. Their effects are folded and unique, so nothing happens twice (I3, I5)."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.models import Webhook, WebhookState
from app.models.bulk import one_of
from app.services import audit

REPLAYABLE = (WebhookState.FAILED, WebhookState.IGNORED)
MOST_AT_ONCE = 1000  # rows in one transaction; the caller goes on until none is left


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which webhooks of a shop: failed ones unless said otherwise."""

    state: WebhookState = WebhookState.FAILED
    topic: str | None = None
    since: datetime | None = None


def replay_one(session: Session, shop_id: int, webhook_id: int, *, actor: str, reason: str, now: datetime) -> Webhook:
    """Set one failed or ignored webhook due now, with a new fence and no tries; the audit log keeps what it was.

    Raises:
        Refused: there is no such webhook, or replaying it makes no sense; the message says why.
    """
    webhook = session.scalar(select(Webhook).where(Webhook.shop_id == shop_id, Webhook.id == webhook_id).with_for_update())
    if webhook is None:
        raise Refused(f"There is no webhook {webhook_id} of this shop.")
    if why := why_not(webhook):
        raise Refused(why)
    _arm(session, shop_id, [webhook.id], actor=actor, reason=reason, now=now)
    session.refresh(webhook)
    return webhook


def matching(shop_id: int, which: Which) -> Select[Webhook]:
    """Return the query of the webhooks that a replay would take, oldest first."""
    query = select(Webhook).where(Webhook.shop_id == shop_id, Webhook.state == which.state, Webhook.body.is_not(None))
    if which.topic:
        query = query.where(Webhook.topic == which.topic)
    if which.since:
        query = query.where(Webhook.received_at >= which.since)
    return query.order_by(Webhook.id)


def replay_matching(session: Session, shop_id: int, which: Which, *, actor: str, reason: str, now: datetime) -> int:
    """Set up to MOST_AT_ONCE matching webhooks due now and return how many.

    Raises:
        Refused: webhooks of that state are never replayed.
    """
    if which.state not in REPLAYABLE:
        raise Refused("Only failed and ignored webhooks are replayed; the others did their work or were erased.")
    ids = list(session.scalars(matching(shop_id, which).with_only_columns(Webhook.id).limit(MOST_AT_ONCE)))
    return replay_some(session, [(shop_id, webhook_id) for webhook_id in ids], actor=actor, reason=reason, now=now)


def replay_some(session: Session, keys: Collection[tuple[int, int]], *, actor: str, reason: str, now: datetime) -> int:
    """Set those of these webhooks due now that failed or were ignored, and return how many; the others stay as they are."""
    by_shop: dict[int, list[int]] = defaultdict(list)
    for shop_id, webhook_id in keys:
        by_shop[shop_id].append(webhook_id)
    return sum(_arm(session, shop_id, ids, actor=actor, reason=reason, now=now) for shop_id, ids in sorted(by_shop.items()))


def why_not(webhook: Webhook) -> str | None:
    """Say why a webhook is not replayed, or None when it can be."""
    if webhook.state == WebhookState.REDACTED or webhook.body is None:
        return "Its content was erased, so there is nothing to replay."
    if webhook.state == WebhookState.DONE:
        return "It was handled. Replaying it would change nothing."
    if webhook.state == WebhookState.PENDING:
        return "It is waiting to be handled. Nothing needs to be done."
    return None


def _arm(session: Session, shop_id: int, ids: Collection[int], *, actor: str, reason: str, now: datetime) -> int:
    """Set them due, but for those that somebody else replayed, handled or erased since."""
    armed = session.scalars(
        update(Webhook)
        .where(Webhook.shop_id == shop_id, one_of(Webhook.id, ids))
        .where(Webhook.state.in_(REPLAYABLE), Webhook.body.is_not(None))
        .values(state=WebhookState.PENDING, attempts=0, deaths=0, due_at=now, lease_until=None, fence=Webhook.fence + 1)
        .returning(Webhook.id)
        .execution_options(synchronize_session=False)
    ).all()
    for webhook_id in armed:
        audit.record(
            session, shop_id, actor=actor, action="webhook.replayed", object_kind="webhook", object_id=webhook_id,
            detail={"reason": reason},
        )  # fmt: skip
    return len(armed)
