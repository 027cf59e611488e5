import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import BadPayload
from app.domain.events import (
    CheckoutDeleted,
    CheckoutUpdated,
    Consent,
    ConsentChanged,
    ConsentState,
    CustomerDeleted,
    CustomerRedacted,
    CustomersMerged,
    CustomerTagged,
    CustomerUpdated,
    DataRequested,
    Event,
    Line,
    OrderDeleted,
    OrderUpdated,
    Person,
    ProductUpdated,
    PurchasesSummed,
    RefundCreated,
    ScopesChanged,
    ShipmentState,
    ShipmentUpdated,
    ShopRedacted,
    ShopUpdated,
)
from integrations.shopify import topics
from integrations.shopify.normalise import normalise

PAYLOADS = Path(__file__).parents[1] / "data" / "payloads" / "shopify"
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)

# Every recorded body, and what it says in our words.
KINDS: dict[str, list[str]] = {
    "app/scopes_update": ["scopes_changed"],
    "app/uninstalled": ["app_uninstalled"],
    "app_subscriptions/update": [],
    "bulk_operations/finish": [],
    "carts/create": [],
    "carts/update": [],
    "checkouts/create": ["checkout_updated"],
    "checkouts/delete": ["checkout_deleted"],
    "checkouts/update": ["checkout_updated"],
    "customer.joined_segment": [],
    "customer.left_segment": [],
    "customer.tags_added": ["customer_tagged"],
    "customer.tags_removed": ["customer_tagged"],
    "customers/create": ["customer_updated"],
    "customers/data_request": ["data_requested"],
    "customers/delete": ["customer_deleted"],
    "customers/merge": ["customers_merged"],
    "customers/purchasing_summary": ["purchases_summed"],
    "customers/redact": ["customer_redacted"],
    "customers/update": ["customer_updated"],
    "customers_email_marketing_consent/update": ["consent_changed"],
    "customers_marketing_consent/update": [],
    "fulfillment_events/create": ["shipment_updated"],
    "fulfillments/create": ["shipment_updated"],
    "fulfillments/update": ["shipment_updated"],
    "orders/cancelled": ["order_updated"],
    "orders/create": ["order_updated"],
    "orders/delete": ["order_deleted"],
    "orders/fulfilled": ["order_updated", "shipment_updated"],
    "orders/paid": ["order_updated"],
    "orders/updated": ["order_updated", "shipment_updated", "refund_created"],
    "products/create": ["product_updated"],
    "products/delete": ["product_deleted"],
    "products/update": ["product_updated"],
    "refunds/create": ["refund_created"],
    "shop/redact": ["shop_redacted"],
    "shop/update": ["shop_updated"],
    "subscription_billing_attempts/failure": [],
    "subscription_billing_attempts/success": [],
    "subscription_contracts/cancel": [],
    "subscription_contracts/create": [],
    "subscription_contracts/pause": [],
    "subscription_contracts/update": [],
    "variants/in_stock": [],
}
# What a shop whose app may not see personal data sends in place of it.
PERSONAL = ("customer", "email", "contact_email", "phone", "shipping_address", "billing_address", "customer_locale")


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def body(topic: str, **changes: object) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PAYLOADS / f"{topic}.json").read_text(encoding="utf-8"))
    return loaded | changes


def events(topic: str, payload: object | None = None) -> list[Event]:
    return normalise(topic, body(topic) if payload is None else payload, at=AT)


def order(**changes: object) -> OrderUpdated:
    event = events("orders/updated", body("orders/updated", **changes))[0]
    assert isinstance(event, OrderUpdated)
    return event


def checkout(**changes: object) -> CheckoutUpdated:
    (event,) = events("checkouts/update", body("checkouts/update", **changes))
    assert isinstance(event, CheckoutUpdated)
    return event


def refund(**changes: object) -> RefundCreated:
    (event,) = events("refunds/create", body("refunds/create", **changes))
    assert isinstance(event, RefundCreated)
    return event


def shipment(**changes: object) -> ShipmentUpdated:
    (event,) = events("fulfillments/update", body("fulfillments/update", **changes))
    assert isinstance(event, ShipmentUpdated)
    return event


