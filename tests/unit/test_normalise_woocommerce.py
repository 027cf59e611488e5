"""Recorded deliveries of WooCommerce and of our plugin in our words; orders are in a file of their own."""

import json
from datetime import UTC
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import BadPayload
from app.domain.events import (
    CheckoutUpdated,
    Consent,
    ConsentState,
    CustomerRedacted,
    CustomerUpdated,
    DeletionTold,
    Line,
    Person,
    ProductUpdated,
)
from integrations.woocommerce import topics
from integrations.woocommerce.normalise import normalise
from tests.woo_bodies import AT, PAYLOADS, checkout, delivery, events, utc

PARKED = ["parked"]
NO_WEBHOOK: list[str] = []

# Every recorded delivery, and what it says in our words.
KINDS: dict[str, list[str]] = {
    "action.woocommerce_payment_complete": [],
    "checkout.updated": ["checkout_updated"],
    "checkout.updated.completed": ["checkout_updated"],
    "connect-callback": NO_WEBHOOK,
    "coupon.created": [],
    "coupon.deleted": [],
    "coupon.deleted.wrong-resource": [],
    "coupon.updated": [],
    "customer.created": ["customer_updated"],
    "customer.deleted": ["deletion_told"],
    "customer.updated": ["customer_updated"],
    "order.created": ["order_updated"],
    "order.created.guest": ["order_updated"],
    "order.deleted": ["deletion_told"],
    "order.updated": ["order_updated"],
    "order.updated.cancelled": ["order_updated"],
    "order.updated.checkout-draft": ["order_updated", "checkout_updated"],
    "order.updated.completed": ["order_updated"],
    "order.updated.error-body": PARKED,
    "order.updated.failed": ["order_updated"],
    "order.updated.placed": ["order_updated"],
    "order.updated.processing": ["order_updated"],
    "order.updated.refunded-partial": ["order_updated"],
    "ping": NO_WEBHOOK,
    "product.created": ["product_updated"],
    "product.deleted": ["deletion_told"],
    "product.updated": ["product_updated"],
    "shopper.deleted": ["customer_redacted"],
}


def test_the_table_names_every_recorded_delivery() -> None:
    assert {path.stem for path in PAYLOADS.glob("*.json")} == set(KINDS)


@pytest.mark.parametrize("name", sorted(name for name, kinds in KINDS.items() if kinds is not PARKED))
def test_a_recorded_body_becomes_its_events(name: str) -> None:
    found = events(name)

    assert [event.kind for event in found] == KINDS[name]
    assert all(event.object_id and event.happened_at.tzinfo is UTC for event in found)


@pytest.mark.parametrize("topic", sorted({*topics.TOPICS, *topics.COMPANION_TOPICS}))
@pytest.mark.parametrize("payload", [None, [], "text", 7, {}])
def test_a_body_that_is_not_the_documented_one_is_a_known_error(topic: str, payload: object) -> None:
    with pytest.raises(BadPayload):
        normalise(topic, payload, at=AT)


def test_an_unknown_topic_gives_nothing_whatever_its_body() -> None:
    assert normalise("subscription.created", None, at=AT) == []
    assert normalise("coupon.updated", {"code": "x", "message": "y"}, at=AT) == []


def test_an_error_document_is_parked_with_advice() -> None:
    with pytest.raises(BadPayload) as caught:
        events("order.updated.error-body")

    assert str(caught.value) == (
        "The shop sent an error document instead of the object: woocommerce_rest_cannot_view. "
        "The user who owns the webhook may have lost the right to see it: connect the shop again."
    )


def test_an_object_that_was_gone_is_parked_without_alarm() -> None:
    gone = {"code": "woocommerce_rest_shop_order_invalid_id", "message": "Invalid ID.", "data": {"status": 404}}

    with pytest.raises(BadPayload, match=r"order_invalid_id\. The object was gone by then: nothing to do"):
        normalise("order.updated", gone, at=AT)


@pytest.mark.parametrize("code", ["mira@example.com is unknown", "", [], {}])
def test_the_words_of_an_error_document_are_not_repeated(code: object) -> None:
    with pytest.raises(BadPayload, match="object: no code"):
        normalise("order.updated", {"code": code, "message": "mira"}, at=AT)


def test_a_customer_is_told_with_the_time_of_the_change() -> None:
    assert events("customer.updated") == [
        CustomerUpdated(
            object_id="2",
            happened_at=utc(19, 39, 7),
            created_at=utc(19, 39, 6),
            person=Person(
                external_id="2",
                email="mira.halwick@example.com",
                first_name="Mira",
                last_name="Halwick",
                country="US",
            ),
        )
    ]


def test_a_customer_who_never_changed_is_as_old_as_the_account() -> None:
    assert events("customer.created", date_modified_gmt=None)[0].happened_at == utc(19, 39, 6)
    assert events("customer.created", date_modified_gmt=None, date_created_gmt=None)[0].happened_at == AT


def test_a_deleted_customer_is_a_question() -> None:
    assert events("customer.deleted") == [DeletionTold(object_id="3", happened_at=AT, of="customers")]


def test_a_product_has_its_page_and_price() -> None:
    (changed,) = events("product.updated", images=[{"src": "https://shop.example.com/clubs.jpg"}])

    assert changed == ProductUpdated(
        object_id="12",
        happened_at=utc(19, 39, 20),
        title="Juggling clubs",
        url="https://shop.example.com/product/juggling-clubs/",
        image_url="https://shop.example.com/clubs.jpg",
        price_hundredths=6450,
        is_available=True,
    )


