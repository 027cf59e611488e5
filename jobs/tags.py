"""Write tags back into the shops: claim, call, record. No transaction is open across a call."""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import SystemRandom

from sqlalchemy.orm import Session

from app import clock
from app.config import settings
from app.db import sessions
from app.domain.backoff import WEBHOOK_WAITS, backoff
from app.domain.errors import Ambiguous, NotAllowed, Permanent, Transient
from app.log import get_logger
from app.models import TagWrite, claims
from app.services import tagging
from app.services.tagging import Wanted
from integrations import PLATFORMS
from jobs.access import call_shop

BATCH = 20
NOT_ALLOWED_WAIT = timedelta(hours=1)  # the shop withdrew a right: a person mends that
GUEST = "The person bought as a guest: the shop keeps no account that could be tagged."
NEWER = "Something newer was decided about this tag."

log = get_logger()
_rng = SystemRandom()
_Outcome = Callable[[Session, datetime], None]


def write_back() -> int:
    """Work one batch of tags off and return how many rows that was."""
    with sessions().begin() as session:
        lease = timedelta(seconds=settings().lease_seconds)
        rows = claims.claim(session, TagWrite, limit=BATCH, lease=lease, now=clock.now(session))
        wanted = tagging.wanted(session, rows)
    for each in wanted:
        outcome = _tag(each)
        try:
            with sessions().begin() as session:
                outcome(session, clock.now(session))
        except claims.FenceLost:
            log.warning("tags.fence_lost", shop_id=each.row.shop_id, tag_write_id=each.row.id)
    return len(rows)


def _tag(wanted: Wanted) -> _Outcome:
    """Have the shop tag the customer, and return what is to be written about it."""
    row, account_id = wanted.row, wanted.account_id
    if account_id is None or not wanted.is_newest:
        why = GUEST if wanted.is_newest else NEWER
        return lambda session, _now: tagging.passed_over(session, row, why)
    if row.deaths >= claims.MOST_DEATHS:
        reason = f"{claims.MOST_DEATHS} processes died while working on it."
        return lambda session, _now: tagging.failed(session, row, reason)
    platform = PLATFORMS[wanted.platform]
    try:
        call_shop(row.shop_id, lambda access: platform.tag_customer(access, account_id, row.tag, is_given=row.is_given))
    except Permanent as exc:
        said = str(exc)
        return lambda session, _now: tagging.failed(session, row, said)
    except NotAllowed as exc:
        return _again(row, str(exc), NOT_ALLOWED_WAIT)
    except (Transient, Ambiguous) as exc:  # a tag that is given twice is given once
        at_least = exc.retry_after if isinstance(exc, Transient) else None
        return _again(row, str(exc), backoff(row.attempts, WEBHOOK_WAITS, _rng, at_least=at_least))
    return lambda session, now: tagging.done(session, row, now=now)


def _again(row: TagWrite, reason: str, wait: timedelta | None) -> _Outcome:
    if wait is None:
        return lambda session, _now: tagging.failed(session, row, reason)
    return lambda session, now: tagging.later(session, row, reason, now + wait)