def test_the_table_names_every_recorded_body() -> None:
    recorded = {str(path.relative_to(PAYLOADS))[: -len(".json")] for path in PAYLOADS.rglob("*.json")} - {"_headers"}

    assert recorded == set(KINDS)


@pytest.mark.parametrize("topic", sorted(KINDS))
def test_a_recorded_body_becomes_its_events(topic: str) -> None:
    found = events(topic)

    assert [event.kind for event in found] == KINDS[topic]
    assert all(event.object_id and event.happened_at.tzinfo is UTC for event in found)


@pytest.mark.parametrize("topic", sorted(topic for topic, kinds in KINDS.items() if kinds))
@pytest.mark.parametrize("payload", [None, [], "text", 7, {}])
def test_a_body_that_is_not_the_documented_one_is_a_known_error(topic: str, payload: object) -> None:
    with pytest.raises(BadPayload):
        normalise(topic, payload, at=AT)


def test_an_unknown_topic_gives_nothing_whatever_its_body() -> None:
    assert normalise("inventory_levels/update", None, at=AT) == []
    assert normalise("orders/edited", {"order_edit": {"id": 1}}, at=AT) == []


def test_every_topic_that_the_app_subscribes_to_was_recorded() -> None:
    assert {*topics.TOPICS, *topics.COMPLIANCE_TOPICS} <= set(KINDS)


def test_a_checkout_is_known_by_its_token_and_tells_the_whole_cart() -> None:
    assert events("checkouts/update") == [
        CheckoutUpdated(
            object_id="8f2b6a0d4c9e4b57a1d3e60f7c2b9a84",
            happened_at=utc(2026, 11, 18, 18, 6, 47),
            person=Person(
                external_id="7751203946691",
                email="maya.okafor@example.com",
                first_name="Maya",
                last_name="Okafor",
                locale="en-US",
                country="US",
            ),
            currency="USD",
            lines=(
                Line(
                    title="Stoneware Mug",
                    quantity=2,
                    price_minor=2400,
                    product_id="8403312017475",
                    variant_id="45510229786691",
                    variant_title="Forest Green / 350 ml",
                    sku="MUG-FG-350",
                ),
                Line(
                    title="Loose Leaf Tea",
                    quantity=1,
                    price_minor=1650,
                    product_id="8403312115779",
                    variant_id="45510230049859",
                    variant_title="Pine Smoke / 100 g",
                    sku="TEA-PS-100",
                ),
            ),
            subtotal_minor=6450,
            total_minor=7050,
            created_at=utc(2026, 11, 18, 18, 2, 11),
            cart_token="hWN6K1pQx7s2vT9rLmB4cYdE",
            recovery_url=(
                "https://juniper-and-pine.example.com/68214059331/checkouts/ac/hWN6K1pQx7s2vT9rLmB4cYdE"
                "/recover?key=0f3c7d1a5b2e9c46&locale=en-US"
            ),
            consent=Consent(state=ConsentState.SUBSCRIBED, at=utc(2026, 11, 18, 18, 2, 11), source="checkout"),
        )
    ]


@pytest.mark.parametrize("answer", [False, None])
def test_an_empty_box_takes_no_consent_back(answer: bool | None) -> None:
    assert checkout(buyer_accepts_marketing=answer).consent is None
    assert order(buyer_accepts_marketing=answer).consent is None


def test_a_later_change_of_the_cart_does_not_date_the_consent_anew() -> None:
    changed = checkout(updated_at="2026-11-20T00:00:00Z")

    assert changed.happened_at == utc(2026, 11, 20)
    assert changed.consent is not None
    assert changed.consent.at == utc(2026, 11, 18, 18, 2, 11)


def test_a_checkout_without_an_address_yet_is_still_told() -> None:
    nobody = checkout(email=None, customer=None)

    assert nobody.person == Person(locale="en-US", country="US", first_name="Maya", last_name="Okafor")


def test_the_customers_address_stands_in_for_the_checkouts() -> None:
    assert checkout(email=None).person.email == "maya.okafor@example.com"


def test_redacted_fields_leave_a_checkout_without_a_person() -> None:
    redacted = checkout(**dict.fromkeys(PERSONAL))

    assert redacted.person == Person()
    assert len(redacted.lines) == 2


