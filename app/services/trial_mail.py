"""Mails sent as a test: asked for by a person, marked as such, and counted nowhere."""

import base64
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app import crypto
from app.domain.errors import Refused
from app.domain.outcomes import Again, Failed, Outcome, Sent, Unknown
from app.domain.people import greeting_name, normalise_email
from app.domain.ports import Mail
from app.models import DeliveryState, Shop, TestMail, claims
from app.services import audit, edit_flow, preview
from app.services.preview import Reader
from app.services.render import render

MOST_AN_HOUR = 20  # for each shop: it is for looking, not for mailing people


def request(
    session: Session, shop: Shop, flow: str, step: str, reader: Reader, *, to: str, actor: str, now: datetime
) -> TestMail:
    """Write down that a test is wanted; the mail worker sends it.

    Whose cart it shows: the reader's; else the newest open one of the recipient, else of anybody, so that its button leads
    back to a real cart; an example where the shop has none.

    Raises:
        Refused: there is no such flow, mail or cart, the address cannot be mailed, or there were enough in this hour.
    """
    recipient = normalise_email(to)
    if recipient is None:
        raise Refused("That is no address that can be mailed.")
    lately = (TestMail.shop_id == shop.id, TestMail.created_at > now - timedelta(hours=1))
    if (session.scalar(select(func.count()).where(*lately)) or 0) >= MOST_AN_HOUR:
        raise Refused(f"{MOST_AN_HOUR} tests in an hour are enough. Try again later.")
    state = edit_flow.current(session, shop.id, flow)
    preview.content_for(session, shop, state.flow, step, reader, version=state.settings.version, now=now)
    cart = preview.newest_cart(session, shop.id, recipient) or preview.newest_cart(session, shop.id)
    wanted = TestMail(
        shop_id=shop.id, flow=flow, step=step, locale=reader.locale, checkout_id=reader.checkout_id or (cart and cart.id),
        recipient=recipient, token=secrets.token_bytes(crypto.TOKEN_BYTES), requested_by=actor, created_at=now, due_at=now,
    )  # fmt: skip
    session.add(wanted)
    session.flush()
    detail = {"step": step}
    audit.record(session, shop.id, actor=actor, action="mail.test", object_kind="flow", object_id=flow, detail=detail)
    return wanted


def written(session: Session, wanted: TestMail, *, public_url: str, now: datetime) -> Mail:
    """Render the mail of a test, by the flow's version of now.

    Raises:
        Refused: what it was about is gone.
        CartwheelError: it cannot be rendered.
    """
    shop = session.get_one(Shop, wanted.shop_id)
    state = edit_flow.current(session, shop.id, wanted.flow)
    reader = Reader(checkout_id=wanted.checkout_id, locale=wanted.locale)
    content = preview.content_for(session, shop, state.flow, wanted.step, reader, version=state.settings.version, now=now)
    # A link of nobody's: opening it, or a mailbox's one click, finds no person.
    nobody = base64.urlsafe_b64encode(wanted.token).decode().rstrip("=")
    content = replace(content, is_test=True, unsubscribe_url=f"{public_url}/u/{nobody}")
    mail = render(content)
    return Mail(
        key=wanted.key,
        shop_key=str(shop.id),
        flow_step=f"{wanted.flow}/{wanted.step}",
        from_email=shop.sender_email,
        from_name=shop.name,
        to_email=wanted.recipient,
        to_name=greeting_name(content.first_name),
        reply_to=shop.reply_to,
        subject=mail.subject,
        html=mail.html,
        text=mail.text,
        unsubscribe_url=content.unsubscribe_url,
    )


def begin(session: Session, wanted: TestMail, subject: str) -> None:
    """Write that it is being handed over.

    Raises:
        FenceLost: another worker took it.
    """
    lease = {"lease_until": wanted.lease_until}
    claims.finish(session, TestMail, [wanted], {"state": DeliveryState.SENDING, "subject": subject, **lease})


def record(session: Session, wanted: TestMail, outcome: Outcome, *, now: datetime) -> None:
    """Write what became of it. There is one try: who wanted it is still looking, and can ask again.

    Raises:
        FenceLost: another worker took it.
    """
    match outcome:
        case Sent(provider_id=provider_id):
            values = {"state": DeliveryState.SENT, "provider_id": provider_id, "sent_at": now, "error": None}
        case Unknown(reason=reason):
            values = {"state": DeliveryState.UNKNOWN, "error": reason}
        case Failed(reason=reason) | Again(reason=reason):
            values = {"state": DeliveryState.FAILED, "error": reason}
    claims.finish(session, TestMail, [wanted], values)


def settle_stuck(session: Session) -> None:
    """Call unknown what was being handed over by a process that died."""
    stuck = (TestMail.state == DeliveryState.SENDING, TestMail.lease_until < func.now())
    values = {"state": DeliveryState.UNKNOWN, "lease_until": None, "error": "The process that handed it over died."}
    session.execute(update(TestMail).where(*stuck).values(**values).execution_options(synchronize_session=False))
