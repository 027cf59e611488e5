"""Our own answer to a shopper's: it says who reads it. Begun once and never again, whatever becomes of it."""

from collections.abc import Sequence
from datetime import datetime

from app import clock
from app.config import settings
from app.db import sessions
from app.domain.errors import AdapterError
from app.domain.inbound import Purpose, address
from app.domain.ports import Mail
from app.log import get_logger
from app.services.inbound import Courtesy
from jobs.way_out import open_transport

_TEXT = (
    "Thank you for your message. {shop} has received it.\n\n"
    "This is an automatic answer, sent once a day at most. For a quick reply write to {email}.\n"
)

log = get_logger()


def send(due: Sequence[Courtesy]) -> None:
    """Send the answers, outside any transaction."""
    if not due:
        return
    transport = open_transport(_now)
    try:
        for one in due:
            try:
                transport.send(_mail(one))
            except AdapterError as exc:
                log.warning("reply.not_answered", reply_id=one.reply_id, error_class=type(exc).__name__)
    finally:
        transport.close()


def _mail(one: Courtesy) -> Mail:
    text = _TEXT.format(shop=one.shop.name, email=one.shop.reply_to or one.shop.sender_email)
    return Mail(
        key=f"reply-{one.reply_id}",
        shop_key=str(one.shop.id),
        flow_step="reply/received",
        from_email=one.shop.sender_email,
        from_name=one.shop.name,
        to_email=one.delivery.recipient or "",
        to_name=None,
        reply_to=one.shop.reply_to,
        subject="We have received your message",
        html=f"<p>{'</p><p>'.join(_escaped(line) for line in text.split(chr(10)) if line)}</p>",
        text=text,
        unsubscribe_url=None,
        return_path=address(Purpose.BOUNCE, one.delivery.token, settings().inbound_domain),
        is_automatic=True,
    )


def _escaped(text: str) -> str:
    from html import escape

    return escape(text)


def _now() -> datetime:
    with sessions().begin() as session:
        return clock.now(session)
