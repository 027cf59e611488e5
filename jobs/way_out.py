"""The way out for mail that the settings name, for whoever sends: the mail drain, housekeeping, the command line."""

from collections.abc import Callable
from datetime import datetime

from app.config import settings
from app.domain.ports import MailTransport
from integrations import WayOut, make_transport


def open_transport(now: Callable[[], datetime]) -> MailTransport:
    """Return the transport; `now` is read for the date of each mail. Close it when nothing more is sent."""
    config = settings()
    way = WayOut(
        name=config.mail_transport,
        outbox_dir=config.outbox_dir,
        sendgrid_api_key=config.sendgrid_api_key,
        sendgrid_api_base=config.sendgrid_api_base,
        smtp_url=config.smtp_url,
        allowlist=config.mail_allowlist,
    )
    return make_transport(way, now=now)
