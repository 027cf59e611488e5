"""Which shop a webhook belongs to, and the secrets it may be signed with: cached in the process for a few seconds."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import select

from app import crypto
from app.db import sessions
from app.models import Shop, ShopToken, TokenKind

LIFE = 5.0  # seconds; how long a new shop or a new secret may go unnoticed
_GRACE = 1.0  # seconds
_MOST = 20_000  # entries; strangers' addresses must not fill the memory


@dataclass(frozen=True, slots=True)
class KnownShop:
    """A shop, as the webhook route needs it."""

    id: int
    secrets: tuple[str, ...]


class Directory:
    """Answers from memory, else from the database. "Unknown" is remembered like an answer, so both take the same time."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], tuple[float, KnownShop | None]] = {}
        self._lock = threading.Lock()

    def by_domain(self, platform: str, domain: str) -> KnownShop | None:
        """Find the shop with this domain; its webhooks are signed with the app's secret, so it has none of its own."""
        return self._find((platform, domain), lambda: _load_by_domain(platform, domain))

    def by_connection(self, connection_id: str) -> KnownShop | None:
        """Find the shop whose webhook address has this unguessable part."""
        return self._find(("connection", connection_id), lambda: _load_by_connection(connection_id))

    def _find(self, key: tuple[str, str], load: Callable[[], KnownShop | None]) -> KnownShop | None:
        now = time.monotonic()
        with self._lock:
            entry = self._entries.get(key)
            if entry and entry[0] > now:
                return entry[1]
            if entry:  # one request asks again; the others of this moment go on with the old answer
                self._entries[key] = (now + _GRACE, entry[1])
        shop = load()
        with self._lock:
            if len(self._entries) >= _MOST:
                self._entries.clear()
            self._entries[key] = (now + LIFE, shop)
        return shop


@lru_cache(maxsize=1)
def directory() -> Directory:
    """Return this process's directory."""
    return Directory()


def _load_by_domain(platform: str, domain: str) -> KnownShop | None:
    with sessions()() as session:
        shop_id = session.scalar(select(Shop.id).where(Shop.platform == platform, Shop.domain == domain))
    return KnownShop(shop_id, ()) if shop_id else None


def _load_by_connection(connection_id: str) -> KnownShop | None:
    with sessions()() as session:
        rows = session.execute(
            select(Shop.id, ShopToken.secret)
            .join(ShopToken, (ShopToken.shop_id == Shop.id) & (ShopToken.kind == TokenKind.WEBHOOK_SECRET))
            .where(Shop.connection_id == connection_id)
        ).all()
    if not rows:
        return None
    return KnownShop(rows[0][0], tuple(crypto.decrypt(shop_id, sealed) for shop_id, sealed in rows))
