"""Links to the desk by mail: asked for with an address alone, made when they are sent, good once and for some minutes."""

from datetime import datetime, timedelta
from html import escape

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.domain.outcomes import Again, Failed, Outcome, Sent, Unknown
from app.domain.people import normalise_email
from app.domain.ports import Mail
from app.models import NO_SHOP, DeliveryState, SignInMail, Staff, claims
from app.services import signin, staff

LIFETIME = timedelta(minutes=15)
MOST_AN_HOUR = 3  # for each of the staff: whoever knows an address can have links sent to it

SUBJECT = "Your link to the Cartwheel desk"
OPEN_IT = "Open this link to sign in to the desk:"


def ask(session: Session, email: str, *, now: datetime, real_now: datetime) -> bool:
    """Write down that one of the staff wants a link, and return whether anything was; who asked must not learn it.

    Args:
        session: as the owner.
        email: as it was typed.
        now: the house's time, from which the mail is due.
        real_now: what links and the limit count by.

    Raises:
        Refused: it is no address, whoever's.
    """
    address = normalise_email(email)
    if address is None:
        raise Refused("Write your e-mail address, such as you@example.com.")
    whose = select(Staff).where(Staff.shop_id == NO_SHOP, func.lower(Staff.email) == address, Staff.disabled_at.is_(None))
    found = session.scalar(whose.with_for_update())
    if found is None or _asked_lately(session, found.id, real_now) >= MOST_AN_HOUR:
        return False
    session.add(SignInMail(shop_id=NO_SHOP, staff_id=found.id, created_at=real_now, due_at=now))
    return True


def written(session: Session, wanted: SignInMail, *, sender: str, public_url: str, real_now: datetime) -> Mail:
    """Make the link and return the mail that brings it.

    Raises:
        Refused: the person was shut out since.
    """
    found = staff.active(session, wanted.staff_id)
    if found is None:
        raise Refused("They were shut out since.")
    token = signin.create_staff_link(session, found.id, now=real_now, lifetime=LIFETIME)
    link = f"{public_url}/support/sign-in/{token}"
    minutes = int(LIFETIME.total_seconds() // 60)
    use = f"It works once, within {minutes} minutes. If you did not ask for it, do nothing: nobody is signed in by it."
    return Mail(
        key=f"sign-in-{wanted.id}", shop_key=str(NO_SHOP), flow_step="desk/sign-in", from_email=sender,
        from_name="Cartwheel", to_email=found.email, to_name=None, reply_to=None, subject=SUBJECT, unsubscribe_url=None,
        text=f"{OPEN_IT}\n\n{link}\n\n{use}\n",
        html=f'<p>{OPEN_IT}</p><p><a href="{escape(link)}">{escape(link)}</a></p><p>{use}</p>',
    )  # fmt: skip


def record(session: Session, wanted: SignInMail, outcome: Outcome) -> None:
    """Write what became of it. There is one try: who wanted it can ask again.

    Raises:
        FenceLost: another worker took it.
    """
    match outcome:
        case Sent():
            values: dict[str, object] = {"state": DeliveryState.SENT, "error": None}
        case Unknown(reason=reason):
            values = {"state": DeliveryState.UNKNOWN, "error": reason}
        case Failed(reason=reason) | Again(reason=reason):
            values = {"state": DeliveryState.FAILED, "error": reason}
    claims.finish(session, SignInMail, [wanted], values)


def _asked_lately(session: Session, staff_id: int, real_now: datetime) -> int:
    of_the_hour = (
        SignInMail.shop_id == NO_SHOP,
        SignInMail.staff_id == staff_id,
        SignInMail.created_at > real_now - timedelta(hours=1),
    )
    return session.scalar(select(func.count()).where(*of_the_hour)) or 0
