"""Rehearse a flow: ask for it, carry it out slice by slice, stop it, and read what it came to."""

import hashlib
import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.flows import read_flow
from app.flows.tally import EXAMPLES_MOST, OF_A_KIND, Sale, Tally, example
from app.flows.vocabulary import Flow, to_json
from app.models import Customer, FlowSettings, Rehearsal, RehearsalState, Shop
from app.services import audit, mail_rules, recall
from app.services.as_of import Setting
from app.services.past import Facts
from app.services.rehearse import Rehearsed, rehearse

DAYS = 90  # that we hold most of what is needed of
KEPT = timedelta(days=30)
SLICE = 200  # people that one transaction looks at
LONGEST = 300.0  # seconds of work; who was not looked at by then is said to be left out
LISTED_MOST = 10
CANNOT = {
    "opt_in_asked": "it begins with sign-ups, which are kept for 30 days only",
    "customer_silent": "it begins after half a year of silence, which is longer than the past that is played",
}
_SLICE_SECONDS = 8.0  # after which a slice ends before its last person
_STATEMENT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Example:
    """A person of the shop and what the flow would have done to them."""

    customer: Customer
    told: list[dict[str, Any]]


def why_not(flow: Flow) -> str | None:
    """Return why a flow cannot be rehearsed, in words, or None when it can."""
    return CANNOT.get(flow.trigger.event)


def ask(
    session: Session, shop_id: int, flow: Flow, *, version: int | None, days: int, actor: str, now: datetime
) -> Rehearsal:
    """Ask for a rehearsal; a job begins with it at once.

    Args:
        session: the caller's transaction.
        shop_id: whose past.
        flow: what is played, saved or not.
        version: its number where it is a saved one.
        days: how far back.
        actor: who asks, for the audit log.
        now: where the past ends.

    Raises:
        Refused: this flow cannot be rehearsed, the days make no sense, or a rehearsal is under way.
    """
    if reason := why_not(flow):
        raise Refused(f"{flow.title} cannot be rehearsed: {reason}.")
    if not 1 <= days <= DAYS:
        raise Refused(f"Rehearse over 1 to {DAYS} days.")
    tree = to_json(flow)
    values = {
        "shop_id": shop_id, "flow": flow.key, "version": version, "tree": tree, "tree_hash": _hash(tree), "days": days,
        "since_at": now - timedelta(days=days), "until_at": now, "asked_by": actor, "expires_at": now + KEPT, "due_at": now,
    }  # fmt: skip
    one_at_a_time = insert(Rehearsal).values(**values)
    one_at_a_time = one_at_a_time.on_conflict_do_nothing(index_elements=["shop_id"], index_where=text("state = 'pending'"))
    asked: Rehearsal | None = session.scalar(one_at_a_time.returning(Rehearsal))
    if asked is None:
        raise Refused("A rehearsal is under way in this shop. Wait until it is done, or stop it.")
    detail = {"days": days, "version": version, "tree": asked.tree_hash[:12]}
    audit.record(
        session, shop_id, actor=actor, action="flow.rehearsed", object_kind="flow", object_id=flow.key, detail=detail
    )
    return asked


def stop(session: Session, shop_id: int, rehearsal_id: int) -> Rehearsal:
    """Have the job stop before its next slice; what was counted by then stays.

    Raises:
        Refused: there is none, or it is over already.
    """
    asked = find(session, shop_id, rehearsal_id)
    if asked is None or asked.state != RehearsalState.PENDING:
        raise Refused("There is no such rehearsal under way.")
    session.execute(
        update(Rehearsal).where(Rehearsal.shop_id == shop_id, Rehearsal.id == rehearsal_id).values(is_stop_wanted=True)
    )
    return asked


def find(session: Session, shop_id: int, rehearsal_id: int) -> Rehearsal | None:
    """Return a rehearsal of a shop."""
    query = select(Rehearsal).where(Rehearsal.shop_id == shop_id, Rehearsal.id == rehearsal_id)
    return session.scalar(query, execution_options={"populate_existing": True})


def newest(session: Session, shop_id: int, flow: str) -> Sequence[Rehearsal]:
    """Return a flow's rehearsals, the newest first."""
    query = select(Rehearsal).where(Rehearsal.shop_id == shop_id, Rehearsal.flow == flow)
    return session.scalars(query.order_by(Rehearsal.id.desc()).limit(LISTED_MOST)).all()


def under_way(session: Session, shop_id: int) -> Rehearsal | None:
    """Return the rehearsal of a shop that is not over yet, of whatever flow."""
    query = select(Rehearsal).where(Rehearsal.shop_id == shop_id, Rehearsal.state == RehearsalState.PENDING)
    return session.scalar(query)


def examples(session: Session, asked: Rehearsal) -> list[Example]:
    """Return the people of the examples, as far as they are still held."""
    ids = [entry["customer_id"] for entry in asked.examples]
    query = select(Customer).where(Customer.shop_id == asked.shop_id, Customer.id.in_(ids))
    held = {customer.id: customer for customer in session.scalars(query)}
    return [Example(held[e["customer_id"]], e["told"]) for e in asked.examples if e["customer_id"] in held]


