"""Take receipts in: each once, in any order; a mail whose outcome was unknown is settled, an address may be stopped (I7)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import crypto
from app.domain.events import Consent, ConsentState
from app.domain.people import normalise_email
from app.domain.receipts import Receipt, ReceiptKind, further
from app.models import NO_SHOP, Delivery, DeliveryEvent, DeliveryState, Shop
from app.models.bulk import insert_rows, one_of
from app.services import consent, erase, people, react, snapshots, suppress

# Whoever knows our key has taken the mail: these states were wrong, or became wrong. What is `sending` is settled when
# its hand-over is recorded (app/services/ledger.py looks here first).
_DISPROVED = {DeliveryState.UNKNOWN, DeliveryState.PENDING, DeliveryState.FAILED, DeliveryState.SKIPPED}


def take_in(session: Session, told: Sequence[Receipt], *, source: str, now: datetime) -> int:
    """Record receipts and do what they ask for; return how many were new.

    Shop by shop and person by person in ascending order, so that two batches do not wait for each other in a ring.
    """
    by_shop: dict[int, list[tuple[Delivery, Receipt]]] = defaultdict(list)
    known = _deliveries(session, told)
    strangers: list[Receipt] = []
    for receipt in told:
        delivery = known.get(receipt.key)
        if delivery is None:
            strangers.append(receipt)
        else:
            by_shop[delivery.shop_id].append((delivery, receipt))
    new = len(_insert(session, NO_SHOP, [(None, r, None) for r in strangers], now=now))
    for shop_id in sorted(by_shop):
        new += _take_in_shop(session, shop_id, by_shop[shop_id], source=source, now=now)
    return new


def _deliveries(session: Session, told: Sequence[Receipt]) -> dict[bytes, Delivery]:
    """Return the mail of each receipt: by our own id, which must be of the shop that is named; else by the provider's id."""
    ids = {r.delivery_id for r in told if r.delivery_id}
    theirs = {r.message_id for r in told if r.message_id and not r.delivery_id}
    by_id = {d.id: d for d in session.scalars(select(Delivery).where(one_of(Delivery.id, ids)))} if ids else {}
    by_theirs: dict[str, Delivery] = {}
    if theirs:
        query = select(Delivery).where(Delivery.provider_id.is_not(None), one_of(Delivery.provider_id, theirs))
        by_theirs = {str(d.provider_id): d for d in session.scalars(query)}
    found: dict[bytes, Delivery] = {}
    for receipt in told:
        delivery = by_id.get(receipt.delivery_id or 0) or by_theirs.get(receipt.message_id or "")
        if delivery is not None and receipt.shop_id in {None, delivery.shop_id}:
            found[receipt.key] = delivery
    return found


def _take_in_shop(
    session: Session, shop_id: int, told: Sequence[tuple[Delivery, Receipt]], *, source: str, now: datetime
) -> int:
    shop = session.scalars(select(Shop).where(Shop.id == shop_id)).one()
    if erase.is_erased(shop):
        return 0
    people.lock(session, shop_id, {d.customer_id for d, _ in told})
    # Locked before the events are written: who records a hand-over locks the row and then looks for events.
    ids = {d.id for d, _ in told}
    query = select(Delivery).where(Delivery.shop_id == shop_id, one_of(Delivery.id, ids)).order_by(Delivery.id)
    rows = {d.id: d for d in session.scalars(query.with_for_update(), execution_options={"populate_existing": True})}
    secret = snapshots.hash_key(shop)
    fresh = _insert(session, shop_id, [(rows[d.id], r, secret) for d, r in told], now=now)
    news = [(rows[d.id], r) for d, r in told if r.key in fresh]
    touched: set[int] = set()
    for delivery, receipt in sorted(news, key=lambda pair: pair[1].happened_at):
        delivery.progress = further(delivery.progress, receipt.kind)
        _settle(delivery, receipt)
        if _stop(session, shop, delivery, receipt, source=source, now=now):
            touched.add(delivery.customer_id)
    session.flush()
    if touched:
        react.look_again(session, shop, touched, now=now)
    return len(news)


def _insert(
    session: Session, shop_id: int, told: Iterable[tuple[Delivery | None, Receipt, bytes | None]], *, now: datetime
) -> set[bytes]:
    """Write events that are not there yet and return their keys."""
    rows = {
        r.key: {
            "shop_id": shop_id, "delivery_id": d.id if d else None, "kind": r.kind, "is_soft": r.is_soft,
            "is_machine": r.is_machine, "dedupe_key": r.key, "event_id": r.event_id,
            "email_hash": crypto.hash_email(secret, email) if secret and (email := _address(d, r)) else None,
            "status": r.status, "reason": r.reason, "happened_at": r.happened_at, "recorded_at": now,
        }
        for d, r, secret in told
    }  # fmt: skip
    if not rows:
        return set()
    statement = insert_rows(DeliveryEvent, list(rows.values())).on_conflict_do_nothing()
    return {bytes(key) for key in session.scalars(statement.returning(DeliveryEvent.dedupe_key))}


def _settle(delivery: Delivery, receipt: Receipt) -> None:
    """Write that a mail was taken after all, so that it is never sent again (I5)."""
    if delivery.state not in _DISPROVED or receipt.kind is ReceiptKind.UNKNOWN or not receipt.is_taken:
        return
    delivery.state, delivery.reason, delivery.error = DeliveryState.SENT, None, None
    delivery.sent_at = delivery.sending_at or receipt.happened_at
    delivery.provider_id = delivery.provider_id or receipt.message_id
    delivery.lease_until, delivery.fence = None, delivery.fence + 1


def _stop(session: Session, shop: Shop, delivery: Delivery, receipt: Receipt, *, source: str, now: datetime) -> bool:
    """Stop mailing the address, if the receipt asks for that; say whether the person's runs must look again."""
    email = _address(delivery, receipt)
    if email is None:
        return False
    if receipt.blocks == "unsubscribed":
        no = Consent(state=ConsentState.UNSUBSCRIBED, at=receipt.happened_at, source=source)
        consent.say(session, shop, delivery.customer_id, email, no, {"delivery_id": delivery.id}, now=now)
        return False  # it looks again by itself
    if receipt.blocks:
        suppress.suppress(session, shop, email, receipt.blocks, source=source, now=now)
        return True
    return receipt.is_soft and suppress.rest_if_soft(session, shop, email, source=source, now=now)


def _address(delivery: Delivery | None, receipt: Receipt) -> str | None:
    """Return whose mail it was: ours if we still know it, for a provider may write it in another way."""
    return (normalise_email(delivery.recipient) if delivery else None) or receipt.email
