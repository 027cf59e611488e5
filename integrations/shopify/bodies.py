"""The parts of Shopify's webhook bodies that we read (field names of API version 2026-10)."""

from typing import Annotated

from pydantic import Field

from integrations.payloads import (
    Amount,
    Body,
    Count,
    Country,
    Currency,
    Email,
    Id,
    Instant,
    Locale,
    MaybeId,
    MaybeInstant,
    MaybeToken,
    NullAsEmpty,
    Text,
    Token,
    Url,
)


class Address(Body):
    """A postal address; null where the app may not see it."""

    first_name: Text = None
    last_name: Text = None
    country_code: Country = None


class Customer(Body):
    """A customer: since 2025-01 without tags, consent and totals, on every topic."""

    id: MaybeId = None
    email: Email = None
    first_name: Text = None
    last_name: Text = None
    default_address: Address | None = None


class CustomerAccount(Customer):
    """The body of customers/create and customers/update."""

    id: Id
    created_at: MaybeInstant = None
    updated_at: MaybeInstant = None


class Item(Body):
    """A line of a checkout or an order; the price is for one piece, before discounts."""

    title: Text = None
    presentment_title: Text = None
    name: Text = None
    variant_title: Text = None
    presentment_variant_title: Text = None
    quantity: Count
    price: Amount = None
    product_id: MaybeId = None
    variant_id: MaybeId = None
    sku: Text = None


class Checkout(Body):
    """The body of checkouts/create and checkouts/update; it has had no id since 2026-04."""

    token: Token
    cart_token: MaybeToken = None
    email: Email = None
    buyer_accepts_marketing: bool | None = None
    created_at: Instant
    updated_at: Instant
    completed_at: MaybeInstant = None
    currency: Currency
    presentment_currency: Currency | None = None
    customer_locale: Locale = None
    line_items: Annotated[list[Item], NullAsEmpty] = Field(default_factory=list)
    abandoned_checkout_url: Url = None
    subtotal_price: Amount = None
    total_price: Amount = None
    customer: Customer | None = None
    shipping_address: Address | None = None
    billing_address: Address | None = None


class DeletedCheckout(Body):
    """The body of checkouts/delete: the documented one has an id that nothing else has, and no token."""

    token: MaybeToken = None
    cart_token: MaybeToken = None


class Money(Body):
    """An amount with its currency."""

    amount: Amount = None
    currency_code: Currency


class MoneySet(Body):
    """One amount in the shop's and in the shopper's currency."""

    shop_money: Money | None = None
    presentment_money: Money | None = None


class Transaction(Body):
    """A movement of money."""

    kind: Text = None
    status: Text = None
    amount: Amount = None
    currency: Currency | None = None


class RefundedItem(Body):
    """A line that was refunded: here amounts are numbers, not strings."""

    line_item: Item | None = None
    subtotal: Amount = None
    total_tax: Amount = None
    subtotal_set: MoneySet | None = None


class Refund(Body):
    """A refund: the body of refunds/create, and a part of an order."""

    id: Id
    order_id: MaybeId = None
    created_at: Instant
    refund_line_items: Annotated[list[RefundedItem], NullAsEmpty] = Field(default_factory=list)
    transactions: Annotated[list[Transaction], NullAsEmpty] = Field(default_factory=list)


class Fulfilment(Body):
    """A parcel: the body of fulfillments/*, and a part of an order."""

    id: Id
    order_id: MaybeId = None
    status: Text = None
    shipment_status: Text = None
    created_at: MaybeInstant = None
    updated_at: Instant
    tracking_company: Text = None
    tracking_number: Text = None
    tracking_numbers: Annotated[list[Text], NullAsEmpty] = Field(default_factory=list)
    tracking_url: Url = None
    tracking_urls: Annotated[list[Url], NullAsEmpty] = Field(default_factory=list)


class FulfilmentEvent(Body):
    """The body of fulfillment_events/create: what the carrier says."""

    fulfillment_id: Id
    order_id: Id
    status: Text = None
    happened_at: MaybeInstant = None


class DiscountCode(Body):
    """A code that was used, in the spelling it was typed in."""

    code: Text = None


class Order(Body):
    """The body of orders/*, but for orders/delete and orders/edited."""

    id: Id
    name: Text = None
    email: Email = None
    contact_email: Email = None
    buyer_accepts_marketing: bool | None = None
    cart_token: MaybeToken = None
    checkout_token: MaybeToken = None
    created_at: Instant
    processed_at: MaybeInstant = None
    updated_at: Instant
    cancelled_at: MaybeInstant = None
    currency: Currency
    total_price: Amount = None
    total_price_set: MoneySet | None = None
    customer_locale: Locale = None
    discount_codes: Annotated[list[DiscountCode], NullAsEmpty] = Field(default_factory=list)
    financial_status: Text = None
    fulfillment_status: Text = None
    test: bool | None = None
    line_items: Annotated[list[Item], NullAsEmpty] = Field(default_factory=list)
    fulfillments: Annotated[list[Fulfilment], NullAsEmpty] = Field(default_factory=list)
    refunds: Annotated[list[Refund], NullAsEmpty] = Field(default_factory=list)
    customer: Customer | None = None
    shipping_address: Address | None = None
    billing_address: Address | None = None


class Identified(Body):
    """A body of which only the id is needed."""

    id: Id
