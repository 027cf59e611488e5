"""The errors that cross a door, written for support staff to read."""

from datetime import timedelta


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


class Transient(AdapterError):
    """Surely not done (429, 503, connection refused): may be tried again.

    Args:
        message: for support staff, without secrets or personal values.
        retry_after: how long the far side asked us to wait, if it did.
    """

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Ambiguous(AdapterError):
    """Perhaps done (time-out after the bytes left, reset, 500, 502, 504)."""


class Permanent(AdapterError):
    """Surely not done and never will be (refused address, revoked token)."""


class NotAllowed(AdapterError):
    """The far side refused us, not this one message (401, 403): everything waits until a person mends it."""
