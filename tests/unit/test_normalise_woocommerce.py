import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

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
    Event,
    Line,
    OrderUpdated,
    Person,
    ProductUpdated,
)
from integrations.woocommerce import topics
from integrations.woocommerce.normalise import normalise

PAYLOADS = Path(__file__).parents[1] / "data" / "payloads" / "woocommerce"
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
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
PAY_URL = "https://shop.example.com/checkout/order-pay/{id}/?pay_for_order=true&key={key}"
CLUBS = Line(title="Juggling clubs", quantity=2, price_minor=6450, product_id="12", sku="CW-64419")


def utc(hour: int, minute: int, second: int = 0) -> datetime:
    return datetime(2026, 11, 21, hour, minute, second, tzinfo=UTC)


def delivery(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def body(name: str, **changes: object) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(delivery(name)["body"])
    return parsed | changes


def events(name: str, **changes: object) -> list[Event]:
    topic = delivery(name)["headers"].get("X-WC-Webhook-Topic", "")
    return normalise(topic, body(name, **changes), at=AT) if topic else []


def order(name: str = "order.updated", **changes: object) -> OrderUpdated:
    event = events(name, **changes)[0]
    assert isinstance(event, OrderUpdated)
    return event


def draft(**changes: object) -> CheckoutUpdated:
    event = events("order.updated.checkout-draft", **changes)[1]
    assert isinstance(event, CheckoutUpdated)
    return event


def checkout(**changes: object) -> CheckoutUpdated:
    (event,) = events("checkout.updated", **changes)
    assert isinstance(event, CheckoutUpdated)
    return event


def meta(key: str, value: object) -> dict[str, object]:
    return {"id": 1, "key": key, "value": value}


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


def test_an_order_tells_who_what_and_when() -> None:
    assert events("order.created") == [
        OrderUpdated(
            object_id="19",
            happened_at=utc(19, 39, 10),
            person=Person(
                external_id="2",
                email="mira.halwick@example.com",
                first_name="Mira",
                last_name="Halwick",
                country="US",
            ),
            number="19",
            status="pending",
            currency="USD",
            total_minor=10048,
            created_at=utc(19, 39, 9),
            lines=(
                Line(title="Juggling clubs", quantity=1, price_minor=6450, product_id="12", sku="CW-64419"),
                Line(
                    title="Circus T-shirt",
                    quantity=2,
                    price_minor=2200,
                    product_id="15",
                    variant_id="16",
                    variant_title="S",
                ),
            ),
            placed_at=utc(19, 39, 9),
            discount_codes=("comeback-7f3k",),
            payment_url=PAY_URL.format(id=19, key="wc_order_iLwLn7VMyzHJR"),
        )
    ]


def test_created_and_updated_of_one_moment_are_one_event() -> None:
    assert events("order.created") == events("order.updated")
    assert events("order.created.guest") == events("order.updated.placed")


def test_a_restored_order_is_an_order_again() -> None:
    assert normalise("order.restored", body("order.updated"), at=AT) == events("order.updated")


def test_a_guest_has_no_account() -> None:
    assert order("order.created.guest").person == Person(
        email="isolden.tarrant@example.com", first_name="Isolden", last_name="Tarrant", country="US"
    )


def test_a_paid_order_was_placed_when_it_was_paid() -> None:
    paid = order("order.updated.processing")

    assert (paid.placed_at, paid.paid_at) == (utc(19, 39, 11), utc(19, 39, 11))


def test_an_unpaid_order_was_placed_when_it_was_made() -> None:
    first = order("order.updated.failed")
    later = order("order.updated.failed", date_modified_gmt="2026-11-23T10:00:00")

    assert first.placed_at == later.placed_at == utc(19, 39, 15)
    assert later.happened_at == datetime(2026, 11, 23, 10, tzinfo=UTC)


def test_an_unpaid_order_of_the_block_checkout_was_placed_when_it_was_first_told_not_when_its_draft_began() -> None:
    placed = order("order.updated.placed")

    assert (placed.created_at, placed.placed_at) == (utc(19, 39, 19), utc(19, 39, 21))
    assert order("order.updated.placed", date_modified_gmt=None).placed_at == utc(19, 39, 19)


@pytest.mark.parametrize("status", ["pending", "on-hold", "failed", "cancelled", "refunded", "a-plugins-own"])
def test_every_status_but_a_draft_or_the_bin_is_a_placed_order(status: str) -> None:
    assert order(status=status).placed_at == utc(19, 39, 9)
    assert order(status=status).status == status


@pytest.mark.parametrize("status", ["checkout-draft", "auto-draft", "trash"])
def test_a_draft_or_a_binned_order_is_no_purchase_and_ends_no_checkout(status: str) -> None:
    binned = order("order.updated.placed", status=status)

    assert (binned.placed_at, binned.checkout_token, binned.cart_token, binned.payment_url) == (None, None, None, None)


def test_a_failed_order_can_still_be_paid() -> None:
    failed = order("order.updated.failed")

    assert (failed.status, failed.paid_at) == ("failed", None)
    assert failed.payment_url == PAY_URL.format(id=21, key="wc_order_qu2NWBw8swtVH")


def test_a_cancelled_order_says_when() -> None:
    assert order("order.updated.cancelled").cancelled_at == utc(19, 39, 17)


def test_a_completed_order_counts_as_shipped() -> None:
    assert order("order.updated.completed").fulfilled_at == utc(19, 39, 12)


def test_a_part_that_was_refunded_is_counted_though_the_status_stays() -> None:
    refunded = order("order.updated.refunded-partial")

    assert (refunded.status, refunded.refunded_minor) == ("completed", 1000)


def test_prices_have_tax_where_the_shop_shows_them_with_tax() -> None:
    item = {
        "name": "Lampe", "quantity": 3, "subtotal": "30.00", "subtotal_tax": "5.70", "total": "27.00", "price": 9.0
    }  # fmt: skip

    assert order(line_items=[item], prices_include_tax=True).lines[0].price_minor == 1190
    assert order(line_items=[item], prices_include_tax=False).lines[0].price_minor == 1000
    assert order(line_items=[item | {"subtotal": ""}]).lines[0].price_minor == 900


def test_a_draft_with_an_address_is_also_a_checkout() -> None:
    started = draft()

    assert started == CheckoutUpdated(
        object_id="draft-22",
        happened_at=utc(19, 39, 19),
        person=Person(email="isolden.tarrant@example.com", country="US"),
        currency="USD",
        lines=(CLUBS,),
        subtotal_minor=12900,
        total_minor=13400,
        created_at=utc(19, 39, 19),
        cart_token="draft-22",
        recovery_url="https://shop.example.com/checkout-link/?products=12:2",
    )


def test_a_draft_without_an_address_is_no_checkout() -> None:
    nobody = body("order.updated.checkout-draft")["billing"] | {"email": ""}

    assert [event.kind for event in events("order.updated.checkout-draft", billing=nobody)] == ["order_updated"]


def test_the_order_of_a_draft_ends_its_checkout_and_the_companions() -> None:
    placed = order("order.updated.placed")
    without_companion = order("order.updated.placed", meta_data=[])

    assert (placed.checkout_token, placed.cart_token) == (checkout().object_id, draft().cart_token)
    assert (without_companion.checkout_token, without_companion.cart_token) == ("draft-22", "draft-22")


def test_an_order_of_the_classic_checkout_had_no_draft() -> None:
    classic = order("order.updated.placed", created_via="checkout", meta_data=[])

    assert (classic.checkout_token, classic.cart_token) == (None, None)


@pytest.mark.parametrize(
    ("changes", "link"),
    [
        ({"version": "9.9.5"}, None),
        ({"version": None}, None),
        ({"line_items": []}, None),
        ({"_links": None}, "https://shop.example.com/checkout-link/?products=12:2"),
        ({"_links": None, "payment_url": ""}, None),
        (
            {"_links": {"self": [{"href": "https://example.com/laden/wp-json/wc/v3/orders/22"}]}},
            "https://example.com/laden/checkout-link/?products=12:2",
        ),
    ],
)
def test_a_draft_has_a_way_back_where_the_shop_knows_one(changes: dict[str, object], link: str | None) -> None:
    assert draft(**changes).recovery_url == link


def test_the_way_back_names_the_variation() -> None:
    assert draft(line_items=body("order.created")["line_items"]).recovery_url == (
        "https://shop.example.com/checkout-link/?products=12:1,16:2"
    )


def test_a_drafts_sum_is_after_discounts_and_with_the_tax_that_is_shown() -> None:
    items = [{"name": "A", "quantity": 1, "subtotal": "10.00", "total": "9.00", "total_tax": "1.71"}]

    assert draft(line_items=items).subtotal_minor == 900
    assert draft(line_items=items, prices_include_tax=True).subtotal_minor == 1071


def test_the_ticked_box_of_an_order_is_consent_as_of_its_beginning() -> None:
    ticked = order(meta_data=[meta("_wc_other/cartwheel/marketing-consent", "1")])

    assert ticked.consent == Consent(state=ConsentState.SUBSCRIBED, at=utc(19, 39, 9), source="checkout")


@pytest.mark.parametrize("value", ["0", "", None, 1, True, ["1"]])
def test_anything_else_in_that_place_is_no_consent(value: object) -> None:
    assert order(meta_data=[meta("_wc_other/cartwheel/marketing-consent", value)]).consent is None


def test_names_come_without_the_entities_of_wordpress() -> None:
    items = [{"name": "Tea &amp; Tin &#233; Box", "quantity": 1, "total": "1.00", "price": 1.0}]

    assert order(line_items=items).lines[0].title == "Tea & Tin é Box"


def test_half_a_metre_is_shown_as_a_whole_one() -> None:
    items = [{"name": "Cloth", "quantity": 1.5, "price": 10}, {"name": "Gone", "quantity": 0, "price": 1}]

    assert [(line.quantity, line.price_minor) for line in order(line_items=items).lines] == [(2, 1000)]


def test_empty_objects_of_php_and_empty_dates_of_wordpress_are_nothing() -> None:
    odd = order(billing=[], shipping=[], date_paid_gmt="0000-00-00T00:00:00", date_completed_gmt="")

    assert (odd.person, odd.paid_at, odd.fulfilled_at) == (Person(external_id="2"), None, None)


def test_a_deleted_order_is_a_question() -> None:
    assert events("order.deleted") == [DeletionTold(object_id="21", happened_at=AT, of="orders")]


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
