"""The errors that cross a door, written for support staff to read."""

from datetime import timedelta
from enum import StrEnum


class CartwheelError(Exception):
    """A fault that we know; doors catch it and show its message."""


class BadPayload(CartwheelError):
    """A platform's message that cannot be understood: parked as failed, shown, replayable."""


class RightsLost(BadPayload):
    """A platform's message that holds an error in place of what it is about: we may not see it any more."""


class Refused(CartwheelError):
    """A person asked for something that is not allowed; the message says what to do instead."""


class AdapterError(CartwheelError):
    """A call to the outside world went wrong."""


class Reach(StrEnum):
    """What else would meet the same refusal: nothing, all of the shop's calls, or everybody's."""

    ONE = "one"
    SHOP = "shop"
    ALL = "all"


class NoAnswer(AdapterError):
    """The DNS did not answer in time."""


class Transient(AdapterError):
    """Surely not done (429, 503, connection refused): may be tried again.

    Args:
        message: for support staff, without secrets or personal values.
        retry_after: how long the far side asked us to wait, if it did.
        reach: what else would meet the same.
        is_rate: the far side only asked us to go slower, which costs no try.
    """

    def __init__(
        self, message: str, retry_after: timedelta | None = None, *, reach: Reach = Reach.ONE, is_rate: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after, self.reach, self.is_rate = retry_after, reach, is_rate


class Ambiguous(AdapterError):
    """Perhaps done (time-out after the bytes left, reset, 500, 502, 504)."""


class Permanent(AdapterError):
    """Surely not done and never will be (refused address, revoked token)."""


class AddressRefused(Permanent):
    """There is no such mailbox, said the server that would know: as good as a bounce."""


class NotAllowed(AdapterError):
    """The far side refused us, not this one message (401, 403): everything waits until a person mends it.

    Args:
        message: for support staff, without secrets or personal values.
        reach: whether one shop is refused or everybody.
    """

    def __init__(self, message: str, *, reach: Reach = Reach.ALL) -> None:
        super().__init__(message)
        self.reach = reach
