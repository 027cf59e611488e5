"""What became of a hand-over to a mail transport."""

from dataclasses import dataclass
from datetime import timedelta

from app.domain.errors import Reach


@dataclass(frozen=True, slots=True)
class Sent:
    """Accepted by the provider."""

    provider_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Refused for good; `is_bounce` where the reason is that nobody is at the address."""

    reason: str
    is_bounce: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """Perhaps accepted: shown, never sent again by itself (D7)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Again:
    """Surely not accepted, worth another try after the wait.

    `reach` says what else need not be tried meanwhile; `is_refusal` that a person has to mend something first. `is_counted`
    is False where the mail was not tried at all, or was only asked to come later.
    """

    reason: str
    wait: timedelta
    reach: Reach = Reach.ONE
    is_refusal: bool = False
    is_counted: bool = True


Outcome = Sent | Failed | Unknown | Again
