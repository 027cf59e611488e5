"""What the address of a list asks for; nonsense asks for nothing."""

from enum import StrEnum
from typing import TypeVar

from flask import request

MOST_ID = 2**63 - 1  # a larger one is no id, and the database would refuse to look

S = TypeVar("S", bound=StrEnum)


def asked_before() -> int | None:
    """Return the id that the page begins below."""
    before = request.args.get("before", type=int)
    return before if before and 0 < before <= MOST_ID else None


def asked_state(states: type[S]) -> S | None:
    """Return the state to list, None for all."""
    word = request.args.get("state", "")
    return states(word) if word in set(states) else None