def test_amounts_are_in_the_currency_that_the_shopper_saw() -> None:
    items = [{"title": "抹茶", "quantity": 3, "price": "1200"}]
    shown = checkout(presentment_currency="JPY", line_items=items, subtotal_price="3600", total_price="3600")

    assert (shown.currency, shown.subtotal_minor, shown.lines[0].price_minor) == ("JPY", 3600, 1200)


def test_a_completed_checkout_says_when() -> None:
    assert checkout(completed_at="2026-11-18T10:09:00-08:00").completed_at == utc(2026, 11, 18, 18, 9)


def test_an_emptied_checkout_has_no_lines() -> None:
    assert checkout(line_items=[]).lines == ()
    assert checkout(line_items=None).lines == ()


@pytest.mark.parametrize(
    ("said", "read"),
    [("en-US", "en-US"), ("en_US", "en-US"), ("zh-hant-tw", "zh-Hant-TW"), ("AZ", "az"), ("", None), ("english", None)],
)
def test_locales_become_bcp_47_tags(said: str, read: str | None) -> None:
    assert checkout(customer_locale=said).person.locale == read


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "https://", "http://[", "https://a b/"])
def test_a_link_that_may_not_stand_in_a_mail_is_dropped(link: str) -> None:
    assert checkout(abandoned_checkout_url=link).recovery_url is None


def test_a_deleted_checkout_is_found_by_its_cart() -> None:
    cart_token = "hWN6K1pQx7s2vT9rLmB4cYdE"

    assert events("checkouts/delete") == [CheckoutDeleted(object_id=cart_token, happened_at=AT, cart_token=cart_token)]


def test_a_deleted_checkout_that_has_a_token_is_found_by_that_too() -> None:
    deleted = events("checkouts/delete", {"id": 1, "token": "8f2b", "cart_token": None})

    assert deleted == [CheckoutDeleted(object_id="8f2b", happened_at=AT, token="8f2b")]


@pytest.mark.parametrize("absent", [None, ""])
def test_an_order_that_came_without_a_checkout_joins_none(absent: str | None) -> None:
    by_hand = order(checkout_token=absent, cart_token=absent)

    assert (by_hand.checkout_token, by_hand.cart_token) == (None, None)


def test_a_deleted_checkout_known_by_its_number_only_is_parked() -> None:
    with pytest.raises(BadPayload, match="neither by cart_token nor by token"):
        events("checkouts/delete", {"id": 33128450064515})


def test_an_order_tells_who_what_and_when() -> None:
    (placed,) = events("orders/create")

    assert isinstance(placed, OrderUpdated)
    assert placed.object_id == "5983320113411"
    assert placed.happened_at == utc(2026, 11, 19, 13, 44, 52)
    assert placed.person.external_id == "7751266074819"
    assert placed.person.email == "tomas.rivera@example.com"
    assert placed.person.country == "US"
    assert (placed.number, placed.status) == ("#1047", "paid")
    assert (placed.total_minor, placed.refunded_minor, placed.currency) == (6405, 0, "USD")
    assert (placed.checkout_token, placed.cart_token) == (
        "2c7e5f81d0b94a36b8e1f7a2c6d3095e",
        "hWN6K4zRt8u3wX0sNqC5dFgH",
    )
    assert placed.placed_at == utc(2026, 11, 19, 13, 44, 48)
    assert placed.paid_at == utc(2026, 11, 19, 13, 44, 48)
    assert (placed.cancelled_at, placed.fulfilled_at, placed.is_test) == (None, None, False)
    assert placed.discount_codes == ("WELCOME10",)
    assert placed.consent == Consent(state=ConsentState.SUBSCRIBED, at=utc(2026, 11, 19, 13, 44, 50), source="checkout")


def test_an_order_without_a_processing_time_was_placed_when_it_was_made() -> None:
    assert order(processed_at=None).placed_at == utc(2026, 11, 19, 13, 44, 50)


@pytest.mark.parametrize("status", ["pending", "authorized", "partially_paid", "voided", None])
def test_an_unpaid_order_has_no_time_of_payment(status: str | None) -> None:
    assert order(financial_status=status).paid_at is None


