"""The codes that a shop's mails carried: for whom, on what terms, and what became of each."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.models import Coupon, CouponState, Delivery, DeliveryState, Order, Shop

PAGE = 50
LOOK = 5_000  # codes that one page looks through for a state
SUMMED_MOST = 1_000  # newest codes that the sums at the top are of
LONGEST_CODE = 40  # characters; ours have 18 at the most


class Fate(StrEnum):
    """What became of a code. `ended` ran out, or was never needed; `failed` could not be made, or its mail could not go."""

    ASKED = "asked"
    MADE = "made"
    REDEEMED = "redeemed"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Line:
    """A code with the mail that carries it and the order that used it."""

    coupon: Coupon
    fate: Fate
    mail: Delivery | None
    order: Order | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponPage:
    """One page; `older` is where the next one starts, None at the end; `is_cut` when it looked through LOOK codes."""

    lines: list[Line]
    older: int | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Of the newest codes, SUMMED_MOST at the most: how many there are, by fate, and what the orders were worth."""

    codes: int
    by_fate: dict[Fate, int]
    redeemed_minor: int  # of orders in the shop's currency that used one, after refunds


def list_page(
    session: Session, shop_id: int, *, fate: Fate | None, code: str | None, before: int | None, now: datetime
) -> CouponPage:
    """Return the page of codes below an id, the newest first; of one fate, of one code, or all."""
    newest = select(Coupon).where(Coupon.shop_id == shop_id).order_by(Coupon.id.desc())
    if before is not None:
        newest = newest.where(Coupon.id < before)
    if code:
        newest = newest.where(Coupon.code == code.strip().upper()[:LONGEST_CODE])
    if fate is not None:
        newest = newest.where(_may_be(fate))
    rows, held, told = _with_mail(newest.limit(LOOK), now)
    query = rows.order_by(held.id.desc()).limit(PAGE + 1)
    found = session.execute(query if fate is None else query.where(told == fate)).all()
    older, is_cut = (found[PAGE - 1][0].id if len(found) > PAGE else None), False
    if older is None and fate is not None:
        older = session.scalar(newest.with_only_columns(Coupon.id).offset(LOOK - 1).limit(1))
        is_cut = older is not None
    lines = [Line(coupon, Fate(state), mail, order) for coupon, state, mail, order in found[:PAGE]]
    return CouponPage(lines=lines, older=older, is_cut=is_cut)


def summary(session: Session, shop: Shop, *, now: datetime) -> Summary:
    """Add up the newest codes of a shop."""
    newest = select(Coupon).where(Coupon.shop_id == shop.id).order_by(Coupon.id.desc()).limit(SUMMED_MOST)
    rows, _, told = _with_mail(newest, now)
    worth = func.coalesce(func.sum(Order.total_minor - Order.refunded_minor).filter(Order.currency == shop.currency), 0)
    counts = session.execute(rows.with_only_columns(told, func.count(), worth).group_by(told)).all()
    by_fate = {Fate(fate): int(count) for fate, count, _ in counts}
    redeemed = next((int(minor) for fate, _, minor in counts if fate == Fate.REDEEMED), 0)
    return Summary(codes=sum(by_fate.values()), by_fate=by_fate, redeemed_minor=redeemed)


def _with_mail(newest: Select[Any], now: datetime) -> tuple[Select[Any], Any, Any]:
    """Return a query of codes with their fate, their mail and their order; the codes; the fate as it is asked for."""
    held: Any = aliased(Coupon, newest.subquery())
    told = _fate(held, now).label("fate")
    mine = and_(Delivery.shop_id == held.shop_id, Delivery.enrollment_id == held.enrollment_id, Delivery.step == held.step)
    used = and_(Order.shop_id == held.shop_id, Order.external_id == held.order_external_id)
    rows: Select[Any] = select(held, told, Delivery, Order).select_from(held)
    return rows.outerjoin(Delivery, mine).outerjoin(Order, used), held, told


def _fate(held: Any, now: datetime) -> ColumnElement[str]:
    is_made = held.state == CouponState.MINTED
    has_failed = or_(held.state == CouponState.FAILED, Delivery.state.in_((DeliveryState.FAILED, DeliveryState.UNKNOWN)))
    return case(
        (held.order_external_id.is_not(None), Fate.REDEEMED.value),
        (and_(is_made, held.expires_at > now), Fate.MADE.value),
        (is_made, Fate.ENDED.value),
        (has_failed, Fate.FAILED.value),
        (Delivery.state == DeliveryState.SKIPPED, Fate.ENDED.value),
        else_=Fate.ASKED.value,
    )


def _may_be(fate: Fate) -> ColumnElement[bool]:
    """Narrow the codes that are looked through to those that an index leads to."""
    is_used = Coupon.order_external_id.is_not(None)
    states = {
        Fate.ASKED: (CouponState.PENDING,),
        Fate.MADE: (CouponState.MINTED,),
        Fate.ENDED: (CouponState.MINTED, CouponState.PENDING),
        Fate.FAILED: (CouponState.PENDING, CouponState.FAILED),
    }
    return is_used if fate is Fate.REDEEMED else Coupon.state.in_(states[fate])
