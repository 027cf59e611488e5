"""How both shop platforms sign a webhook, and how their headers are read."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

from app.domain.errors import BadPayload
from app.domain.ports import Headers

# A topic as both platforms write it: orders/create, customer.tags_added, action.woocommerce_payment_complete.
_TOPIC = re.compile(r"[A-Za-z0-9_./-]{1,128}")
# Characters. The platforms' ids have a quarter of it, and a key made of two of them still fits the inbox.
_LONGEST_ID = 128
_LONGEST_KEPT = 255  # characters


def is_signed(signature: str | None, body: bytes, secrets: Sequence[str]) -> bool:
    """Say whether the signature is the base64 of the body's HMAC-SHA256 under one of the secrets; never raises.

    Digests are compared decoded and in constant time, and every secret is tried, so that the time taken does not tell
    which one fitted. An empty secret fits nothing: a forgotten setting must not let everybody in.
    """
    given = _digest(signature)
    if given is None:
        return False
    keys = [secret.encode("utf-8", "surrogatepass") for secret in secrets if secret]
    fits = [hmac.compare_digest(hmac.digest(key, body, "sha256"), given) for key in keys]
    return any(fits)


def lowered(headers: Headers) -> dict[str, str]:
    """Return the headers under lower-case names, which is what HTTP means by a name."""
    return {name.lower(): value for name, value in headers.items()}


def kept(headers: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Return those of the lower-cased headers that are named, the rest is dropped."""
    return {name: headers[name][:_LONGEST_KEPT] for name in names if name in headers}


def short(value: str | None, name: str) -> str | None:
    """Return a header's value, or None for one that is absent or empty.

    Raises:
        BadPayload: it is longer than any that the platform sends.
    """
    if not value:
        return None
    if len(value) > _LONGEST_ID:
        raise BadPayload(f"The header {name} is longer than {_LONGEST_ID} characters.")
    return value


def read_topic(value: str | None, name: str) -> str:
    """Return the topic that a header names.

    Raises:
        BadPayload: there is none, or it is not a topic.
    """
    if not value:
        raise BadPayload(f"The header {name} is missing.")
    if not _TOPIC.fullmatch(value):
        raise BadPayload(f"The header {name} does not hold a topic.")
    return value


def fingerprint(body: bytes) -> str:
    """Return the SHA-256 of the body in hex."""
    return hashlib.sha256(body).hexdigest()


def _digest(signature: str | None) -> bytes | None:
    try:
        digest = base64.b64decode(signature or "", validate=True)
    except ValueError:
        return None
    # The last character before the padding has two bits that decoding ignores: only one spelling is accepted.
    is_canonical = base64.b64encode(digest).decode("ascii") == signature
    return digest if is_canonical and len(digest) == hashlib.sha256().digest_size else None
