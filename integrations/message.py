"""Builds the RFC 5322 message of a mail, for every transport that hands over whole messages."""

import re
from collections.abc import Iterator
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any

from app.domain.errors import Permanent
from app.domain.ports import Mail

NAME_LIMIT = 70  # characters of a display name
_HEADER_LIMIT = 900  # octets; RFC 5322, 2.1.1 allows 998 with the header's name
_FORBIDDEN = re.compile(r"[\r\n\0]|=\?")
# Machines read these letter by letter. The stock policy turns a List-Unsubscribe with a URL of more than some 60
# characters into an encoded word, and the one-click button of every mailbox is gone.
_VERBATIM = frozenset({
    "list-unsubscribe", "list-unsubscribe-post", "message-id", "references", "in-reply-to", "feedback-id",
    "x-cartwheel-delivery", "x-cartwheel-flow",
})  # fmt: skip


class _MailPolicy(EmailPolicy):
    """The SMTP policy, which leaves alone the headers that must not be folded or encoded."""

    def fold(self, name: str, value: str) -> str:
        """Write one header as text."""
        return f"{name}: {value}{self.linesep}" if name.lower() in _VERBATIM else super().fold(name, value)

    def fold_binary(self, name: str, value: str) -> bytes:
        """Write one header as bytes."""
        return self.fold(name, value).encode("ascii") if name.lower() in _VERBATIM else super().fold_binary(name, value)


# 7bit: not every server takes 8BITMIME, and our HTML has lines longer than the 998 octets that SMTP allows.
POLICY = _MailPolicy(linesep="\r\n", cte_type="7bit")


def compose(mail: Mail, *, sent_at: datetime) -> bytes:
    """Return the message as it goes over the wire: text and HTML part, one-click unsubscribe (RFC 8058), our own marks.

    Raises:
        Permanent: an address cannot be mailed, or a header would hold a line break, NUL or an encoded word.
    """
    message: EmailMessage = EmailMessage(policy=POLICY)
    try:
        for name, value in _headers(mail):
            message[name] = value
        message["Date"] = sent_at
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message.as_bytes()
    except ValueError as exc:  # UnicodeError too: halves of characters
        raise Permanent(f"The mail {mail.key} cannot be written as a message ({type(exc).__name__}).") from exc


def own_headers(mail: Mail) -> Iterator[tuple[str, str]]:
    """Yield the headers that are ours alone, checked: the way out, and what leads from a bounce or a reply to the delivery.

    Raises:
        Permanent: one of them would be too long, not ASCII, or more than one header.
    """
    yield "X-Cartwheel-Delivery", _exact("X-Cartwheel-Delivery", mail.key)
    yield "X-Cartwheel-Flow", _exact("X-Cartwheel-Flow", mail.flow_step)
    if mail.is_automatic:
        yield "Auto-Submitted", "auto-replied"
        yield "X-Auto-Response-Suppress", "All"
    if mail.unsubscribe_url:
        if not re.fullmatch(r"https?://[^\s<>]+", mail.unsubscribe_url):
            raise Permanent("The unsubscribe link is not an http or https address.")
        ways = f"<{mail.unsubscribe_url}>"
        if mail.unsubscribe_to:
            ways += f", <mailto:{mail.unsubscribe_to}?subject=unsubscribe>"
        yield "List-Unsubscribe", _exact("List-Unsubscribe", ways)
        yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"
    flow, _, step = mail.flow_step.partition("/")
    # Gmail's Postmaster Tools count complaints by the fields before the last, which names the sender.
    yield "Feedback-ID", _exact("Feedback-ID", f"{flow}:{mail.shop_key}:{step or flow}:cartwheel")


def mailbox(name: str, shown: str | None, email: str) -> Address:
    """Return the address; commas and semicolons leave the name, because some providers take them for separators.

    Raises:
        Permanent: it cannot be mailed.
    """
    shown = re.sub(r"[;,]", " ", checked(name, shown or ""))
    local = _exact(name, email.rpartition("@")[0])
    try:
        return Address(" ".join(shown.split())[:NAME_LIMIT].rstrip(), addr_spec=f"{local}@{_ascii_domain(name, email)}")
    except Exception as exc:  # the parser raises ValueError, IndexError and errors of its own
        raise Permanent(f"The address of the header {name} cannot be mailed.") from exc


def checked(name: str, value: str) -> str:
    """Return a header's value; EmailMessage of Python 3.11.7 decodes an encoded line break in a Subject into a real header.

    Raises:
        Permanent: it would be more than one header.
    """
    if _FORBIDDEN.search(value):
        raise Permanent(f"The header {name} holds a line break, NUL or an encoded word.")
    return value


def _headers(mail: Mail) -> Iterator[tuple[str, Any]]:
    yield "From", mailbox("From", mail.from_name, mail.from_email)
    yield "To", mailbox("To", mail.to_name, mail.to_email)
    if mail.reply_to:
        yield "Reply-To", mailbox("Reply-To", None, mail.reply_to)
    yield "Subject", checked("Subject", mail.subject)
    yield "Message-ID", _exact("Message-ID", f"<cartwheel.{mail.key}@{_ascii_domain('From', mail.from_email)}>")
    yield from own_headers(mail)


def _exact(name: str, value: str) -> str:
    if not value.isascii() or len(value) > _HEADER_LIMIT:
        raise Permanent(f"The header {name} is too long or not plain ASCII.")
    return checked(name, value)


def _ascii_domain(name: str, email: str) -> str:
    domain = checked(name, email.rpartition("@")[2])
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError as exc:
        raise Permanent(f"The domain of the header {name} cannot be mailed.") from exc
