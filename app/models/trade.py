"""What the shop sells and sold: checkouts, orders, products, parcels, and the marks that stop a cart flow."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, ShopRow


class Checkout(ShopRow, Base):
    """A checkout as the platform told it last, by the platform's own clock."""

    __tablename__ = "checkouts"
    __table_args__ = (
        Index("uq_checkouts_token", "shop_id", "token", unique=True),
        Index("ix_checkouts_customer", "shop_id", "customer_id"),
        Index("ix_checkouts_cart_token", "shop_id", "cart_token"),
        # For the newest carts of a time (app/services/reach.py, recall.py); one without an address can begin nothing.
        Index("ix_checkouts_changed", "shop_id", "changed_at", postgresql_where=text("email IS NOT NULL")),
    )

    token: Mapped[str]
    cart_token: Mapped[str | None]
    customer_id: Mapped[int | None] = mapped_column(BigInteger)
    email: Mapped[str | None]
    first_name: Mapped[str | None]
    locale: Mapped[str | None]
    lines: Mapped[list[Any]]
    currency: Mapped[str]
    subtotal_minor: Mapped[int] = mapped_column(BigInteger)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    recovery_url: Mapped[str | None]
    started_at: Mapped[datetime]
    changed_at: Mapped[datetime]  # the platform's time of this state
    rank: Mapped[str] = mapped_column(Text(collation="C"))  # settles two states of one second; sorts as `fold.newest` sorts
    completed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class Order(ShopRow, Base):
    """An order as the platform told it last; the "first" times keep the earliest ever told."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("uq_orders_external_id", "shop_id", "external_id", unique=True),
        Index("ix_orders_customer", "shop_id", "customer_id", "placed_at"),
        Index("ix_orders_placed", "shop_id", "placed_at", postgresql_where=text("customer_id IS NOT NULL")),
        Index("ix_orders_number", "shop_id", "number"),  # what people name an order by
    )

    external_id: Mapped[str]
    number: Mapped[str]
    status: Mapped[str]
    customer_id: Mapped[int | None] = mapped_column(BigInteger)
    checkout_token: Mapped[str | None]
    cart_token: Mapped[str | None]
    currency: Mapped[str]
    total_minor: Mapped[int] = mapped_column(BigInteger)
    refunded_minor: Mapped[int] = mapped_column(BigInteger)
    discount_codes: Mapped[list[Any]]
    payment_url: Mapped[str | None]
    is_test: Mapped[bool]
    started_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    rank: Mapped[str] = mapped_column(Text(collation="C"))  # sorts as `fold.newest` sorts
    placed_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    fulfilled_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class OrderLine(ShopRow, Base):
    """One line of an order, as of the order's newest state."""

    __tablename__ = "order_lines"
    __table_args__ = (Index("uq_order_lines_position", "shop_id", "order_id", "position", unique=True),)

    order_id: Mapped[int] = mapped_column(BigInteger)
    position: Mapped[int]
    product_id: Mapped[str | None]
    variant_id: Mapped[str | None]
    title: Mapped[str]
    variant_title: Mapped[str | None]
    sku: Mapped[str | None]
    quantity: Mapped[int]
    price_minor: Mapped[int] = mapped_column(BigInteger)


class Refund(ShopRow, Base):
    """Money that went back. A fact that never changes once told."""

    __tablename__ = "refunds"
    __table_args__ = (
        Index("uq_refunds_external_id", "shop_id", "external_id", unique=True),
        Index("ix_refunds_order", "shop_id", "order_external_id"),
    )

    external_id: Mapped[str]
    order_external_id: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    product_ids: Mapped[list[Any]]
    refunded_at: Mapped[datetime]


class Shipment(ShopRow, Base):
    """A parcel of an order."""

    __tablename__ = "shipments"
    __table_args__ = (
        Index("uq_shipments_external_id", "shop_id", "external_id", unique=True),
        Index("ix_shipments_order", "shop_id", "order_external_id"),
    )

    external_id: Mapped[str]
    order_external_id: Mapped[str]
    state: Mapped[str]
    company: Mapped[str | None]
    tracking_number: Mapped[str | None]
    tracking_url: Mapped[str | None]
    tracked_at: Mapped[datetime | None]  # the platform's time of the newest tracking number
    changed_at: Mapped[datetime]
    rank: Mapped[str] = mapped_column(Text(collation="C"))  # sorts as `fold.newest` sorts
    delivered_at: Mapped[datetime | None]  # the earliest time told


class Product(ShopRow, Base):
    """A product as the shop sells it; a cart line without a picture takes it from here."""

    __tablename__ = "products"
    __table_args__ = (Index("uq_products_external_id", "shop_id", "external_id", unique=True),)

    external_id: Mapped[str]
    title: Mapped[str]
    url: Mapped[str | None]
    image_url: Mapped[str | None]
    variant_image_urls: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    price_minor: Mapped[int | None] = mapped_column(BigInteger)
    is_available: Mapped[bool]
    changed_at: Mapped[datetime]
    rank: Mapped[str] = mapped_column(Text(collation="C"))  # sorts as `fold.newest` sorts
    deleted_at: Mapped[datetime | None]


class PurchaseMark(ShopRow, Base):
    """A purchase, by everything that it can be recognised by; written by any order event, checkout known or not (I6)."""

    __tablename__ = "purchase_marks"
    __table_args__ = (
        Index("uq_purchase_marks_order", "shop_id", "order_external_id", unique=True),
        Index("ix_purchase_marks_checkout", "shop_id", "checkout_token"),
        Index("ix_purchase_marks_cart", "shop_id", "cart_token"),
        Index("ix_purchase_marks_customer", "shop_id", "customer_id", "ordered_at"),
    )

    order_external_id: Mapped[str]
    checkout_token: Mapped[str | None]
    cart_token: Mapped[str | None]
    customer_id: Mapped[int | None] = mapped_column(BigInteger)
    email_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    ordered_at: Mapped[datetime]
    # By the running clock while the person's lock is held, as `deliveries.claimed_at` is: so the two can be compared.
    marked_at: Mapped[datetime | None] = mapped_column(server_default=text("clock_timestamp()"))
