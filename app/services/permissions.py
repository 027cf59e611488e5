"""Load what the consent gate asks beside the plain state, for many people at once; most shops need three small queries."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import crypto
from app.domain.consent import GAPS, Frequency, MessageClass, Permission
from app.flows.snapshot import Snapshot
from app.models import (
    Checkout,
    Customer,
    CustomerIdentity,
    Delivery,
    DeliveryState,
    Preference,
    PurchaseMark,
    Shop,
    Suppression,
)
from app.models.bulk import one_of
from app.services import mail_rules, silences
from app.services.mail_rules import Rules

_GONE_OUT = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Whether an address was proved, and when its consent was said."""

    is_confirmed: bool
    consent_at: datetime | None


def fill(
    session: Session, shop: Shop, found: Sequence[Snapshot], customers: Sequence[int], *, now: datetime
) -> list[Snapshot]:
    """Return the snapshots with their permission, in the same order.

    Args:
        session: the caller's transaction.
        shop: whose people they are.
        found: the snapshots, without.
        customers: whom each is about.
        now: the time.
    """
    emails = [s.recipient for s in found]
    rules = mail_rules.of(session, shop.id)
    chosen = _chosen(session, shop.id, customers)
    unanswered = silences.load(session, shop.id, customers, rules.sunset, now=now)
    blocked = _blocked(session, shop, {e for s, e in zip(found, emails, strict=True) if e and s.suppressed})
    places = _places(session, shop.id, customers) if rules.looks_at_countries else {}
    proofs = _proofs(session, shop.id, {e for e in emails if e}) if rules.double_opt_in_since else {}
    filled = []
    for snapshot, customer_id, email in zip(found, customers, emails, strict=True):
        known = replace(
            by_rules(rules, places.get(customer_id, {}), proofs.get(email or "")),
            blocked=blocked.get(email or ""),
            silence=unanswered.get(customer_id),
            **chosen.get(customer_id, {}),
        )
        filled.append(replace(snapshot, permission=known))
    return filled


def by_rules(rules: Rules, place: dict[str, Any], proof: Confirmation | None) -> Permission:
    """Return what a shop's rules make of where somebody is and what they proved."""
    country = place.get("country")
    since = rules.double_opt_in_since
    is_new = since is not None and (proof is None or proof.consent_at is None or proof.consent_at >= since)
    return Permission(
        mode=rules.mode_in(country),
        offers_refusal=rules.offers_refusal,
        needs_confirmation=is_new and rules.asks_to_confirm(country),
        is_confirmed=bool(proof and proof.is_confirmed),
        **place,
    )


def choice(rows: Sequence[Preference]) -> dict[str, Any]:
    """Return what the choices of a person's addresses come to."""
    return {
        "topics_off": frozenset(topic for row in rows for topic in row.topics_off),
        "paused_until": max((row.paused_until for row in rows if row.paused_until), default=None),
        "frequency": max((Frequency(row.frequency) for row in rows), key=GAPS.__getitem__),
        "has_birthday": any(row.birthday for row in rows),
    }


def _chosen(session: Session, shop_id: int, customers: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return what people chose themselves; of several addresses the stricter choice counts."""
    by_customer: dict[int, list[Preference]] = defaultdict(list)
    query = select(Preference).where(Preference.shop_id == shop_id, one_of(Preference.customer_id, set(customers)))
    for row in session.scalars(query, execution_options={"populate_existing": True}):
        by_customer[row.customer_id].append(row)
    chosen = {customer_id: choice(rows) for customer_id, rows in by_customer.items()}
    mailed = _mailed(session, shop_id, [c for c, found in chosen.items() if found["frequency"] is not Frequency.ALL])
    return {customer_id: {**found, "mailed_at": mailed.get(customer_id)} for customer_id, found in chosen.items()}


def _mailed(session: Session, shop_id: int, customers: list[int]) -> dict[int, datetime]:
    if not customers:
        return {}
    rows = session.execute(
        select(Delivery.customer_id, func.max(func.coalesce(Delivery.sent_at, Delivery.sending_at)))
        .where(
            Delivery.shop_id == shop_id,
            one_of(Delivery.customer_id, customers),
            Delivery.state.in_(_GONE_OUT),
            Delivery.message_class == MessageClass.MARKETING,
        )
        .group_by(Delivery.customer_id)
    )
    return {customer_id: at for customer_id, at in rows if at}


def _blocked(session: Session, shop: Shop, emails: set[str]) -> dict[str, str]:
    """Return why some suppressed addresses get no mail at all, not even about their orders."""
    if not emails:
        return {}
    key = crypto.hash_key(shop.id, shop.hash_key)
    by_hash = {crypto.hash_email(key, email): email for email in emails}
    rows = session.execute(
        select(Suppression.email_hash, Suppression.reason).where(
            Suppression.shop_id == shop.id,
            Suppression.scope == "all",  # a rest after soft bounces is of marketing mail alone
            one_of(Suppression.email_hash, by_hash),
        )
    )
    return {by_hash[bytes(email_hash)]: reason for email_hash, reason in rows}


def _places(session: Session, shop_id: int, customers: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return where people are, when they bought last and when they last began to."""
    ids = set(customers)
    found: dict[int, dict[str, Any]] = {
        row.id: {"country": row.country or territory(row.locale)}
        for row in session.execute(
            select(Customer.id, Customer.country, Customer.locale).where(
                Customer.shop_id == shop_id, one_of(Customer.id, ids)
            )
        )
    }
    for name, model, at in (
        ("bought_at", PurchaseMark, PurchaseMark.ordered_at),
        ("began_at", Checkout, Checkout.started_at),
    ):
        rows = session.execute(
            select(model.customer_id, func.max(at))
            .where(model.shop_id == shop_id, one_of(model.customer_id, ids))
            .group_by(model.customer_id)
        )
        for customer_id, latest in rows:
            if customer_id in found:
                found[customer_id][name] = latest
    return found


def territory(locale: str | None) -> str | None:
    """Return the country of a language tag such as pt-BR, None without one."""
    last = (locale or "").replace("_", "-").split("-")[-1]
    return last.upper() if len(last) == 2 and "-" in (locale or "").replace("_", "-") else None


def _proofs(session: Session, shop_id: int, emails: set[str]) -> dict[str, Confirmation]:
    identity = CustomerIdentity
    rows = session.execute(
        select(identity.kind, identity.value, identity.consent_at, identity.confirmed_at, identity.refused_at).where(
            identity.shop_id == shop_id, identity.kind == "email", one_of(identity.value, emails)
        )
    )
    return {
        row.value: Confirmation(
            bool(row.confirmed_at and (row.refused_at is None or row.confirmed_at > row.refused_at)), row.consent_at
        )
        for row in rows
    }
