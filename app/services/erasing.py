"""Carry an erasure on, one short transaction at a time, until nothing is left and the webhook that asked for it may end."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from app import crypto
from app.domain.traces import Traces
from app.models import Base, Delivery, DeliveryState, Erasure, ErasureKind, Shop, Webhook, WebhookState
from app.services import audit, bodies, forgotten

BATCH = 1000  # rows of a shop deleted in one transaction
PAUSE = timedelta(seconds=30)  # while a mail is being handed over, or its file cannot be deleted
SHOP_REASON = "The shop asked to be forgotten."
Values = dict[str, Any]


def advance(session: Session, erasure: Erasure, *, now: datetime) -> Values:
    """Do the next part of an erasure and return what is to be written into its row."""
    shop = session.scalars(select(Shop).where(Shop.id == erasure.shop_id)).one()
    step = _search if erasure.kind == ErasureKind.CUSTOMER else _delete
    return {"attempts": 0, "error": None} | step(session, shop, erasure, now)


def mails_to_forget(session: Session) -> list[tuple[int, int, list[int]]]:
    """Return erasures, as shop, id and mails, whose files go now: none of the mails is on its way any more."""
    is_going = select(Delivery.id).where(
        Delivery.shop_id == Erasure.shop_id,
        Delivery.state == DeliveryState.SENDING,
        Erasure.mail_ids.contains(func.to_jsonb(Delivery.id)),
    )
    rows = session.execute(
        select(Erasure.shop_id, Erasure.id, Erasure.mail_ids).where(
            Erasure.state == "pending",
            Erasure.swept_id >= Erasure.until_id,
            func.jsonb_array_length(Erasure.mail_ids) > 0,
            ~is_going.exists(),
        )
    )
    return [(shop_id, erasure_id, mail_ids) for shop_id, erasure_id, mail_ids in rows]


def mails_forgotten(session: Session, shop_id: int, erasure_id: int, mail_ids: Sequence[int]) -> None:
    """Note that the files of these mails are gone."""
    session.execute(
        update(Erasure)
        .where(Erasure.shop_id == shop_id, Erasure.id == erasure_id, Erasure.mail_ids == list(mail_ids))
        .values(mail_ids=[])
    )


def show_failures(session: Session) -> int:
    """End the webhooks of erasures that failed for good as failed: shown, and replayed to try again."""
    failed = session.execute(
        select(Webhook.shop_id, Webhook.id, Erasure.error)
        .join(Erasure, (Erasure.shop_id == Webhook.shop_id) & (Erasure.webhook_id == Webhook.id))
        # One that is being replayed has not been claimed again yet.
        .where(Erasure.state == "failed", Webhook.state == "pending", Webhook.attempts > 0, Webhook.lease_until.is_(None))
    ).all()
    for shop_id, webhook_id, error in failed:
        mine = (Webhook.shop_id == shop_id, Webhook.id == webhook_id)
        session.execute(update(Webhook).where(*mine).values(state="failed", error=f"The erasure did not end: {error}"))
    return len(failed)


def _search(session: Session, shop: Shop, erasure: Erasure, now: datetime) -> Values:
    if erasure.swept_id < erasure.until_id:
        traces = Traces.from_json(crypto.decrypt(shop.id, erasure.traces or b""))
        reached, found = bodies.sweep(
            session, shop, traces, after=erasure.swept_id, until=erasure.until_id, asked_by=erasure.webhook_id, now=now
        )
        return {"swept_id": reached, "found": erasure.found + found}
    if erasure.mail_ids:
        return {"due_at": now + PAUSE}
    _end_webhook(session, erasure, forgotten.REASON)
    return {"state": "done", "traces": None, "done_at": now}


def _delete(session: Session, shop: Shop, erasure: Erasure, now: datetime) -> Values:
    """Delete rows of a shop: those that point at others first, mails once their files are gone."""
    if erasure.mail_ids:
        return {"due_at": now + PAUSE}
    for table in reversed(Base.metadata.sorted_tables):
        if "shop_id" not in table.columns:
            continue
        if table.name == Delivery.__tablename__ and (more := _next_mails(session, erasure, now)):
            return more
        if _delete_some(session, table, erasure):
            return {}
    _bury(session, shop, erasure)
    return {"state": "done", "done_at": now}


def _next_mails(session: Session, erasure: Erasure, now: datetime) -> Values | None:
    """Choose the mails whose files go next; their rows are deleted afterwards, so that a crash between forgets none."""
    mine = (Delivery.shop_id == erasure.shop_id, Delivery.id > erasure.swept_id)
    if session.scalar(select(Delivery.id).where(*mine, Delivery.state == DeliveryState.SENDING).limit(1)):
        return {"due_at": now + PAUSE}
    if session.scalar(
        select(Delivery.id).where(Delivery.shop_id == erasure.shop_id, Delivery.id <= erasure.swept_id).limit(1)
    ):
        return None
    ids = list(session.scalars(select(Delivery.id).where(*mine).order_by(Delivery.id).limit(BATCH)))
    return {"mail_ids": ids, "swept_id": ids[-1]} if ids else None


def _delete_some(session: Session, table: Table, erasure: Erasure) -> int:
    columns = table.columns
    chosen = select(columns.id).where(columns.shop_id == erasure.shop_id)
    kept = {Erasure.__tablename__: erasure.id, Webhook.__tablename__: erasure.webhook_id}.get(table.name)
    if kept is not None:
        chosen = chosen.where(columns.id != kept)
    if table.name == Delivery.__tablename__:
        chosen = chosen.where(columns.id <= erasure.swept_id)
    some = columns.id.in_(chosen.limit(BATCH))
    result = session.execute(delete(table).where(columns.shop_id == erasure.shop_id, some))
    assert isinstance(result, CursorResult)  # noqa: S101  (for the type checker: a DELETE has a row count)
    return result.rowcount


def _bury(session: Session, shop: Shop, erasure: Erasure) -> None:
    """End it all: the key of its hashes goes, and two rows say that there was a shop and that it was erased."""
    shop.hash_key = b""
    audit.record(session, shop.id, actor="platform", action="shop.erased", object_kind="shop", object_id=shop.id)
    session.flush()
    _end_webhook(session, erasure, SHOP_REASON)


def _end_webhook(session: Session, erasure: Erasure, reason: str) -> None:
    if erasure.webhook_id is None:
        return
    session.execute(
        update(Webhook)
        .where(Webhook.shop_id == erasure.shop_id, Webhook.id == erasure.webhook_id)
        .values(
            state=WebhookState.REDACTED, body=None, headers={}, error=reason, error_class=None, lease_until=None,
            fence=Webhook.fence + 1, processed_at=func.now(),
        )
        .execution_options(synchronize_session=False)
    )  # fmt: skip
