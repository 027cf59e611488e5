"""Asks the DNS."""

import time

import dns.exception
import dns.resolver

from app.domain.errors import NoAnswer

TIMEOUT = 3.0  # seconds for one server
LIFETIME = 6.0  # seconds for one question
MOST = 50  # records of one answer that are looked at


class Dns:
    """The DNS as this machine is set up to ask it.

    Args:
        within: seconds for all questions together; None gives each LIFETIME. What is asked later has no answer.
    """

    def __init__(self, *, within: float | None = None) -> None:
        self._until = None if within is None else time.monotonic() + within

    def txt(self, name: str) -> list[str]:
        """Return the texts of a name; aliases are followed, a name that does not exist has none.

        Raises:
            NoAnswer: nobody answered in time.
        """
        records = self._ask(name, "TXT")
        return [b"".join(record.strings).decode("utf-8", "replace") for record in records]

    def mx(self, name: str) -> list[str]:
        """Return the hosts that take mail for a name, the preferred first.

        Raises:
            NoAnswer: nobody answered in time.
        """
        records = sorted(self._ask(name, "MX"), key=lambda record: record.preference)
        return [record.exchange.to_text(omit_final_dot=True) or "." for record in records]

    def _ask(self, name: str, kind: str) -> list:  # type: ignore[type-arg]
        left = LIFETIME if self._until is None else min(LIFETIME, self._until - time.monotonic())
        if left <= 0:
            raise NoAnswer("Timeout")
        try:
            resolver = dns.resolver.Resolver()
            resolver.timeout = TIMEOUT
            return list(resolver.resolve(name, kind, lifetime=left, search=False))[:MOST]
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, UnicodeError, OSError) as exc:
            raise NoAnswer(type(exc).__name__) from exc
