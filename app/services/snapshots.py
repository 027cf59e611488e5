"""Load what decisions look at, for many people at once: a fixed number of queries, whatever the number of people (D9)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import and_, func, select, union_all
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app import crypto
from app.flows.snapshot import AnswerFacts, CheckoutFacts, OptInFacts, OrderFacts, PersonFacts, Snapshot
from app.models import (
    Arm,
    Checkout,
    Enrollment,
    FlowSettings,
    OptIn,
    OptInState,
    PurchaseMark,
    Shop,
    Suppression,
)
from app.models.bulk import one_of
from app.services import held, histories, pacing, permissions
from app.services.held import NOBODY, Person
from app.services.histories import NO_REACTION, NOTHING, Entry, History, Reaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a snapshot is about: a run of a flow, or one that may begin.

    `key` says what it is about, `episode` names it: a checkout's token, an order's id, a customer's time of entry.
    """

    flow: str
    key: str
    episode: str
    customer_id: int
    entered_at: datetime
    is_held_out: bool
    run_id: int | None = None

    @classmethod
    def of(cls, enrollment: Enrollment) -> "Subject":
        """Return the subject of an enrollment."""
        return cls(
            flow=enrollment.flow,
            key=enrollment.subject_key,
            episode=enrollment.episode,
            customer_id=enrollment.customer_id,
            entered_at=enrollment.entered_at,
            is_held_out=enrollment.arm == Arm.HOLDOUT,
            run_id=enrollment.id,
        )


@dataclass(slots=True)
class Loaded:
    """All that the snapshots of a batch are made of, by what it belongs to."""

    checkouts: dict[str, CheckoutFacts]
    answered: dict[str, datetime]
    newest_open: dict[int, tuple[datetime, str]]
    people: dict[int, Person]
    histories: dict[int, History]
    orders: dict[str, OrderFacts]
    entries: dict[tuple[str, int], list[Entry]]
    reactions: dict[int, Reaction]
    reviewed: dict[str, AnswerFacts]
    paces: pacing.Paces
    now: datetime
    opt_ins: dict[str, OptInFacts]

    def person(self, customer_id: int) -> PersonFacts:
        """Return what is known of a customer."""
        person, history = self.people.get(customer_id, NOBODY), self.histories.get(customer_id, NOTHING)
        return PersonFacts(
            email=person.address,
            at=self.now,
            subscribed_at=person.subscribed_at,
            orders=max(history.orders, person.orders),
            purchases=history.purchases,
            country=person.country,
            tags=person.tags,
        )


def load(session: Session, shop: Shop, subjects: Sequence[Subject], *, now: datetime) -> list[Snapshot]:
    """Return a snapshot for each subject, in the same order."""
    if not subjects:
        return []
    loaded = _load(session, shop, subjects, now)
    half = [about(subject, loaded, shop.state) for subject in subjects]
    suppressed = _suppressions(session, shop, {s.recipient for s in half if s.recipient}, now)
    is_on = _switches(session, shop.id)
    found = [
        replace(s, suppressed=suppressed.get(s.recipient or ""), is_flow_on=is_on.get(subject.flow, False))
        for subject, s in zip(subjects, half, strict=True)
    ]
    return permissions.fill(session, shop, found, [s.customer_id for s in subjects], now=now)


def _load(session: Session, shop: Shop, subjects: Sequence[Subject], now: datetime) -> Loaded:
    """Ask for what the kinds of subjects in this batch need, and for nothing else."""
    tokens = {s.episode for s in subjects if s.key == "checkout"}
    carts = {s.customer_id for s in subjects if s.key == "checkout"}
    others = {s.customer_id for s in subjects if s.key != "checkout"}
    order_ids = {s.episode for s in subjects if s.key == "order"}
    people = held.people(session, shop.id, carts | others)
    known = histories.histories(session, shop, carts | others, now=now)
    ever = {c: max(h.orders, people.get(c, NOBODY).orders) for c, h in known.items()}
    return Loaded(
        checkouts=held.checkouts(session, shop, tokens) if tokens else {},
        answered=_orders(session, shop.id, tokens) if tokens else {},
        newest_open=_newest_open(session, shop.id, carts | others),
        people=people,
        histories=known,
        orders=histories.orders(session, shop, order_ids, known, ever) if order_ids else {},
        entries=histories.entries(session, shop.id, others) if others else {},
        reactions=histories.reactions(session, shop.id, {s.run_id for s in subjects if s.run_id}),
        reviewed=histories.reviewed(session, shop.id, order_ids),
        paces=pacing.load(session, shop, carts | others, now=now),
        now=now,
        opt_ins=_opt_ins(session, shop.id, {s.episode for s in subjects if s.key == "opt_in"}),
    )


def about(subject: Subject, loaded: Loaded, shop_state: str) -> Snapshot:
    """Return the snapshot of a subject, without its suppression, its flow's switch and its permission."""
    person = loaded.people.get(subject.customer_id, NOBODY)
    checkout = loaded.checkouts.get(subject.episode) if subject.key == "checkout" else None
    # A cart's mail goes to the address typed there and to no other: without the cart the person is not known either.
    facts = loaded.person(subject.customer_id) if checkout or subject.key != "checkout" else None
    order = loaded.orders.get(subject.episode) if subject.key == "order" else None
    reaction = loaded.reactions.get(subject.run_id or 0, NO_REACTION)
    opt_in = loaded.opt_ins.get(subject.episode) if subject.key == "opt_in" else None
    return Snapshot(
        entered_at=subject.entered_at,
        checkout=checkout,
        order=order,
        person=facts,
        opt_in=opt_in,
        ordered_at=_ordered_at(subject, order, loaded),
        is_superseded=_is_superseded(subject, checkout, loaded),
        consent=person.consent(checkout.email if checkout else facts.email if facts else None),
        suppressed=None,
        shop_state=shop_state,
        is_flow_on=False,
        is_held_out=subject.is_held_out,
        is_person_gone=person.is_gone,
        entered_before_at=_entered_before_at(subject, loaded),
        has_open_checkout=subject.key != "checkout" and subject.customer_id in loaded.newest_open,
        clicked=reaction.clicked,
        answer=_newest_answer(reaction.answer, loaded.reviewed.get(subject.episode) if order else None),
        is_unhappy=person.is_unhappy,
        pace=loaded.paces.of(subject.customer_id, person.country, run_id=subject.run_id),
    )


