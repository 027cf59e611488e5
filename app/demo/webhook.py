"""The words of delivery: a signed request, how a platform delivers it, and what may go wrong on the way."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SignedWebhook:
    """One HTTP request as a platform would make it: POST these bytes with these headers there."""

    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def topic(self) -> str:
        """Say what it is about, in the platform's word; `ping` for WooCommerce's test request."""
        return self.headers.get("X-Shopify-Topic") or self.headers.get("X-WC-Webhook-Topic") or "ping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How a platform delivers; all times in seconds. `retry_waits` holds one wait for each retry."""

    platform: str
    connect_timeout: float
    timeout: float
    accepts: range
    retry_waits: tuple[float, ...] = ()
    keeps_alive: bool = True


# Shopify docs, "Verify webhook deliveries": 1 s to connect, 5 s in all, any 2xx; 8 exponential retries over 4 hours.
SHOPIFY_MANNERS = Manners(
    platform="Shopify",
    connect_timeout=1.0,
    timeout=5.0,
    accepts=range(200, 300),
    retry_waits=tuple(4.39 * 3**n for n in range(8)),
)
# class-wc-webhook.php: 60 s, 200 to 302 is a success (redirects are not followed), and never a second try.
WOO_MANNERS = Manners(
    platform="WooCommerce",
    connect_timeout=60.0,
    timeout=60.0,
    accepts=range(200, 303),
    keeps_alive=False,
)


@dataclass(slots=True, kw_only=True)
class Job:
    """A webhook on its way.

    Args:
        build: makes the request when it is first sent; retries repeat that one byte for byte. None: nothing to send.
        on_end: told once whether it arrived, after the last try.
        merge_key: a job whose key is already waiting is dropped, as WooCommerce's queue does.
        delay: seconds before the first try.
    """

    build: Callable[[], SignedWebhook | None]
    manners: Manners
    on_end: Callable[[bool], None] = lambda _ok: None
    merge_key: Hashable | None = None
    delay: float = 0.0
    tries: int = 0
    webhook: SignedWebhook | None = None


@dataclass(slots=True, kw_only=True)
class Faults:
    """A bad day, set by tests; the default is a good one.

    Args:
        copies: how often each webhook arrives, with the same ids.
        drop: topics that get lost; `*` loses all.
        delay: seconds that each comes late.
        reverse: so many are held back, then sent last first; `Sender.release` sends what is held before that.
        forge: signatures are made with a wrong secret.
    """

    copies: int = 1
    drop: frozenset[str] = frozenset()
    delay: float = 0.0
    reverse: int = 0
    forge: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try, for the log: `status` is None where no answer came; `ms` is how long it took."""

    at: datetime
    platform: str
    topic: str
    status: int | None
    ms: int
    note: str
    arrived: bool


class Outgoing(Protocol):
    """Where a shop puts its webhooks."""

    def submit(self, job: Job) -> None:
        """Take the job; it is sent later, by somebody else."""