def test_a_cancelled_order_says_when_and_shows_it() -> None:
    (cancelled,) = events("orders/cancelled")

    assert isinstance(cancelled, OrderUpdated)
    assert (cancelled.status, cancelled.cancelled_at) == ("cancelled", utc(2026, 11, 19, 14, 30))


def test_a_fulfilled_order_was_fulfilled_with_its_last_parcel() -> None:
    parcels = [
        {"id": 1, "status": "success", "created_at": "2026-11-20T10:00:00Z", "updated_at": "2026-11-23T10:00:00Z"},
        {"id": 2, "status": "success", "created_at": "2026-11-21T10:00:00Z", "updated_at": "2026-11-22T10:00:00Z"},
        {"id": 3, "status": "cancelled", "created_at": "2026-11-22T10:00:00Z", "updated_at": "2026-11-22T10:00:00Z"},
    ]

    assert order(fulfillments=parcels).fulfilled_at == utc(2026, 11, 21, 10)
    assert order(fulfillments=parcels, fulfillment_status="partial").fulfilled_at is None
    assert order(fulfillments=[]).fulfilled_at == utc(2026, 11, 24, 16, 20, 33)


def test_a_test_order_is_marked() -> None:
    assert order(test=True).is_test


def test_redacted_fields_leave_an_order_without_a_person() -> None:
    assert order(**dict.fromkeys(PERSONAL)).person == Person()


def test_codes_are_kept_as_they_were_typed() -> None:
    assert order(discount_codes=[{"code": "Welcome10"}, {"code": ""}]).discount_codes == ("Welcome10",)


def test_ids_beyond_the_reach_of_floats_are_kept() -> None:
    assert order(id=820982911946154508).object_id == "820982911946154508"


def test_an_order_and_the_topics_of_its_parts_tell_the_same_events() -> None:
    _, shipped, refunded = events("orders/updated")

    assert [refunded] == events("refunds/create")
    assert [shipped] == events("fulfillments/update")


def test_a_refund_says_how_much_of_what() -> None:
    assert events("refunds/create") == [
        RefundCreated(
            object_id="1002334486659",
            happened_at=utc(2026, 11, 24, 16, 20, 31),
            order_id="5983320113411",
            amount_minor=1485,
            currency="USD",
            product_ids=("8403312115779",),
        )
    ]
    assert order().refunded_minor == 1485


def test_a_refund_without_transactions_is_summed_from_its_lines_where_amounts_are_numbers() -> None:
    assert refund(transactions=[]).amount_minor == 1485


def test_a_refund_that_was_refused_moved_no_money() -> None:
    (moved,) = body("refunds/create")["transactions"]

    assert refund(transactions=[moved | {"status": "failure"}]).amount_minor == 0
    assert refund(transactions=[moved | {"kind": "void"}]).amount_minor == 0


def test_a_refund_in_the_shoppers_currency_counts_in_the_shops_by_the_orders_rate() -> None:
    (recorded,) = body("orders/updated")["refunds"]
    (moved,) = recorded["transactions"]
    in_euros = recorded | {"transactions": [moved | {"amount": "30.00", "currency": "EUR"}]}
    rate = {
        "shop_money": {"amount": "64.05", "currency_code": "USD"},
        "presentment_money": {"amount": "60.00", "currency_code": "EUR"},
    }
    updated, _, refunded = events("orders/updated", body("orders/updated", refunds=[in_euros], total_price_set=rate))

    assert isinstance(refunded, RefundCreated)
    assert isinstance(updated, OrderUpdated)
    assert (refunded.amount_minor, refunded.currency) == (3000, "EUR")
    assert updated.refunded_minor == 3202


def test_a_refund_in_a_currency_without_a_rate_is_not_guessed() -> None:
    (recorded,) = body("orders/updated")["refunds"]
    (moved,) = recorded["transactions"]

    assert order(refunds=[recorded | {"transactions": [moved | {"currency": "EUR"}]}]).refunded_minor == 0


@pytest.mark.parametrize("changes", [{"order_id": None}, {"transactions": [], "refund_line_items": []}])
def test_a_refund_of_nothing_known_is_parked(changes: dict[str, object]) -> None:
    with pytest.raises(BadPayload, match="names no order or no currency"):
        refund(**changes)


