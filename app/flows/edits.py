"""What a merchant may change in a flow's tree: who comes in, whom a mail is for, the wait before it, its coupon."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from app.domain.errors import Refused
from app.flows.audience import Line, joined
from app.flows.vocabulary import Branch, Flow, Percent, Repeat, Send, Step, Tag, Wait, blocks

LONGEST_WAIT = timedelta(days=400)


def wait_before(flow: Flow, send_key: str) -> Wait | None:
    """Return the wait that comes straight before a mail, also where a branch or a tag stands between them."""
    found: list[Wait | None] = []
    _each_send(flow.steps, None, lambda send, wait: found.append(wait) if send.key == send_key else None)
    return found[0] if found else None


def with_wait(flow: Flow, send_key: str, length: timedelta) -> Flow:
    """Return the flow with another wait before one of its mails (`<send step>.after`).

    Raises:
        Refused: there is no such mail, no wait before it, or the length makes no sense.
    """
    if not any(s.key == send_key for s in flow.sends):
        raise Refused(f"This flow has no mail named {send_key}. It has: {', '.join(s.key for s in flow.sends)}.")
    wait = wait_before(flow, send_key)
    if wait is None:
        raise Refused(f"There is no wait before {send_key} that could be changed.")
    if not timedelta(seconds=1) <= length <= LONGEST_WAIT:
        raise Refused("A wait must be at least 1 second and at most 400 days.")
    if length == wait.length:
        return flow  # 30 days stay 30 days, and are not written as 720 hours
    new = _of_length(wait, length)
    # By identity: two waits of a flow may be equal, and only one of them stands before this mail.
    return replace(flow, steps=_mapped(flow.steps, lambda step: new if step is wait else step))


def with_coupon(flow: Flow, send_key: str, percent: int, valid_hours: int) -> Flow:
    """Return the flow with other coupon terms for one of its mails.

    Raises:
        Refused: there is no such mail, it has no coupon, or the terms make no sense.
    """
    if not any(s.key == send_key and s.coupon for s in flow.sends):
        raise Refused(f"There is no mail named {send_key} with a coupon in this flow.")
    if not 1 <= percent <= 100:
        raise Refused("A coupon takes off 1 to 100 percent.")
    if not 1 <= valid_hours <= 24 * 365:
        raise Refused("Give people at least 1 hour to use the coupon, and at most a year.")
    coupon = Percent(percent, valid_hours)

    def changed(step: Step) -> Step:
        return replace(step, coupon=coupon) if isinstance(step, Send) and step.key == send_key else step

    return replace(flow, steps=_mapped(flow.steps, changed))


def with_audience(flow: Flow, lines: Sequence[Line]) -> Flow:
    """Return the flow for other people: with these lines among its conditions of entry."""
    return replace(flow, trigger=replace(flow.trigger, when=joined(flow.trigger.when, lines)))


def with_only(flow: Flow, send_key: str, lines: Sequence[Line]) -> Flow:
    """Return the flow with one of its mails for other people of it."""

    def changed(step: Step) -> Step:
        if isinstance(step, Send) and step.key == send_key:
            return replace(step, when=joined(step.when, lines))
        return step

    return replace(flow, steps=_mapped(flow.steps, changed))


def _each_send(steps: Sequence[Step], wait: Wait | None, told: Callable[[Send, Wait | None], object]) -> None:
    """Tell of every mail with the wait that comes straight before it."""
    for step in steps:
        if isinstance(step, Wait):
            wait = step
            continue
        if isinstance(step, Send):
            told(step, wait)
        for inner in blocks(step).values():
            _each_send(inner, wait, told)
        if not isinstance(step, Tag):
            wait = None


def _mapped(steps: tuple[Step, ...], change: Callable[[Step], Step]) -> tuple[Step, ...]:
    found: list[Step] = []
    for step in steps:
        match new := change(step):
            case Branch(then=then, otherwise=otherwise):
                found.append(replace(new, then=_mapped(then, change), otherwise=_mapped(otherwise, change)))
            case Repeat(steps=inner):
                found.append(replace(new, steps=_mapped(inner, change)))
            case _:
                found.append(new)
    return tuple(found)


def _of_length(wait: Wait, length: timedelta) -> Wait:
    """Write a length in the largest unit that says it exactly, as a merchant would."""
    seconds = int(length.total_seconds())
    if seconds % 3600 == 0:
        return replace(wait, days=0, hours=seconds // 3600, minutes=0, seconds=0)
    if seconds % 60 == 0:
        return replace(wait, days=0, hours=0, minutes=seconds // 60, seconds=0)
    return replace(wait, days=0, hours=0, minutes=0, seconds=seconds)
