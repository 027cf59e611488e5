"""The REST keys of the pretend WooCommerce, and the page on which its owner hands some out (class-wc-auth.php)."""

import hashlib
import hmac
from http import HTTPStatus
from secrets import token_hex
from urllib.parse import urlencode, urlsplit

import requests
from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from app.demo.config import DemoConfig
from app.demo.store import Store

_NEEDED = ("app_name", "scope", "user_id", "return_url", "callback_url")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_PATIENCE = 60.0  # seconds that the shop waits for its keys to be taken


class Keyring:
    """The keys that open the shop's API: the one of the configuration, and those that were handed out.

    A key's secret follows from it, so that nothing but the key must be remembered over a restart.
    """

    def __init__(self, config: DemoConfig, store: Store) -> None:
        self._first = (config.woo_consumer_key, config.woo_consumer_secret)
        self._root = config.woo_consumer_secret.encode()
        self._store = store

    def secret_of(self, key: str) -> str | None:
        """Return the secret of a key, None where the key is none of ours."""
        if key == self._first[0]:
            return self._first[1]
        return self._secret(key) if self._store.has_noted(f"key {key}") else None

    def hand_out(self) -> tuple[str, str]:
        """Make a pair of keys."""
        key = f"ck_{token_hex(20)}"
        self._store.note(f"key {key}")
        return key, self._secret(key)

    def take_back(self, key: str) -> None:
        """Make a key worthless, as the shop does when nobody took it."""
        self._store.forget(f"key {key}")

    def _secret(self, key: str) -> str:
        return f"cs_{hmac.digest(self._root, key.encode(), hashlib.sha256).hex()[:40]}"


def approval_pages(keyring: Keyring) -> Blueprint:
    """Make the shop's page that asks its owner, who is signed in here, for approval."""
    pages = Blueprint("wc_auth", __name__, url_prefix="/woocommerce/wc-auth/v1")

    @pages.get("/authorize")
    def authorize() -> Response | str | tuple[str, int]:
        if wrong := _what_is_wrong():
            return render_template("demo/wc_auth_error.html", wrong=wrong), HTTPStatus.UNAUTHORIZED
        return render_template("demo/wc_auth.html", asked=request.args, host=urlsplit(request.args["callback_url"]).netloc)

    @pages.get("/access_granted")
    def grant() -> Response | str | tuple[str, int]:
        """Hand keys to the callback first, and let the browser go back only when it took them."""
        if wrong := _what_is_wrong():
            return render_template("demo/wc_auth_error.html", wrong=wrong), HTTPStatus.UNAUTHORIZED
        key, secret = keyring.hand_out()
        told = {"key_id": 2, "user_id": request.args["user_id"], "consumer_key": key, "consumer_secret": secret,
                "key_permissions": request.args["scope"]}  # fmt: skip
        if not _post(request.args["callback_url"], told):
            keyring.take_back(key)
            wrong = "An error occurred in the request and at the time were unable to send the consumer data."
            return render_template("demo/wc_auth_error.html", wrong=wrong), HTTPStatus.UNAUTHORIZED
        return _back(success=1)

    @pages.get("/denied")
    def deny() -> Response:
        return _back(success=0)

    return pages


def _what_is_wrong() -> str | None:
    if missing := [name for name in _NEEDED if not request.args.get(name)]:
        return f"Missing parameter {missing[0]}."
    parts = urlsplit(request.args["callback_url"])
    # The original knows no exception; this one runs on a machine of its own, where nobody else listens.
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        return "The callback_url needs to be over SSL."
    return None


def _post(url: str, told: dict[str, object]) -> bool:
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.post(url, json=told, timeout=_PATIENCE).status_code == HTTPStatus.OK
    except requests.RequestException:
        return False


def _back(*, success: int) -> Response:
    url, separator = request.args["return_url"], "&" if "?" in request.args["return_url"] else "?"
    return redirect(f"{url}{separator}{urlencode({'success': success, 'user_id': request.args['user_id']})}")
