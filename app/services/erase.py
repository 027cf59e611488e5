"""Forget a person, or a whole shop (I12).

The rows are emptied at once, in the caller's transaction. What takes longer, searching the stored webhooks and deleting
files, becomes a row of `erasures` that the housekeeping job works off; the webhook that asked for it ends when that does.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from app import crypto
from app.domain.events import CustomerRedacted
from app.domain.traces import Traces
from app.models import (
    CustomerIdentity,
    Delivery,
    Erasure,
    ErasureKind,
    Shop,
    ShopState,
    ShopToken,
    Webhook,
)
from app.services import forgotten, leave, people, wipe
from app.services.wipe import Subject

# Shopify asks 48 hours after the app was removed; a shop that was connected within this time before it came back meanwhile.
LONGEST_NOTICE = timedelta(hours=72)
_ERASED_DOMAIN = "erased-"


def redact(session: Session, shop: Shop, event: CustomerRedacted, *, webhook_id: int | None, now: datetime) -> None:
    """Forget the person whom a platform's event names, by customer id, address, or the hash of an address."""
    person = event.person
    emails = [person.email] if person.email else []
    hashes = [event.email_sha256] if event.email_sha256 else []
    external_ids = [person.external_id] if person.external_id else []
    ids = find(session, shop.id, emails=emails, external_ids=external_ids, hashes=hashes)
    erase_customer(
        session, shop, ids, emails, now=now, external_ids=external_ids, hashes=hashes, order_ids=event.order_ids,
        webhook_id=webhook_id,
    )  # fmt: skip


def find(
    session: Session,
    shop_id: int,
    *,
    emails: Iterable[str] = (),
    external_ids: Iterable[str] = (),
    hashes: Iterable[str] = (),
) -> list[int]:
    """Return the customers that any of these leads to."""
    pairs = [*(("email", value) for value in emails), *(("id", value) for value in external_ids)]
    address_hash = func.encode(func.sha256(func.convert_to(CustomerIdentity.value, "UTF8")), "hex")
    by_hash = (CustomerIdentity.kind == "email") & address_hash.in_(list(hashes))
    by_value = tuple_(CustomerIdentity.kind, CustomerIdentity.value).in_(pairs)
    query = select(CustomerIdentity.customer_id).where(CustomerIdentity.shop_id == shop_id)
    found = set(session.scalars(query.where(by_value))) if pairs else set()
    return sorted(found | set(session.scalars(query.where(by_hash)) if hashes else ()))


def erase_customer(
    session: Session,
    shop: Shop,
    customer_ids: Collection[int],
    emails: Iterable[str],
    *,
    now: datetime,
    external_ids: Iterable[str] = (),
    hashes: Iterable[str] = (),
    order_ids: Iterable[str] = (),
    webhook_id: int | None = None,
) -> None:
    """Empty everything that is held about a person, stop their mail, and have the stored webhooks searched.

    Afterwards only keyed hashes know them: one suppression for each address, and what the late-comers' rule needs.

    Args:
        session: the caller's transaction; it holds the shop's ingest lock.
        shop: whose customer it is.
        customer_ids: our rows of the person; may be none.
        emails: normalised addresses, beside those that the rows lead to.
        now: what happened until now is forgotten.
        external_ids: the platform's customer ids, beside those that the rows lead to.
        hashes: SHA-256 of addresses, in hex, where the platform tells no more.
        order_ids: orders that the platform wants emptied, whoever's they seem to be.
        webhook_id: the webhook that asked, to be ended when all is done.
    """
    people.lock(session, shop.id, customer_ids)
    subject = wipe.subject_of(
        session, shop.id, customer_ids, emails=emails, external_ids=external_ids, hashes=hashes, order_ids=order_ids
    )
    leave.all_flows(session, shop, subject.customer_ids, now=now)
    mail_ids: list[int | str] = [*_mail_ids(session, shop.id, subject.customer_ids)]
    mail_ids += wipe.trial_keys(session, shop.id, subject)
    _remember(session, shop, subject.traces, now=now)
    wipe.webhooks_of(session, shop.id, subject, asked_by=webhook_id, now=now)
    wipe.rows_of(session, shop.id, subject, now=now)
    _begin(session, shop, ErasureKind.CUSTOMER, subject, mail_ids, webhook_id=webhook_id, now=now)