def advance(past: Session, asked: Rehearsal, *, now: datetime) -> dict[str, Any]:
    """Rehearse the next slice of people and return what changes in the row.

    Args:
        past: a transaction for reading, closed to every write (`for_reading`).
        asked: as it was claimed.
        now: for the time it ended.
    """
    if asked.is_stop_wanted:
        return {"state": RehearsalState.STOPPED, "ended_at": now, "whom": None}
    began = time.monotonic()
    setting = _setting(past, asked)
    if asked.whom is None:
        whom, is_more = recall.people(past, asked.shop_id, setting.flow, since=asked.since_at, until=asked.until_at)
        return {"whom": whom, "total": len(whom), "is_more": is_more, "due_at": now, "attempts": 0, **_if_over(0, whom, now)}
    tally, found = Tally.from_json(asked.tally), list(asked.examples)
    looked_at = asked.looked_at
    slice_ = asked.whom[looked_at : looked_at + SLICE]
    for one in rehearse(past, setting, slice_, since=asked.since_at, until=asked.until_at):
        looked_at += 1
        if one is not None:
            _count(tally, found, one, asked)
        if time.monotonic() - began > _SLICE_SECONDS:
            break
    worked = asked.worked + time.monotonic() - began
    values = {"tally": tally.to_json(), "examples": found, "looked_at": looked_at, "worked": worked, "attempts": 0}
    if worked > LONGEST and looked_at < len(asked.whom):
        return values | {"is_late": True, "state": RehearsalState.DONE, "ended_at": now, "whom": None}
    return values | {"due_at": now, **_if_over(looked_at, asked.whom, now)}


def for_reading(session: Session) -> None:
    """Close a transaction to every write, and give each of its statements a limit; all of them see the same moment."""
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    session.execute(text(f"SET LOCAL statement_timeout = '{_STATEMENT_SECONDS}s'"))


def give_up(session: Session, asked: Rehearsal, *, now: datetime) -> None:
    """Say when a rehearsal ended that failed for good."""
    mine = (Rehearsal.shop_id == asked.shop_id, Rehearsal.id == asked.id)
    session.execute(update(Rehearsal).where(*mine).values(ended_at=now, whom=None))


def forget(session: Session, shop_id: int, customer_ids: Collection[int]) -> None:
    """Take people out of what rehearsals keep: ids, times and reasons.

    A slice that is under way read them before. It loses its fence, and with it all it found, and is looked at anew.
    """
    if not customer_ids:
        return
    ids = sorted(customer_ids)
    under_way = (Rehearsal.shop_id == shop_id, Rehearsal.state == RehearsalState.PENDING)
    anew = {"fence": Rehearsal.fence + 1, "lease_until": None}
    session.execute(update(Rehearsal).where(*under_way).values(anew).execution_options(synchronize_session=False))
    session.execute(
        text(
            "UPDATE rehearsals SET examples = (SELECT coalesce(jsonb_agg(e ORDER BY n), '[]') "
            "FROM jsonb_array_elements(examples) WITH ORDINALITY AS x(e, n) "
            "WHERE NOT (e->>'customer_id')::bigint = ANY(:ids)) WHERE shop_id = :shop AND examples <> '[]'"
        ),
        {"shop": shop_id, "ids": ids},
    )


def _setting(past: Session, asked: Rehearsal) -> Setting:
    shop = past.get_one(Shop, asked.shop_id)
    mine = (FlowSettings.shop_id == shop.id, FlowSettings.flow == asked.flow)
    share = past.scalar(select(FlowSettings.holdout_share).where(*mine))
    return Setting(shop, read_flow(asked.tree), mail_rules.of(past, shop.id), float(share or 0))


def _if_over(looked_at: int, whom: Sequence[int], now: datetime) -> dict[str, Any]:
    is_over = looked_at >= len(whom)
    return {"state": RehearsalState.DONE, "ended_at": now, "whom": None} if is_over else {}


def _count(tally: Tally, found: list[dict[str, Any]], one: Rehearsed, asked: Rehearsal) -> None:
    """Add a person to the numbers, and keep their story while there are few that ended like it."""
    tally.add(one.story, sales=_sales(one.facts, asked.until_at), emptied=_emptied(one.facts, asked))
    told = example(one.story)
    if told is None or len(found) >= EXAMPLES_MOST:
        return
    kind, story = told
    if sum(entry["kind"] == kind for entry in found) < OF_A_KIND:
        found.append({"customer_id": one.facts.customer_id, "kind": kind, "told": story})


def _sales(facts: Facts, until: datetime) -> list[Sale]:
    return [
        Sale(order.placed_at, order.total_minor - order.refunded(until), order.currency)
        for order in facts.orders
        if order.placed_at and order.is_kept(until)
    ]


def _emptied(facts: Facts, asked: Rehearsal) -> int:
    is_about_carts = asked.tree["trigger"]["event"] == "checkout_updated"
    return sum(cart.pieces == 0 and cart.started_at >= asked.since_at for cart in facts.carts) if is_about_carts else 0


def _hash(tree: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()
