"""Sends the mails that somebody asked for as a test: one try each, in a ledger of their own."""

from datetime import timedelta
from typing import TYPE_CHECKING

from app import clock
from app.config import settings
from app.db import sessions
from app.domain.errors import CartwheelError
from app.domain.outcomes import Failed, Outcome, Unknown
from app.domain.ports import MailTransport
from app.log import fault, get_logger
from app.models import TestMail, claims
from app.services import trial_mail
from jobs.flight import hand_over

if TYPE_CHECKING:
    from jobs.mail import Stamp

BATCH = 5

log = get_logger()


def send_due(transport: MailTransport, stamp: "Stamp") -> None:
    """Send the tests that are due, some at a time."""
    with sessions().begin() as session:
        stamp.now = clock.now(session)
        trial_mail.settle_stuck(session)
        lease = timedelta(seconds=settings().lease_seconds)
        taken = claims.claim(session, TestMail, limit=BATCH, lease=lease, now=stamp.now)
    for wanted in taken:
        outcome = _send(wanted, transport)
        with sessions().begin() as session:
            trial_mail.record(session, wanted, outcome, now=clock.now(session))
        log.info("test_mail.recorded", test_id=wanted.id, shop_id=wanted.shop_id, outcome=type(outcome).__name__)


def _send(wanted: TestMail, transport: MailTransport) -> Outcome:
    if wanted.deaths:
        return Unknown("A process died while working on it.")
    try:
        with sessions().begin() as session:
            mail = trial_mail.written(session, wanted, public_url=settings().public_url, now=clock.now(session))
            trial_mail.begin(session, wanted, mail.subject)
    except CartwheelError as exc:
        return Failed(str(exc))
    except Exception as exc:  # noqa: BLE001  (our own fault: who asked is told)
        fault("test_mail.not_rendered", exc, test_id=wanted.id, shop_id=wanted.shop_id)
        return Failed(f"It could not be rendered ({type(exc).__name__}).")
    return hand_over(transport, mail, attempt=1)