def erase_shop(session: Session, shop: Shop, *, now: datetime, webhook_id: int | None = None) -> None:
    """Forget a shop: nobody reaches it from now on, its secrets are gone, and the housekeeping job deletes its rows."""
    session.execute(delete(ShopToken).where(ShopToken.shop_id == shop.id))
    shop.state, shop.uninstalled_at = ShopState.UNINSTALLED, shop.uninstalled_at or now
    shop.domain, shop.url, shop.name, shop.connection_id = f"{_ERASED_DOMAIN}{shop.id}", "", "", None
    shop.email, shop.sender_email, shop.reply_to, shop.postal_address = None, "", None, ""
    shop.scopes, shop.facts_at, shop.facts_due_at, shop.import_wanted_at = "", None, None, None
    session.flush()
    keys = wipe.trial_keys(session, shop.id, None)
    _begin(session, shop, ErasureKind.SHOP, None, keys, webhook_id=webhook_id, now=now)


def resume(session: Session, shop_id: int, webhook_id: int, *, now: datetime) -> str | None:
    """Return the state of the erasure that a webhook began before, None without one; a failed one goes on where it stood.

    What the person or the shop began anew meanwhile is not erased a second time.
    """
    query = select(Erasure).where(Erasure.shop_id == shop_id, Erasure.webhook_id == webhook_id)
    erasure = session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if erasure is None:
        return None
    if erasure.state == "failed":
        erasure.state, erasure.due_at, erasure.attempts, erasure.deaths, erasure.error = "pending", now, 0, 0, None
        erasure.lease_until, erasure.fence = None, erasure.fence + 1
    return erasure.state


def is_erased(shop: Shop) -> bool:
    """Say whether this shop was forgotten; its row stays as a grave."""
    return shop.domain == f"{_ERASED_DOMAIN}{shop.id}"


def is_connected_again(shop: Shop, asked_at: datetime) -> bool:
    """Say whether the shop came back since it was removed, so that a request to forget it is out of date."""
    if asked_at <= shop.installed_at:
        return True
    return shop.state != ShopState.UNINSTALLED and asked_at - shop.installed_at < LONGEST_NOTICE


def _remember(session: Session, shop: Shop, traces: Traces, *, now: datetime) -> None:
    known = {hashlib.sha256(email.encode()).hexdigest() for email in traces.emails}
    keys = [
        *(forgotten.email_key(email) for email in traces.emails),
        *(("id", value) for value in traces.customer_ids),
        *(("order", value) for value in traces.order_ids),
        *(("token", value) for value in traces.tokens),
    ]
    forgotten.remember(session, shop, keys, now=now)
    nameless = [("email", value) for value in traces.hashes if value not in known]
    forgotten.remember(session, shop, nameless, now=now, is_suppressed=False)
    forgotten.suppress(session, shop, traces.emails, now=now)


def _mail_ids(session: Session, shop_id: int, customer_ids: Collection[int]) -> list[int]:
    query = select(Delivery.id).where(Delivery.shop_id == shop_id, Delivery.customer_id.in_(customer_ids))
    return list(session.scalars(query.order_by(Delivery.id)))


def _begin(
    session: Session,
    shop: Shop,
    kind: ErasureKind,
    subject: Subject | None,
    mail_ids: Sequence[int | str],
    *,
    webhook_id: int | None,
    now: datetime,
) -> None:
    """Write down what is left to do."""
    until = session.scalar(select(func.max(Webhook.id))) if subject else 0
    traces = crypto.encrypt(shop.id, subject.traces.to_json()) if subject else None
    session.add(
        Erasure(
            shop_id=shop.id, kind=kind, webhook_id=webhook_id, traces=traces, mail_ids=list(mail_ids), until_id=until or 0,
            requested_at=now, due_at=now,
        )
    )  # fmt: skip
    session.flush()
