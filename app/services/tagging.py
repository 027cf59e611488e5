"""Tags that shops are to give or take: what is due, whom it is about, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Customer, CustomerIdentity, Shop, TagWrite, claims
from app.models.bulk import one_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """A claimed tag with the shop and the platform's id of the account; None when the person has none.

    `is_newest`: nothing was decided about this tag of the person since.
    """

    row: TagWrite
    platform: str
    account_id: str | None
    is_newest: bool


def wanted(session: Session, rows: Sequence[TagWrite]) -> list[Wanted]:
    """Return claimed tags with whom they are about. Of a person with two accounts the newer one is tagged."""
    found = []
    for shop_id in sorted({row.shop_id for row in rows}):
        of_shop = [row for row in rows if row.shop_id == shop_id]
        platform = session.scalars(select(Shop.platform).where(Shop.id == shop_id)).one()
        identities = session.execute(
            select(CustomerIdentity.customer_id, CustomerIdentity.value)
            .where(
                CustomerIdentity.shop_id == shop_id,
                CustomerIdentity.kind == "id",
                one_of(CustomerIdentity.customer_id, {row.customer_id for row in of_shop}),
            )
            .order_by(CustomerIdentity.id)
        )
        accounts, newest = dict(identities.all()), _newest(session, shop_id, of_shop)
        found += [Wanted(row, platform, accounts.get(row.customer_id), row.id in newest) for row in of_shop]
    return found


def _newest(session: Session, shop_id: int, rows: Sequence[TagWrite]) -> set[int]:
    """Return the newest row of each tag of these people: an older one that was put off must not undo it."""
    found = session.scalars(
        select(func.max(TagWrite.id))
        .where(TagWrite.shop_id == shop_id, one_of(TagWrite.customer_id, {row.customer_id for row in rows}))
        .group_by(TagWrite.customer_id, TagWrite.tag)
    )
    return set(found)


def done(session: Session, row: TagWrite, *, now: datetime) -> None:
    """Write that the shop has it, and hold the tag ourselves; the shop's own word about it, which follows, is newer.

    Raises:
        FenceLost: another worker took the row.
    """
    claims.finish(session, TagWrite, [row], {"state": "done", "error": None})
    customer = session.scalar(select(Customer).where(Customer.shop_id == row.shop_id, Customer.id == row.customer_id))
    if customer:
        entry = [now.astimezone(UTC).isoformat(), row.is_given]
        customer.tags = customer.tags | {row.tag: max(entry, customer.tags.get(row.tag, entry))}


def failed(session: Session, row: TagWrite, reason: str) -> None:
    """Write that the shop will not have it, and why.

    Raises:
        FenceLost: another worker took the row.
    """
    claims.finish(session, TagWrite, [row], {"state": "failed", "error": reason})


def passed_over(session: Session, row: TagWrite, reason: str) -> None:
    """Write that there is nothing to tag, and why.

    Raises:
        FenceLost: another worker took the row.
    """
    claims.finish(session, TagWrite, [row], {"state": "ignored", "error": reason})


def later(session: Session, row: TagWrite, reason: str, due_at: datetime) -> None:
    """Put it back.

    Raises:
        FenceLost: another worker took the row.
    """
    claims.finish(session, TagWrite, [row], {"due_at": due_at, "error": reason})
