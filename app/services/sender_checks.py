"""What the DNS said of each shop's sender domain: kept, looked up anew once a day, and by hand. Times are real ones."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import SenderCheck, Shop, ShopState
from app.services.sender_domain import Entry, Record

EVERY = timedelta(days=1)
AGAIN = timedelta(hours=1)  # where the DNS gave no answer, or whoever asked it died
_SPREAD = timedelta(hours=1)  # shops that were connected together are not asked about together for ever


@dataclass(frozen=True, slots=True)
class Held:
    """The last look at a domain, and how long ago it was."""

    domain: str
    records: list[Record]
    age: timedelta


def plan(session: Session, shop_id: int) -> None:
    """Have a shop's domain looked at soon; what is known of it stays until then."""
    statement = insert(SenderCheck).values(shop_id=shop_id)
    soon = {"due_at": func.now()}
    session.execute(statement.on_conflict_do_update(index_elements=["shop_id"], set_=soon))


def of(session: Session, shop: Shop) -> Held | None:
    """Return the last look at the domain that a shop sends from now; None when there was none yet."""
    row = session.execute(
        select(SenderCheck.domain, SenderCheck.records, func.now() - SenderCheck.checked_at).where(
            SenderCheck.shop_id == shop.id, SenderCheck.domain == domain_of(shop), SenderCheck.checked_at.is_not(None)
        )
    ).one_or_none()
    return Held(row[0], [_record(each) for each in row[1] or []], row[2]) if row else None


def keep(session: Session, shop: Shop, domain: str, records: Sequence[Record]) -> None:
    """Keep what the DNS said of a domain. A look that was not answered in full takes no whole one's place."""
    if not all(record.is_asked for record in records):
        held = of(session, shop)
        if not any(record.is_asked for record in records) or (held and held.domain == domain):
            return  # it is due again within the hour
    values = {
        "domain": domain,
        "records": [asdict(record) for record in records],
        "checked_at": func.now(),
        "due_at": func.now() + (EVERY if all(record.is_asked for record in records) else AGAIN) + func.random() * _SPREAD,
    }
    statement = insert(SenderCheck).values(shop_id=shop.id, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["shop_id"], set_=values))


def is_any_due(session: Session) -> bool:
    """Say whether there is a domain to look at."""
    return session.scalar(select(SenderCheck.id).where(SenderCheck.due_at <= func.now()).limit(1)) is not None


def take_due(session: Session, most: int) -> list[Shop]:
    """Return shops whose domain is due, and leave time to look; those that we do not work for wait another day."""
    due = select(SenderCheck.shop_id).where(SenderCheck.due_at <= func.now()).order_by(SenderCheck.due_at).limit(most)
    ids = session.scalars(due.with_for_update(skip_locked=True)).all()
    if not ids:
        return []
    ours = (ShopState.ACTIVE, ShopState.PAUSED)
    shops = session.scalars(select(Shop).where(Shop.id.in_(ids), Shop.state.in_(ours)).order_by(Shop.id)).all()
    for wait, which in ((EVERY, set(ids) - {shop.id for shop in shops}), (AGAIN, {shop.id for shop in shops})):
        later = update(SenderCheck).where(SenderCheck.shop_id.in_(which)).values(due_at=func.now() + wait)
        session.execute(later.execution_options(synchronize_session=False))
    return list(shops)


def domain_of(shop: Shop) -> str:
    """Return the domain that a shop sends from."""
    return shop.sender_email.rpartition("@")[2].lower()


def _record(held: dict[str, object]) -> Record:
    entry = held.pop("entry", None)
    return Record(**held, entry=Entry(**entry) if isinstance(entry, dict) else None)  # type: ignore[arg-type]
