"""The words a flow is written in: a frozen tree, closed and small, that turns into JSON and back without loss (D8)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, Union, cast, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from app.domain.errors import Refused

DEEPEST = 4  # branches and repeats within each other, conditions too
LONGEST_WAIT = timedelta(days=400)
STEPS_MOST = 400  # with every round of a repeat counted
TAG = r"[^\s,][^,\n]{0,38}[^\s,]"
_STRICT = ConfigDict(extra="forbid", strict=False)

Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Since = Literal["last_activity", "entered", "ordered", "delivered", "step_before"]
SubjectKey = Literal["checkout", "order", "customer", "opt_in"]
TriggerEvent = Literal[
    "checkout_updated",
    "order_placed",
    "order_paid",
    "order_fulfilled",
    "customer_subscribed",
    "customer_ordered",
    "customer_silent",
    "opt_in_asked",
]
# What a run is about, by what makes a person enter.
SUBJECTS: dict[TriggerEvent, SubjectKey] = {
    "checkout_updated": "checkout",
    "order_placed": "order",
    "order_paid": "order",
    "order_fulfilled": "order",
    "customer_subscribed": "customer",
    "customer_ordered": "customer",
    "customer_silent": "customer",
    "opt_in_asked": "opt_in",
}
MessageClass = Literal["marketing", "transactional"]
Priority = Literal["transactional", "recovery", "welcome", "retention", "promo"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)  # the first goes before the last


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Condition:
    """A named test of what we know, from `app/flows/conditions.py`, with its parameter or the conditions it joins."""

    name: str
    value: int | str | None = None
    of: Annotated["tuple[Condition, ...]", Field(max_length=8)] = ()


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class On:
    """What makes a person enter: an event of this kind, when all conditions hold.

    `again_after_days` is the re-entry gap: somebody who entered before may enter again so many days later. Without one, a
    flow about a customer is entered once, one about a checkout or an order once for each of them.
    """

    event: TriggerEvent
    when: tuple[Condition, ...] = ()
    again_after_days: Annotated[int, Field(ge=1, le=3650)] | None = None


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Percent:
    """A single-use coupon: so many percent off, valid for so many hours from when its mail is made."""

    percent: Annotated[int, Field(ge=1, le=100)]
    valid_hours: Annotated[int, Field(ge=1, le=24 * 365)]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Go on when so much time has passed since something.

    That is the last change of the cart, the order, its delivery, the step before, or when the person entered the flow. Where
    no delivery was told, it counts as made `transit_days` after the order was sent off.
    """

    days: Annotated[int, Field(ge=0, le=400)] = 0
    hours: Annotated[int, Field(ge=0, le=9600)] = 0
    minutes: Annotated[int, Field(ge=0, le=576_000)] = 0
    seconds: Annotated[int, Field(ge=0, le=34_560_000)] = 0
    since: Since = "last_activity"
    transit_days: Annotated[int, Field(ge=0, le=60)] = 0
    type: Literal["wait"] = "wait"

    @property
    def length(self) -> timedelta:
        """How long, as one duration."""
        return timedelta(days=self.days, hours=self.hours, minutes=self.minutes, seconds=self.seconds)


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Send:
    """Mail the message of this name; later than `max_age_hours` after its time it is stale and skipped.

    `message_class` is set where a mail is of another class than its flow. `when` says whom it is meant for: to anybody else
    of the flow it is not sent, and they go on.
    """

    key: Key
    coupon: Percent | None = None
    max_age_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 48
    message_class: MessageClass | None = None
    when: Annotated[tuple[Condition, ...], Field(max_length=8)] = ()
    type: Literal["send"] = "send"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Tag:
    """Give the customer a tag in the shop, or take it away."""

    tag: Annotated[str, Field(pattern=f"^{TAG}$")]
    is_given: bool = True
    type: Literal["tag"] = "tag"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Leave:
    """Leave the flow here, for a reason that a page can say in words."""

    reason: Key
    type: Literal["exit"] = "exit"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Branch:
    """Go one way when a condition holds at this moment, else the other; both ways meet behind it."""

    when: Condition
    then: "tuple[Step, ...]" = ()
    otherwise: "tuple[Step, ...]" = ()
    type: Literal["branch"] = "branch"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Repeat:
    """Go through these steps so many times. The mails of the second round are called `<key>_2`, and so on."""

    times: Annotated[int, Field(ge=2, le=60)]
    steps: Annotated["tuple[Step, ...]", Field(min_length=1)]
    type: Literal["repeat"] = "repeat"


