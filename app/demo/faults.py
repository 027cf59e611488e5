"""A shop's API on a bad day."""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class ApiFaults:
    """What the next answers of a shop's API suffer from; tests set it, each count goes down by itself.

    Args:
        throttle: so many answers say that too much was asked (Shopify alone).
        fail: so many answers are `fail_status`, with `retry_after` seconds where that is set, and nothing is done.
        lose: so many answers are a 502 though the work was done: a caller cannot know.
        redirect: so many answers send the caller elsewhere (WooCommerce alone).
        html: so many answers are a page for people (WooCommerce alone).
        delay: seconds before every answer.
        is_revoked: every key and token is refused.
        denied: ends of addresses that the holder of the key may not see (WooCommerce alone).
        redacted: fields that the app is not approved for, such as "email": null, and named among the errors (Shopify alone).
    """

    throttle: int = 0
    fail: int = 0
    fail_status: int = 503
    retry_after: int | None = None
    lose: int = 0
    redirect: int = 0
    html: int = 0
    delay: float = 0.0
    is_revoked: bool = False
    denied: tuple[str, ...] = ()
    redacted: frozenset[str] = frozenset()

    def take(self, name: str) -> bool:
        """Say whether this answer suffers from a counted fault, and count it."""
        left = int(getattr(self, name))
        if left:
            setattr(self, name, left - 1)
        return left > 0
