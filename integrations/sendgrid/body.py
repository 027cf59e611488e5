"""What SendGrid is asked to send: the body of POST /v3/mail/send, without the package's helper (it loses addresses)."""

import json
from typing import Any

from app.domain.errors import Permanent
from app.domain.ports import Mail
from integrations.message import checked, mailbox, own_headers

DELIVERY, SHOP = "cw_delivery", "cw_shop"  # custom arguments come back flat in every event: the prefix keeps them ours
_OFF = {"enable": False}


def body_of(mail: Mail) -> bytes:
    """Return the JSON of one mail. Only ids are in its categories and arguments: SendGrid keeps those for good.

    Raises:
        Permanent: an address or a header cannot be mailed, or a part is empty.
    """
    to = mailbox("To", mail.to_name, mail.to_email)
    sender = mailbox("From", mail.from_name, mail.from_email)
    if not (mail.subject and mail.text and mail.html):
        raise Permanent(f"The mail {mail.key} has no subject, no text or no HTML.")
    body: dict[str, Any] = {
        "personalizations": [
            {"to": [_named(to.addr_spec, to.display_name)], "custom_args": {DELIVERY: mail.key, SHOP: mail.shop_key}}
        ],
        "from": _named(sender.addr_spec, sender.display_name),
        "subject": checked("Subject", mail.subject),
        "content": [{"type": "text/plain", "value": mail.text}, {"type": "text/html", "value": mail.html}],
        "headers": dict(own_headers(mail)),
        "categories": ["cartwheel", f"flow:{mail.flow_step.partition('/')[0]}"],
        # Ours are in the mail already; theirs would rewrite every link and add a second way out.
        "tracking_settings": {
            "click_tracking": _OFF | {"enable_text": False}, "open_tracking": _OFF, "subscription_tracking": _OFF,
        },
    }  # fmt: skip
    if mail.reply_to:
        body["reply_to"] = {"email": mailbox("Reply-To", None, mail.reply_to).addr_spec}
    try:
        return json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:  # halves of characters
        raise Permanent(f"The mail {mail.key} cannot be written as a message (UnicodeEncodeError).") from exc


def _named(email: str, name: str) -> dict[str, str]:
    return {"email": email, "name": name} if name else {"email": email}
