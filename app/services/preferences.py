"""What people choose on the preference page: topics, how often, a pause, the language, the birthday."""

from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import crypto
from app.domain.consent import PAUSE, TOPICS, Frequency
from app.domain.errors import Refused
from app.domain.events import Consent, ConsentState
from app.models import Preference, Shop
from app.services import consent, people, snapshots, unsubscribe
from app.services.unsubscribe import Subscription

LEAP_YEAR = 2024  # a birthday may be the 29th of February


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What somebody wants. `birthday` is "MM-DD", empty to forget it, None to leave it as it is."""

    topics_off: frozenset[str] = field(default_factory=frozenset)
    frequency: Frequency = Frequency.ALL
    is_paused: bool = False
    locale: str | None = None
    birthday: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What holds for an address, as its page shows it; the birthday itself is not shown to whoever holds the link."""

    subscription: Subscription
    topics_off: frozenset[str]
    frequency: Frequency
    paused_until: datetime | None
    locale: str | None
    has_birthday: bool


def find(session: Session, token: str, *, now: datetime) -> Chosen | None:
    """Return what a link of a mail is about, or None when it leads nowhere."""
    found = unsubscribe.find(session, token)
    if found is None:
        return None
    row = session.scalar(_of(found.shop, found.email), execution_options={"populate_existing": True})
    paused_until = row.paused_until if row and row.paused_until and row.paused_until > now else None
    return Chosen(
        subscription=found,
        topics_off=frozenset(row.topics_off if row else ()),
        frequency=Frequency(row.frequency) if row else Frequency.ALL,
        paused_until=paused_until,
        locale=(row.locale if row else None) or found.locale,
        has_birthday=bool(row and row.birthday),
    )


def save(session: Session, token: str, choice: Choice, *, now: datetime) -> Chosen | None:
    """Keep a choice. Behind the subject lock, so that it holds for every mail that is claimed from now on (I7).

    Raises:
        Refused: there is no such topic, or no such day.
    """
    found = unsubscribe.find(session, token)
    if found is None:
        return None
    if choice.topics_off - set(TOPICS):
        raise Refused("There is no such kind of mail.")
    shop, customer_id = found.shop, found.delivery.customer_id
    people.lock(session, shop.id, [customer_id])
    held = session.scalar(_of(shop, found.email), execution_options={"populate_existing": True})
    values = {
        "topics_off": sorted(choice.topics_off),
        "frequency": choice.frequency,
        "paused_until": _pause(held, choice.is_paused, now),
        "locale": choice.locale,
        "birthday": _birthday(held, choice.birthday),
        "updated_at": now,
    }
    email_hash = crypto.hash_email(snapshots.hash_key(shop), found.email)
    statement = insert(Preference).values(shop_id=shop.id, customer_id=customer_id, email_hash=email_hash, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["shop_id", "email_hash"], set_=values))
    return find(session, token, now=now)


def agree(session: Session, token: str, *, wording: str, now: datetime) -> Chosen | None:
    """Subscribe the address again, at its owner's wish."""
    found = unsubscribe.find(session, token)
    if found is None:
        return None
    yes = Consent(state=ConsentState.SUBSCRIBED, at=now, source="preferences", level="single_opt_in", wording=wording)
    evidence = {"delivery_id": found.delivery.id}
    consent.say(session, found.shop, found.delivery.customer_id, found.email, yes, evidence, now=now)
    return find(session, token, now=now)


def _of(shop: Shop, email: str) -> Select[Preference]:
    email_hash = crypto.hash_email(snapshots.hash_key(shop), email)
    return select(Preference).where(Preference.shop_id == shop.id, Preference.email_hash == email_hash)


def _pause(held: Preference | None, is_wanted: bool, now: datetime) -> datetime | None:
    """Return the end of the pause; saving the page again does not make a pause longer."""
    if not is_wanted:
        return None
    return held.paused_until if held and held.paused_until and held.paused_until > now else now + PAUSE


def _birthday(held: Preference | None, told: str | None) -> str | None:
    if told is None:
        return held.birthday if held else None
    if not told:
        return None
    try:
        month, day = (int(part) for part in told.split("-"))
        return date(LEAP_YEAR, month, day).strftime("%m-%d")
    except ValueError:
        raise Refused("There is no such day.") from None
