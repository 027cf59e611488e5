"""Whom a shop's mails come from, and who gets the answers."""

from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.domain.people import normalise_email
from app.models import Shop
from app.services import audit, sender_checks


def change(session: Session, shop: Shop, *, sender_email: str, reply_to: str, actor: str) -> None:
    """Change the addresses; an empty `reply_to` means that answers go to the sender.

    Raises:
        Refused: one of them is no address.
    """
    shop.sender_email, shop.reply_to = mailable(sender_email), mailable(reply_to) if reply_to else None
    sender_checks.plan(session, shop.id)
    audit.record(
        session, shop.id, actor=actor, action="sender.changed", object_kind="shop", object_id=shop.id,
        detail={"parts": ["sender_email", "reply_to"]},
    )  # fmt: skip


def mailable(raw: str) -> str:
    """Return an address as it is written into a mail.

    Raises:
        Refused: it cannot be mailed.
    """
    email = normalise_email(raw)
    if email is None:
        raise Refused("Write an e-mail address, such as hello@example.com.")
    return email
