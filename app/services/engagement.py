"""Who followed a mail: opens and clicks, each marked when it is a robot's (docs/tracking.md)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import crypto
from app.domain.machines import BURST, WALK, Machine, Visit, why_machine
from app.models import Delivery, Engagement, EngagementKind, Link, Shop
from app.services import content

MOST = 200  # rows of one mail: a scanner that never stops fills no disk


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: the address it comes from, and whether it names itself a robot. The address is kept as a keyed hash."""

    address: str
    is_robot: bool


def follow(session: Session, token: str, visitor: Visitor, *, now: datetime) -> str | None:
    """Record a click and return where the link leads; None when it leads nowhere (any more)."""
    found = _find(session, token)
    if found is None or found[0].url is None:
        return None
    _record(session, *found, EngagementKind.CLICKED, visitor, now=now)
    return found[0].url


def target(session: Session, token: str) -> str | None:
    """Return where a link leads, for somebody who only asks (HEAD)."""
    found = _find(session, token)
    return found[0].url if found else None


def open_(session: Session, token: str, visitor: Visitor, *, now: datetime) -> None:
    """Record that a mail's pixel was fetched."""
    if found := _find(session, token):
        _record(session, *found, EngagementKind.OPENED, visitor, now=now)


def _find(session: Session, token: str) -> tuple[Link, Delivery, Shop] | None:
    raw = content.read_token(token)
    if raw is None:
        return None
    row = session.execute(
        select(Link, Delivery, Shop)
        .join(Delivery, (Delivery.shop_id == Link.shop_id) & (Delivery.id == Link.delivery_id))
        .join(Shop, Shop.id == Link.shop_id)
        .where(Link.token == raw)
    ).one_or_none()
    return (row[0], row[1], row[2]) if row else None


def _record(
    session: Session, link: Link, delivery: Delivery, shop: Shop, kind: EngagementKind, visitor: Visitor, *, now: datetime
) -> None:
    mine = (Engagement.shop_id == delivery.shop_id, Engagement.delivery_id == delivery.id)
    held = session.execute(
        select(Engagement.link_id, Engagement.at, Link.is_hidden)
        .outerjoin(Link, (Link.shop_id == Engagement.shop_id) & (Link.id == Engagement.link_id))
        .where(*mine)
        .order_by(Engagement.at.desc())
        .limit(MOST)
    ).all()
    if len(held) == MOST:
        return
    clicked = kind is EngagementKind.CLICKED
    machine = why_machine(
        Visit(link.id if clicked else None, now, link.is_hidden),
        [Visit(row.link_id, row.at, bool(row.is_hidden)) for row in held],
        sent_at=delivery.sent_at,
        is_named=visitor.is_robot,
    )
    if machine in {Machine.HIDDEN_LINK, Machine.BURST}:
        # The first links of a robot's walk looked like a person's.
        _unmask(session, mine, now - (WALK if machine is Machine.HIDDEN_LINK else BURST), machine)
    session.add(
        Engagement(
            shop_id=delivery.shop_id, delivery_id=delivery.id, link_id=link.id if clicked else None, kind=kind,
            machine=machine, ip_hash=_hash(shop, visitor.address), at=now,
        )
    )  # fmt: skip


def _unmask(session: Session, mine: tuple[object, ...], since: datetime, machine: Machine) -> None:
    session.execute(
        update(Engagement)
        .where(*mine, Engagement.machine.is_(None), Engagement.at >= since)  # type: ignore[arg-type]
        .values(machine=machine)
        .execution_options(synchronize_session=False)
    )


def _hash(shop: Shop, address: str) -> bytes | None:
    return crypto.hash_email(crypto.hash_key(shop.id, shop.hash_key), address) if address and shop.hash_key else None
