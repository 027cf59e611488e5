"""What differs between two versions of a flow: its waits, coupons, conditions and texts, one change at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app.flows.messages import from_json as message_of
from app.flows.messages import write_body
from app.flows.vocabulary import Branch, Condition, Flow, Send, Wait, to_json, walk

What = Literal[
    "mail",
    "only",
    "wait",
    "coupon",
    "latest",
    "enters",
    "leaves",
    "asks",
    "again_after_days",
    "subject",
    "preheader",
    "body",
    "rest",
]
# What `_rest` leaves out, because it is told as a change of its own.
_TOLD = {"days", "hours", "minutes", "seconds", "coupon", "max_age_hours", "when", "exits", "again_after_days"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that differs. Without a `before` it was added, without an `after` removed.

    A text that one side lacks is there the one that we ship. `rest` is what no other word says: the order of the steps,
    tags, how often something is repeated.
    """

    what: What
    mail: str | None = None
    language: str | None = None
    before: str | None = None
    after: str | None = None


def differences(
    before: Flow,
    after: Flow,
    texts_before: Mapping[str, Any],
    texts_after: Mapping[str, Any],
    *,
    name: Callable[[Condition], str] | None = None,
) -> list[Change]:
    """Return what changed from one version to the other, in the order of the mails, the texts last.

    Args:
        before: the one tree.
        after: the other.
        texts_before: a shop's own texts of the one: mail -> language -> message.
        texts_after: those of the other.
        name: says a condition; as the flow's own file does when it is None.
    """
    name = name or name_of
    return [
        *_sets("enters", before.trigger.when, after.trigger.when, name),
        *_values("again_after_days", before.trigger.again_after_days, after.trigger.again_after_days),
        *_sets("leaves", before.exits, after.exits, name),
        *_sets("asks", _asked(before), _asked(after), name),
        *_mails(before, after, name),
        *([Change(what="rest", before="…", after="…")] if _rest(before) != _rest(after) else []),
        *_texts(texts_before, texts_after),
    ]


def name_of(condition: Condition) -> str:
    """Write a condition as the flow's own file does, in one line."""
    value = "" if condition.value is None else f" {condition.value}"
    return f"{condition.name}{value}" + (f" ({', '.join(name_of(c) for c in condition.of)})" if condition.of else "")


def _mails(before: Flow, after: Flow, name: Callable[[Condition], str]) -> Iterator[Change]:
    old, new = _by_mail(before), _by_mail(after)
    for key in dict.fromkeys((*old, *new)):
        if key is not None and (key not in old or key not in new):
            yield Change(what="mail", mail=key, before=key if key in old else None, after=key if key in new else None)
            continue
        was, now = old.get(key, {}), new.get(key, {})
        for what in ("wait", "coupon", "latest"):
            yield from _values(what, was.get(what), now.get(what), mail=key)
        if key is not None:
            yield from _sets("only", before.send(key).when, after.send(key).when, name, mail=key)


def _by_mail(flow: Flow) -> dict[str | None, dict[What, str]]:
    """Return what belongs to each mail; waits belong to the mail that is written next, the last ones to none."""
    found: dict[str | None, dict[What, str]] = {}
    waits: list[str] = []
    for step in walk(flow.steps):
        if isinstance(step, Wait):
            waits.append(f"{_length(step)} since {step.since.replace('_', ' ')}")
        elif isinstance(step, Send):
            found[step.key] = _terms(step) | ({"wait": ", ".join(waits)} if waits else {})
            waits = []
    return found | ({None: {"wait": ", ".join(waits)}} if waits else {})


def _terms(send: Send) -> dict[What, str]:
    coupon: dict[What, str] = {"coupon": f"{send.coupon.percent} %, {send.coupon.valid_hours} h"} if send.coupon else {}
    return {"latest": f"{send.max_age_hours} h", **coupon}


def _length(wait: Wait) -> str:
    parts = [(wait.days, "d"), (wait.hours, "h"), (wait.minutes, "min"), (wait.seconds, "s")]
    transit = f" ({wait.transit_days} d on the way)" if wait.transit_days else ""
    return " ".join(f"{count} {unit}" for count, unit in parts if count) + transit


def _asked(flow: Flow) -> tuple[Condition, ...]:
    return tuple(step.when for step in walk(flow.steps) if isinstance(step, Branch))


def _sets(
    what: What,
    before: Sequence[Condition],
    after: Sequence[Condition],
    name: Callable[[Condition], str],
    *,
    mail: str | None = None,
) -> Iterator[Change]:
    for condition in before:
        if condition not in after:
            yield Change(what=what, mail=mail, before=name(condition))
    for condition in after:
        if condition not in before:
            yield Change(what=what, mail=mail, after=name(condition))


def _values(what: What, before: object, after: object, mail: str | None = None, language: str | None = None) -> list[Change]:
    if before == after:
        return []
    was, now = (None if value is None else str(value) for value in (before, after))
    return [Change(what=what, mail=mail, language=language, before=was, after=now)]


def _rest(flow: Flow) -> object:
    return _without(to_json(flow))


def _without(tree: object) -> object:
    if isinstance(tree, dict):
        return {name: _without(inner) for name, inner in tree.items() if name not in _TOLD}
    if isinstance(tree, list):
        return [_without(inner) for inner in tree if not (isinstance(inner, dict) and inner.get("type") == "wait")]
    return tree


def _texts(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for mail in dict.fromkeys((*before, *after)):
        old, new = before.get(mail, {}), after.get(mail, {})
        for language in dict.fromkeys((*old, *new)):
            was, now = _fields(old.get(language)), _fields(new.get(language))
            for what in ("subject", "preheader", "body"):
                yield from _values(what, was.get(what), now.get(what), mail=mail, language=language)


def _fields(tree: object) -> dict[str, str]:
    if tree is None:
        return {}
    message = message_of(tree)
    return {"subject": message.subject, "preheader": message.preheader, "body": write_body(message.blocks)}