def test_a_deleted_order_is_its_id() -> None:
    assert events("orders/delete") == [OrderDeleted(object_id="5983320113411", happened_at=AT)]


def test_the_carrier_says_that_a_parcel_arrived() -> None:
    assert events("fulfillment_events/create") == [
        ShipmentUpdated(
            object_id="5412887724163",
            happened_at=utc(2026, 11, 23, 18, 1),
            order_id="5983320113411",
            state=ShipmentState.DELIVERED,
        )
    ]


@pytest.mark.parametrize(
    ("status", "shipment_status", "state"),
    [
        ("success", None, ShipmentState.SHIPPED),
        ("success", "label_printed", ShipmentState.SHIPPED),
        ("success", "in_transit", ShipmentState.SHIPPED),
        ("success", "a_word_to_come", ShipmentState.SHIPPED),
        ("success", "out_for_delivery", ShipmentState.OUT_FOR_DELIVERY),
        ("success", "attempted_delivery", ShipmentState.OUT_FOR_DELIVERY),
        ("success", "delivered", ShipmentState.DELIVERED),
        ("success", "failure", ShipmentState.FAILED),
        ("cancelled", "in_transit", ShipmentState.CANCELLED),
        ("error", None, ShipmentState.FAILED),
        ("pending", None, ShipmentState.PENDING),
        (None, None, ShipmentState.PENDING),
    ],
)
def test_a_parcel_is_as_far_as_shop_and_carrier_say(
    status: str | None, shipment_status: str | None, state: ShipmentState
) -> None:
    assert shipment(status=status, shipment_status=shipment_status).state == state


def test_a_parcel_has_its_number_and_link_from_the_lists_where_need_be() -> None:
    listed = shipment(
        tracking_number=None, tracking_url=None, tracking_numbers=["", "1Z9"], tracking_urls=["https://example.com/1Z9"]
    )

    assert (listed.tracking_number, listed.tracking_url) == ("1Z9", "https://example.com/1Z9")


def test_a_parcel_without_an_order_is_parked() -> None:
    with pytest.raises(BadPayload, match="names no order"):
        shipment(order_id=None)


def test_a_customer_is_an_identity_and_nothing_more() -> None:
    (made,) = events("customers/create")

    assert made == CustomerUpdated(
        object_id="7751266074819",
        happened_at=utc(2026, 11, 19, 13, 31, 5),
        created_at=utc(2026, 11, 19, 13, 31, 5),
        person=Person(
            external_id="7751266074819",
            email="tomas.rivera@example.com",
            first_name="Tomás",
            last_name="Rivera",
            country="US",
        ),
    )


def test_a_customer_whose_data_is_hidden_is_still_told() -> None:
    (hidden,) = events("customers/update", {"id": 7, "email": None, "first_name": None, "updated_at": None})

    assert hidden == CustomerUpdated(object_id="7", happened_at=AT, person=Person(external_id="7"))


def test_ids_written_in_graphql_join_those_written_as_numbers() -> None:
    assert events("customers/delete") == [CustomerDeleted(object_id="7751266074819", happened_at=AT)]
    assert events("customers/purchasing_summary")[0].object_id == "7751266074819"
    assert events("customers/merge") == [
        CustomersMerged(object_id="7751203946691", happened_at=AT, merged_id="7751290028163")
    ]


def test_a_merge_that_is_not_done_gives_nothing() -> None:
    assert events("customers/merge", body("customers/merge", status="in_progress")) == []


def test_purchases_are_summed_in_the_shops_currency() -> None:
    assert events("customers/purchasing_summary") == [
        PurchasesSummed(
            object_id="7751266074819",
            happened_at=utc(2026, 11, 19, 13, 44, 53),
            orders_count=1,
            spent_minor=6405,
            currency="USD",
        )
    ]


def test_a_summary_without_an_amount_gives_nothing() -> None:
    assert events("customers/purchasing_summary", body("customers/purchasing_summary", amountSpent=None)) == []


def test_tags_are_added_and_removed() -> None:
    when = utc(2026, 11, 20, 15, 45, 10)

    assert events("customer.tags_added") == [
        CustomerTagged(object_id="7751203946691", happened_at=when, added=("vip", "birthday-november"))
    ]
    assert events("customer.tags_removed") == [
        CustomerTagged(object_id="7751203946691", happened_at=when, removed=("prospect",))
    ]


