"""Credit orders to mails: noted when an order is told, decided by a job, and decided again when the order changes."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.domain.attribution import Touch, credit, kept_minor
from app.domain.consent import MessageClass
from app.models import Attribution, Coupon, Delivery, DeliveryState, Engagement, EngagementKind, Order, claims
from app.models.bulk import as_table, one_of
from app.services import mail_rules
from app.services.mail_rules import Rules

Values = dict[str, Any]
_NOTHING: Values = {"delivery_id": None, "flow": None, "step": None, "rule": None}


def note(session: Session, shop_id: int, order_ids: Collection[str], *, now: datetime) -> None:
    """Set placed orders due to be credited; an order that changed is credited anew, because what it is worth may differ."""
    if not order_ids:
        return
    session.execute(
        text(
            "INSERT INTO attributions (shop_id, order_external_id, due_at) "
            "SELECT shop_id, external_id, :now FROM orders "
            "WHERE shop_id = :shop AND external_id = ANY(:ids) AND placed_at IS NOT NULL AND NOT is_test "
            "ON CONFLICT (shop_id, order_external_id) DO UPDATE SET state = 'pending', due_at = excluded.due_at, "
            "attempts = 0, deaths = 0, lease_until = NULL, error = NULL, fence = attributions.fence + 1"
        ),
        {"now": now, "shop": shop_id, "ids": sorted(order_ids)},
    )


def decide(session: Session, rows: Sequence[Attribution], now: datetime) -> None:
    """Decide claimed rows, shop by shop, and write what they become.

    Raises:
        FenceLost: an order changed since the claim; it is due again.
    """
    by_shop: dict[int, list[Attribution]] = defaultdict(list)
    for row in rows:
        by_shop[row.shop_id].append(row)
    for shop_id, of_shop in by_shop.items():
        _decide_shop(session, shop_id, of_shop, now)


def _decide_shop(session: Session, shop_id: int, rows: Sequence[Attribution], now: datetime) -> None:
    rules = mail_rules.of(session, shop_id)
    ids = [row.order_external_id for row in rows]
    query = select(Order).where(Order.shop_id == shop_id, one_of(Order.external_id, ids))
    orders = {o.external_id: o for o in session.scalars(query, execution_options={"populate_existing": True})}
    known = _load(session, shop_id, orders.values(), rules)
    _note_redeemed(session, shop_id, orders.values())
    same: dict[tuple[Any, ...], list[Attribution]] = defaultdict(list)
    for row in rows:
        values = _values(orders.get(row.order_external_id), known, rules)
        same[tuple(sorted(values.items(), key=lambda item: item[0]))].append(row)
    for items, of_same in same.items():
        claims.finish(session, Attribution, of_same, {**dict(items), "state": "done", "decided_at": now})


def _note_redeemed(session: Session, shop_id: int, orders: Iterable[Order]) -> None:
    """Keep with a code of ours which order used it; the first one, because a code is good for one."""
    latest_first = sorted(orders, key=lambda order: order.placed_at or order.started_at, reverse=True)
    used = {code.upper(): order.external_id for order in latest_first for code in order.discount_codes}
    if used:
        told = as_table(Coupon, [{"code": code, "order_external_id": order} for code, order in sorted(used.items())])
        session.execute(
            update(Coupon)
            .where(Coupon.shop_id == shop_id, Coupon.code == told.c.code, Coupon.order_external_id.is_(None))
            .values(order_external_id=told.c.order_external_id)
            .execution_options(synchronize_session=False)
        )


@dataclass(slots=True)
class _Known:
    mails: dict[int, Delivery] = field(default_factory=dict)
    coupons: dict[str, int] = field(default_factory=dict)
    sent: dict[int, list[Touch]] = field(default_factory=lambda: defaultdict(list))
    clicks: dict[int, list[Touch]] = field(default_factory=lambda: defaultdict(list))


def _load(session: Session, shop_id: int, orders: Iterable[Order], rules: Rules) -> _Known:
    """Load the mails of these buyers, what they followed, and the mails of the codes they used: three queries."""
    found = _Known()
    orders = list(orders)
    codes = {code.upper() for order in orders for code in order.discount_codes}
    if codes:
        query = (
            select(Coupon.code, Delivery)
            .join(
                Delivery,
                (Delivery.shop_id == Coupon.shop_id)
                & (Delivery.enrollment_id == Coupon.enrollment_id)
                & (Delivery.step == Coupon.step),
            )
            .where(Coupon.shop_id == shop_id, Coupon.code.in_(codes))
        )
        for code, delivery in session.execute(query):
            found.coupons[code.upper()] = delivery.id
            found.mails[delivery.id] = delivery
    buyers = {o.customer_id for o in orders if o.customer_id}
    placed = [o.placed_at for o in orders if o.placed_at]
    if not buyers or not placed:
        return found
    # A mail may be followed long after it came: a month of mails is looked through, whatever the spans are.
    since = min(placed) - timedelta(days=30) - timedelta(hours=max(rules.click_hours, rules.window_hours))
    mails = session.scalars(
        select(Delivery).where(
            Delivery.shop_id == shop_id,
            one_of(Delivery.customer_id, buyers),
            Delivery.state == DeliveryState.SENT,
            Delivery.message_class == MessageClass.MARKETING,
            Delivery.sent_at >= since,
        )
    ).all()
    for mail in mails:
        found.mails[mail.id] = mail
        found.sent[mail.customer_id].append(Touch(mail.id, mail.sent_at or since))
    clicks = session.execute(
        select(Engagement.delivery_id, Engagement.at).where(
            Engagement.shop_id == shop_id,
            one_of(Engagement.delivery_id, [m.id for m in mails]),
            Engagement.kind == EngagementKind.CLICKED,
            Engagement.machine.is_(None),
        )
    )
    for delivery_id, at in clicks:
        found.clicks[found.mails[delivery_id].customer_id].append(Touch(delivery_id, at))
    return found


def _values(order: Order | None, known: _Known, rules: Rules) -> Values:
    if order is None or order.placed_at is None:
        return {**_NOTHING, "amount_minor": None, "currency": None, "ordered_at": None}
    buyer = order.customer_id or 0
    found = credit(
        order.placed_at,
        order.discount_codes,
        coupons=known.coupons,
        clicks=known.clicks.get(buyer, ()),
        mails=known.sent.get(buyer, ()),
        click_span=timedelta(hours=rules.click_hours),
        window=timedelta(hours=rules.window_hours),
    )
    is_undone = order.cancelled_at is not None or order.deleted_at is not None
    worth = {
        "amount_minor": kept_minor(order.total_minor, order.refunded_minor, is_cancelled=is_undone),
        "currency": order.currency,
        "ordered_at": order.placed_at,
    }
    if found is None:
        return {**_NOTHING, **worth}
    mail = known.mails[found.delivery_id]
    return {"delivery_id": mail.id, "flow": mail.flow, "step": mail.step, "rule": found.rule.value, **worth}
