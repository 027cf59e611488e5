"""The plug-in system: the shop platforms by the name that `shops.platform` holds, and the ways out for mail.

Importing this package stays cheap, because the web process does it: an adapter's `platform` module imports its vendor's
library and pydantic only inside the calls that use them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.domain.ports import MailTransport, Platform, Source
from integrations.allowlist import AllowlistTransport
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


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """How mails leave: the transport's name, and what it needs. Never logged: it holds secrets."""

    name: str
    outbox_dir: Path
    sendgrid_api_key: str = ""
    sendgrid_api_base: str = ""
    smtp_url: str = ""
    allowlist: str = ""

    def __repr__(self) -> str:
        return f"WayOut({self.name})"


Clock = Callable[[], datetime]


def make_transport(way: WayOut, *, now: Clock) -> MailTransport:
    """Return the way out that the settings name; `now` is read for the date of each mail."""
    transport = TRANSPORTS[way.name](way, now)
    if not way.allowlist or way.name == "outbox":
        return transport
    return AllowlistTransport(transport, OutboxTransport(way.outbox_dir, now), way.allowlist)


def _sendgrid(way: WayOut, now: Clock) -> MailTransport:
    from integrations.sendgrid.transport import SendGridTransport

    return SendGridTransport(way.sendgrid_api_key, way.sendgrid_api_base, now)


def _smtp(way: WayOut, now: Clock) -> MailTransport:
    from integrations.smtp.transport import SmtpTransport

    return SmtpTransport(way.smtp_url, now)


TRANSPORTS: dict[str, Callable[[WayOut, Clock], MailTransport]] = {
    "outbox": lambda way, now: OutboxTransport(way.outbox_dir, now),
    "sendgrid": _sendgrid,
    "smtp": _smtp,
}
