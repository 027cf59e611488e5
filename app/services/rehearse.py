"""Rehearse a flow over the past of some people: load it, let the flow play, and keep what is worth telling."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy.orm import Session

from app.flows.rehearsal import PERSON, Moment, Run, Story, play
from app.flows.snapshot import Snapshot
from app.services.as_of import AsOf, Setting
from app.services.past import Facts
from app.services.recall import recall


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What is held of a person, and what the flow would have done to them."""

    facts: Facts
    story: Story


def rehearse(
    session: Session, setting: Setting, customers: Collection[int], *, since: datetime, until: datetime
) -> Iterator[Rehearsed | None]:
    """Play the flow for each person as if it had been switched on at `since`, None for one who is not held any more."""
    known = {facts.customer_id: facts for facts in recall(session, setting, customers, since=since, until=until)}
    for customer_id in customers:
        facts = known.get(customer_id)
        if facts is None:
            yield None
            continue
        past = Remembered(setting, facts, since=since, until=until)
        yield Rehearsed(facts, play(setting.flow, past, until=until))


class Remembered:
    """One person's past, as `flows/rehearsal.py` asks for it."""

    def __init__(self, setting: Setting, facts: Facts, *, since: datetime, until: datetime) -> None:
        self._as_of, self._facts, self._setting = AsOf(setting, facts), facts, setting
        self._since, self._until = since, until

    @cached_property
    def moments(self) -> Sequence[Moment]:
        """Everything that happened while the flow is thought to be on."""
        begins: dict[datetime, set[str]] = defaultdict(set)
        for at, episode in self._begins():
            begins[at].add(episode)
        for at in self._others():
            begins.setdefault(at, set())
        return [Moment(at, tuple(sorted(begins[at]))) for at in sorted(begins) if self._since <= at <= self._until]

    @property
    def entered_at(self) -> Sequence[datetime]:
        """When the person truly entered before."""
        return self._facts.entered_at

    @property
    def is_capped(self) -> bool:
        """Whether the shop counts mails."""
        return bool(self._setting.shop.mail_caps)

    def snapshot(self, run: Run, story: Story, *, at: datetime, is_new: bool = False) -> Snapshot:
        """Return the person's standing in a run."""
        return self._as_of.snapshot(run, story, at=at, is_new=is_new)

    def is_held_out(self, snapshot: Snapshot) -> bool:
        """Say whether who enters so is in the comparison group."""
        return self._as_of.is_held_out(snapshot)

    def _begins(self) -> Iterator[tuple[datetime, str]]:
        """Yield when the flow may begin, and with what: what `services/candidates.py` is told of."""
        facts, flow = self._facts, self._setting.flow
        if flow.subject == "checkout":
            yield from ((at, cart.token) for cart in facts.carts if cart.pieces for at in cart.changes)
        elif flow.subject == "order":
            yield from ((at, order.external_id) for order in facts.orders for at in order.times)
        elif flow.trigger.event == "customer_subscribed":
            yield from ((said.consent.at, PERSON) for said in facts.said)
        else:
            yield from ((at, PERSON) for order in facts.orders for at in order.times)

    def _others(self) -> Iterator[datetime]:
        """Yield when something happened that runs hear of."""
        facts = self._facts
        for cart in facts.carts:
            yield from (*cart.changes, *cart.deletions)
        for order in facts.orders:
            yield from order.times
        yield from (mark.ordered_at for mark in facts.marks)
        yield from (said.consent.at for said in facts.said)
        yield from (score.answered_at for score in facts.scores)
        yield from (block.created_at for of_email in facts.blocks.values() for block in of_email)
        if facts.deleted_at:
            yield facts.deleted_at
