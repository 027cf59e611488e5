"""Conditions as a merchant edits them: a short list of lines, each one condition or its opposite, joined by and or by or.

What a list cannot say, such as conditions within conditions, stays as it is: it comes by import and goes by import.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.flows.vocabulary import Condition, Flow, Send, SubjectKey

LINES_MOST = 6  # of one list
Takes = Literal["nothing", "money", "count", "countries", "tag", "mail"]
Trouble = Literal["never", "twice"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A condition that a merchant can choose: what its value is, and what a run must be about for it to be known."""

    takes: Takes
    subjects: tuple[SubjectKey, ...] = ("checkout", "order", "customer")
    of_mails_only: bool = False


OFFERS = {
    "worth_at_least": Offer("money", ("checkout", "order")),
    "never_bought": Offer("nothing", ("checkout", "customer")),
    "is_first_order": Offer("nothing", ("order",)),
    "orders_in_a_year": Offer("count"),
    "spent_in_a_year": Offer("money"),
    "in_country": Offer("countries"),
    "has_tag": Offer("tag"),
    "clicked": Offer("mail", of_mails_only=True),
    "has_open_cart": Offer("nothing", ("order", "customer"), of_mails_only=True),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One condition, or its opposite; with `is_or` it and the line before count as one."""

    condition: Condition
    is_not: bool = False
    is_or: bool = False


@dataclass(frozen=True, slots=True)
class Clash:
    """Two lines, counted from 0, that never hold together, or that say the same twice."""

    line: int
    other: int
    trouble: Trouble


def offered(flow: Flow, send: Send | None = None) -> tuple[str, ...]:
    """Return the conditions that can be chosen for who comes in, or for one mail."""
    names = [
        name
        for name, offer in OFFERS.items()
        if flow.subject in offer.subjects and (send or not offer.of_mails_only) and (name != "clicked" or before(flow, send))
    ]
    return tuple(names)


def before(flow: Flow, send: Send | None) -> tuple[str, ...]:
    """Return the mails that are written before a mail."""
    keys = [s.key for s in flow.sends]
    return tuple(keys[: keys.index(send.key)]) if send else ()


def parts(when: Sequence[Condition]) -> tuple[tuple[Condition, ...], tuple[Line, ...]]:
    """Return what a list cannot say, and the lines that it can."""
    fixed: list[Condition] = []
    lines: list[Line] = []
    for condition in when:
        if found := _lines(condition):
            lines += found
        else:
            fixed.append(condition)
    return tuple(fixed), tuple(lines)


def joined(was: Sequence[Condition], lines: Sequence[Line]) -> tuple[Condition, ...]:
    """Return conditions with other lines; an order that only differs from the one before is left as it was.

    Args:
        was: the conditions before; what a list cannot say is kept from them.
        lines: what a merchant made of the rest.
    """
    fixed, _ = parts(was)
    groups = [[_condition(lines[n]) for n in group] for group in _groups(lines)]
    found = (*fixed, *(group[0] if len(group) == 1 else Condition("any_of", of=tuple(group)) for group in groups))
    return tuple(was) if Counter(found) == Counter(was) else found


def clashes(lines: Sequence[Line]) -> list[Clash]:
    """Return what makes no sense in a list of lines: those that nobody can meet, and those said twice."""
    groups = _groups(lines)
    alone = [group[0] for group in groups if len(group) == 1]
    found = [
        Clash(b, a, "twice")
        for group in ([alone] + [g for g in groups if len(g) > 1])
        for n, b in enumerate(group)
        for a in group[:n]
        if _literal(lines[a]) == _literal(lines[b])
    ]
    found += [Clash(b, a, "never") for n, b in enumerate(alone) for a in alone[:n] if _never_both(lines[a], lines[b])]
    for group in (g for g in groups if len(g) > 1):
        against = [next((a for a in alone if _never_both(lines[a], lines[n])), None) for n in group]
        if None not in against:
            found.append(Clash(group[0], against[0] or 0, "never"))
    return found


def _lines(condition: Condition) -> list[Line]:
    if condition.name == "any_of":
        alternatives = [_line(inner) for inner in condition.of]
        if len(alternatives) < 2 or None in alternatives:
            return []
        return [Line(line.condition, line.is_not, is_or=n > 0) for n, line in enumerate(alternatives) if line]
    line = _line(condition)
    return [line] if line else []


def _line(condition: Condition) -> Line | None:
    if condition.name == "none_of" and len(condition.of) == 1 and condition.of[0].name in OFFERS:
        return Line(condition.of[0], is_not=True)
    return Line(condition) if condition.name in OFFERS else None


def _condition(line: Line) -> Condition:
    return Condition("none_of", of=(line.condition,)) if line.is_not else line.condition


def _groups(lines: Sequence[Line]) -> list[list[int]]:
    """Return the numbers of the lines that count as one."""
    groups: list[list[int]] = []
    for number, line in enumerate(lines):
        if line.is_or and groups:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def _literal(line: Line) -> tuple[str, object, bool]:
    value = line.condition.value
    return line.condition.name, value.casefold() if isinstance(value, str) else value, line.is_not


def _never_both(one: Line, other: Line) -> bool:
    """Say whether nobody can meet both lines, whatever is known of them."""
    a, b = _literal(one), _literal(other)
    if a[0] != b[0]:
        return _never_together(a, b) or _never_together(b, a)
    if a[0] == "in_country":
        return _no_country(str(a[1]), str(b[1]), a[2], b[2])
    if a[2] == b[2]:
        return False
    if isinstance(a[1], int) and isinstance(b[1], int):
        low, below = (a[1], b[1]) if b[2] else (b[1], a[1])
        return low >= below
    return a[1] == b[1]


def _never_together(a: tuple[str, object, bool], b: tuple[str, object, bool]) -> bool:
    """Say what is impossible of two conditions of different names, in this order: who bought nothing spent nothing."""
    bought = {("spent_in_a_year", False), ("orders_in_a_year", False)}
    if (a[0], a[2]) == ("never_bought", False):
        return (b[0], b[2]) in bought
    return a == ("orders_in_a_year", 1, True) and (b[0], b[2]) == ("spent_in_a_year", False)


def _no_country(one: str, other: str, one_is_not: bool, other_is_not: bool) -> bool:
    a, b = set(one.split()), set(other.split())
    if one_is_not and other_is_not:
        return False
    return a <= b if other_is_not else b <= a if one_is_not else not a & b
