"""Who is looking: the token that the companion plugin's page in wp-admin makes for the person who is signed in there (D15).

BASE64URL(claims as JSON) "." BASE64URL(HMAC-SHA256), made by includes/class-cartwheel-token.php of the plugin. The key is
derived from the secret of one of the shop's webhooks, which the shop's database and ours hold and nobody else, so that a
signature of the one kind is never one of the other. Standard library only: the web process imports this.
"""

import base64
import binascii
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.domain.errors import CartwheelError
from integrations.woocommerce.verify import secret_of

LEEWAY = timedelta(seconds=30)  # between the shop's clock and ours; shared hosting is not known for its clocks
LONGEST_LIFE = timedelta(seconds=60)  # what the plugin gives; a token that claims more is not the plugin's
_PURPOSE = b"cartwheel wp-admin 1"
_LONGEST_TOKEN = 1024  # characters; real ones have some 350
_TOKEN = re.compile(r"([A-Za-z0-9_-]{1,900})\.([A-Za-z0-9_-]{43})")
_CLAIMS = {
    "cid": re.compile(r"[A-Za-z0-9_-]{16,64}"),
    "topic": re.compile(r"[a-z]{1,20}\.[a-z]{1,20}"),
    "uid": re.compile(r"[1-9][0-9]{0,19}"),
    "origin": re.compile(r"https?://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(?::[0-9]{1,5})?"),
    "nonce": re.compile(r"[0-9a-f]{32}"),
}
_NUMBERS = ("v", "iat", "exp")
_VERSION = 1


class BadAdminToken(CartwheelError):
    """The token does not let anybody in; the message says what is wrong with it, and nothing of what it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminClaims:
    """What a token says and proves; the shop is never taken from anywhere else (D14).

    `origin` is that of the shop's wp-admin, which alone may frame our pages and renew the token.
    """

    connection_id: str
    user_id: str
    origin: str
    expires_at: datetime


def read_admin_token(token: str, *, secrets_of: Callable[[str], Sequence[str]], now: datetime) -> AdminClaims:
    """Check a token and return what it says.

    Args:
        token: without the word Bearer in front of it.
        secrets_of: returns the secrets of a connection, none for one that does not exist.
        now: real time, not the demo's.

    Raises:
        BadAdminToken: for everything that is wrong with it, and nothing else is ever raised.
    """
    payload, signature = _parts(token)
    claims = _claims(payload)
    secrets = secrets_of(str(claims["cid"]))
    # One that we made for its topic, or the connection's own where a shop was connected by hand (verify.is_authentic).
    candidates = [*(secret_of(secret, str(claims["topic"])) for secret in secrets if secret), *filter(None, secrets)]
    fits = [hmac.compare_digest(_sign(payload, secret), signature) for secret in candidates]
    if not any(fits):
        raise BadAdminToken("The token is not signed by a shop that we know.")
    return AdminClaims(
        connection_id=str(claims["cid"]),
        user_id=str(claims["uid"]),
        origin=str(claims["origin"]),
        expires_at=_check_times(claims, now),
    )


def is_origin(text: str) -> bool:
    """Say whether a text is an origin as browsers write it, and therefore safe in a header."""
    return _CLAIMS["origin"].fullmatch(text) is not None


def _parts(token: object) -> tuple[str, bytes]:
    found = _TOKEN.fullmatch(token) if isinstance(token, str) and len(token) <= _LONGEST_TOKEN else None
    if found is None:
        raise BadAdminToken("There is no token of wp-admin.")
    return found[1], _bytes(found[2])


def _claims(payload: str) -> Mapping[str, object]:
    """Return the claims, of which nothing is believed yet: exactly those that we know, each of its kind."""
    try:
        claims = json.loads(_bytes(payload))
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict) or claims.keys() != {*_CLAIMS, *_NUMBERS}:
        raise BadAdminToken("The token does not make the claims that it should.")
    for name, pattern in _CLAIMS.items():
        if not isinstance(claims[name], str) or not pattern.fullmatch(claims[name]):
            raise BadAdminToken(f"The token has no usable {name}.")
    for name in _NUMBERS:
        # `bool` is an `int`. The bound is the year 9999, behind which `datetime` has nothing.
        if type(claims[name]) is not int or not 0 < claims[name] < 253402300800:
            raise BadAdminToken(f"The token has no usable {name}.")
    if claims["v"] != _VERSION:
        raise BadAdminToken("The token is of another version of the plugin. Update the plugin.")
    return claims


def _check_times(claims: Mapping[str, object], now: datetime) -> datetime:
    """Return when the token ends; it was issued already, by a clock that is half a minute off at most."""
    issued, expires = (datetime.fromtimestamp(int(str(claims[name])), UTC) for name in ("iat", "exp"))
    if not timedelta(0) < expires - issued <= LONGEST_LIFE:
        raise BadAdminToken("The token lives too long.")
    if issued - LEEWAY > now:
        raise BadAdminToken("The token is not valid yet: the clock of the shop's server is ahead.")
    if expires + LEEWAY <= now:
        raise BadAdminToken("The token has expired.")
    return expires


def _sign(payload: str, secret: str) -> bytes:
    key = hmac.digest(secret.encode("utf-8", "surrogatepass"), _PURPOSE, "sha256")
    return hmac.digest(key, payload.encode(), "sha256")


def _bytes(text: str) -> bytes:
    """Decode, and accept only the one spelling: the last character has bits that decoding would ignore."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise BadAdminToken("There is no token of wp-admin.") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise BadAdminToken("There is no token of wp-admin.")
    return raw