def test_consent_is_dated_by_when_it_was_given() -> None:
    when = utc(2026, 11, 18, 18, 2, 11)

    assert events("customers_email_marketing_consent/update") == [
        ConsentChanged(
            object_id="7751203946691",
            happened_at=when,
            person=Person(external_id="7751203946691", email="maya.okafor@example.com"),
            consent=Consent(state=ConsentState.SUBSCRIBED, at=when, source="platform", level="single_opt_in"),
        )
    ]


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("subscribed", ConsentState.SUBSCRIBED),
        ("unsubscribed", ConsentState.UNSUBSCRIBED),
        ("pending", ConsentState.PENDING),
        ("not_subscribed", ConsentState.NONE),
        ("invalid", ConsentState.NONE),
        ("redacted", ConsentState.NONE),
        ("a_word_to_come", ConsentState.NONE),
        (None, ConsentState.NONE),
    ],
)
def test_only_a_clear_yes_is_consent(said: str | None, state: ConsentState) -> None:
    payload = {"customer_id": None, "email_address": "Maya@Example.com", "email_marketing_consent": {"state": said}}
    (changed,) = events("customers_email_marketing_consent/update", payload)

    assert isinstance(changed, ConsentChanged)
    assert (changed.object_id, changed.consent.state, changed.consent.at) == ("maya@example.com", state, AT)


def test_consent_that_the_app_may_not_see_gives_nothing() -> None:
    hidden = {"customer_id": 7, "email_address": None, "email_marketing_consent": None}

    assert events("customers_email_marketing_consent/update", hidden) == []


def test_consent_of_nobody_is_parked() -> None:
    with pytest.raises(BadPayload, match="neither a customer nor an e-mail address"):
        events("customers_email_marketing_consent/update", {"email_marketing_consent": {"state": "subscribed"}})


def test_a_product_has_the_price_of_its_cheapest_variant() -> None:
    variants = [
        {"id": 1, "price": "24.00", "inventory_policy": "deny", "inventory_quantity": 0, "image_id": 9},
        {"id": 2, "price": "16.50", "inventory_policy": "deny", "inventory_quantity": 1},
        {"id": 3, "price": None, "inventory_policy": "deny", "inventory_quantity": 0},
    ]
    images = [{"id": 9, "src": "//cdn.example.com/9.jpg"}, {"id": 8, "src": "https://x.example/8", "variant_ids": [2]}]
    (changed,) = events("products/update", body("products/update", variants=variants, images=images, image=None))

    assert changed == ProductUpdated(
        object_id="8403312017475",
        happened_at=utc(2026, 11, 19, 13, 44, 54),
        title="Stoneware Mug",
        image_url="https://cdn.example.com/9.jpg",
        price_hundredths=1650,
        is_available=True,
        variant_image_urls={"1": "https://cdn.example.com/9.jpg", "2": "https://x.example/8"},
    )


@pytest.mark.parametrize(
    ("changes", "is_available"),
    [
        ({}, True),
        ({"status": "draft"}, False),
        ({"published_at": None}, False),
        ({"variants": []}, True),
        ({"variants": [{"id": 1, "inventory_policy": "deny", "inventory_quantity": 0}]}, False),
        ({"variants": [{"id": 1, "inventory_policy": "continue", "inventory_quantity": -3}]}, True),
        ({"variants": [{"id": 1, "inventory_management": None, "inventory_quantity": 0}]}, True),
        ({"variants": [{"id": 1, "inventory_quantity": None}]}, True),
    ],
)
def test_a_product_is_available_while_one_variant_can_be_bought(changes: dict[str, object], is_available: bool) -> None:
    (changed,) = events("products/update", body("products/update", **changes))

    assert isinstance(changed, ProductUpdated)
    assert changed.is_available is is_available


def test_the_shop_tells_how_its_customers_know_it() -> None:
    assert events("shop/update") == [
        ShopUpdated(
            object_id="juniper-and-pine.myshopify.com",
            happened_at=utc(2026, 11, 21, 13),
            name="Juniper & Pine",
            email="hello@example.com",
            currency="USD",
            timezone="America/New_York",
            locale="en",
        )
    ]


