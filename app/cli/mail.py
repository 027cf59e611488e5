"""`cartwheel mail`: the send ledger, why each mail was or was not sent, and settling the unclear ones."""

from dataclasses import asdict
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.output import Row, emit, emit_list, json_option, say
from app.cli.scope import actor, list_options, one, page, shop_option, transaction
from app.cli.trial import preview_, send_test
from app.domain.errors import Refused
from app.models import NO_SHOP, Coupon, DecisionRow, Delivery, DeliveryState, Enrollment
from app.queues import QueueName, ring
from app.services import audit, hygiene, pauses, shops
from app.services.resolve import resolve as settle

COLUMNS = ("id", "shop_id", "flow", "step", "state", "reason", "recipient", "created_at", "due_at", "sent_at")


@click.group("mail")
def group() -> None:
    """List and explain mails, sent or not; settle unclear ones."""


@group.command()
@shop_option
@json_option
def resume(shop: str | None, as_json: bool) -> None:
    """End a pause in sending, once what the mail service refused is mended: of a shop, or everybody's without --shop."""
    with transaction() as (session, _):
        shop_id = shops.find(session, shop).id if shop else NO_SHOP
        ended = [pause.reason for pause in pauses.of(session) if pause.shop_id == shop_id]
        if not ended:
            raise Refused("Sending is not paused there. cartwheel status lists the pauses.")
        pauses.end(session, [shop_id])
        audit.record(session, shop_id, actor=actor(), action="sending.resumed", object_kind="pause", object_id=shop_id)
    ring(QueueName.MAIL)
    emit({"shop_id": shop_id, "was": ended[0], "state": "going"}, as_json=as_json)


@group.command("list")
@click.option("--state", type=click.Choice([s.value for s in DeliveryState]), help="Only those in this state.")
@shop_option
@list_options
@json_option
def list_(state: str | None, shop: str | None, limit: int, after: int | None, as_json: bool) -> None:
    """List mails, oldest first: also those that were skipped, with the reason."""
    with transaction() as (session, _):
        found = page(session, Delivery, shop=shop, state=state, after=after, limit=limit)
        rows = [_row(delivery) for delivery in found]
    emit_list(rows, as_json=as_json, columns=COLUMNS, nothing="There are no such mails.")
    if len(rows) == limit and not as_json:
        say(f"There may be more: --after {rows[-1]['id']}")


@group.command()
@click.argument("mail_id", type=int, metavar="ID")
@json_option
def show(mail_id: int, as_json: bool) -> None:
    """Show one mail with the decisions that led to it: rule, values seen, time, flow version."""
    with transaction() as (session, _):
        delivery = one(session, Delivery, mail_id, "mail")
        row = {**_row(delivery), **_details(session, delivery)}
        decisions = _decisions(session, delivery)
    if as_json:
        emit({**row, "decisions": decisions}, as_json=True)
        return
    emit(row, as_json=False)
    say("\nWhy:")
    columns = ("decided_at", "step_no", "because", "saw", "effects")
    emit_list(decisions, as_json=False, columns=columns, nothing="No decision was kept.")


@group.command()
@click.argument("mail_id", type=int, metavar="ID")
@click.option("--as", "outcome", type=click.Choice(["sent", "not-sent"]), required=True, help="What you know to be true.")
@click.option("--reason", required=True, help="How you know; kept in the audit log.")
@shop_option
@json_option
def resolve(mail_id: int, outcome: str, reason: str, shop: str | None, as_json: bool) -> None:
    """Settle a mail whose outcome is unknown.

    --as sent closes it. --as not-sent makes it due now: it is sent once more, if all checks still allow it.
    Look it up at the provider first: a mail sent twice cannot be taken back.
    """
    with transaction() as (session, now):
        delivery = one(session, Delivery, mail_id, "mail")
        if shop and shops.find(session, shop).id != delivery.shop_id:
            raise Refused(f"There is no mail {mail_id} of that shop.")
        delivery = settle(
            session, delivery.shop_id, mail_id, was_sent=outcome == "sent", actor=actor(), reason=reason, now=now
        )
        row = _row(delivery)
    ring(QueueName.MAIL)
    emit(row, as_json=as_json)


group.add_command(preview_)
group.add_command(send_test)


@group.command()
@shop_option
@json_option
def health(shop: str | None, as_json: bool) -> None:
    """Say how the mail of the last seven days fared, by shop: bounces, complaints, and what to think of them."""
    with transaction() as (session, now):
        shop_id = shops.find(session, shop).id if shop else None
        rows = [asdict(row) for row in hygiene.report(session, now=now, shop_id=shop_id)]
    columns = ("shop_id", "sent", "delivered", "bounced", "soft_bounced", "complained", "unsubscribed", "verdict")
    emit_list(rows, as_json=as_json, columns=columns, nothing="No mail was sent within a week.")


def _row(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "shop_id": delivery.shop_id,
        "flow": delivery.flow,
        "step": delivery.step,
        "state": delivery.state,
        "reason": delivery.reason,
        "recipient": delivery.recipient,
        "attempts": delivery.attempts,
        "created_at": delivery.created_at,
        "due_at": delivery.due_at,
        "sending_at": delivery.sending_at,
        "sent_at": delivery.sent_at,
    }


def _details(session: Session, delivery: Delivery) -> Row:
    enrollment = session.get(Enrollment, (delivery.shop_id, delivery.enrollment_id))
    coupon = session.scalar(
        select(Coupon).where(
            Coupon.shop_id == delivery.shop_id,
            Coupon.enrollment_id == delivery.enrollment_id,
            Coupon.step == delivery.step,
        )
    )
    return {
        "subject": delivery.subject,
        "provider_id": delivery.provider_id,
        "error": delivery.error,
        "customer_id": delivery.customer_id,
        "enrollment_id": delivery.enrollment_id,
        "enrollment_state": enrollment.state if enrollment else None,
        "enrollment_reason": enrollment.reason if enrollment else None,
        "version": enrollment.version if enrollment else None,
        "coupon": coupon.code if coupon else None,
        "coupon_state": coupon.state if coupon else None,
    }


def _decisions(session: Session, delivery: Delivery) -> list[Row]:
    query = select(DecisionRow).where(
        DecisionRow.shop_id == delivery.shop_id, DecisionRow.enrollment_id == delivery.enrollment_id
    )
    return [
        {
            "decided_at": d.decided_at,
            "step_no": d.step_no,
            "because": d.because,
            "saw": d.saw,
            "effects": d.effects,
            "version": d.version,
        }
        for d in session.scalars(query.order_by(DecisionRow.id))
    ]