@pytest.mark.parametrize("price", ["", None])
def test_a_product_may_have_no_price(price: str | None) -> None:
    (changed,) = events("product.updated", price=price)

    assert isinstance(changed, ProductUpdated)
    assert changed.price_hundredths is None


@pytest.mark.parametrize(
    ("changes", "is_available"),
    [
        ({"stock_status": "onbackorder"}, True),
        ({"stock_status": "outofstock"}, False),
        ({"status": "draft"}, False),
        ({"status": "private"}, False),
    ],
)
def test_a_product_is_available_while_it_is_published_and_can_be_bought(
    changes: dict[str, object], is_available: bool
) -> None:
    (changed,) = events("product.updated", **changes)

    assert isinstance(changed, ProductUpdated)
    assert changed.is_available is is_available


def test_a_variation_is_no_product_of_its_own() -> None:
    assert events("product.updated", type="variation", parent_id=15) == []


def test_a_deleted_product_is_a_question_and_a_coupon_topic_never_asks_one() -> None:
    assert events("product.deleted") == [DeletionTold(object_id="23", happened_at=AT, of="products")]
    assert events("coupon.deleted.wrong-resource") == []


def test_the_companions_checkout_tells_the_whole_cart() -> None:
    assert checkout() == CheckoutUpdated(
        object_id="Oa9QwPzDclrqObxMNmhuP1YghRibJ8yc",
        happened_at=utc(19, 39, 19),
        person=Person(email="isolden.tarrant@example.com", locale="en-US"),
        currency="USD",
        lines=(
            Line(
                title="Juggling clubs",
                quantity=2,
                price_minor=6450,
                product_id="12",
                sku="CW-64419",
                url="https://shop.example.com/product/juggling-clubs/",
            ),
        ),
        subtotal_minor=12900,
        total_minor=13400,
        created_at=utc(19, 39, 19),
        recovery_url="https://shop.example.com/?cartwheel_cart=Oa9QwPzDclrqObxMNmhuP1YghRibJ8yc",
    )


def test_a_completed_checkout_names_its_order() -> None:
    (done,) = events("checkout.updated.completed")

    assert isinstance(done, CheckoutUpdated)
    assert (done.completed_at, done.order_id) == (utc(19, 39, 20), "22")


def test_an_emptied_checkout_has_neither_lines_nor_sums() -> None:
    emptied = checkout(status="emptied")

    assert (emptied.lines, emptied.subtotal_minor, emptied.total_minor, emptied.completed_at) == ((), 0, 0, None)


def test_a_status_that_is_new_is_parked_rather_than_mailed_about() -> None:
    with pytest.raises(BadPayload, match=r"status: Input should be 'open', 'completed' or 'emptied'"):
        checkout(status="paused")


@pytest.mark.parametrize("variation", [{"attribute_size": "S", "attribute_colour": "red"}, [], None])
def test_what_was_chosen_is_the_variants_title(variation: object) -> None:
    item = {"product_id": 15, "variation_id": 16, "variation": variation, "quantity": 1, "name": "T", "price": "22.00"}
    (line,) = checkout(items=[item]).lines

    assert line.variant_title == ("S, red" if variation else None)
    assert line.variant_id == "16"


def test_the_companions_consent_has_its_own_time_and_wording() -> None:
    said = {"marketing": True, "at": "2026-11-21T11:20:00-08:00", "text": "Send me offers"}

    assert checkout(consent=said).consent == Consent(
        state=ConsentState.SUBSCRIBED, at=utc(19, 20), source="checkout", wording="Send me offers"
    )


@pytest.mark.parametrize("said", [None, [], {}, {"marketing": False, "at": "2026-11-21T19:20:00Z"}])
def test_an_empty_box_of_the_companion_takes_nothing_back(said: object) -> None:
    assert checkout(consent=said).consent is None


def test_consent_without_a_time_is_as_old_as_the_checkout() -> None:
    later = checkout(consent={"marketing": True}, updated_at_gmt="2026-11-22T00:00:00+00:00")

    assert later.consent is not None
    assert later.consent.at == utc(19, 39, 19)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("en_US", "en-US"),
        ("de_DE_formal", "de-DE"),
        ("zh_CN", "zh-CN"),
        ("az", "az"),
        ("pt_PT_ao90", "pt-PT"),
        (7, None),
    ],
)
def test_wordpress_locales_become_bcp_47_tags(said: object, read: str | None) -> None:
    assert checkout(locale=said).person.locale == read


def test_a_redacted_shopper_is_known_by_hash_only() -> None:
    digest = "5adbc841c805fd0f9e357001780cd8b8d30761dbad167b68d6a50b4716e00902"

    assert events("shopper.deleted") == [
        CustomerRedacted(object_id=digest, happened_at=AT, person=Person(), email_sha256=digest)
    ]


@pytest.mark.parametrize("digest", ["", "5ADBC841", "mira@example.com", None])
def test_what_is_no_hash_is_parked(digest: str | None) -> None:
    with pytest.raises(BadPayload, match="email_sha256"):
        events("shopper.deleted", email_sha256=digest)


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
@given(name=st.sampled_from(sorted(KINDS)), at_random=st.randoms(use_true_random=False), odd=st.sampled_from(ODD))
def test_one_odd_value_anywhere_gives_events_or_a_known_error(name: str, at_random: Random, odd: object) -> None:
    topic = delivery(name)["headers"].get("X-WC-Webhook-Topic", "")
    try:
        found = normalise(topic, spoil(json.loads(delivery(name)["body"]) if topic else {}, at_random, odd), at=AT)
    except BadPayload:
        return

    assert all(event.object_id for event in found)
