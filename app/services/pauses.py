"""Pauses in sending: after a refusal or an outage nothing goes for a while, then one mail, to see."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import NO_SHOP, Pause

REFUSED_WAIT = timedelta(minutes=15)  # a refused key is mended by a person, not by trying
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=5)  # doubled from try to try


@dataclass(frozen=True, slots=True)
class Held:
    """Whose mails are not handed over now, and of whom only one is, to see whether it goes again; NO_SHOP is everybody."""

    closed: frozenset[int] = frozenset()
    probed: frozenset[int] = frozenset()

    @property
    def is_all_closed(self) -> bool:
        """Whether nobody's mail goes."""
        return NO_SHOP in self.closed

    @property
    def is_all_probed(self) -> bool:
        """Whether one mail of anybody goes."""
        return NO_SHOP in self.probed


def held(session: Session, now: datetime) -> Held:
    """Return what is held back now."""
    rows = session.execute(select(Pause.shop_id, Pause.retry_at)).all()
    closed = frozenset(shop_id for shop_id, retry_at in rows if retry_at > now)
    return Held(closed, frozenset(shop_id for shop_id, _ in rows) - closed)


def begin(
    session: Session, shop_id: int, reason: str, *, is_refusal: bool, now: datetime, at_least: timedelta | None = None
) -> None:
    """Hold a shop's mails back, or everybody's; one that was held already waits longer."""
    known = session.scalar(select(Pause.tries).where(Pause.shop_id == shop_id)) or 0
    wait = REFUSED_WAIT if is_refusal else min(_FIRST_WAIT * 2 ** min(known, 10), _LONGEST_WAIT)
    values = {"reason": reason, "is_refusal": is_refusal, "retry_at": now + max(wait, at_least or wait)}
    statement = insert(Pause).values(shop_id=shop_id, since=now, tries=1, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["shop_id"], set_={**values, "tries": Pause.tries + 1}))


def end(session: Session, shop_ids: Collection[int]) -> None:
    """Let mails go again: one was accepted, or a person says so."""
    session.execute(delete(Pause).where(Pause.shop_id.in_(shop_ids)).execution_options(synchronize_session=False))


def of(session: Session, shop_ids: Iterable[int] | None = None) -> list[Pause]:
    """Return the pauses there are, everybody's first; of some shops, or of all."""
    query = select(Pause).order_by(Pause.shop_id)
    return list(session.scalars(query if shop_ids is None else query.where(Pause.shop_id.in_([NO_SHOP, *shop_ids]))))
