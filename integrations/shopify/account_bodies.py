"""The parts of Shopify's bodies about customers, products, the shop and the app that we read."""

from typing import Annotated

from pydantic import AliasChoices, Field

from integrations.payloads import (
    Amount,
    Body,
    Currency,
    Email,
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
from integrations.shopify.bodies import Customer


class MergedCustomers(Body):
    """The body of customers/merge."""

    admin_graphql_api_customer_kept_id: Id
    admin_graphql_api_customer_deleted_id: Id
    status: Text = None


class Spent(Body):
    """An amount as the camelCase topics write it."""

    amount: Amount = None
    currency: Annotated[Currency, Field(validation_alias="currencyCode")]


class PurchasingSummary(Body):
    """The body of customers/purchasing_summary."""

    customer_id: Annotated[Id, Field(validation_alias="customerId")]
    orders_count: Annotated[int, Field(validation_alias="numberOfOrders", ge=0)] = 0
    spent: Annotated[Spent | None, Field(validation_alias="amountSpent")] = None
    occurred_at: Annotated[MaybeInstant, Field(validation_alias="occurredAt")] = None


class Tags(Body):
    """The body of customer.tags_added and customer.tags_removed."""

    customer_id: Annotated[Id, Field(validation_alias="customerId")]
    tags: Annotated[list[Text], NullAsEmpty] = Field(default_factory=list)
    occurred_at: Annotated[MaybeInstant, Field(validation_alias="occurredAt")] = None


class EmailConsent(Body):
    """What a shopper said about marketing mail; null as a whole where the app may not see it."""

    state: Text = None
    opt_in_level: Text = None
    consent_updated_at: MaybeInstant = None


class ConsentUpdate(Body):
    """The body of customers_email_marketing_consent/update."""

    customer_id: MaybeId = None
    email_address: Email = None
    email_marketing_consent: EmailConsent | None = None


class Variant(Body):
    """A product's variant; `inventory_management` is null where stock is not counted, absent since some version."""

    id: Id
    price: Amount = None
    inventory_policy: Text = None
    inventory_management: Text = "shopify"
    inventory_quantity: int | None = None
    image_id: MaybeId = None


class Image(Body):
    """A product's picture."""

    id: MaybeId = None
    src: Url = None
    variant_ids: Annotated[list[Id], NullAsEmpty] = Field(default_factory=list)


class Product(Body):
    """The body of products/create and products/update."""

    id: Id
    title: Text = None
    status: Text = None
    published_at: MaybeInstant = None
    updated_at: Instant
    variants: Annotated[list[Variant], NullAsEmpty] = Field(default_factory=list)
    images: Annotated[list[Image], NullAsEmpty] = Field(default_factory=list)
    image: Image | None = None


class Shop(Body):
    """The body of shop/update and app/uninstalled."""

    id: MaybeId = None
    myshopify_domain: Text = None
    name: Text = None
    email: Email = None
    customer_email: Email = None
    currency: Currency | None = None
    iana_timezone: Text = None
    primary_locale: Locale = None
    updated_at: MaybeInstant = None


class Scopes(Body):
    """The body of app/scopes_update."""

    shop_id: Id
    current: list[Token]
    updated_at: MaybeInstant = None


class DataRequest(Body):
    """The request inside customers/data_request."""

    id: Id


class ComplianceRequest(Body):
    """The body of the three compliance topics; shop/redact has the domain only."""

    shop_domain: Text = None
    customer: Customer | None = None
    data_request: DataRequest | None = None
    order_ids: Annotated[
        list[Id], NullAsEmpty, Field(validation_alias=AliasChoices("orders_to_redact", "orders_requested"))
    ] = Field(default_factory=list)
