"""Erase what stored webhooks hold, and search them for a person, some at a time."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.orm import Session

from app.domain.traces import Traces
from app.models import NO_SHOP, Shop, Webhook, WebhookState
from app.services import audit, forgotten

BATCH = 500  # webhooks in one transaction of a search
MOST_BYTES = 4 * 1024 * 1024  # and no more of their bodies than this, but always one
Key = tuple[int, int]


def erase(session: Session, keys: Sequence[Key], *, now: datetime) -> int:
    """Take body, headers and error out of webhooks, whatever their state, and return how many had one.

    The fence goes on: a worker that holds one of them can no longer write what it made of it.
    """
    if not keys:
        return 0
    erased = session.execute(
        update(Webhook)
        .where(tuple_(Webhook.shop_id, Webhook.id).in_(keys), Webhook.body.is_not(None))
        .values(
            body=None, headers={}, state=WebhookState.REDACTED, error=forgotten.REASON, error_class=None, lease_until=None,
            fence=Webhook.fence + 1, processed_at=func.coalesce(Webhook.processed_at, now),
        )
        .returning(Webhook.id)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    count = len(erased.all())
    for shop_id in {shop_id for shop_id, _ in keys}:
        audit.forget(session, shop_id, kind="webhook", ids=[str(i) for owner, i in keys if owner == shop_id])
    return count


def sweep(
    session: Session, shop: Shop, traces: Traces, *, after: int, until: int, asked_by: int | None, now: datetime
) -> tuple[int, int]:
    """Search the next stored webhooks of the shop, and of nobody's, and erase those that are about the person.

    Returns:
        The id up to which was searched, `until` at the end; and how many were erased.
    """
    heads = _heads(session, shop.id, after, until)
    rows = session.execute(
        select(Webhook.shop_id, Webhook.id, Webhook.topic, Webhook.body).where(
            tuple_(Webhook.shop_id, Webhook.id).in_(heads)
        )
    ).all()
    found: list[Key] = []
    for shop_id, webhook_id, topic, body in rows:
        if body is None or webhook_id == asked_by:
            continue
        # A short id in what belongs to no shop may be another shop's.
        if traces.are_in(body, topic, only_certain=shop_id == NO_SHOP):
            found.append((shop_id, webhook_id))
            forgotten.learn(session, shop, traces.unveiled_in(body), now=now)
    return (heads[-1][1] if heads else until), erase(session, found, now=now)


def _heads(session: Session, shop_id: int, after: int, until: int) -> list[Key]:
    """Return the keys of the next webhooks with a body, by id: two walks of the key's index, merged."""
    found: list[tuple[int, int, int]] = []
    for owner in {shop_id, NO_SHOP}:
        query = (
            select(Webhook.id, Webhook.shop_id, func.octet_length(Webhook.body))
            .where(Webhook.shop_id == owner, Webhook.id > after, Webhook.id <= until, Webhook.body.is_not(None))
            .order_by(Webhook.id)
            .limit(BATCH)
        )
        found += [(webhook_id, owned_by, size) for webhook_id, owned_by, size in session.execute(query)]
    keys: list[Key] = []
    total = 0
    for webhook_id, owned_by, size in sorted(found)[:BATCH]:
        total += size
        if keys and total > MOST_BYTES:
            break
        keys.append((owned_by, webhook_id))
    return keys
