"""The plug-in system: the shop platforms by the name that `shops.platform` holds, and the ways out for mail.

Importing this package stays cheap, because the web process does it: an adapter's `platform` module imports its vendor's
library and pydantic only inside the calls that use them.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from app.domain.ports import MailTransport, Platform, Source
from integrations.outbox.transport import OutboxTransport
from integrations.shopify import platform as shopify_platform
from integrations.shopify import source as shopify_source
from integrations.woocommerce import platform as woocommerce_platform
from integrations.woocommerce import source as woocommerce_source

# Named apart from their packages, which would otherwise be hidden as attributes of this one.
PLATFORMS: dict[str, Platform] = {
    shopify_platform.NAME: shopify_platform,
    woocommerce_platform.NAME: woocommerce_platform,
}
# Who can be asked what changed; a platform that is missing here is only listened to.
SOURCES: dict[str, Source] = {shopify_platform.NAME: shopify_source, woocommerce_platform.NAME: woocommerce_source}
TRANSPORTS: dict[str, Callable[[Path, Callable[[], datetime]], MailTransport]] = {"outbox": OutboxTransport}


def make_transport(name: str, *, outbox_dir: Path, now: Callable[[], datetime]) -> MailTransport:
    """Return the way out that the settings name; `now` is read for the date of each mail."""
    return TRANSPORTS[name](outbox_dir, now)
