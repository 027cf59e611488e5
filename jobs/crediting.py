"""Credit orders to mails, and count the days on which something changed."""

from app import clock
from app.db import sessions
from app.log import get_logger
from app.models import Attribution
from app.queues import QueueName
from app.services import attribution, statistics
from jobs import drain as draining

log = get_logger()


def drain() -> None:
    """Decide what is due, then count, if that was not done within five minutes."""
    draining.drain(draining.Work(queue=QueueName.HOUSEKEEPING, model=Attribution, do=attribution.decide))
    with sessions().begin() as session:
        days = statistics.roll(session, now=clock.now(session)) if statistics.is_due(session) else 0
    if days:
        log.info("statistics.rolled", days=days)
