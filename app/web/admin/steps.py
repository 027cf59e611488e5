"""The steps of a flow as its page shows them: one below the other, with a line where ways part and meet again."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from app.flows.program import places
from app.flows.vocabulary import Branch, Condition, Flow, Repeat, Step


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a step and how many people wait at it, or a mark. Marks are if, otherwise, meet, repeat and again."""

    kind: str
    step: Step | None = None
    people: int = 0
    condition: Condition | None = None
    times: int = 0


def lines(flow: Flow, waiting: Mapping[int, int]) -> list[Line]:
    """Return the lines of a flow.

    Args:
        flow: the version that is shown.
        waiting: how many people wait at each place (app/flows/program.py).
    """
    people = Counter[int]()
    for number, place in enumerate(places(flow)):
        people[place.written] += waiting.get(number, 0)
    return list(_lines(flow.steps, people, count()))


def _lines(steps: Sequence[Step], people: Mapping[int, int], written: Iterator[int]) -> Iterator[Line]:
    for step in steps:
        match step:
            case Branch(when=when, then=then, otherwise=otherwise):
                next(written)
                yield Line("if", condition=when)
                yield from _lines(then, people, written)
                if otherwise:
                    yield Line("otherwise")
                    yield from _lines(otherwise, people, written)
                yield Line("meet")
            case Repeat(times=times, steps=inner):
                yield Line("repeat", times=times)
                yield from _lines(inner, people, written)
                yield Line("again")
            case _:
                yield Line(step.type, step, people[next(written)])
