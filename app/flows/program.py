"""A flow's tree laid out in one row, so that a number says where a person stands: the step's place, and what follows it.

Without branches and repeats the place is the step's number in the tree. A round of a repeat has places of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from app.flows.vocabulary import Branch, Flow, Leave, Repeat, Send, Step, Tag, Wait

Walked = Wait | Send | Tag | Leave | Branch


@dataclass(frozen=True, slots=True)
class Place:
    """One step where it stands. `after` is the place that follows; `otherwise` where a branch leads that does not hold."""

    step: Walked
    after: int
    otherwise: int
    written: int  # which step of the tree it is, counted as it is written, repeats not counted


@lru_cache(maxsize=1024)
def places(flow: Flow) -> tuple[Place, ...]:
    """Return all places of a flow; one behind the last is its end."""
    found: list[Place] = []
    _lay(flow.steps, 1, found, 0)
    return tuple(found)


def next_send(flow: Flow, step_no: int) -> Send | None:
    """Return the first mail at or after a place, as far as no condition has to be asked: of a branch the first way."""
    row = places(flow)
    while step_no < len(row):
        step = row[step_no].step
        if isinstance(step, Send):
            return step
        if isinstance(step, Leave):
            return None
        step_no = row[step_no].after
    return None


def _lay(steps: Sequence[Step], number: int, found: list[Place], written: int) -> int:
    """Append the places of a block, whose ways out all lead behind its last one; return how many are written by then."""
    for step in steps:
        if isinstance(step, Repeat):
            first = written
            for turn in range(1, step.times + 1):
                written = _lay(step.steps, turn if number == 1 else number * 100 + turn, found, first)
        elif isinstance(step, Branch):
            written = _lay_branch(step, number, found, written)
        else:
            named = replace(step, key=f"{step.key}_{number}") if isinstance(step, Send) and number > 1 else step
            found.append(Place(named, len(found) + 1, len(found) + 1, written))
            written += 1
    return written


def _lay_branch(step: Branch, number: int, found: list[Place], written: int) -> int:
    at = len(found)
    found.append(Place(step, at + 1, at + 1, written))
    middle = _lay(step.then, number, found, written + 1)
    behind_then = len(found)
    end = _lay(step.otherwise, number, found, middle)
    behind = len(found)
    found[at] = Place(step, at + 1 if step.then else behind, behind_then, written)
    # The first way ends where the second begins: from there it jumps over it.
    for place in range(at + 1, behind_then):
        held = found[place]
        after = behind if held.after == behind_then else held.after
        otherwise = behind if held.otherwise == behind_then else held.otherwise
        found[place] = replace(held, after=after, otherwise=otherwise)
    return end
