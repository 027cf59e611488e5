"""Who is looking: the session token (JWT) that App Bridge puts on every request of an embedded page.

Not read with ShopifyAPI's `session_token`: it accepts a token without `exp` or `nbf`, raises AttributeError without a
header, reads the clock itself, and knows no second secret (platform notes, shopify.md 4).
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from integrations.shopify.domains import SHOP_DOMAIN
from integrations.shopify.errors import BadToken

if TYPE_CHECKING:
    from jwt import PyJWS

LEEWAY = timedelta(seconds=10)  # between Shopify's clock and ours; all of Shopify's libraries allow as much
_LONGEST_TOKEN = 4096  # characters; real ones have some 600
_LONGEST_ID = 255  # characters
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ISSUER = re.compile(rf"https://({SHOP_DOMAIN})(?:/admin)?/?")
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a session token says and proves; the shop is never taken from anywhere else (D14)."""

    shop_domain: str
    user_id: str
    session_id: str
    expires_at: datetime


def read_session_token(token: str, *, client_id: str, secrets: Sequence[str], now: datetime) -> Claims:
    """Check a session token and return what it says.

    Args:
        token: without the word Bearer in front of it.
        client_id: the app's, which the token must be made out to.
        secrets: the app's client secret, and the old one while it is being rotated.
        now: real time, not the demo's.

    Raises:
        BadToken: for everything that is wrong with it, and nothing else is ever raised.
    """
    claims = _open(token, secrets)
    if not client_id or claims.get("aud") != client_id:
        raise BadToken("The session token is made out to another app.")
    expires_at = _check_times(claims, now)
    issuer, shop = _domain(claims.get("iss")), _domain(claims.get("dest"))
    if issuer is None or shop is None or issuer != shop:
        raise BadToken("The session token names no shop, or two.")
    _text(claims, "jti")
    return Claims(shop_domain=shop, user_id=_text(claims, "sub"), session_id=_text(claims, "sid"), expires_at=expires_at)


def _open(token: str, secrets: Sequence[str]) -> Mapping[str, object]:
    """Return the claims of a token that is signed with one of the secrets; an empty secret opens nothing."""
    from jwt import PyJWTError

    if not isinstance(token, str) or len(token) > _LONGEST_TOKEN or not _TOKEN.fullmatch(token):
        raise BadToken("There is no session token.")
    for secret in filter(None, secrets):
        try:
            # A secret is text of ours: what cannot be encoded is a wrong setting, and fits nothing.
            payload = _signatures().decode(token, secret.encode("utf-8", "surrogatepass"), algorithms=[_ALGORITHM])
            claims = json.loads(payload)
        except (PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
            continue
        if isinstance(claims, dict):
            return claims
    raise BadToken("The session token is not signed with the app's secret.")


@cache
def _signatures() -> "PyJWS":
    """Return a reader of signatures that knows HS256 alone.

    The claims are checked here and not by PyJWT, because it reads the clock itself, and takes a list for `aud`.
    """
    from jwt import PyJWS
    from jwt.algorithms import HMACAlgorithm

    class AnyLength(HMACAlgorithm):
        """HS256 without a warning at every request that the secret is short: its length is Shopify's choice."""

        def check_key_length(self, key: object) -> None:
            del key

    signatures = PyJWS(algorithms=[_ALGORITHM])
    signatures.unregister_algorithm(_ALGORITHM)
    signatures.register_algorithm(_ALGORITHM, AnyLength(HMACAlgorithm.SHA256))
    return signatures


def _check_times(claims: Mapping[str, object], now: datetime) -> datetime:
    """Return when the token ends; it must have begun and have been issued, by a clock that is 10 seconds off at most."""
    leeway, at = LEEWAY.total_seconds(), now.timestamp()
    if _number(claims, "exp") + leeway <= at:
        raise BadToken("The session token has expired.")
    if max(_number(claims, "nbf"), _number(claims, "iat")) - leeway > at:
        raise BadToken("The session token is not valid yet.")
    try:
        return datetime.fromtimestamp(_number(claims, "exp"), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadToken("The session token never expires.") from None


def _number(claims: Mapping[str, object], name: str) -> float:
    value = claims.get(name)
    # The bound is some way past the year 9999, before a float would lose its meaning; `bool` is an `int`.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12 or math.isnan(value):
        raise BadToken(f"The session token has no usable {name}.")
    return float(value)


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID or not value.isprintable():
        raise BadToken(f"The session token has no usable {name}.")
    return value


def _domain(value: object) -> str | None:
    found = _ISSUER.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else None
