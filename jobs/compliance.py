"""What the law asks through the platform: a person's data told, a person forgotten, a shop forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.domain.events import CustomerRedacted, DataRequested, Event, ShopRedacted
from app.models import ExportKind, Shop, Webhook, WebhookState
from app.services import erase, export
from app.services.erasing import SHOP_REASON

# A look at an erasure that is under way; it normally ends the webhook itself, within seconds.
LOOK_AGAIN = timedelta(hours=1)
ERASING = "The erasure is under way: what was stored before is being searched."
_KINDS = (DataRequested, CustomerRedacted, ShopRedacted)


@dataclass(frozen=True, slots=True)
class End:
    """How a webhook ends, or until when it waits; `is_erased` also takes its content."""

    state: WebhookState
    error: str | None = None
    is_erased: bool = False
    due_at: datetime | None = None


def asks(events: Sequence[Event]) -> Event | None:
    """Return the request among a webhook's events, if it is one."""
    return next((event for event in events if isinstance(event, _KINDS)), None)


def answer(session: Session, shop: Shop, webhook: Webhook, request: Event, *, now: datetime) -> End:
    """Do what a request asks, as far as one transaction can; the housekeeping job does the rest."""
    state = erase.resume(session, shop.id, webhook.id, now=now)
    if state == "done":
        return End(WebhookState.REDACTED, is_erased=True)
    if state == "pending":
        return End(WebhookState.PENDING, ERASING, due_at=now + LOOK_AGAIN)
    if erase.is_erased(shop):
        return End(WebhookState.IGNORED, SHOP_REASON, is_erased=True)
    return _begin(session, shop, webhook, request, now=now)


def _begin(session: Session, shop: Shop, webhook: Webhook, request: Event, *, now: datetime) -> End:
    match request:
        case DataRequested(person=person):
            emails, external_ids = ([value] if value else [] for value in (person.email, person.external_id))
            ids = erase.find(session, shop.id, emails=emails, external_ids=external_ids)
            export.make(session, shop, ids, kind=ExportKind.DATA_REQUEST, webhook_id=webhook.id, now=now)
            return End(WebhookState.DONE)
        case CustomerRedacted():
            erase.redact(session, shop, request, webhook_id=webhook.id, now=now)
        case ShopRedacted(happened_at=at):
            if erase.is_connected_again(shop, at):
                return End(WebhookState.IGNORED, "The shop was connected again since.")
            erase.erase_shop(session, shop, now=now, webhook_id=webhook.id)
    return End(WebhookState.PENDING, ERASING, due_at=now + LOOK_AGAIN)
