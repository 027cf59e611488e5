"""Double opt-in: whoever signs up gets one mail with a link, and nothing else until the link's button was pressed.

Every question to an address is a row, so that the limits hold whatever happens to Redis: one for an address in a day, ten
for a visitor in an hour. Whether a limit was met, or the address is known, is told to nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import exists, func, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from app import crypto
from app.domain.events import Consent, ConsentState, Person
from app.models import Customer, CustomerIdentity, OptIn, OptInState, Shop, Suppression
from app.services import consent, mail_rules, people, react, snapshots
from app.services.candidates import Touched
from app.services.mail_rules import Rules
from app.services.people import Statement

LIFE = timedelta(days=7)
ADDRESS_GAP = timedelta(days=1)
VISITOR_SPAN = timedelta(hours=1)
VISITOR_MOST = 10
CONFIRMED = "confirmed_opt_in"
EXPIRED_BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """Somebody typed an address into a form, under these words."""

    email: str  # normalised
    wording: str
    locale: str | None
    address: str  # of the network; kept as a keyed hash
    page: str  # where the form stands, for the proof


class Answer(StrEnum):
    """What a link to confirm is worth."""

    ASK = "ask"
    DONE = "done"
    OVER = "over"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Question:
    """What the page behind a link shows."""

    answer: Answer
    shop: Shop | None = None
    email: str = ""
    wording: str | None = None
    locale: str | None = None


def sign_up(session: Session, shop: Shop, rules: Rules, asked: SignUp, *, now: datetime) -> None:
    """Take a sign-up in: ask to confirm it, or where the shop wants no such question, keep it as a plain yes.

    Does nothing when the limits are met, the address may not be mailed, or has agreed already.
    """
    key = snapshots.hash_key(shop)
    visitor = crypto.hash_email(key, asked.address)
    if _is_visitor_over(session, shop.id, visitor, now):
        return
    people.lock_shop(session, shop.id)
    identity = ("email", asked.email)
    customer_id = people.resolve(session, shop.id, [[identity]])[identity]
    people.lock(session, shop.id, [customer_id])
    if _is_visitor_over(session, shop.id, visitor, now) or not _may_ask(session, shop, rules, asked.email, now):
        return
    people.learn_facts(session, shop.id, [(customer_id, Person(email=asked.email, locale=asked.locale), now)])
    proof = {"page": asked.page, "ip_hash": visitor.hex()}
    if not rules.asks_to_confirm(_country(session, shop.id, customer_id)):
        yes = Consent(state=ConsentState.SUBSCRIBED, at=now, source="form", level="single_opt_in", wording=asked.wording)
        consent.say(session, shop, customer_id, asked.email, yes, proof, now=now)
        return
    opt_in = _begin(session, shop, customer_id, asked.email, source="form", wording=asked.wording, now=now)
    opt_in.locale, opt_in.ip_hash = asked.locale, visitor
    session.flush()
    waits = Consent(state=ConsentState.PENDING, at=now, source="form", level=CONFIRMED, wording=asked.wording)
    consent.say(session, shop, customer_id, asked.email, waits, {**proof, "opt_in_id": opt_in.id}, now=now)
    react.react(session, shop, Touched(customers={customer_id}, opt_ins={opt_in.id: customer_id}), now=now)


def ask_unproven(session: Session, shop: Shop, said: Sequence[tuple[int, Statement]], *, now: datetime) -> dict[int, int]:
    """Ask people to confirm who agreed elsewhere, such as at the checkout; return the requests that were begun.

    The caller holds their locks and lets the flows look.
    """
    rules = mail_rules.of(session, shop.id) if said else Rules()
    begun: dict[int, int] = {}
    for customer_id, statement in said:
        word = statement.consent
        is_unproven = word.state is ConsentState.SUBSCRIBED and word.level != CONFIRMED
        if not is_unproven or rules.double_opt_in_since is None or word.at < rules.double_opt_in_since:
            continue
        if not rules.asks_to_confirm(_country(session, shop.id, customer_id)):
            continue
        if _may_ask(session, shop, rules, statement.email, now):
            opt_in = _begin(session, shop, customer_id, statement.email, source=word.source, wording=word.wording, now=now)
            begun[opt_in.id] = customer_id
    return begun


def find(session: Session, token: str, *, now: datetime) -> Question:
    """Return what a link is about; changes nothing."""
    row = session.execute(
        select(OptIn, Shop).join(Shop, Shop.id == OptIn.shop_id).where(OptIn.token_hash == crypto.hash_token(token))
    ).one_or_none()
    if row is None:
        return Question(Answer.UNKNOWN)
    opt_in, shop = row.OptIn, row.Shop
    answer = {OptInState.CONFIRMED: Answer.DONE, OptInState.EXPIRED: Answer.OVER}.get(opt_in.state, Answer.ASK)
    if answer is Answer.ASK and now >= opt_in.expires_at:
        answer = Answer.OVER
    return Question(answer, shop, opt_in.email or "", opt_in.wording, opt_in.locale)


def confirm(session: Session, token: str, *, now: datetime) -> Question:
    """Subscribe the address that a link proves, once; again and again changes nothing."""
    found = find(session, token, now=now)
    if found.answer is not Answer.ASK or found.shop is None:
        return found
    mine = OptIn.token_hash == crypto.hash_token(token)
    customer_id = session.scalars(select(OptIn.customer_id).where(mine)).one()
    people.lock(session, found.shop.id, [customer_id])
    opt_in = session.scalars(
        select(OptIn)
        .where(mine, OptIn.state == OptInState.PENDING)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if opt_in is None:
        return find(session, token, now=now)
    opt_in.state, opt_in.ended_at, opt_in.token_sealed = OptInState.CONFIRMED, now, None
    session.flush()
    yes = Consent(state=ConsentState.SUBSCRIBED, at=now, source="double_opt_in", level=CONFIRMED, wording=opt_in.wording)
    proof = {"opt_in_id": opt_in.id, "asked_at": opt_in.asked_at.isoformat(), "source": opt_in.source}
    consent.say(session, found.shop, opt_in.customer_id, found.email, yes, proof, now=now)
    return find(session, token, now=now)


def is_any_over(session: Session, now: datetime) -> bool:
    """Say whether a request waits whose time is over."""
    return bool(session.scalar(select(exists().where(OptIn.state == OptInState.PENDING, OptIn.expires_at <= now))))


def expire(session: Session, *, now: datetime) -> int:
    """End requests that nobody answered, and return how many; their addresses go with them."""
    over = (
        select(OptIn.shop_id, OptIn.id)
        .where(OptIn.state == OptInState.PENDING, OptIn.expires_at <= now)
        .limit(EXPIRED_BATCH)
    ).subquery()
    result = session.execute(
        update(OptIn)
        .where(OptIn.shop_id == over.c.shop_id, OptIn.id == over.c.id, OptIn.state == OptInState.PENDING)
        .values(state=OptInState.EXPIRED, ended_at=now, token_sealed=None, email=None)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)  # noqa: S101  (for the type checker: an UPDATE has a row count)
    return result.rowcount


def _begin(
    session: Session, shop: Shop, customer_id: int, email: str, *, source: str, wording: str | None, now: datetime
) -> OptIn:
    token = crypto.new_token()
    opt_in = OptIn(
        shop_id=shop.id, customer_id=customer_id, email=email, token_hash=crypto.hash_token(token),
        email_hash=crypto.hash_email(snapshots.hash_key(shop), email), token_sealed=crypto.encrypt(shop.id, token),
        source=source, wording=wording, asked_at=now, expires_at=now + LIFE,
    )  # fmt: skip
    session.add(opt_in)
    session.flush()
    return opt_in


def _may_ask(session: Session, shop: Shop, rules: Rules, email: str, now: datetime) -> bool:
    """Say whether an address may be asked: not blocked, not agreed (and, where it must be, proven), not asked today."""
    email_hash = crypto.hash_email(snapshots.hash_key(shop), email)
    identity = session.scalar(
        select(CustomerIdentity).where(
            CustomerIdentity.shop_id == shop.id, CustomerIdentity.kind == "email", CustomerIdentity.value == email
        ),
        execution_options={"populate_existing": True},
    )
    refused_at = identity.refused_at if identity else None
    is_proven = bool(identity and identity.confirmed_at and (refused_at is None or identity.confirmed_at > refused_at))
    if identity and identity.standing == ConsentState.SUBSCRIBED and (is_proven or rules.double_opt_in_since is None):
        return False
    blocked = exists().where(Suppression.shop_id == shop.id, Suppression.email_hash == email_hash)
    asked = exists().where(
        OptIn.shop_id == shop.id,
        OptIn.email_hash == email_hash,
        (OptIn.asked_at > now - ADDRESS_GAP) | (OptIn.state == OptInState.PENDING),
    )
    return not session.scalar(select(blocked | asked))


def _is_visitor_over(session: Session, shop_id: int, visitor: bytes, now: datetime) -> bool:
    query = select(func.count()).where(
        OptIn.shop_id == shop_id, OptIn.ip_hash == visitor, OptIn.asked_at > now - VISITOR_SPAN
    )
    return (session.scalar(query) or 0) >= VISITOR_MOST


def _country(session: Session, shop_id: int, customer_id: int) -> str | None:
    return session.scalar(select(Customer.country).where(Customer.shop_id == shop_id, Customer.id == customer_id))
