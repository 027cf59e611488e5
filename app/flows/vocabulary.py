"""The words a flow is written in: a frozen tree, closed and small, that turns into JSON and back without loss (D8)."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from app.domain.errors import Refused

LONGEST_WAIT = timedelta(days=400)
_STRICT = ConfigDict(extra="forbid", strict=False)

Since = Literal["last_activity", "entered", "ordered", "delivered"]
SubjectKey = Literal["checkout", "order", "customer"]
TriggerEvent = Literal[
    "checkout_updated", "order_placed", "order_paid", "order_fulfilled", "customer_subscribed", "customer_ordered"
]
# What a run is about, by what makes a person enter.
SUBJECTS: dict[TriggerEvent, SubjectKey] = {
    "checkout_updated": "checkout",
    "order_placed": "order",
    "order_paid": "order",
    "order_fulfilled": "order",
    "customer_subscribed": "customer",
    "customer_ordered": "customer",
}
MessageClass = Literal["marketing", "transactional"]
Priority = Literal["transactional", "recovery", "welcome", "retention", "promo"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)  # the first goes before the last


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Condition:
    """A named test of what we know, from `app/flows/conditions.py`, with its parameter if it has one."""

    name: str
    value: int | str | None = None


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

    That is the last change of the cart, the order, its delivery, or when the person entered the flow. Where no delivery was
    told, it counts as made `transit_days` after the order was sent off.
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

    `message_class` is set where a mail is of another class than its flow.
    """

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    coupon: Percent | None = None
    max_age_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 48
    message_class: MessageClass | None = None
    type: Literal["send"] = "send"


Step = Annotated[Wait | Send, Field(discriminator="type")]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What we sell: who enters, what happens step by step, and what makes a person leave."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    title: Annotated[str, Field(min_length=1, max_length=80)]
    trigger: On
    exits: tuple[Condition, ...]
    message_class: MessageClass = "marketing"
    priority: Priority = "retention"
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=40)]

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
        """The mails of this flow, in order."""
        return tuple(s for s in self.steps if isinstance(s, Send))

    @property
    def is_all_marketing(self) -> bool:
        """Whether none of its mails is of another class."""
        return all(self.class_of(send) == "marketing" for send in self.sends)

    def class_of(self, send: Send) -> MessageClass:
        """Whether a mail is marketing or answers something that the person did."""
        return send.message_class or self.message_class

    def send(self, key: str) -> Send:
        """The mail of this name; one that this version does not have is of the flow's own kind."""
        return next((s for s in self.sends if s.key == key), Send(key))

    def next_send(self, step_no: int) -> Send | None:
        """The first mail at or after a step."""
        return next((s for s in self.steps[step_no:] if isinstance(s, Send)), None)


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
    keys = [s.key for s in flow.sends]
    if len(set(keys)) != len(keys):
        raise Refused("steps: two mails have the same name. Give each its own.")
    if any(isinstance(s, Wait) and not timedelta(0) < s.length <= LONGEST_WAIT for s in flow.steps):
        raise Refused("steps: a wait must be longer than nothing and at most 400 days.")
    return flow


def with_wait(flow: Flow, send_key: str, length: timedelta) -> Flow:
    """Return the flow with another wait before one of its mails (`<send step>.after`).

    Raises:
        Refused: there is no such mail, no wait before it, or the length makes no sense.
    """
    position = next((n for n, s in enumerate(flow.steps) if isinstance(s, Send) and s.key == send_key), None)
    if position is None:
        raise Refused(f"This flow has no mail named {send_key}. It has: {', '.join(s.key for s in flow.sends)}.")
    wait = flow.steps[position - 1] if position else None
    if not isinstance(wait, Wait):
        raise Refused(f"There is no wait before {send_key} that could be changed.")
    if not timedelta(seconds=1) <= length <= LONGEST_WAIT:
        raise Refused("A wait must be at least 1 second and at most 400 days.")
    steps = (*flow.steps[: position - 1], _of_length(wait, length), *flow.steps[position:])
    return replace(flow, steps=steps)


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
    steps = tuple(replace(s, coupon=coupon) if isinstance(s, Send) and s.key == send_key else s for s in flow.steps)
    return replace(flow, steps=steps)


def _of_length(wait: Wait, length: timedelta) -> Wait:
    """Write a length in the largest unit that says it exactly, as a merchant would."""
    seconds = int(length.total_seconds())
    if seconds % 3600 == 0:
        return replace(wait, days=0, hours=seconds // 3600, minutes=0, seconds=0)
    if seconds % 60 == 0:
        return replace(wait, days=0, hours=0, minutes=seconds // 60, seconds=0)
    return replace(wait, days=0, hours=0, minutes=0, seconds=seconds)
