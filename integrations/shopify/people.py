"""Shopify's customers, their consent, and the three compliance topics in our words."""

import hashlib
from datetime import datetime

from app.domain.errors import BadPayload
from app.domain.events import (
    Consent,
    ConsentChanged,
    ConsentState,
    CustomerDeleted,
    CustomerRedacted,
    CustomersMerged,
    CustomerTagged,
    CustomerUpdated,
    DataRequested,
    Event,
    Person,
    PurchasesSummed,
    ShopRedacted,
)
from app.domain.money import to_minor
from integrations.payloads import parse
from integrations.shopify.account_bodies import (
    ComplianceRequest,
    ConsentUpdate,
    MergedCustomers,
    PurchasingSummary,
    Tags,
)
from integrations.shopify.bodies import Customer, CustomerAccount, Identified

# Anything else (not_subscribed, invalid, redacted, a word to come) is no consent.
_CONSENT_STATES = {
    "subscribed": ConsentState.SUBSCRIBED,
    "unsubscribed": ConsentState.UNSUBSCRIBED,
    "pending": ConsentState.PENDING,
}
_LEVELS = {"single_opt_in", "confirmed_opt_in"}


def read_customer(payload: object, at: datetime) -> list[Event]:
    """Translate customers/create and customers/update: who somebody is, and nothing about consent or tags."""
    body = parse(CustomerAccount, payload)
    when = body.updated_at or at
    return [CustomerUpdated(object_id=body.id, happened_at=when, person=_person(body), created_at=body.created_at)]


def read_deleted_customer(payload: object, at: datetime) -> list[Event]:
    """Translate customers/delete."""
    return [CustomerDeleted(object_id=parse(Identified, payload).id, happened_at=at)]


def read_merge(payload: object, at: datetime) -> list[Event]:
    """Translate customers/merge; one that has not come to its end yet gives nothing."""
    body = parse(MergedCustomers, payload)
    if body.status not in (None, "completed"):
        return []
    kept, gone = body.admin_graphql_api_customer_kept_id, body.admin_graphql_api_customer_deleted_id
    return [CustomersMerged(object_id=kept, happened_at=at, merged_id=gone)]


def read_purchases(payload: object, at: datetime) -> list[Event]:
    """Translate customers/purchasing_summary; without an amount (redacted) it gives nothing."""
    body = parse(PurchasingSummary, payload)
    if body.spent is None:
        return []
    return [
        PurchasesSummed(
            object_id=body.customer_id,
            happened_at=body.occurred_at or at,
            orders_count=body.orders_count,
            spent_minor=to_minor(body.spent.amount, body.spent.currency),
            currency=body.spent.currency,
        )
    ]


def read_added_tags(payload: object, at: datetime) -> list[Event]:
    """Translate customer.tags_added."""
    body = parse(Tags, payload)
    added = tuple(tag for tag in body.tags if tag)
    return [CustomerTagged(object_id=body.customer_id, happened_at=body.occurred_at or at, added=added)]


def read_removed_tags(payload: object, at: datetime) -> list[Event]:
    """Translate customer.tags_removed."""
    body = parse(Tags, payload)
    removed = tuple(tag for tag in body.tags if tag)
    return [CustomerTagged(object_id=body.customer_id, happened_at=body.occurred_at or at, removed=removed)]


def read_consent(payload: object, at: datetime) -> list[Event]:
    """Translate customers_email_marketing_consent/update, dated by when the shopper said it.

    The topic customers_marketing_consent/update is about text messages, whatever its name says, and is not read.
    """
    body = parse(ConsentUpdate, payload)
    said, object_id = body.email_marketing_consent, body.customer_id or body.email_address
    if object_id is None:
        raise BadPayload("The consent names neither a customer nor an e-mail address.")
    if said is None:
        return []
    consent = Consent(
        state=_CONSENT_STATES.get(said.state or "", ConsentState.NONE),
        at=said.consent_updated_at or at,
        source="platform",
        level=said.opt_in_level if said.opt_in_level in _LEVELS else None,
    )
    person = Person(external_id=body.customer_id, email=body.email_address)
    return [ConsentChanged(object_id=object_id, happened_at=consent.at, person=person, consent=consent)]


def read_data_request(payload: object, at: datetime) -> list[Event]:
    """Translate customers/data_request."""
    body = parse(ComplianceRequest, payload)
    person = _person(body.customer or Customer())
    object_id = body.data_request.id if body.data_request else person.external_id
    if object_id is None:
        raise BadPayload("The data request has no id and names no customer.")
    return [DataRequested(object_id=object_id, happened_at=at, person=person)]


def read_redaction(payload: object, at: datetime) -> list[Event]:
    """Translate customers/redact; the address may be missing, a phone number alone leads nowhere."""
    body = parse(ComplianceRequest, payload)
    person = _person(body.customer or Customer())
    if person.external_id is None and person.email is None:
        raise BadPayload("The redaction names neither a customer nor an e-mail address.")
    object_id = person.external_id or hashlib.sha256((person.email or "").encode()).hexdigest()
    return [CustomerRedacted(object_id=object_id, happened_at=at, person=person, order_ids=tuple(body.order_ids))]


def read_shop_redaction(payload: object, at: datetime) -> list[Event]:
    """Translate shop/redact."""
    domain = parse(ComplianceRequest, payload).shop_domain
    if domain is None:
        raise BadPayload("The redaction names no shop.")
    return [ShopRedacted(object_id=domain, happened_at=at)]


def _person(customer: Customer) -> Person:
    return Person(
        external_id=customer.id,
        email=customer.email,
        first_name=customer.first_name,
        last_name=customer.last_name,
        country=customer.default_address.country_code if customer.default_address else None,
    )