def _newest_answer(*told: AnswerFacts | None) -> AnswerFacts | None:
    """Return the newest of what somebody said of an order: with the stars of its mail, or in a review in the shop."""
    return max((answer for answer in told if answer), key=lambda answer: answer.at, default=None)


def _ordered_at(subject: Subject, order: OrderFacts | None, loaded: Loaded) -> datetime | None:
    """Return when the person bought after what the run is about: the cart, the order before, or their entry."""
    if subject.key == "checkout":
        return loaded.answered.get(subject.episode)
    history = loaded.histories.get(subject.customer_id, NOTHING)
    if order and order.placed_at:
        return history.ordered_after(order.placed_at, but=order.external_id)
    return history.ordered_after(subject.entered_at)


def _is_superseded(subject: Subject, checkout: CheckoutFacts | None, loaded: Loaded) -> bool:
    """Say whether the person is followed elsewhere: a newer cart, or, two accounts having become one, an older run."""
    if subject.key == "checkout":
        latest = loaded.newest_open.get(subject.customer_id)
        return bool(checkout and latest and latest > (checkout.started_at, checkout.token))
    if subject.key != "customer" or subject.run_id is None:
        return False
    runs = loaded.entries.get((subject.flow, subject.customer_id), [])
    return any(run.is_active and run.run_id < subject.run_id for run in runs)


def _entered_before_at(subject: Subject, loaded: Loaded) -> datetime | None:
    """Return when the person entered the flow before, runs not counted that were too soon themselves."""
    runs = loaded.entries.get((subject.flow, subject.customer_id), [])
    earlier = [run.at for run in runs if run.counts and (subject.run_id is None or run.run_id < subject.run_id)]
    return max(earlier, default=None)


def hash_key(shop: Shop) -> bytes:
    """Return the key of this shop's address hashes."""
    return crypto.hash_key(shop.id, shop.hash_key)


def _orders(session: Session, shop_id: int, tokens: Iterable[str]) -> dict[str, datetime]:
    """Return when a purchase answered each checkout: same token, same cart, or the same person since it began (I6)."""
    mine = (Checkout.shop_id == shop_id, one_of(Checkout.token, tokens), PurchaseMark.shop_id == shop_id)
    ways = (
        PurchaseMark.checkout_token == Checkout.token,
        PurchaseMark.cart_token == Checkout.cart_token,
        and_(PurchaseMark.customer_id == Checkout.customer_id, PurchaseMark.ordered_at >= Checkout.started_at),
    )
    found = union_all(
        *(select(Checkout.token, PurchaseMark.ordered_at).join(PurchaseMark, way).where(*mine) for way in ways)
    ).subquery()
    rows = session.execute(select(found.c.token, func.min(found.c.ordered_at)).group_by(found.c.token))
    return dict(rows.all())


def _newest_open(session: Session, shop_id: int, customers: Iterable[int]) -> dict[int, tuple[datetime, str]]:
    """Return the newest open checkout of each person: of two, the newer one is followed (design 8.4)."""
    rows = session.execute(
        select(Checkout.customer_id, Checkout.started_at, Checkout.token)
        .where(
            Checkout.shop_id == shop_id,
            one_of(Checkout.customer_id, customers),
            Checkout.email.is_not(None),
            Checkout.completed_at.is_(None),
            (Checkout.deleted_at.is_(None)) | (Checkout.deleted_at < Checkout.changed_at),
            func.jsonb_array_length(Checkout.lines) > 0,
        )
        .ext(distinct_on(Checkout.customer_id))
        .order_by(Checkout.customer_id, Checkout.started_at.desc(), Checkout.token.desc())
    )
    return {customer_id: (started_at, token) for customer_id, started_at, token in rows if customer_id}


def _suppressions(session: Session, shop: Shop, emails: set[str], now: datetime) -> dict[str, str]:
    if not emails:
        return {}
    key = hash_key(shop)
    by_hash = {crypto.hash_email(key, email): email for email in emails}
    rows = session.execute(
        select(Suppression.email_hash, Suppression.reason).where(
            Suppression.shop_id == shop.id,
            one_of(Suppression.email_hash, by_hash),
            Suppression.expires_at.is_(None) | (Suppression.expires_at > now),
        )
    )
    return {by_hash[bytes(email_hash)]: reason for email_hash, reason in rows}


def _opt_ins(session: Session, shop_id: int, episodes: set[str]) -> dict[str, OptInFacts]:
    ids = [int(episode) for episode in episodes if episode.isdecimal()]
    if not ids:
        return {}
    query = select(OptIn).where(OptIn.shop_id == shop_id, one_of(OptIn.id, ids))
    rows = session.scalars(query, execution_options={"populate_existing": True})
    return {
        str(row.id): OptInFacts(email=row.email, asked_at=row.asked_at, is_ended=row.state != OptInState.PENDING)
        for row in rows
    }


def _switches(session: Session, shop_id: int) -> dict[str, bool]:
    rows = session.execute(select(FlowSettings.flow, FlowSettings.is_on).where(FlowSettings.shop_id == shop_id))
    return dict(rows.all())
