"""What the companion plugin's page gives its frame: tokens for the person who is signed in to the pretend wp-admin."""

import base64
import hmac
import json
import secrets
import time

from app.demo.config import DemoConfig
from app.demo.woocommerce import WooShop
from app.demo.woocommerce_hooks import Hook

LIFE = 60  # seconds
_PATH = "/webhooks/woocommerce/"


class Passport:
    """Makes tokens; `real` is the clock of the shop's server, which tests set, as they set the language of who looks."""

    def __init__(self, shop: WooShop, config: DemoConfig) -> None:
        self._shop, self._config = shop, config
        self.locale = "en_US"  # as WordPress writes it

    def token(self) -> str | None:
        """Make a token, or none where the shop is not connected."""
        hook = self._hook()
        if hook is None:
            return None
        now = int(self.real())
        claims = {
            "v": 1, "cid": hook.target.rpartition("/")[2], "topic": hook.topic, "uid": "1",
            "origin": self._config.shops_url, "iat": now, "exp": now + LIFE, "nonce": secrets.token_hex(16),
        }  # fmt: skip
        payload = _encoded(json.dumps(claims).encode())
        key = hmac.digest(hook.secret.encode(), b"cartwheel wp-admin 1", "sha256")
        return f"{payload}.{_encoded(hmac.digest(key, payload.encode(), 'sha256'))}"

    def real(self) -> float:
        """Read the clock of the shop's server."""
        return time.time()  # noqa: TID251  (a shop's server has its own clock; tokens use real time, not the demo's)

    def _hook(self) -> Hook | None:
        """Find the newest active webhook that leads to our Cartwheel."""
        begins = self._config.cartwheel_url + _PATH
        hooks = sorted(self._shop.hooks.values(), key=lambda hook: -hook.id)
        return next((hook for hook in hooks if hook.is_active and hook.target.startswith(begins)), None)


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
