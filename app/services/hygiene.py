"""How healthy a shop's mail was in the last week: what mailbox providers judge senders by (docs/mail.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

WEEK = timedelta(days=7)
COUNTED = ("sent", "delivered", "bounced", "soft_bounced", "complained", "unsubscribed")
_JUST_NOW = timedelta(seconds=1)  # a mail of this very instant counts
_FEWEST = 200  # mails delivered, below which a share says nothing
_BOUNCES_WARN, _BOUNCES_BAD = 0.02, 0.05  # shares of the mails that were sent
_COMPLAINTS_WARN, _COMPLAINTS_BAD = 0.0008, 0.003  # shares of the mails that were delivered; Google's limit is 0.3 %

_COUNT = text(
    "SELECT d.shop_id, count(DISTINCT d.id) AS sent, "
    "count(DISTINCT d.id) FILTER (WHERE e.kind = 'delivered') AS delivered, "
    "count(DISTINCT d.id) FILTER (WHERE e.kind = 'bounced' AND NOT e.is_soft) AS bounced, "
    "count(DISTINCT d.id) FILTER (WHERE e.is_soft) AS soft_bounced, "
    "count(DISTINCT d.id) FILTER (WHERE e.kind = 'complained') AS complained, "
    "count(DISTINCT d.id) FILTER (WHERE e.kind = 'unsubscribed') AS unsubscribed "
    "FROM deliveries d LEFT JOIN delivery_events e ON e.shop_id = d.shop_id AND e.delivery_id = d.id "
    "WHERE d.state = 'sent' AND d.sent_at >= :since AND d.sent_at < :until AND (:shop = 0 OR d.shop_id = :shop) "
    "GROUP BY d.shop_id ORDER BY 1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The week of one shop. `verdict` is good, watch, bad, or unsure where too few mails were delivered."""

    shop_id: int
    sent: int
    delivered: int
    bounced: int
    soft_bounced: int
    complained: int
    unsubscribed: int
    verdict: str


def report(session: Session, *, now: datetime, shop_id: int | None = None) -> list[Health]:
    """Return the week of a shop, or of every shop that sent mail."""
    rows = counts(session, since=now - WEEK, until=now + _JUST_NOW, shop_id=shop_id)
    return [Health(**row, verdict=verdict(row["sent"], row["delivered"], row["bounced"], row["complained"])) for row in rows]


def counts(session: Session, *, since: datetime, until: datetime, shop_id: int | None = None) -> Sequence[RowMapping]:
    """Return what became of the mails that went out in a time, by shop: COUNTED, and the shop."""
    return session.execute(_COUNT, {"since": since, "until": until, "shop": shop_id or 0}).mappings().all()


def verdict(sent: int, delivered: int, bounced: int, complained: int) -> str:
    """Judge a week by its hard bounces and complaints."""
    if delivered < _FEWEST:
        return "unsure"
    bounces, complaints = bounced / sent, complained / delivered
    if bounces >= _BOUNCES_BAD or complaints >= _COMPLAINTS_BAD:
        return "bad"
    return "watch" if bounces >= _BOUNCES_WARN or complaints >= _COMPLAINTS_WARN else "good"
