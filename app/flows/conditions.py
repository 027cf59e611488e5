"""The conditions a flow can name. Each is a constructor for the flow file and a test of a snapshot."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from app.domain.errors import Refused
from app.domain.sunset import Sunset, sunset
from app.flows.snapshot import Snapshot
from app.flows.vocabulary import DEEPEST, TAG, Branch, Condition, Flow, walk


def has_email() -> Condition:
    """The shopper has an address that can be mailed."""
    return Condition("has_email")


def cart_is_not_empty() -> Condition:
    """Something is in the cart."""
    return Condition("cart_is_not_empty")


def ordered() -> Condition:
    """The person bought after what the run is about.

    After the checkout began, by its token, its cart, as the same person or with the same address; after the order; or after
    they entered the flow.
    """
    return Condition("ordered")


def cart_emptied() -> Condition:
    """Nothing is left in the cart, or the checkout is gone."""
    return Condition("cart_emptied")


def superseded() -> Condition:
    """The person has begun a newer checkout."""
    return Condition("superseded")


def opt_in_ended() -> Condition:
    """The address was confirmed, or the time for it is over."""
    return Condition("opt_in_ended")


def has_open_cart() -> Condition:
    """The person has a checkout that is not finished: somebody at the till."""
    return Condition("has_open_cart")


def is_first_order() -> Condition:
    """It is the first order of this person, as far as we or the platform know."""
    return Condition("is_first_order")


def never_bought() -> Condition:
    """The person has no order, as far as we or the platform know."""
    return Condition("never_bought")


def order_undone() -> Condition:
    """The order was cancelled, deleted, or all of its money went back."""
    return Condition("order_undone")


def money_went_back() -> Condition:
    """Some of the order's money went back, or it was cancelled."""
    return Condition("money_went_back")


def spent_in_a_year(minor: int) -> Condition:
    """Spent at least so much in the last twelve months, in minor units of the shop's currency."""
    return Condition("spent_in_a_year", minor)


def orders_in_a_year(count: int) -> Condition:
    """Placed at least so many orders in the last twelve months."""
    return Condition("orders_in_a_year", count)


def worth_at_least(minor: int) -> Condition:
    """The cart, or the order, is worth at least so much, in minor units of the shop's currency."""
    return Condition("worth_at_least", minor)


def in_country(*codes: str) -> Condition:
    """The person lives in one of these countries, as far as the shop told; two letters each (ISO 3166)."""
    return Condition("in_country", " ".join(sorted(set(codes))))


def has_tag(tag: str) -> Condition:
    """The customer has this tag in the shop, as far as we were told; capital letters make no difference."""
    return Condition("has_tag", tag)


def no_longer_fits() -> Condition:
    """What the flow was entered for does not hold any more."""
    return Condition("no_longer_fits")


def will_fit_in_days(days: int) -> Condition:
    """What the flow was entered for will still hold in so many days, without another order."""
    return Condition("will_fit_in_days", days)


def has_fallen_silent() -> Condition:
    """The person has left marketing mail unanswered for as long as the shop's rule says."""
    return Condition("has_fallen_silent")


def clicked(mail: str) -> Condition:
    """The person clicked a link in this mail of the run."""
    return Condition("clicked", mail)


def answered() -> Condition:
    """The person answered a question of this run, or reviewed a product of its order in the shop."""
    return Condition("answered")


def scored_at_most(score: int) -> Condition:
    """The person gave so many stars, of five, or fewer."""
    return Condition("scored_at_most", score)


def any_of(*conditions: Condition) -> Condition:
    """One of these holds, or several."""
    return Condition("any_of", of=conditions)


def all_of(*conditions: Condition) -> Condition:
    """All of these hold."""
    return Condition("all_of", of=conditions)


def none_of(*conditions: Condition) -> Condition:
    """None of these holds."""
    return Condition("none_of", of=conditions)


def holds(condition: Condition, snapshot: Snapshot, flow: Flow) -> bool:
    """Say whether a condition holds.

    Raises:
        KeyError: a flow names a condition that does not exist; `check` finds that when the flow is read.
    """
    return _TESTS[condition.name](condition, snapshot, flow)


def fits(flow: Flow, snapshot: Snapshot) -> bool:
    """Say whether all that the flow is entered for holds."""
    return all(holds(c, snapshot, flow) for c in flow.trigger.when)


def names(conditions: Iterable[Condition]) -> set[str]:
    """Return the names of conditions, with those that they join."""
    return {inner.name for top in conditions for inner in _with_inner(top)}


def check(flow: Flow) -> Flow:
    """Return the flow when every condition it names exists and has what it needs.

    Raises:
        Refused: one does not; the message names it and lists those there are.
    """
    branches = [step.when for step in walk(flow.steps) if isinstance(step, Branch)]
    of_mails = [condition for send in flow.sends for condition in send.when]
    for condition in (*flow.trigger.when, *flow.exits, *branches, *of_mails):
        _check(condition, flow, depth=1)
    if names(flow.trigger.when) & _ASK_THE_TRIGGER:
        raise Refused("trigger.when: a condition that looks at what the flow was entered for cannot be a part of it.")
    return flow


