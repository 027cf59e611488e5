"""The snapshot of a person as of any moment, from what is known to have happened; assembled as snapshots.py does it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.domain.consent import SECOND_HAND, Frequency, Permission, standing
from app.domain.events import Consent, ConsentState
from app.domain.pace import Mailed, Waiting
from app.domain.sunset import Silence
from app.flows.engine import is_held_out
from app.flows.rehearsal import Run, Story
from app.flows.snapshot import YEAR, Purchase, Snapshot
from app.flows.vocabulary import PRIORITIES, Flow
from app.models import Shop, ShopState
from app.services import permissions, snapshots
from app.services.held import Person
from app.services.histories import Entry, History
from app.services.mail_rules import Rules
from app.services.pacing import Paces
from app.services.past import Cart, Facts, Mark, by
from app.services.people import newest_words
from app.services.permissions import Confirmation
from app.services.silences import QUESTION
from app.services.snapshots import Loaded, Subject


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for everybody: the shop as it is now, its rules, and who is held out."""

    shop: Shop
    flow: Flow
    rules: Rules
    holdout_share: float


class AsOf:
    """The snapshots of one person at any moment; what a story adds is what the flow would have done by then."""

    def __init__(self, setting: Setting, facts: Facts) -> None:
        self.setting, self.facts = setting, facts
        self._at: datetime | None = None
        self._loaded: Loaded

    def snapshot(self, run: Run, story: Story, *, at: datetime, is_new: bool) -> Snapshot:
        """Return the person's standing in a run."""
        flow, customer_id = self.setting.flow, self.facts.customer_id
        subject = Subject(
            flow=flow.key, key=flow.subject, episode=run.episode, customer_id=customer_id, entered_at=run.entered_at,
            is_held_out=run.is_held_out, run_id=None if is_new else run.number,
        )  # fmt: skip
        loaded = replace(self._known(at), entries=self._entries(story), paces=self._paces(story, at))
        found = snapshots.about(subject, loaded, ShopState.ACTIVE)
        blocks = [b for b in self.facts.blocks.get(found.recipient or "", ()) if b.created_at <= at]
        open_blocks = [b.reason for b in blocks if b.expires_at is None or b.expires_at > at]
        blocked = next((b.reason for b in blocks if b.scope == "all"), None) if open_blocks else None
        permission = replace(self._permission(found.recipient, story, at), blocked=blocked)
        return replace(found, suppressed=open_blocks[-1] if open_blocks else None, is_flow_on=True, permission=permission)

    def is_held_out(self, snapshot: Snapshot) -> bool:
        """Say whether who enters so is in the comparison group, as `services/react.py` does."""
        subject = f"{self.setting.shop.id}:{snapshot.recipient}"
        return is_held_out(self.setting.flow.key, subject, self.setting.holdout_share)

    def _known(self, at: datetime) -> Loaded:
        """Return what does not depend on the story; several runs ask for the same moment."""
        if self._at != at:
            self._at, self._loaded = at, self._load(at)
        return self._loaded

    def _load(self, at: datetime) -> Loaded:
        facts, who = self.facts, self.facts.customer_id
        history = self._history(at)
        person = self._person(at)
        ever = max(history.orders, person.orders)
        carts = {cart.token: known for cart in facts.carts if (known := cart.facts(at))}
        answered = {cart.token: bought for cart in facts.carts if (bought := self._answered(cart, at))}
        opened = [
            (cart.started_at, token)
            for token, cart in carts.items()
            if cart.email and cart.pieces and not cart.is_completed and not cart.is_deleted
        ]
        return Loaded(
            checkouts=carts,
            answered=answered,
            newest_open={who: max(opened)} if opened else {},
            people={who: person},
            histories={who: history},
            orders={
                order.external_id: order.facts(at, history.nth(order.placed_at or order.started_at, ever=ever or 1))
                for order in facts.orders
                if order.started_at <= at
            },
            entries={},
            reactions={},
            reviewed={o.external_id: review for o in facts.orders if (review := o.reviewed(at))},
            paces=Paces(self.setting.shop),
            now=at,
            opt_ins={},
        )

    def _history(self, at: datetime) -> History:
        kept = [order for order in self.facts.orders if order.is_kept(at)]
        own = self.setting.shop.currency
        purchases = [
            Purchase(
                at=order.placed_at,
                external_id=order.external_id,
                minor=order.total_minor - order.refunded(at) if order.currency == own else 0,
            )
            for order in kept
            if order.placed_at and order.placed_at > at - YEAR
        ]
        purchases.sort(key=lambda p: (p.at, p.external_id))
        return History(orders=self.facts.older_orders + len(kept), purchases=tuple(purchases))

    def _person(self, at: datetime) -> Person:
        facts = self.facts
        words = self._words(at)
        kept = facts.older_orders + sum(order.is_kept(at) for order in facts.orders)
        return Person(
            is_gone=by(facts.deleted_at, at) is not None,
            email=facts.email,
            orders=facts.orders_elsewhere + kept if facts.orders_elsewhere else 0,
            country=facts.country,
            tags=facts.tags,
            is_unhappy=any(s.is_low and s.answered_at <= at and not by(s.settled_at, at) for s in facts.scores),
            consents={email: (_standing(words.get(email)), _consent_at(words.get(email))) for email in facts.emails},
        )

    def _words(self, at: datetime) -> dict[str, dict[str, Any]]:
        found: dict[str, list[Consent]] = {}
        for said in self.facts.said:
            if said.consent.at <= at:
                found.setdefault(said.email, []).append(said.consent)
        return {email: newest_words(email, of_email) for email, of_email in found.items()}

    def _answered(self, cart: Cart, at: datetime) -> datetime | None:
        """Return when a purchase answered a cart: by its token, its cart, or the person since it began."""
        who = self.facts.customer_id
        return min(
            (
                mark.ordered_at
                for mark in self.facts.marks
                if mark.ordered_at <= at
                and (
                    mark.checkout_token == cart.token
                    or (cart.cart_token is not None and mark.cart_token == cart.cart_token)
                    or (mark.customer_id == who and mark.ordered_at >= cart.started_at)
                )
            ),
            default=None,
        )

    def _entries(self, story: Story) -> dict[tuple[str, int], list[Entry]]:
        earlier = [Entry(-n, at, False, True) for n, at in enumerate(self.facts.entered_at)]
        runs = [Entry(r.number, r.entered_at, r.state == "active", r.reason != "too_soon") for r in story.runs]
        return {(self.setting.flow.key, self.facts.customer_id): [*earlier, *runs]}

    def _paces(self, story: Story, at: datetime) -> Paces:
        """Return what paces the mail: other flows' true mails, and those of the story."""
        paces, who = Paces(self.setting.shop), self.facts.customer_id
        if not self.setting.shop.mail_caps:
            return paces
        weight = PRIORITIES.index(self.setting.flow.priority)
        mine = [line for line in story.lines if line.is_marketing]
        paces.mailed = {who: [Mailed(line.at, weight) for line in mine if line.state == "sent"]}
        paces.mailed[who] += [Mailed(gone, mail.priority) for mail in self.facts.mails if (gone := by(mail.gone_at, at))]
        paces.waiting = {who: [(line.run, Waiting(line.due_at, weight)) for line in mine if line.state == "pending"]}
        paces.waiting[who] += [
            (-mail.run_id, Waiting(mail.due_at, mail.priority))  # no run of the story has such a number
            for mail in self.facts.mails
            if mail.created_at <= at and mail.gone_at and mail.gone_at > at
        ]
        return paces

    def _permission(self, recipient: str | None, story: Story, at: datetime) -> Permission:
        rules, facts = self.setting.rules, self.facts
        place: dict[str, Any] = {}
        if rules.looks_at_countries:
            bought = [mark.ordered_at for mark in self._own_marks(at)]
            began = [cart.started_at for cart in facts.carts if cart.facts(at)]
            place = {"country": facts.place, "bought_at": max(bought, default=None), "began_at": max(began, default=None)}
        words = self._words(at).get(recipient or "")
        known = permissions.by_rules(rules, place, _proof(words) if recipient in facts.emails else None)
        chosen = [row for row in facts.preferences if row.updated_at <= at]
        gone = self._gone(story, at)
        if chosen:
            choice = permissions.choice(chosen)
            asks_for_less = choice["frequency"] is not Frequency.ALL
            mailed_at = max((mailed_at for _, mailed_at in gone), default=None) if asks_for_less else None
            known = replace(known, **choice, mailed_at=mailed_at)
        return replace(known, silence=self._silence(gone, at))

    def _gone(self, story: Story, at: datetime) -> list[tuple[str, datetime]]:
        """Return the marketing mails that had gone out, by flow and time."""
        ours = [(self.setting.flow.key, line.at) for line in story.lines if line.is_marketing and line.state == "sent"]
        return ours + [(mail.flow, mail.gone_at) for mail in self.facts.mails if mail.gone_at and mail.gone_at <= at]

    def _silence(self, gone: list[tuple[str, datetime]], at: datetime) -> Silence | None:
        """Return how long mail was left unanswered, as `services/silences.py` loads it."""
        rule = self.setting.rules.sunset
        if rule is None or not any(mailed_at <= at - rule.silent for _, mailed_at in gone):
            return None
        sign = max((sign for sign in self._signs(at) if sign <= at), default=None)
        unanswered = [(flow, mailed_at) for flow, mailed_at in gone if sign is None or mailed_at > sign]
        if not unanswered:
            return None
        asked_at = max((mailed_at for flow, mailed_at in unanswered if flow == QUESTION), default=None)
        return Silence(rule=rule, mails=len(unanswered), since=min(m for _, m in unanswered), asked_at=asked_at)

    def _signs(self, at: datetime) -> Iterable[datetime]:
        facts = self.facts
        yield from facts.signs
        yield from (mark.ordered_at for mark in self._own_marks(at))
        yield from (score.answered_at for score in facts.scores)
        yield from (row.updated_at for row in facts.preferences)
        for said in facts.said:
            is_own = said.consent.source not in SECOND_HAND or said.consent.level == "confirmed_opt_in"
            if is_own and said.consent.state is ConsentState.SUBSCRIBED:
                yield said.consent.at

    def _own_marks(self, at: datetime) -> list[Mark]:
        return [m for m in self.facts.marks if m.customer_id == self.facts.customer_id and m.ordered_at <= at]


def _standing(words: dict[str, Any] | None) -> ConsentState:
    if words is None:
        return ConsentState.NONE
    return standing(words["consent_state"], agreed_at=words["agreed_at"], refused_at=words["refused_at"])


def _consent_at(words: dict[str, Any] | None) -> datetime | None:
    return words["consent_at"] if words else None


def _proof(words: dict[str, Any] | None) -> Confirmation:
    if words is None:
        return Confirmation(False, None)
    confirmed_at, refused_at = words["confirmed_at"], words["refused_at"]
    return Confirmation(bool(confirmed_at and (refused_at is None or confirmed_at > refused_at)), words["consent_at"])
