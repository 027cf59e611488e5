"""Who a shopper is: e-mail addresses compared, names made safe to greet with."""

import re
import unicodedata

NAME_LIMIT = 40  # characters; longer "names" in checkout forms are text that somebody wants us to mail


def normalise_email(raw: str | None) -> str | None:
    """Return the address as it is compared (D20: trimmed, NFC, lower-cased; dots and plus tags kept), or None.

    Only what can be mailed is an address: one @, something on both sides, no white space or control characters,
    254 characters at the most (RFC 5321, 4.5.3.1).
    """
    if not raw:
        return None
    email = unicodedata.normalize("NFC", raw.strip()).lower()
    local, at, domain = email.rpartition("@")
    if not at or not local or "@" in local or "." not in domain.strip(".") or len(email) > 254:
        return None
    if re.search(r"[\s\x00-\x1f\x7f<>,;:\"()\[\]\\]", email):
        return None
    return email


def greeting_name(raw: str | None) -> str | None:
    """Return a first name that is safe to greet with, or None for the default greeting.

    Checkout forms are used to send strangers' text through cart mails, so a name with a link, an address, digits or
    a long tail is not used.
    """
    if not raw:
        return None
    name = " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in raw).split())
    suspicious = re.search(r"=\?|https?|www\.|://|@|[<>{}]|\.\w{2,}|(\d\D*){4}", name, re.IGNORECASE)
    if not name or len(name) > NAME_LIMIT or suspicious:
        return None
    return name
