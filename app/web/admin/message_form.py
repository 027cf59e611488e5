"""The form of a mail's texts: what was typed, what is wrong with it and where, and the message it makes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from babel import Locale
from flask_babel import gettext as _

from app.domain.errors import Refused
from app.flows.messages import (
    BLOCKS_MOST,
    LINE_LIMIT,
    SOURCE_LIMIT,
    Block,
    Button,
    Message,
    Words,
    from_json,
    read_placed,
    to_json,
    write_body,
)
from app.services.liquid import parse

FIELDS = ("subject", "preheader", "body")
_LIMITS = {"subject": LINE_LIMIT, "preheader": LINE_LIMIT, "body": SOURCE_LIMIT}


@dataclass(slots=True, kw_only=True)
class MessageFields:
    """The fields as text: nothing that was typed is lost. `errors` are words, by the field they stand at."""

    subject: str
    preheader: str
    body: str
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> tuple[str, str, str]:
        """What stands in the fields, for telling whether two forms say the same."""
        return self.subject.strip(), self.preheader.strip(), self.body.strip()


def stored(message: Message) -> MessageFields:
    """Return the fields as the message stands."""
    return MessageFields(subject=message.subject, preheader=message.preheader, body=write_body(message.blocks))


def typed(form: Mapping[str, str]) -> MessageFields:
    """Return the fields as somebody typed them; browsers send lines with CRLF."""
    subject, preheader, body = (form.get(name, "").replace("\r\n", "\n") for name in FIELDS)
    return MessageFields(subject=subject, preheader=preheader, body=body)


def tree_of(fields: MessageFields, locale: str) -> dict[str, Any] | None:
    """Return the message that the fields make, or None when one is wrong; the words then stand in `errors`."""
    language = Locale.parse(locale, sep="-").language
    subject, preheader, body = fields.source
    for name, text in (("subject", subject), ("body", body)):
        if not text:
            fields.errors[name] = _("Write something here.")
    for name in FIELDS:
        if len(getattr(fields, name)) > _LIMITS[name]:
            fields.errors[name] = _("At most %(most)s characters.", most=f"{_LIMITS[name]:,}")
    _attempt(fields, "subject", lambda: parse(fields.subject, "subject", html=False, language=language))
    _attempt(fields, "preheader", lambda: parse(fields.preheader, "preheader", html=False, language=language))
    blocks: list[Block] = []
    _attempt(fields, "body", lambda: blocks.extend(_checked(fields.body, language)))
    if fields.errors:
        return None
    return to_json(Message(subject=subject, preheader=preheader, blocks=tuple(blocks)))


def refused(fields: MessageFields, exc: Exception) -> None:
    """Put what the last checks said beside the field that it is about."""
    found = re.match(r"The text [^ ]*/(subject|preheader) ", str(exc))
    fields.errors[found[1] if found else "body"] = str(exc)


def _checked(body: str, language: str) -> list[Block]:
    """Read the blocks and parse each text at its place in the whole, so that a mistake's line is the line on the page."""
    placed = read_placed(body)
    if len(placed) > BLOCKS_MOST:
        raise Refused(_("At most %(most)s blocks.", most=BLOCKS_MOST))
    for start, block in placed:
        if isinstance(block, Words):
            parse(_blank(body[:start]) + block.html, "body", html=True, language=language)
        elif isinstance(block, Button) and block.label:
            label = body.index(block.label, start)
            parse(_blank(body[:label]) + block.label, "body", html=False, language=language)
    message = Message(subject="-", preheader="", blocks=tuple(block for _start, block in placed))
    return list(from_json(to_json(message)).blocks)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _attempt(fields: MessageFields, name: str, check: Callable[[], object]) -> None:
    if name in fields.errors:
        return
    try:
        check()
    except Refused as exc:
        fields.errors[name] = str(exc)
