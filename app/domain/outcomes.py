"""What became of a hand-over to a mail transport."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Sent:
    """Accepted by the provider."""

    provider_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Refused for good."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Perhaps accepted: shown, never sent again by itself (D7)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Again:
    """Surely not accepted, worth another try after the wait."""

    reason: str
    wait: timedelta


Outcome = Sent | Failed | Unknown | Again
