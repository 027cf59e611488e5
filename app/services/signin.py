"""One-time links into the standalone admin (design 8.20); they live by real time, not by the demo's clock."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from app import clock, crypto
from app.models import SignInLink
from app.services import audit

_MERCHANTS = SignInLink.staff_id.is_(None)  # a link opens one of two doors, never both
LINK_LIFETIME = timedelta(hours=24)  # of a printed link: a day, so that the demo's outlives a lunch


def create_link(session: Session, shop_ids: list[int], *, now: datetime, lifetime: timedelta) -> str:
    """Make a link for these shops, the first of which is shown first, and return its token; only its hash is kept."""
    return _keep_link(session, now + lifetime, shop_ids=shop_ids)


def create_staff_link(session: Session, staff_id: int, *, now: datetime, lifetime: timedelta) -> str:
    """Make a link to the desk for one of the staff, and return its token."""
    return _keep_link(session, now + lifetime, shop_ids=[], staff_id=staff_id)


def is_open(session: Session, token: str, *, now: datetime) -> bool:
    """Say whether a merchant's link can still be used; nothing changes."""
    return session.scalar(select(SignInLink.expires_at).where(*_open(token, now), _MERCHANTS)) is not None


def is_open_to_staff(session: Session, token: str, *, now: datetime) -> bool:
    """Say whether a link of the staff's can still be used; nothing changes."""
    return session.scalar(select(SignInLink.expires_at).where(*_open(token, now), ~_MERCHANTS)) is not None


def consume(session: Session, token: str, *, now: datetime) -> list[int] | None:
    """Use the link up and return its shops; None when it is unknown, used or expired. Of two at once, one gets in."""
    shop_ids = session.scalar(
        update(SignInLink).where(*_open(token, now), _MERCHANTS).values(used_at=now).returning(SignInLink.shop_ids)
    )
    for shop_id in shop_ids or []:
        audit.record(session, shop_id, actor="merchant", action="session.started", object_kind="shop", object_id=shop_id)
    return shop_ids or None


def consume_as_staff(session: Session, token: str, *, now: datetime) -> int | None:
    """Use a link of the staff's up and return whose it is; None when it is unknown, used or expired."""
    used = update(SignInLink).where(*_open(token, now), ~_MERCHANTS).values(used_at=now).returning(SignInLink.staff_id)
    return session.scalar(used)


def real_now(session: Session) -> datetime:
    """Return the time that links live by."""
    return clock.real(session)


def _keep_link(session: Session, expires_at: datetime, **whose: object) -> str:
    token = crypto.new_token()
    session.add(SignInLink(token_hash=crypto.hash_token(token), expires_at=expires_at, **whose))
    return token


def _open(token: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        SignInLink.token_hash == crypto.hash_token(token),
        SignInLink.used_at.is_(None),
        SignInLink.expires_at > now,
    )
