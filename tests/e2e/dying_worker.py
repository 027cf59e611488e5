"""A mail drain that dies as by a power cut at one point of the send path: `python -m tests.e2e.dying_worker POINT`."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

POINTS = ("leased", "prepared", "claimed", "answered", "recorded")


def die(*_args: Any, **_more: Any) -> None:
    """End this process at once, with nothing written."""
    os.kill(os.getpid(), signal.SIGKILL)


def after(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, dying when it has done its work."""

    def dying(*args: Any, **more: Any) -> Any:
        result = function(*args, **more)
        if args and args[0]:  # an empty batch is no point of the path
            die()
        return result

    return dying


def main(point: str) -> None:
    """Drain the mails that are due, and die at the point."""
    import jobs.flight
    import jobs.mail

    match point:
        case "leased":
            jobs.mail._prepared = die
        case "prepared":
            jobs.mail._claim = die
        case "claimed":
            jobs.mail.Flight = die
        case "answered":
            jobs.flight.hand_over = after(jobs.flight.hand_over)
        case "recorded":
            jobs.mail._record = after(jobs.mail._record)
    jobs.mail.drain()


if __name__ == "__main__":
    main(sys.argv[1])
