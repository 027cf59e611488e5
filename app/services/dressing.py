"""Adds to what mails show what stands elsewhere: the shop's brand and own texts, what is sold out, where the parcel is."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import or_, select, tuple_
from sqlalchemy.orm import Session

from app.domain.mailing import Brand, MailContent, ParcelFacts
from app.models import FlowVersion, Product, Shipment
from app.services import brand

Key = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """A mail that lacks them; `version` is the flow's, as the person entered with it."""

    shop_id: int
    version: int
    order_id: str | None  # the platform's
    content: MailContent


def dress(session: Session, mails: Sequence[Bare]) -> list[MailContent]:
    """Return what the mails show, complete, in the same order; four queries for all of them."""
    brands = brand.of_shops(session, {mail.shop_id for mail in mails})
    texts = _texts(session, {(m.shop_id, m.content.flow, m.version) for m in mails})
    gone = _sold_out(session, {key for m in mails if not m.order_id for key in _products(m)})
    parcels = _parcels(session, {(m.shop_id, m.order_id) for m in mails if m.order_id})
    return [
        replace(
            m.content,
            brand=brands.get(m.shop_id, Brand()),
            texts=texts.get((m.shop_id, m.content.flow, m.version), {}).get(m.content.step, {}),
            sold_out=frozenset(product_id for _, product_id in _products(m) & gone),
            parcel=parcels.get((m.shop_id, m.order_id)) if m.order_id else m.content.parcel,
        )
        for m in mails
    ]


def _products(mail: Bare) -> set[Key]:
    return {(mail.shop_id, line.product_id) for line in mail.content.lines if line.product_id}


def _texts(session: Session, versions: Collection[tuple[int, str, int]]) -> dict[tuple[int, str, int], dict[str, Any]]:
    rows = session.execute(
        select(FlowVersion.shop_id, FlowVersion.flow, FlowVersion.version, FlowVersion.texts).where(
            tuple_(FlowVersion.shop_id, FlowVersion.flow, FlowVersion.version).in_(versions), FlowVersion.texts != {}
        )
    )
    return {(shop_id, flow, version): texts for shop_id, flow, version, texts in rows}


def _sold_out(session: Session, products: Collection[Key]) -> set[Key]:
    if not products:
        return set()
    rows = session.execute(
        select(Product.shop_id, Product.external_id).where(
            tuple_(Product.shop_id, Product.external_id).in_(products),
            or_(Product.is_available.is_(False), Product.deleted_at.is_not(None)),
        )
    )
    return {(shop_id, product_id) for shop_id, product_id in rows}


def _parcels(session: Session, orders: Collection[Key]) -> dict[Key, ParcelFacts]:
    """Return each order's newest parcel that can be followed."""
    if not orders:
        return {}
    rows = session.scalars(
        select(Shipment)
        .where(
            tuple_(Shipment.shop_id, Shipment.order_external_id).in_(orders),
            or_(Shipment.tracking_number.is_not(None), Shipment.tracking_url.is_not(None)),
        )
        .order_by(Shipment.changed_at, Shipment.id)
    )
    return {
        (row.shop_id, row.order_external_id): ParcelFacts(
            company=row.company, number=row.tracking_number, url=row.tracking_url
        )
        for row in rows
    }
