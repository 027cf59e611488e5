"""Load what paces a person's mail: quiet hours, caps, what they got lately, and what else waits for them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.pace import FREE, Cap, Mailed, Pace, Quiet, Waiting
from app.domain.places import zone_of
from app.flows.vocabulary import PRIORITIES
from app.models import Delivery, DeliveryState, Shop
from app.models.bulk import one_of

_GONE_OUT = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN)
_MAILS_MOST = 200  # of one person; no cap is near it


@dataclass(slots=True)
class Paces:
    """The paces of a batch of people of one shop."""

    shop: Shop
    mailed: dict[int, list[Mailed]] = field(default_factory=dict)
    waiting: dict[int, list[tuple[int, Waiting]]] = field(default_factory=dict)  # with their runs

    def of(self, customer_id: int, country: str | None, *, run_id: int | None) -> Pace:
        """Return the pace of a person in a run."""
        shop = self.shop
        if shop.quiet_from is None and not shop.mail_caps:
            return FREE
        quiet = None
        if shop.quiet_from is not None and shop.quiet_until is not None:
            quiet = Quiet(shop.quiet_from, shop.quiet_until, zone_of(country, shop.timezone))
        return Pace(
            quiet=quiet,
            caps=tuple(Cap(hours, mails) for hours, mails in shop.mail_caps),
            mailed=tuple(self.mailed.get(customer_id, ())),
            waiting=tuple(mail for run, mail in self.waiting.get(customer_id, ()) if run != run_id),
            urgent=PRIORITIES.index("recovery"),
        )


def load(session: Session, shop: Shop, customers: Iterable[int], *, now: datetime) -> Paces:
    """Return the paces of people; a shop without caps asks for nothing."""
    paces = Paces(shop)
    if not shop.mail_caps:
        return paces
    ids = set(customers)
    since = now - timedelta(hours=max(hours for hours, _ in shop.mail_caps))
    marketing = (
        Delivery.shop_id == shop.id,
        one_of(Delivery.customer_id, ids),
        Delivery.message_class == "marketing",
    )
    at = func.coalesce(Delivery.sent_at, Delivery.sending_at)
    gone = session.execute(
        select(Delivery.customer_id, at, Delivery.priority)
        .where(*marketing, Delivery.state.in_(_GONE_OUT), at > since)
        .order_by(at.desc())
        .limit(_MAILS_MOST * len(ids))
    )
    paces.mailed = defaultdict(list)
    for customer_id, sent_at, priority in gone:
        paces.mailed[customer_id].append(Mailed(sent_at, priority))
    waiting = session.execute(
        select(Delivery.customer_id, Delivery.enrollment_id, Delivery.due_at, Delivery.priority).where(
            *marketing, Delivery.state == DeliveryState.PENDING
        )
    )
    paces.waiting = defaultdict(list)
    for customer_id, run_id, due_at, priority in waiting:
        paces.waiting[customer_id].append((run_id, Waiting(due_at, priority)))
    return paces
