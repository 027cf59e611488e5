"""SendGrid's inbound parse: a form whose field `email` is the raw message (the setting "post the raw, full MIME message").

Source: Twilio, "Setting up the Inbound Parse Webhook".
"""

import json
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from app.domain.errors import BadPayload

FIELDS = ("email", "envelope", "to")  # everything else, attachments among it, is dropped at the door
_MOST_RECIPIENTS = 50


def pack(fields: dict[str, str]) -> bytes:
    """Return what is stored of a post."""
    return json.dumps({name: fields.get(name, "") for name in FIELDS}).encode()


def read(body: bytes) -> tuple[EmailMessage, list[str]]:
    """Return the message, and to whom it was sent.

    Raises:
        BadPayload: there is no message in it.
    """
    fields = json.loads(body)
    raw = fields["email"].encode("utf-8", "surrogateescape")
    if not raw:
        raise BadPayload("There is no raw message: choose 'post the raw, full MIME message' at SendGrid.")
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)  # noqa: S101  (for the type checker)
    try:
        to = json.loads(fields["envelope"] or "{}").get("to", [])
    except (ValueError, AttributeError):
        to = []
    recipients = [str(one) for one in to if isinstance(one, str)] if isinstance(to, list) else []
    return message, recipients[:_MOST_RECIPIENTS]
