"""OAuth 1.0a, one-legged, as WooCommerce checks it over plain http (class-wc-rest-authentication.php)."""

import base64
import hmac
from collections.abc import Callable, Mapping
from urllib.parse import quote, unquote

_WINDOW = 15 * 60  # seconds that a timestamp may be off, and that a nonce is remembered
_ALGORITHMS = {"HMAC-SHA1": "sha1", "HMAC-SHA256": "sha256"}
_NEEDED = ("oauth_consumer_key", "oauth_timestamp", "oauth_nonce", "oauth_signature", "oauth_signature_method")


class NotSignedError(Exception):
    """The request is not signed as it should be; the message is WooCommerce's."""


class Verifier:
    """Checks signatures, and remembers nonces.

    Args:
        secret_of: returns the consumer secret of a consumer key, None where there is no such key.
    """

    def __init__(self, secret_of: Callable[[str], str | None]) -> None:
        self._secret_of = secret_of
        self._nonces: dict[str, float] = {}

    def verify(self, method: str, url: str, parameters: Mapping[str, str], now: float) -> None:
        """Check one request.

        Args:
            method: in capitals.
            url: as the shop spells its own address, without the query.
            parameters: of the query; of a repeated one, the last.
            now: real time, in seconds since 1970.

        Raises:
            NotSignedError: something does not match.
        """
        if missing := [name for name in _NEEDED if name not in parameters]:
            raise NotSignedError(f"Missing OAuth parameter {', '.join(missing)}")
        secret = self._secret_of(parameters["oauth_consumer_key"])
        if secret is None:
            raise NotSignedError("Consumer key is invalid.")
        algorithm = _ALGORITHMS.get(parameters["oauth_signature_method"])
        if algorithm is None:
            raise NotSignedError("Invalid signature - signature method is invalid.")
        expected = base64.b64encode(
            hmac.digest(f"{secret}&".encode(), _base_string(method, url, parameters).encode(), algorithm)
        )
        given = unquote(parameters["oauth_signature"].replace(" ", "+"))
        if not hmac.compare_digest(expected, given.encode()):
            raise NotSignedError("Invalid signature - provided signature does not match.")
        self._check_freshness(parameters, now)

    def _check_freshness(self, parameters: Mapping[str, str], now: float) -> None:
        stamp = parameters["oauth_timestamp"]
        if not stamp.isdecimal() or abs(now - int(stamp)) > _WINDOW:
            raise NotSignedError("Invalid timestamp.")
        if parameters["oauth_nonce"] in self._nonces:
            raise NotSignedError("Invalid nonce - nonce has already been used.")
        self._nonces = {nonce: at for nonce, at in self._nonces.items() if now - at <= _WINDOW}
        self._nonces[parameters["oauth_nonce"]] = now


def _base_string(method: str, url: str, parameters: Mapping[str, str]) -> str:
    pairs = "%26".join(
        f"{_twice(name)}%3D{_twice(value)}" for name, value in sorted(parameters.items()) if name != "oauth_signature"
    )
    return f"{method}&{quote(url, safe='')}&{pairs}"


def _twice(text: str) -> str:
    return quote(unquote(text), safe="").replace("%", "%25")
