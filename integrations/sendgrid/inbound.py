"""SendGrid's inbound parse: a form whose field `email` is the raw message (the setting "post the raw, full MIME message").

Source: Twilio, "Setting up the Inbound Parse Webhook".
"""

import json
import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from app.domain.errors import BadPayload

FIELDS = ("email", "envelope", "to")  # everything else, attachments among it, is dropped at the door
_MOST_RECIPIENTS = 50
# The standard library reads headers in quadratic time and parts one inside the other: 6 MB of parts took 158 seconds, and
# 64 kB of one header's parameters took 20. Nothing that is looked at lies behind these limits.
_RAW_MOST = 1_000_000  # bytes; what a person wrote comes before the attachments
_FIELD_MOST = 1_000  # bytes of one header
_PARTS_MOST = 50
_FIELD = re.compile(rb"[A-Za-z][A-Za-z0-9-]{0,60}[ \t]*:")
_PART = re.compile(rb"--|content-type[ \t]*:[ \t]*message/", re.IGNORECASE)


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
    message = message_from_bytes(_tamed(raw), policy=default)
    assert isinstance(message, EmailMessage)  # noqa: S101  (for the type checker)
    try:
        to = json.loads(fields["envelope"] or "{}").get("to", [])
    except (ValueError, AttributeError):
        to = []
    recipients = [str(one) for one in to if isinstance(one, str)] if isinstance(to, list) else []
    return message, recipients[:_MOST_RECIPIENTS]


def _tamed(raw: bytes) -> bytes:
    """Return a message without what makes reading it slow: long headers are cut, and all that comes after many parts."""
    kept: list[bytes] = []
    parts = length = 0
    for line in raw[:_RAW_MOST].split(b"\n"):
        if _PART.match(line):
            parts += 1
            if parts > _PARTS_MOST:
                break
        is_more = length > 0 and line[:1] in {b" ", b"\t"}
        length = length + len(line) if is_more else len(line) if _FIELD.match(line) else 0
        if length <= _FIELD_MOST:
            kept.append(line)
        elif not is_more:
            kept.append(line[:_FIELD_MOST])
    return b"\n".join(kept)
