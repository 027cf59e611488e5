"""A release with a bug in it: `python -m tests.e2e.planted_bug` works off the inbox, and reads no price of Shopify's."""

from typing import Any

REASON = "A price could not be read."


def broken(*_args: Any, **_more: Any) -> None:
    """Fail as a normaliser does that misreads every body."""
    from app.domain.errors import BadPayload

    raise BadPayload(REASON)


def main() -> None:
    """Drain the inbox until nothing is due."""
    from app import clock
    from app.db import sessions
    from app.models import Webhook, claims
    from integrations.shopify import platform
    from jobs import inbox

    platform.normalise = broken
    while True:
        inbox.drain()
        with sessions().begin() as session:
            if not claims.is_anything_due(session, Webhook, clock.now(session)):
                return


if __name__ == "__main__":
    main()
