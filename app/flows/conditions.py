"""The conditions a flow can name. Each is a constructor for the flow file and a test of a snapshot."""

from collections.abc import Callable

from app.domain.errors import Refused
from app.flows.snapshot import Snapshot
from app.flows.vocabulary import Condition, Flow


def has_email() -> Condition:
    """The shopper has typed an address that can be mailed."""
    return Condition("has_email")


def cart_is_not_empty() -> Condition:
    """Something is in the cart."""
    return Condition("cart_is_not_empty")


def ordered() -> Condition:
    """The person bought after this checkout began: by its token, its cart, as the same person or with the same address."""
    return Condition("ordered")


def cart_emptied() -> Condition:
    """Nothing is left in the cart, or the checkout is gone."""
    return Condition("cart_emptied")


def superseded() -> Condition:
    """The person has begun a newer checkout."""
    return Condition("superseded")


def holds(condition: Condition, snapshot: Snapshot) -> bool:
    """Say whether a condition holds.

    Raises:
        KeyError: a flow names a condition that does not exist; `check` finds that when the flow is read.
    """
    return _TESTS[condition.name](snapshot)


def check(flow: Flow) -> Flow:
    """Return the flow when every condition it names exists.

    Raises:
        Refused: one does not; the message names it and lists those there are.
    """
    for condition in (*flow.trigger.when, *flow.exits):
        if condition.name not in _TESTS:
            raise Refused(f"There is no condition named {condition.name}. There are: {', '.join(sorted(_TESTS))}.")
    return flow


def _is_ordered(snapshot: Snapshot) -> bool:
    return snapshot.ordered_at is not None or bool(snapshot.checkout and snapshot.checkout.is_completed)


_TESTS: dict[str, Callable[[Snapshot], bool]] = {
    "has_email": lambda s: bool(s.recipient),
    "cart_is_not_empty": lambda s: bool(s.checkout and s.checkout.pieces > 0),
    "ordered": _is_ordered,
    "cart_emptied": lambda s: bool(s.checkout and (s.checkout.pieces == 0 or s.checkout.is_deleted)),
    "superseded": lambda s: s.is_superseded,
}
