"""Ask freshly installed shops what they are called: never on a page's own time."""

import time
from itertools import takewhile
from math import inf

from app import clock
from app.db import sessions
from app.domain.errors import AdapterError
from app.log import get_logger
from app.services import account
from integrations.shopify.facts import ask_shop
from jobs.access import call_shop

log = get_logger()


def learn(until: float = inf) -> int:
    """Ask the shops whose facts are due, and return how many were asked; who does not answer is asked again later.

    Args:
        until: by `time.monotonic`; who is not asked by then has another turn when theirs comes again.
    """
    with sessions().begin() as session:
        shop_ids = account.take_facts_due(session)
        now = clock.now(session)
    asked = 0
    for shop_id in takewhile(lambda _: time.monotonic() < until, shop_ids):
        asked += 1
        try:
            told = call_shop(shop_id, lambda access: ask_shop(access, at=now))
        except AdapterError as exc:
            log.warning("facts.not_learned", shop_id=shop_id, error_class=type(exc).__name__)
            continue
        with sessions().begin() as session:
            account.learn(session, shop_id, told, now=now)
        log.info("facts.learned", shop_id=shop_id)
    return asked
