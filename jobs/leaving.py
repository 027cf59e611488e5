"""A WooCommerce shop is disconnected: its mail stops first, and only then is the shop asked to forget our webhooks."""

from app import clock
from app.config import settings
from app.db import sessions
from app.domain.errors import AdapterError
from app.log import get_logger
from app.models import Shop
from app.services import connections, shops
from integrations.woocommerce import hooks
from jobs.access import parting_access

log = get_logger()


def disconnect(shop_id: int, *, actor: str) -> tuple[int | None, str | None]:
    """Disconnect a shop, and return how many webhooks went; None, with what the shop said, when some may be left there.

    The stop is committed before the shop is called, so no mail waits for a shop that hangs.

    Raises:
        Refused: it is not connected, or on a platform where the merchant removes us.
    """
    with sessions().begin() as session:
        access = parting_access(session, shop_id)
        shop = shops.disconnect(session, session.get_one(Shop, shop_id), actor=actor, now=clock.now(session))
        address = shops.webhook_url(shop, settings().public_url)
    try:
        removed = hooks.remove_all(access, address)
    except AdapterError as exc:
        log.warning("hooks.not_removed", shop_id=shop_id, error_class=type(exc).__name__)
        return None, str(exc)
    with sessions().begin() as session:
        connections.cleared(session, shop_id)
    return removed, None