def _check(condition: Condition, flow: Flow, *, depth: int) -> None:
    name = condition.name
    if name not in _TESTS:
        raise Refused(f"There is no condition named {name}. There are: {', '.join(sorted(_TESTS))}.")
    if depth > DEEPEST:
        raise Refused(f"{name}: put at most {DEEPEST} conditions within each other.")
    if (name in _JOINS) != bool(condition.of):
        raise Refused(f"{name} {'needs conditions' if name in _JOINS else 'takes no conditions'} under “of”.")
    lowest = _NUMBERS.get(name)
    if lowest is not None and (not isinstance(condition.value, int) or condition.value < lowest):
        raise Refused(f"{name} needs a whole number, {lowest} or more.")
    pattern, example = _TEXTS.get(name, ("", ""))
    if pattern and not (isinstance(condition.value, str) and re.fullmatch(pattern, condition.value)):
        raise Refused(f"{name} needs a value such as {example}.")
    if name == "clicked" and condition.value not in {send.key for send in flow.sends}:
        raise Refused(f"clicked: this flow has no mail named {condition.value}.")
    if lowest is None and not pattern and name != "clicked" and condition.value is not None:
        raise Refused(f"{name} takes no value.")
    for inner in condition.of:
        _check(inner, flow, depth=depth + 1)


def _with_inner(condition: Condition) -> list[Condition]:
    return [condition, *(c for inner in condition.of for c in _with_inner(inner))]


def _is_ordered(_: Condition, s: Snapshot, __: Flow) -> bool:
    return s.ordered_at is not None or bool(s.checkout and s.checkout.is_completed)


def _is_undone(_: Condition, s: Snapshot, __: Flow) -> bool:
    return bool(s.order and (s.order.is_cancelled or s.order.is_refunded))


def _worth(s: Snapshot) -> int:
    return s.checkout.worth_minor if s.checkout else s.order.worth_minor if s.order else 0


def _will_fit(condition: Condition, s: Snapshot, flow: Flow) -> bool:
    if s.person is None:
        return fits(flow, s)
    then = s.person.at + timedelta(days=_number(condition))
    return fits(flow, replace(s, person=replace(s.person, at=then)))


def _text(condition: Condition) -> str:
    return condition.value if isinstance(condition.value, str) else ""


def _number(condition: Condition) -> int:
    return condition.value if isinstance(condition.value, int) else 0


def _is_silent(_: Condition, s: Snapshot, __: Flow) -> bool:
    silence = s.permission.silence
    return bool(s.person and silence and sunset(silence, now=s.person.at) is not Sunset.KEEP)


_JOINS = {"any_of", "all_of", "none_of"}
_ASK_THE_TRIGGER = {"no_longer_fits", "will_fit_in_days"}
# Conditions with a number, and the lowest that makes sense.
_NUMBERS = {
    "spent_in_a_year": 1, "orders_in_a_year": 1, "will_fit_in_days": 1, "scored_at_most": 1, "worth_at_least": 1,
}  # fmt: skip
# Conditions with a text: how it looks, and an example of it.
_TEXTS = {"in_country": (r"[A-Z]{2}( [A-Z]{2}){0,39}", "“AT DE”"), "has_tag": (TAG, "“vip”")}
_TESTS: dict[str, Callable[[Condition, Snapshot, Flow], bool]] = {
    "has_email": lambda _, s, __: bool(s.recipient),
    "cart_is_not_empty": lambda _, s, __: bool(s.checkout and s.checkout.pieces > 0),
    "ordered": _is_ordered,
    "cart_emptied": lambda _, s, __: bool(s.checkout and (s.checkout.pieces == 0 or s.checkout.is_deleted)),
    "superseded": lambda _, s, __: s.is_superseded,
    "has_open_cart": lambda _, s, __: s.has_open_checkout,
    "is_first_order": lambda _, s, __: bool(s.order and s.order.nth == 1),
    "never_bought": lambda _, s, __: bool(s.person and s.person.orders == 0),
    "order_undone": _is_undone,
    "money_went_back": lambda c, s, f: bool(s.order and s.order.refunded_minor > 0) or _is_undone(c, s, f),
    "spent_in_a_year": lambda c, s, _: bool(s.person and sum(p.minor for p in s.person.lately) >= _number(c)),
    "orders_in_a_year": lambda c, s, _: bool(s.person and len(s.person.lately) >= _number(c)),
    "worth_at_least": lambda c, s, _: _worth(s) >= _number(c),
    "in_country": lambda c, s, _: bool(s.person and s.person.country in _text(c).split()),
    "has_tag": lambda c, s, _: bool(s.person and _text(c).casefold() in s.person.tags),
    "no_longer_fits": lambda _, s, f: not fits(f, s),
    "will_fit_in_days": _will_fit,
    "has_fallen_silent": _is_silent,
    "clicked": lambda c, s, _: c.value in s.clicked,
    "answered": lambda _, s, __: s.answer is not None,
    "scored_at_most": lambda c, s, _: bool(s.answer and s.answer.score and s.answer.score <= _number(c)),
    "any_of": lambda c, s, f: any(holds(inner, s, f) for inner in c.of),
    "all_of": lambda c, s, f: all(holds(inner, s, f) for inner in c.of),
    "none_of": lambda c, s, f: not any(holds(inner, s, f) for inner in c.of),
    "opt_in_ended": lambda _, s, __: s.opt_in is None or s.opt_in.is_ended,
}
