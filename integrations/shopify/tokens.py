"""Offline access tokens that expire: got for a session token, and renewed with a refresh token.

Not through ShopifyAPI: its `request_token` has no time-out and cannot ask for a token that expires, the only kind that
new apps may hold. Source: Shopify docs, "About offline access tokens"; fields as captured in shopify.md 1.3 and 1.4.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode

from app.domain.errors import AdapterError, Ambiguous
from app.domain.ports import Tokens
from integrations.http import Answer, ask, dig, refused
from integrations.shopify.answers import WHO, word
from integrations.shopify.errors import AppRefused, ShopGone, StaleSessionToken, Throttled, TokenDead

TIMEOUT = (3.05, 20)  # seconds to connect, and between two bytes
_TYPE = "urn:ietf:params:oauth:token-type:id_token"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"
_SECRET = re.compile(r"[!-~]{1,1024}")  # what fits into a header
_LONGEST_LIFE = timedelta(days=400)


def exchange_token(base_url: str, session_token: str, *, client_id: str, client_secret: str) -> Tokens:
    """Get the shop's tokens for a session token that was read and found good.

    Args:
        base_url: of the shop that the session token names, without a trailing slash.
        session_token: at most a minute old.
        client_id: the app's.
        client_secret: the app's newest.

    Raises:
        StaleSessionToken: it ran out on the way; the page must bring a fresh one.
        TokenDead: the app is not (or no longer) in the shop, or its secret is wrong.
        Transient: surely not done.
        Ambiguous: perhaps done; doing it again does no harm.
        NotAllowed, Permanent: the shop is frozen, locked or gone; the call is wrong.
    """
    body = {
        "client_id": client_id,
        "client_secret": client_secret,
        "grant_type": _EXCHANGE,
        "subject_token": session_token,
        "subject_token_type": _TYPE,
        "requested_token_type": _OFFLINE,
        "expiring": "1",
    }
    return _ask(base_url, body)


def authorize_url(base_url: str, wanted: Mapping[str, str]) -> str:
    """Return the address of the page on which the merchant grants the app its rights, offline ones (shopify.md 1.8)."""
    return f"{base_url}/admin/oauth/authorize?{urlencode(wanted)}"


def exchange_code(base_url: str, code: str, *, client_id: str, client_secret: str) -> Tokens:
    """Get the shop's tokens for the code that came back from that page; only where the app is not installed by Shopify.

    Raises:
        TokenDead: the code was used or is too old, or the app's secret is wrong.
        Transient, Ambiguous, NotAllowed, Permanent: as for `exchange_token`.
    """
    return _ask(base_url, {"client_id": client_id, "client_secret": client_secret, "code": code, "expiring": "1"})


def refresh_token(base_url: str, token: str, *, client_id: str, client_secret: str) -> Tokens:
    """Renew the tokens. After an ambiguous answer, call it with the same token again: it holds until the new one is used.

    Args:
        base_url: of the shop, without a trailing slash.
        token: the refresh token.
        client_id: the app's.
        client_secret: the app's newest.

    Raises:
        TokenDead: the refresh token has expired, was used up or is of another app: the shop needs its merchant's visit.
        Transient, Ambiguous, NotAllowed, Permanent: as for `exchange_token`.
    """
    grant = {"grant_type": "refresh_token", "refresh_token": token}
    return _ask(base_url, {"client_id": client_id, "client_secret": client_secret, **grant})


def _ask(base_url: str, body: dict[str, str]) -> Tokens:
    import requests  # not in the web process until a merchant comes

    answer = ask(
        lambda: requests.post(
            f"{base_url}/admin/oauth/access_token",
            json=body,
            headers={"Accept": "application/json"},
            timeout=TIMEOUT,
            allow_redirects=False,
            stream=True,
        ),
        WHO,
    )
    if answer.status != 200:
        raise _refused(answer)
    return _read(answer.body)


def _refused(answer: Answer) -> AdapterError:
    reason = word(dig(answer.body, "error"))
    if reason == "invalid_client":
        return AppRefused("Shopify gives no token (invalid_client): the app was removed, or its client secret is wrong.")
    if reason == "invalid_grant":
        return TokenDead("Shopify gives no token (invalid_grant). Open the app in the shop once to connect it again.")
    if reason == "invalid_subject_token":
        return StaleSessionToken("The page was open too long. Load it again.")
    if answer.status == 429:
        return Throttled("Shopify is busy (429).", answer.retry_after)
    if answer.status == 404:
        return ShopGone("Shopify knows no such shop (404). Connect it again.")
    return refused(answer, WHO, reason)


def _read(body: object) -> Tokens:
    access, renewal, scope = dig(body, "access_token"), dig(body, "refresh_token"), dig(body, "scope")
    expires_in, renewable_for = _life(dig(body, "expires_in")), _life(dig(body, "refresh_token_expires_in"))
    if not isinstance(scope, str) or not expires_in or not renewable_for:
        raise Ambiguous("Shopify's answer holds no tokens that expire.")
    if not isinstance(access, str) or not isinstance(renewal, str) or not all(map(_SECRET.fullmatch, (access, renewal))):
        raise Ambiguous("Shopify's answer holds no tokens that can be used.")
    scopes = tuple(sorted({each.strip() for each in scope.split(",")} - {""}))
    return Tokens(
        access_token=access,
        scopes=scopes,
        expires_in=expires_in,
        refresh_token=renewal,
        refresh_expires_in=renewable_for,
    )


def _life(value: object) -> timedelta | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e10:
        return None
    return min(timedelta(seconds=value), _LONGEST_LIFE)
