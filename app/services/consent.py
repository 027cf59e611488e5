"""A person's own word about marketing mail: kept, folded, told to the shop, and heeded by every run at once."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain.events import Consent, ConsentState
from app.models import ConsentWrite, Shop
from app.services import people, react, snapshots
from app.services.people import Statement


def say(
    session: Session, shop: Shop, customer_id: int, email: str, consent: Consent, evidence: dict[str, Any], *, now: datetime
) -> None:
    """Keep a statement. Behind the subject lock: a mail that was claimed before has gone, none is claimed after (I7)."""
    people.lock(session, shop.id, [customer_id])
    people.record_consent(session, shop.id, snapshots.hash_key(shop), [(customer_id, Statement(email, consent, evidence))])
    session.add(
        ConsentWrite(
            shop_id=shop.id, customer_id=customer_id, email=email, consent_state=consent.state, level=consent.level,
            said_at=consent.at, due_at=now,
        )
    )  # fmt: skip
    session.flush()
    if consent.state is ConsentState.SUBSCRIBED:
        react.consented(session, shop, {customer_id}, now=now)
    else:
        react.look_again(session, shop, {customer_id}, now=now)