def test_the_app_went_when_the_webhook_says_not_when_the_shop_last_changed() -> None:
    (gone,) = events("app/uninstalled")

    assert (gone.object_id, gone.happened_at) == ("juniper-and-pine.myshopify.com", AT)


def test_the_rights_are_those_that_hold_now() -> None:
    assert events("app/scopes_update") == [
        ScopesChanged(
            object_id="68214059331",
            happened_at=utc(2026, 11, 21, 13, 5),
            scopes=("read_customers", "read_orders", "read_products", "write_customers", "write_discounts"),
        )
    ]


TOMAS = Person(external_id="7751266074819", email="tomas.rivera@example.com")


def test_the_compliance_topics_name_whom_they_are_about() -> None:
    assert events("customers/data_request") == [DataRequested(object_id="9999", happened_at=AT, person=TOMAS)]
    assert events("customers/redact") == [
        CustomerRedacted(object_id="7751266074819", happened_at=AT, person=TOMAS, order_ids=("5983320113411",))
    ]
    assert events("shop/redact") == [ShopRedacted(object_id="juniper-and-pine.myshopify.com", happened_at=AT)]


def test_a_redaction_without_an_id_goes_by_the_hash_of_the_address() -> None:
    (redacted,) = events("customers/redact", {"customer": {"email": "Tomas.Rivera@example.com"}})

    assert redacted.object_id == "1ba1c276f0143aeb4f9045a9ea5a5aaf339d378e0e779ff9b14f4c237d2b5d88"


def test_a_redaction_by_phone_number_alone_is_parked() -> None:
    with pytest.raises(BadPayload, match="neither a customer nor an e-mail address"):
        events("customers/redact", {"customer": {"phone": "+14015550199"}})


def mistyped(payload: dict[str, Any]) -> dict[str, Any]:
    return payload | {"updated_at": "maya.okafor@example.com"}


def without_lines(payload: dict[str, Any]) -> dict[str, Any]:
    return payload | {"line_items": [{"title": "Maya Okafor", "quantity": "maya.okafor@example.com"}]}


def bad_price(payload: dict[str, Any]) -> dict[str, Any]:
    return payload | {"total_price": "maya.okafor@example.com"}


@pytest.mark.parametrize("spoil", [mistyped, without_lines, bad_price])
def test_an_error_names_the_field_and_never_the_value(spoil: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    with pytest.raises(BadPayload) as caught:
        events("checkouts/update", spoil(body("checkouts/update")))

    error: BaseException | None = caught.value
    while error is not None:
        assert "maya" not in str(error).lower()
        error = error.__cause__ or error.__context__


def test_an_error_says_where() -> None:
    with pytest.raises(BadPayload, match=r"^The body cannot be understood: updated_at: is not a time\.$"):
        events("checkouts/update", body("checkouts/update", updated_at="soon"))
    with pytest.raises(BadPayload, match=r"^The body cannot be understood: the body: Input should be a valid dict"):
        events("checkouts/update", [])


ODD: list[object] = [
    *(None, "", "x", "\u00e9" * 600, "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "gid://shopify/X/1"),
    *(0, -1, 1.5, 10**30, 1e308, float("inf"), True, False, [], {}, [None], [[]], [{}], {"a": 1}),
]  # fmt: skip


def spoil(payload: object, at_random: Random, odd: object) -> object:
    """Put something odd in the place of one value, anywhere."""
    if isinstance(payload, dict) and payload and at_random.random() < 0.9:
        key = at_random.choice(sorted(payload))
        return payload | {key: spoil(payload[key], at_random, odd)}
    if isinstance(payload, list) and payload:
        return [spoil(payload[0], at_random, odd), *payload[1:]]
    return odd


@settings(deadline=None, max_examples=300)
@given(topic=st.sampled_from(sorted(KINDS)), at_random=st.randoms(use_true_random=False), odd=st.sampled_from(ODD))
def test_one_odd_value_anywhere_gives_events_or_a_known_error(topic: str, at_random: Random, odd: object) -> None:
    try:
        found = normalise(topic, spoil(body(topic), at_random, odd), at=AT)
    except BadPayload:
        return

    assert all(event.object_id for event in found)
