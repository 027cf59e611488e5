"""One-click unsubscribe (RFC 8058): the link of a mail takes its address out of all marketing mail of the shop."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.events import Consent, ConsentState
from app.models import Customer, CustomerIdentity, Delivery, Shop
from app.services import consent, content


@dataclass(frozen=True, slots=True)
class Subscription:
    """What an unsubscribe page shows: whose mail to which address, and whether it is stopped already."""

    shop: Shop
    delivery: Delivery
    email: str
    is_stopped: bool
    locale: str | None

    @property
    def masked_email(self) -> str:
        """The address, shown so that its owner knows it and nobody else learns it."""
        local, _, domain = self.email.partition("@")
        return f"{local[:1]}•••@{domain}"


def find(session: Session, token: str) -> Subscription | None:
    """Return what a link is about, or None when it leads nowhere."""
    raw = content.read_token(token)
    row = session.execute(
        select(Shop, Delivery).join(Shop, Shop.id == Delivery.shop_id).where(Delivery.token == raw)
    ).one_or_none()
    if raw is None or row is None or row.Delivery.recipient is None:
        return None
    state = session.execute(
        select(CustomerIdentity.standing, Customer.locale)
        .join(Customer, (Customer.shop_id == CustomerIdentity.shop_id) & (Customer.id == CustomerIdentity.customer_id))
        .where(
            CustomerIdentity.shop_id == row.Shop.id,
            CustomerIdentity.kind == "email",
            CustomerIdentity.value == row.Delivery.recipient,
        )
    ).one_or_none()
    is_stopped, locale = (state[0] == ConsentState.UNSUBSCRIBED, state[1]) if state else (False, None)
    return Subscription(row.Shop, row.Delivery, row.Delivery.recipient, is_stopped, locale)


def unsubscribe(session: Session, token: str, *, source: str, now: datetime) -> Subscription | None:
    """Take the address out, at once and for good; again and again changes nothing. None when the link leads nowhere.

    Behind the subject lock: a mail that was claimed before has gone, none is claimed after (I7).
    """
    found = find(session, token)
    if found is None:
        return None
    no = Consent(state=ConsentState.UNSUBSCRIBED, at=now, source=source)
    evidence = {"delivery_id": found.delivery.id}
    consent.say(session, found.shop, found.delivery.customer_id, found.email, no, evidence, now=now)
    return find(session, token)
