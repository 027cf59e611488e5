"""A mail that came back to us: a report that a mail could not be delivered, somebody's answer, or a machine's. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage, Message
from email.utils import getaddresses

from app.domain.inbound import Token, read_address

TEXT_MOST = 10_000  # characters of an answer that are kept
PART_MOST = 60_000  # characters of a message's text or HTML that are looked at: 12,000 nested tags take half a second
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_QUOTE = re.compile(r"\s*(>|-- ?$|_{5,}|-{5,})")
# What mail programs put above what they quote, in the languages of our mails: a sentence, or lines as of a letter's head.
_WROTE = re.compile(r".{0,300}(wrote|yazdı|写道|寫道)\s?[:：]|(في|كتب).{0,300}[:：]", re.IGNORECASE)
_WHO_OR_WHEN = re.compile(r"@|\d{4}|\d:\d\d")  # a person's own words may end in a colon as well
_HEAD = re.compile(
    r"\s*\*?(from|sent|date|to|cc|subject|من|تم الإرسال|التاريخ|إلى|الموضوع|kimdən|göndərildi|tarix|kimə|mövzu|"
    r"发件人|发送时间|日期|收件人|主题|寄件者|傳送時間|收件者|主旨)\s*\*?\s*[:：]",
    re.IGNORECASE,
)
_BEGINS = re.compile(r"\s*(on|le|am|el|il|в|في)\s.*\d", re.IGNORECASE)  # such a sentence, in many languages
_MARKS = " \u200e\u200f\u202c\u2069"  # of direction
_SIGNED = re.compile(r"\s*(sent from my |get outlook for |发自我的|從我的|تم الإرسال من |أُرسلت من )", re.IGNORECASE)
_LINES_OF_A_HEAD = 3  # a sentence above a quotation is broken into so many lines at the most


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


def read_message(
    message: EmailMessage, recipients: list[str], domain: str, *, as_text: Callable[[str], str]
) -> Returned | None:
    """Return what a message is, None when none of its recipients is an address of ours.

    Args:
        message: as it came.
        recipients: whom it was sent to.
        domain: of our addresses.
        as_text: makes text of the HTML of a message that has no other; what it quotes may be gone.
    """
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
        text=answer_text(message, domain, as_text=as_text),
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


def answer_text(message: EmailMessage, domain: str, *, as_text: Callable[[str], str]) -> str:
    """Return what the person wrote, without what they answer to; attachments are not looked at."""
    whole = _content(message, "plain")
    if not whole.strip():
        whole = as_text(_content(message, "html"))
    lines = [line.rstrip() for line in whole.replace("\0", "").splitlines()]
    lines = lines[: _quote_at(lines, domain)]
    while lines and (not lines[-1] or _SIGNED.match(lines[-1])):
        lines.pop()
    return "\n".join(lines).strip()[:TEXT_MOST]


def _content(message: EmailMessage, kind: str) -> str:
    """Return the part of a message that is its text or its HTML, empty where there is none that can be read."""
    body = message.get_body((kind,))
    if body is None:
        return ""
    try:
        return str(body.get_content())[:PART_MOST]
    except LookupError:  # a character set that nobody knows: most of its letters are those of ASCII
        raw = body.get_payload(decode=True)
        return raw.decode("ascii", "replace")[:PART_MOST] if isinstance(raw, bytes) else ""
    except ValueError:
        return ""


def _quote_at(lines: Sequence[str], domain: str) -> int:
    """Return where what is answered to begins; the number of lines where nothing is quoted."""
    for number, line in enumerate(lines):
        if _QUOTE.match(line):
            return _above(lines, number)
        if f"@{domain}" in line or (_WROTE.fullmatch(line) and _is_head(lines[max(0, number - 2) : number + 1])):
            return _above(lines, number + 1)
        if _HEAD.match(line) and number + 1 < len(lines) and _HEAD.match(lines[number + 1]):
            return number
    return len(lines)


def _above(lines: Sequence[str], end: int) -> int:
    """Return where the sentence begins that says whose words follow at `end`; it may be broken into lines."""
    while end and not lines[end - 1]:
        end -= 1
    top = end
    while top and lines[top - 1]:
        top -= 1
    if top > 0 and end - top <= _LINES_OF_A_HEAD and _is_head(lines[top:end]):
        return top
    first = end  # what the person wrote stands right above it, or nothing does
    while first and end - first < _LINES_OF_A_HEAD and _is_head(lines[first - 1 : end]) and lines[first - 1]:
        first -= 1
        if _BEGINS.match(lines[first]):
            break
    return first


def _is_head(lines: Sequence[str]) -> bool:
    """Say whether lines are such a sentence: it names an address or a time and ends in a colon, or with the address."""
    whole = " ".join(lines).rstrip(_MARKS)
    return bool(_WHO_OR_WHEN.search(whole)) and whole.endswith((":", "：", ">"))
