"""`cartwheel customer`: what is held about a person, told to its owner, or forgotten."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.cli.output import emit, json_option, say
from app.cli.scope import actor, shop_option, transaction
from app.domain.errors import Refused
from app.domain.people import normalise_email
from app.models import (
    Checkout,
    Customer,
    CustomerIdentity,
    Delivery,
    Enrollment,
    EnrollmentState,
    ExportKind,
    Order,
    Shop,
)
from app.queues import QueueName, ring
from app.services import audit, erase, export, people, shops, standing
from app.services.standing import Run, Standing


@click.group("customer")
def group() -> None:
    """Show, export and forget a person. WHO is an address, or our id as `mail show` prints it."""


@group.command()
@click.argument("who", metavar="ID|EMAIL")
@shop_option
@json_option
def show(who: str, shop: str | None, as_json: bool) -> None:
    """Show who a person is and how much is held about them. The look is audited."""
    with transaction() as (session, _):
        owner = shops.find(session, shop)
        customer = _find(session, owner, who)
        row = _row(session, customer)
        _record(session, owner, customer.id, "customer.read")
    emit(row, as_json=as_json)


@group.command()
@click.argument("who", metavar="ID|EMAIL")
@click.argument("flow")
@shop_option
@json_option
def why(who: str, flow: str, shop: str | None, as_json: bool) -> None:
    """Say why a person got the mails of a FLOW, or why they did not: every decision, or why they never entered.

    The same is on the merchant's page of the person. The look is audited.
    """
    with transaction() as (session, now):
        owner = shops.find(session, shop)
        customer = _find(session, owner, who)
        row = _why(standing.of_flow(session, owner, customer.id, flow, now=now))
        _record(session, owner, customer.id, "customer.read")
    emit({"customer_id": customer.id, **row}, as_json=as_json)


@group.command("export")
@click.argument("who", metavar="ID|EMAIL")
@click.option("--new", "is_new", is_flag=True, help="As of now, also when there is an answer to a request already.")
@shop_option
@json_option
def export_(who: str, is_new: bool, shop: str | None, as_json: bool) -> None:
    """Print everything that is held about a person: the answer to their request, else one as of now. It is audited."""
    with transaction() as (session, now):
        owner = shops.find(session, shop)
        customer = _find(session, owner, who)
        held = None if is_new else export.newest(session, owner.id, customer.id, now=now)
        held = held or export.make(session, owner, [customer.id], kind=ExportKind.MANUAL, now=now)
        content = export.read(held)
        _record(session, owner, customer.id, "customer.exported")
    emit(content, as_json=as_json)


@group.command()
@click.argument("who", metavar="ID|EMAIL")
@click.option("--yes", is_flag=True, help="Do not ask. It cannot be taken back.")
@shop_option
@json_option
def forget(who: str, yes: bool, shop: str | None, as_json: bool) -> None:
    """Erase a person for good: nothing personal is kept, and no mail ever goes to their addresses again."""
    emails = [address] if (address := normalise_email(who)) else []
    with transaction() as (session, _):
        owner = shops.find(session, shop)
        ids = _ids(session, owner.id, who)
    if not ids and not emails:
        raise Refused(f"There is no customer {who} of this shop.")
    if not yes:
        click.confirm("Erase this person and everything about them? It cannot be taken back.", abort=True, err=True)
    with transaction() as (session, now):
        people.lock_shop(session, owner.id)
        owner = session.get_one(Shop, owner.id)
        erase.erase_customer(session, owner, _ids(session, owner.id, who), emails, now=now)
        _record(session, owner, ids[0] if ids else "unknown", "customer.forgotten")
    ring(QueueName.HOUSEKEEPING)
    say("The person is erased. Stored webhooks and files follow within minutes.")
    emit({"shop_id": owner.id, "customer_ids": list(ids), "state": "erased"}, as_json=as_json)


def _ids(session: Session, shop_id: int, who: str) -> Sequence[int]:
    if email := normalise_email(who):
        return erase.find(session, shop_id, emails=[email])
    if not who.isascii() or not who.isdecimal():
        return []
    query = select(Customer.id).where(Customer.shop_id == shop_id, Customer.id == int(who[:18]))
    return list(session.scalars(query))


def _find(session: Session, shop: Shop, who: str) -> Customer:
    ids = _ids(session, shop.id, who)
    if not ids:
        raise Refused(f"There is no customer {who} of this shop.")
    return session.get_one(Customer, (shop.id, ids[0]))


def _record(session: Session, shop: Shop, customer_id: object, action: str) -> None:
    audit.record(session, shop.id, actor=actor(), action=action, object_kind="customer", object_id=customer_id)


def _why(stands: Standing) -> dict[str, Any]:
    outside = stands.outside
    return {
        "flow": stands.flow.key,
        "enters": outside is None,
        "because": outside.reason if outside else stands.leaves or "nothing speaks against it",
        "unmet": [condition.name for condition in outside.unmet] if outside else [],
        "saw": stands.saw,
        "runs": [_run(each) for each in stands.runs],
    }


def _run(each: Run) -> dict[str, Any]:
    coming = [{"effect": type(effect).__name__, **asdict(effect)} for effect in each.coming]
    decisions = [
        {"at": row.decided_at, "because": row.because, "effects": row.effects, "saw": row.saw} for row in each.decisions
    ]
    run = {name: getattr(each.run, name) for name in ("id", "state", "reason", "arm", "version", "entered_at", "ended_at")}
    return {**run, "holds": each.holds, "coming": coming, "decisions": decisions}


def _row(session: Session, customer: Customer) -> dict[str, Any]:
    mine = (CustomerIdentity.shop_id == customer.shop_id, CustomerIdentity.customer_id == customer.id)
    identities = session.scalars(select(CustomerIdentity).where(*mine).order_by(CustomerIdentity.id))
    names = ("id", "shop_id", "email", "first_name", "last_name", "locale", "country", "created_at", "deleted_at")
    counts = {
        name: session.scalar(select(func.count()).where(model.shop_id == customer.shop_id, model.customer_id == customer.id))
        for name, model in (("checkouts", Checkout), ("orders", Order), ("mails", Delivery))
    }
    active = select(Enrollment.flow).where(
        Enrollment.shop_id == customer.shop_id,
        Enrollment.customer_id == customer.id,
        Enrollment.state == EnrollmentState.ACTIVE,
    )
    return {
        **{name: getattr(customer, name) for name in names},
        "identities": [{"kind": i.kind, "value": i.value, "consent": i.consent_state} for i in identities],
        **counts,
        "in_flows": sorted(session.scalars(active)),
    }
