"""Look at the domains that shops send from, once a day each: who stops believing one is seen before mail bounces."""

import time

from sqlalchemy.orm import Session

from app.config import Transport, settings
from app.db import sessions
from app.log import get_logger
from app.services import sender_checks, sender_domain
from integrations.names import Dns

MOST = 3  # domains in one drain: each may take WITHIN, and shops wait behind them
WITHIN = 5.0  # seconds for all questions about a domain

log = get_logger()


def is_due(session: Session) -> bool:
    """Say whether a domain is to be looked at: never where no mail leaves."""
    return settings().mail_transport is not Transport.OUTBOX and sender_checks.is_any_due(session)


def look(until: float) -> int:
    """Look at the domains that are due, with no transaction open meanwhile, and return how many that were.

    Args:
        until: by `time.monotonic`; what is not looked at by then has another turn within the hour.
    """
    if settings().mail_transport is Transport.OUTBOX:
        return 0
    with sessions().begin() as session:
        shops = sender_checks.take_due(session, MOST)
    done = 0
    for shop in shops:
        if time.monotonic() > until:
            break
        domain = sender_checks.domain_of(shop)
        records = sender_domain.look_up(domain, Dns(within=WITHIN), via=settings().spf_term)
        with sessions().begin() as session:
            sender_checks.keep(session, shop, domain, records)
        log.info("domain.looked_at", shop_id=shop.id, verdict=sender_domain.worst(records))
        done += 1
    return done
