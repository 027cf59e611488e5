"""The pretend Shopify's token desk: tokens for a session token, and new ones for a refresh token.

Source: Shopify docs, "About offline access tokens"; the changelog entry "More resilient refreshes for expiring offline
access tokens". Written apart from our own adapter, so that a mistake in one does not hide in the other.
"""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from threading import Lock
from typing import Any
from urllib.parse import urlencode

from app.demo.store import THE_BOOK, Store, TokenBook

ACCESS_LIFE = 3600  # seconds
REFRESH_LIFE = 90 * 24 * 3600  # seconds
_GRACE = 30 * 24 * 3600  # seconds that a used refresh token holds at most, while its replacement was not used
_LEEWAY = 10  # seconds
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"


class OAuthError(Exception):
    """The desk refuses; `code` is OAuth's word."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@dataclass(slots=True, kw_only=True)
class OAuthFaults:
    """What the desk's next answers suffer from; tests set it, each entry and count goes down by itself.

    Args:
        errors: codes to refuse with, one an answer: `invalid_grant`, `invalid_subject_token`, `invalid_client`.
        throttle: so many answers are a 429 with `Retry-After: 2`.
        lose: so many answers are a 502 though the tokens were changed: the caller never learns the new ones.
    """

    errors: list[str] = field(default_factory=list)
    throttle: int = 0
    lose: int = 0


@dataclass(slots=True)
class _Grant:
    ends_at: float
    parent: str | None  # the refresh token that this one replaces


class TokenDesk:
    """Who holds which token, and whether the app is in the shop at all; kept over a restart.

    Args:
        domain: the shop's.
        secret: the app's client secret, which session tokens are signed with.
        scopes: what the merchant granted.
        store: remembers it; None forgets it at the end.
    """

    def __init__(self, domain: str, secret: str, scopes: tuple[str, ...], store: Store | None = None) -> None:
        self.faults = OAuthFaults()
        # Real time, not the demo's: tokens and signatures never skip ahead.
        self.real: Callable[[], float] = time.time  # noqa: TID251  (this process stands outside the house)
        self._domain = domain
        self._secret = secret
        self._scopes = scopes
        self._store = store
        book = (store and store.get(TokenBook, THE_BOOK)) or TokenBook()
        self.is_installed = book.is_installed
        self.locale = "en"  # of who is signed in to the admin
        self._access = dict(book.access)
        self._refresh = {token: _Grant(*grant) for token, grant in book.refresh.items()}
        self._codes: set[str] = set()
        self._lock = Lock()

    def agree(self, wanted: Mapping[str, str]) -> str:
        """Say yes to the older grant, as a merchant on Shopify's page, and return the signed address of the way back."""
        code = token_hex(16)
        with self._lock:
            self._codes.add(code)
        said = {"code": code, "shop": self._domain, "state": wanted["state"], "timestamp": str(int(self.real()))}
        return f"{wanted['redirect_uri']}?{urlencode(sign_query(said, self._secret))}"

    def set_installed(self, *, is_installed: bool) -> None:
        """Let the app into the shop, or remove it, with which every token dies."""
        with self._lock:
            self.is_installed = is_installed
            self._access.clear()
            self._refresh.clear()
            self._keep()

    def is_alive(self, access_token: str) -> bool:
        """Say whether an access token from this desk holds."""
        with self._lock:
            return self._access.get(access_token, 0.0) > self.real()

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request.

        Raises:
            OAuthError: it is refused.
        """
        if self.faults.errors:
            raise OAuthError(self.faults.errors.pop(0))
        is_ours = hmac.compare_digest(str(asked.get("client_secret")).encode(), self._secret.encode())
        if not is_ours or not self.is_installed:
            raise OAuthError("invalid_client")
        with self._lock:
            if asked.get("grant_type") == "refresh_token":
                return self._renew(str(asked.get("refresh_token")))
            if asked.get("grant_type") == _EXCHANGE:
                return self._exchange(asked)
            if asked.get("code") in self._codes:
                self._codes.remove(str(asked["code"]))
                return self._issue(None)
        raise OAuthError("unsupported_grant_type")

    def _exchange(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if asked.get("requested_token_type") != _OFFLINE or str(asked.get("expiring")) != "1":
            raise OAuthError("invalid_request")  # tokens without an end are not given to apps like ours
        claims = _read_token(str(asked.get("subject_token")), self._secret)
        now, home = self.real(), f"https://{self._domain}"
        is_ours = claims.get("dest") == home and claims.get("aud") == asked.get("client_id")
        if not is_ours or not claims.get("nbf", now + 99) - _LEEWAY <= now < claims.get("exp", 0) + _LEEWAY:
            raise OAuthError("invalid_subject_token")
        return self._issue(None)

    def _renew(self, token: str) -> dict[str, Any]:
        now, grant = self.real(), self._refresh.get(token)
        if grant is None or grant.ends_at <= now:
            raise OAuthError("invalid_grant")
        # Its first use is the end of the one that it replaces, and from here on its own time is short.
        if grant.parent is not None:
            self._refresh.pop(grant.parent, None)
            grant.parent = None
        grant.ends_at = min(grant.ends_at, now + _GRACE)
        return self._issue(token)

    def _issue(self, parent: str | None) -> dict[str, Any]:
        now, access, refresh = self.real(), f"shpat_{token_hex(16)}", f"shprt_{token_hex(16)}"
        self._access[access] = now + ACCESS_LIFE
        self._refresh[refresh] = _Grant(now + REFRESH_LIFE, parent)
        self._keep()
        return {
            "access_token": access, "scope": ",".join(self._scopes), "expires_in": ACCESS_LIFE,
            "refresh_token": refresh, "refresh_token_expires_in": REFRESH_LIFE,
        }  # fmt: skip

    def _keep(self) -> None:
        if self._store is not None:
            now = self.real()
            living = {token: end for token, end in self._access.items() if end > now}
            refresh = {token: (grant.ends_at, grant.parent) for token, grant in self._refresh.items()}
            self._store.put(TokenBook(is_installed=self.is_installed, access=living, refresh=refresh))


def sign_query(said: Mapping[str, str], secret: str) -> dict[str, str]:
    """Add the `hmac` with which Shopify signs the addresses that it opens."""
    text = "&".join(f"{name}={said[name]}" for name in sorted(said))
    return {**said, "hmac": hmac.digest(secret.encode(), text.encode(), "sha256").hex()}


def make_session_token(domain: str, client_id: str, secret: str, now: float, **change: object) -> str:
    """Make the session token that App Bridge would bring, for tests and the pretend admin; `change` spoils it."""
    claims = {
        "iss": f"https://{domain}/admin", "dest": f"https://{domain}", "aud": client_id, "sub": "42", "exp": int(now) + 60,
        "nbf": int(now), "iat": int(now), "jti": token_hex(16), "sid": token_hex(32),
    }  # fmt: skip
    text = f"{_pack({'alg': 'HS256', 'typ': 'JWT'})}.{_pack(claims | change)}"
    return f"{text}.{_spell(hmac.digest(secret.encode(), text.encode(), 'sha256'))}"


def _read_token(token: str, secret: str) -> dict[str, Any]:
    text, _, signature = token.rpartition(".")
    expected = _spell(hmac.digest(secret.encode(), text.encode(), "sha256"))
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise OAuthError("invalid_subject_token")
    try:
        claims = json.loads(base64.urlsafe_b64decode(text.partition(".")[2] + "=="))
    except (binascii.Error, ValueError) as exc:
        raise OAuthError("invalid_subject_token") from exc
    return claims if isinstance(claims, dict) else {}


def _pack(value: object) -> str:
    return _spell(json.dumps(value).encode())


def _spell(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
