"""Whom a flow would have reached: its conditions of entry, asked of the shop's own last 90 days by the engine itself.

What is asked is how things stood then, as far as that is known: purchases and dates are of the moment, while a cart's lines,
a country and tags are as they are today. So the answer is "about".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.domain.events import ConsentState
from app.flows.conditions import fits, names
from app.flows.engine import happened_at
from app.flows.snapshot import CheckoutFacts, OrderFacts, PersonFacts, Snapshot
from app.flows.vocabulary import Flow, TriggerEvent
from app.models import Checkout, CustomerIdentity, Order, Shop, ShopState
from app.services import held, histories
from app.services.held import NOBODY, Person
from app.services.histories import NOTHING, History

PERIOD = timedelta(days=90)
# Carts, orders or people, the newest first. Among 200,000 of each, 1,000 took 0.1 to 0.25 s and 5,000 about a second, on two
# busy cores: a page waits for this.
LOOKED_MOST = 1_000
# Conditions that can be asked of a moment that is over, and those of them that need to know what a person bought.
_OF_PURCHASES = {"never_bought", "is_first_order", "spent_in_a_year", "orders_in_a_year"}
_OF_PEOPLE = _OF_PURCHASES | {"in_country", "has_tag"}
_TELLABLE = _OF_PEOPLE | {
    "has_email", "cart_is_not_empty", "worth_at_least", "order_undone", "money_went_back", "any_of", "all_of", "none_of",
}  # fmt: skip
_UNTELLABLE: set[TriggerEvent] = {"opt_in_asked", "customer_silent"}  # sign-ups go, and of silence no row tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How many carts, orders or people there were, and how many of them would have come in.

    With `is_cut` there were more than were looked at, which are the newest.
    """

    of: TriggerEvent
    looked: int
    fit: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class _Moment:
    """What a run would have been about: a cart's token, an order's id or nothing, whose it is, and when."""

    episode: str
    customer_id: int
    at: datetime


def reach(session: Session, shop: Shop, flow: Flow, *, now: datetime) -> Reach | None:
    """Say whom a flow would have reached in the last 90 days, at most 1,000 looked at.

    Returns:
        None when that cannot be told: of some triggers, and of conditions that only hold for the present.
    """
    if flow.trigger.event in _UNTELLABLE or names(flow.trigger.when) - _TELLABLE:
        return None
    newest = _moments(session, shop.id, flow, now - PERIOD)
    is_cut, moments = len(newest) > LOOKED_MOST, newest[:LOOKED_MOST]
    if flow.subject == "customer":
        moments = _newest_of_each(moments)
    found = _snapshots(session, shop, flow, moments, since=now - PERIOD)
    looked = [snapshot for snapshot in found if happened_at(flow, snapshot) is not None]
    return Reach(of=flow.trigger.event, looked=len(looked), fit=sum(fits(flow, s) for s in looked), is_cut=is_cut)


def _moments(session: Session, shop_id: int, flow: Flow, since: datetime) -> list[_Moment]:
    """Return what could have begun a run, the newest first; one more than is looked at, to know whether there is."""
    rows = session.execute(_newest(shop_id, flow, since).limit(LOOKED_MOST + 1))
    return [_Moment(episode, customer_id or 0, at) for episode, customer_id, at in rows]


def _newest(shop_id: int, flow: Flow, since: datetime) -> Select[*tuple[Any, ...]]:
    match flow.trigger.event:
        case "checkout_updated":
            carts = select(Checkout.token, Checkout.customer_id, Checkout.changed_at).where(
                Checkout.shop_id == shop_id, Checkout.email.is_not(None), Checkout.changed_at > since
            )
            return carts.order_by(Checkout.changed_at.desc())
        case "customer_subscribed":
            people = select(CustomerIdentity.value, CustomerIdentity.customer_id, CustomerIdentity.consent_at).where(
                CustomerIdentity.shop_id == shop_id,
                CustomerIdentity.kind == "email",
                CustomerIdentity.consent_state == ConsentState.SUBSCRIBED,
                CustomerIdentity.consent_at > since,
            )
            return people.order_by(CustomerIdentity.consent_at.desc())
        case _:
            orders = select(Order.external_id, Order.customer_id, Order.placed_at).where(
                Order.shop_id == shop_id, Order.customer_id.is_not(None), Order.placed_at > since
            )
            return orders.order_by(Order.placed_at.desc())


def _newest_of_each(moments: Iterable[_Moment]) -> list[_Moment]:
    found: dict[int, _Moment] = {}
    for moment in moments:
        found.setdefault(moment.customer_id, moment)
    return list(found.values())


def _snapshots(session: Session, shop: Shop, flow: Flow, moments: Sequence[_Moment], *, since: datetime) -> list[Snapshot]:
    """Load what the flow's conditions look at, as it was at each moment, and nothing else."""
    asked = names(flow.trigger.when)
    ids = {m.customer_id for m in moments} - {0}
    is_about_carts = flow.subject == "checkout"
    carts = held.checkouts(session, shop, {m.episode for m in moments}) if is_about_carts else {}
    needs_people = not is_about_carts or asked & _OF_PEOPLE
    people = held.people(session, shop.id, ids) if needs_people and ids else {}
    needs_purchases = flow.trigger.event == "customer_ordered" or asked & _OF_PURCHASES
    # A year before the first moment, up to today.
    known = histories.histories(session, shop, ids, now=since) if needs_purchases and ids else {}
    orders = {}
    if flow.subject == "order":
        ever = {c: max(h.orders, people.get(c, NOBODY).orders) for c, h in known.items()}
        orders = histories.orders(session, shop, {m.episode for m in moments}, known, ever)
    return [
        _snapshot(
            m, carts.get(m.episode), orders.get(m.episode), people.get(m.customer_id, NOBODY), known.get(m.customer_id)
        )
        for m in moments
    ]


def _snapshot(
    moment: _Moment, cart: CheckoutFacts | None, order: OrderFacts | None, person: Person, history: History | None
) -> Snapshot:
    bought = history or NOTHING
    # What a cart became is no purchase before it.
    then = tuple(p for p in bought.purchases if (p.at < cart.started_at if cart else p.at <= moment.at))
    later = len(bought.purchases) - len(then)
    return Snapshot(
        entered_at=moment.at,
        checkout=cart,
        order=order,
        person=PersonFacts(
            email=person.address,
            at=moment.at,
            subscribed_at=moment.at,
            orders=max(bought.orders, person.orders) - later if history else person.orders,
            purchases=then,
            country=person.country,
            tags=person.tags,
        ),
        ordered_at=None,
        is_superseded=False,
        consent=ConsentState.NONE,
        suppressed=None,
        shop_state=ShopState.ACTIVE,
        is_flow_on=True,
        is_held_out=False,
        is_person_gone=False,
    )