# The names in quotes are read by pydantic, which cannot read the bar between a class and a name that is not there yet.
Step = Annotated[Union[Wait, Send, Tag, Leave, "Branch", "Repeat"], Field(discriminator="type")]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What we sell: who enters, what happens step by step, and what makes a person leave.

    `at_end` are tags that are given or taken when a run ends, however it ends.
    """

    key: Key
    title: Annotated[str, Field(min_length=1, max_length=80)]
    trigger: On
    exits: tuple[Condition, ...]
    message_class: MessageClass = "marketing"
    priority: Priority = "retention"
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=40)]
    at_end: Annotated[tuple[Tag, ...], Field(max_length=4)] = ()

    @property
    def subject(self) -> SubjectKey:
        """What a run of this flow is about."""
        return SUBJECTS[self.trigger.event]

    @property
    def again_after(self) -> timedelta | None:
        """The re-entry gap."""
        return timedelta(days=self.trigger.again_after_days) if self.trigger.again_after_days else None

    @property
    def sends(self) -> tuple[Send, ...]:
        """The mails of this flow, in the order they are written; one that is repeated once."""
        return tuple(s for s in walk(self.steps) if isinstance(s, Send))

    @property
    def is_all_marketing(self) -> bool:
        """Whether none of its mails is of another class."""
        return all(self.class_of(send) == "marketing" for send in self.sends)

    def class_of(self, send: Send) -> MessageClass:
        """Whether a mail is marketing or answers something that the person did."""
        return send.message_class or self.message_class

    def send(self, step: str) -> Send:
        """The mail that a step of the ledger is; one that this version does not have is of the flow's own kind."""
        return next((s for s in self.sends if s.key == text_key(step)), Send(text_key(step)))


def text_key(step: str) -> str:
    """Return the name of a mail's text: `early_access_3` is the third round of `early_access`."""
    return re.sub(r"_\d+$", "", step)


def walk(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield all steps of a tree, in the order they are written."""
    for step in steps:
        yield step
        for inner in blocks(step).values():
            yield from walk(inner)


def blocks(step: Step) -> dict[str, tuple[Step, ...]]:
    """Return the steps within a step, by the field they stand in."""
    match step:
        case Branch(then=then, otherwise=otherwise):
            return {"then": then, "otherwise": otherwise}
        case Repeat(steps=steps):
            return {"steps": steps}
    return {}


_FLOW: TypeAdapter[Flow] = TypeAdapter(Flow)


def to_json(flow: Flow) -> dict[str, Any]:
    """Return the flow as JSON-ready data; `from_json` gives back an equal flow."""
    return cast("dict[str, Any]", _FLOW.dump_python(flow, mode="json"))


def from_json(tree: object) -> Flow:
    """Read a flow.

    Raises:
        Refused: the tree is not a flow; the message names the place and what is wrong there.
    """
    try:
        flow = _FLOW.validate_python(tree)
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(p) for p in first["loc"]) or "the flow"
        raise Refused(f"{place}: {first['msg']}.") from exc
    except RecursionError as exc:
        raise Refused("This flow is nested too deeply.") from exc
    if any(isinstance(s, Wait) and not timedelta(0) < s.length <= LONGEST_WAIT for s in walk(flow.steps)):
        raise Refused("steps: a wait must be longer than nothing and at most 400 days.")
    _check_names(flow)
    _check_size(flow)
    return flow


def _check_names(flow: Flow) -> None:
    keys = [s.key for s in flow.sends]
    if len(set(keys)) != len(keys):
        raise Refused("steps: two mails have the same name. Give each its own.")
    if numbered := [key for key in keys if text_key(key) != key]:
        raise Refused(
            f"steps: a mail cannot be called {numbered[0]}, because a number at the end says which round it is of."
        )


def _check_size(flow: Flow) -> None:
    if _depth(flow.steps) > DEEPEST:
        raise Refused(f"steps: put at most {DEEPEST} branches and repeats within each other.")
    if (count := _count(flow.steps)) > STEPS_MOST:
        raise Refused(f"steps: with all rounds there are {count}. Make it {STEPS_MOST} at the most.")
    if not any(True for _ in flow.sends):
        raise Refused("steps: a flow without a mail does nothing for a shopper.")


def _depth(steps: Sequence[Step]) -> int:
    return max((1 + _depth(inner) for step in steps for inner in blocks(step).values()), default=0)


def _count(steps: Sequence[Step]) -> int:
    total = 0
    for step in steps:
        within = sum(_count(inner) for inner in blocks(step).values())
        total += step.times * within if isinstance(step, Repeat) else 1 + within
    return total
