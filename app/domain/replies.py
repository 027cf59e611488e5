"""A mail that came back to us: a report that a mail could not be delivered, somebody's answer, or a machine's. Pure."""

import re
from dataclasses import dataclass
from email.message import EmailMessage, Message
from email.utils import getaddresses

from app.domain.inbound import Token, read_address

TEXT_MOST = 10_000  # characters of an answer that are kept
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_QUOTE = re.compile(r"^\s*(>|-- ?$|_{5,}|-{5,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What a message says: to which of our addresses it was sent, and what it is.

    `status` is the bounce's (RFC 3463) where it is one; `is_complaint` where it is an abuse report (RFC 5965);
    `is_automatic` where no person wrote it.
    """

    token: Token
    message_id: str
    status: str | None
    is_complaint: bool
    is_automatic: bool
    text: str


def read_message(message: EmailMessage, recipients: list[str], domain: str) -> Returned | None:
    """Return what a message is, None when none of its recipients is an address of ours."""
    tokens = [token for to in recipients if (token := read_address(to, domain))]
    if not tokens:
        return None
    status = bounce_status(message)
    return Returned(
        token=tokens[0],
        message_id=str(message.get("Message-ID", ""))[:300],
        status=status,
        is_complaint=any(part.get_content_type() == "message/feedback-report" for part in message.walk()),
        is_automatic=status is not None or is_automatic(message),
        text=answer_text(message, domain),
    )


def bounce_status(message: Message) -> str | None:
    """Return the status of a delivery report that says "failed" (RFC 3464), None for everything else."""
    for part in message.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        blocks = part.get_payload()
        for block in blocks if isinstance(blocks, list) else []:
            if isinstance(block, Message) and str(block.get("Action", "")).strip().lower() == "failed":
                found = _STATUS.search(str(block.get("Status", "")))
                return found[0] if found else "5.0.0"
    return None


def is_automatic(message: Message) -> bool:
    """Say whether a machine wrote it: answering it would make a loop (RFC 3834)."""
    said = {name: str(message.get(name, "")).strip().lower() for name in ("Auto-Submitted", "Precedence", "Return-Path")}
    senders = [address.lower() for _, address in getaddresses([str(message.get("From", ""))])]
    return (
        said["Auto-Submitted"] not in {"", "no"}
        or said["Precedence"] in {"bulk", "junk", "list", "auto_reply"}
        or said["Return-Path"] == "<>"
        or bool(message.get("X-Auto-Response-Suppress") or message.get("X-Autoreply") or message.get("List-Id"))
        or bool(message.get("X-Cartwheel-Delivery"))
        or any(re.match(r"(mailer-daemon|postmaster|no-?reply|bounces?)([+@-]|$)", sender) for sender in senders)
        or message.get_content_type() == "multipart/report"
    )


def answer_text(message: EmailMessage, domain: str) -> str:
    """Return what the person wrote, without what they answer to; attachments are not looked at."""
    body = message.get_body(("plain",))
    if body is None:
        return ""
    try:
        whole = str(body.get_content())[: TEXT_MOST * 4]
    except (LookupError, ValueError):
        return ""
    lines: list[str] = []
    for line in whole.replace("\0", "").splitlines():
        if _QUOTE.match(line) or f"@{domain}" in line:
            break
        lines.append(line.rstrip())
    return "\n".join(lines).strip()[:TEXT_MOST]
