"""The parts of WooCommerce's webhook bodies (REST API v3 objects) and of our companion plugin's that we read."""

import html
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from integrations.payloads import (
    Amount,
    Body,
    Count,
    Country,
    Currency,
    Email,
    EmptyAsNone,
    Id,
    Instant,
    Locale,
    MaybeId,
    MaybeInstant,
    NullAsEmpty,
    Text,
    Token,
    Url,
)

# WordPress keeps titles with HTML entities: "Tea &amp; Tin".
Title = Annotated[Text, AfterValidator(lambda title: html.unescape(title) if title else None)]


class Address(Body):
    """A postal address; the billing one holds the e-mail address."""

    first_name: Text = None
    last_name: Text = None
    country: Country = None
    email: Email = None


class Image(Body):
    """A picture; `src` is empty where there is none."""

    src: Url = None


class Item(Body):
    """A line of an order; `price` is after discounts and without tax, `subtotal` is the line's before discounts."""

    name: Title = None
    parent_name: Title = None
    product_id: MaybeId = None
    variation_id: MaybeId = None
    quantity: Count
    subtotal: Amount = None
    subtotal_tax: Amount = None
    total: Amount = None
    total_tax: Amount = None
    price: Amount = None
    sku: Text = None
    image: Annotated[Image | None, EmptyAsNone] = None


class Meta(Body):
    """A free entry of an order."""

    key: Text = None
    value: object = None


class CouponLine(Body):
    """A coupon that was used; WooCommerce keeps codes in lower case."""

    code: Text = None


class Refund(Body):
    """A refund; its total is negative, and it has no time."""

    total: Amount = None


class Link(Body):
    """A link to the object itself."""

    href: Url = None


class Links(Body):
    """The links of an object."""

    self: Annotated[list[Link], NullAsEmpty] = Field(default_factory=list)


class Order(Body):
    """The body of order.created, order.updated and order.restored. Times without `_gmt` are the shop's and not read."""

    id: Id
    number: Text = None
    status: Token
    version: Text = None
    currency: Currency
    prices_include_tax: bool = False
    date_created_gmt: Instant
    date_modified_gmt: MaybeInstant = None
    date_paid_gmt: MaybeInstant = None
    date_completed_gmt: MaybeInstant = None
    total: Amount = None
    customer_id: MaybeId = None
    billing: Annotated[Address | None, EmptyAsNone] = None
    shipping: Annotated[Address | None, EmptyAsNone] = None
    created_via: Text = None
    meta_data: Annotated[list[Meta], NullAsEmpty] = Field(default_factory=list)
    line_items: Annotated[list[Item], NullAsEmpty] = Field(default_factory=list)
    coupon_lines: Annotated[list[CouponLine], NullAsEmpty] = Field(default_factory=list)
    refunds: Annotated[list[Refund], NullAsEmpty] = Field(default_factory=list)
    needs_payment: bool = False
    payment_url: Url = None
    links: Annotated[Links | None, Field(validation_alias="_links"), EmptyAsNone] = None


class Customer(Body):
    """The body of customer.created and customer.updated: accounts only, guests have none."""

    id: Id
    email: Email = None
    first_name: Text = None
    last_name: Text = None
    date_created_gmt: MaybeInstant = None
    date_modified_gmt: MaybeInstant = None
    billing: Annotated[Address | None, EmptyAsNone] = None
    shipping: Annotated[Address | None, EmptyAsNone] = None


class Product(Body):
    """The body of product.*; the price is empty where none is set."""

    id: Id
    name: Title = None
    type: Text = None
    status: Text = None
    permalink: Url = None
    price: Amount = None
    stock_status: Text = None
    date_created_gmt: MaybeInstant = None
    date_modified_gmt: MaybeInstant = None
    images: Annotated[list[Image], NullAsEmpty] = Field(default_factory=list)


class CompanionItem(Body):
    """A line of a companion's cart."""

    product_id: MaybeId = None
    variation_id: MaybeId = None
    variation: object = None
    quantity: Count
    name: Title = None
    sku: Text = None
    price: Amount = None
    image: Url = None
    permalink: Url = None


class CompanionConsent(Body):
    """What the shopper ticked, when, and under which words."""

    marketing: bool = False
    at: MaybeInstant = None
    text: Text = None


class CompanionCheckout(Body):
    """The body of checkout.created and checkout.updated."""

    token: Token
    status: Literal["open", "completed", "emptied"]
    created_at_gmt: Instant
    updated_at_gmt: Instant
    email: Email = None
    customer_id: MaybeId = None
    first_name: Text = None
    last_name: Text = None
    locale: Locale = None
    country: Country = None
    currency: Currency
    subtotal: Amount = None
    total: Amount = None
    items: Annotated[list[CompanionItem], NullAsEmpty] = Field(default_factory=list)
    consent: Annotated[CompanionConsent | None, EmptyAsNone] = None
    recovery_url: Url = None
    order_id: MaybeId = None


class DeletedCheckout(Body):
    """The body of checkout.deleted: the checkout's token, which WooCommerce calls its id."""

    id: Token


class DeletedShopper(Body):
    """The body of shopper.deleted."""

    email_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Identified(Body):
    """The body of every *.deleted topic: the id, and nothing else."""

    id: Id
