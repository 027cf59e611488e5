"""What a mail provider tells of a mail after it was handed over, in our words. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SOFT_MOST = 3  # soft bounces of an address, without a delivery between, after which it rests
SOFT_WITHIN = timedelta(days=30)
SOFT_REST = timedelta(days=30)


class ReceiptKind(StrEnum):
    """What became of a mail. `unknown` is a provider's word that we do not know: kept, and without effect."""

    QUEUED = "queued"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    SUBSCRIBED = "subscribed"
    OPENED = "opened"
    CLICKED = "clicked"
    UNKNOWN = "unknown"


# How far a mail has come. What comes later in time may come earlier to us, so only a higher one counts.
RANK = {
    kind: rank
    for rank, kind in enumerate(
        (ReceiptKind.QUEUED, ReceiptKind.DEFERRED, ReceiptKind.DELIVERED, ReceiptKind.REJECTED, ReceiptKind.BOUNCED,
         ReceiptKind.COMPLAINED)
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One event of a provider's. `email` is normalised and never stored; `key` is the same for every copy of the event.

    `blocks` is the reason for which the address is not mailed any more, if it says so: bounced, complained, unsubscribed.
    """

    kind: ReceiptKind
    key: bytes
    happened_at: datetime
    delivery_id: int | None = None
    shop_id: int | None = None
    message_id: str | None = None  # the provider's id of the mail, as `deliveries.provider_id` holds it
    event_id: str | None = None
    email: str | None = None
    status: str | None = None  # RFC 3463, such as 5.1.1
    reason: str | None = None  # the provider's words, without addresses
    blocks: str | None = None
    is_soft: bool = False
    is_machine: bool = False
    is_taken: bool = True  # False where it tells that the mail was refused at the door


def further(held: str | None, told: ReceiptKind) -> str | None:
    """Return how far a mail has come, once this is told as well."""
    if told not in RANK:
        return held
    return told if held is None or RANK[told] > RANK[ReceiptKind(held)] else held
