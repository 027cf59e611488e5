"""Sends the links to the desk that staff asked for: one try each."""

from datetime import timedelta
from typing import TYPE_CHECKING

from app import clock
from app.config import settings
from app.db import sessions
from app.domain.errors import CartwheelError
from app.domain.outcomes import Failed, Outcome, Unknown
from app.domain.ports import MailTransport
from app.log import get_logger
from app.models import SignInMail, claims
from app.services import sign_in_mail
from jobs.flight import hand_over

if TYPE_CHECKING:
    from jobs.mail import Stamp

BATCH = 5

log = get_logger()


def send_due(transport: MailTransport, stamp: "Stamp") -> None:
    """Send the links that are due, some at a time."""
    with sessions().begin() as session:
        stamp.now = clock.now(session)
        lease = timedelta(seconds=settings().lease_seconds)
        taken = claims.claim(session, SignInMail, limit=BATCH, lease=lease, now=stamp.now)
    for wanted in taken:
        outcome = _send(wanted, transport)
        with sessions().begin() as session:
            sign_in_mail.record(session, wanted, outcome)
        log.info("sign_in_mail.recorded", sign_in_id=wanted.id, staff_id=wanted.staff_id, outcome=type(outcome).__name__)


def _send(wanted: SignInMail, transport: MailTransport) -> Outcome:
    if wanted.deaths:
        return Unknown("A process died while working on it.")
    try:
        with sessions().begin() as session:
            mail = sign_in_mail.written(
                session, wanted, sender=settings().staff_sender, public_url=settings().public_url,
                real_now=clock.real(session),
            )  # fmt: skip
    except CartwheelError as exc:
        return Failed(str(exc))
    return hand_over(transport, mail, attempt=1)
