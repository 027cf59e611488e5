"""Orders of WooCommerce, and drafts of its checkout, in our words."""

from datetime import UTC, datetime

import pytest

from app.domain.events import (
    CheckoutUpdated,
    Consent,
    ConsentState,
    DeletionTold,
    Line,
    OrderUpdated,
    Person,
)
from integrations.woocommerce.normalise import normalise
from tests.woo_bodies import AT, CLUBS, PAY_URL, body, checkout, draft, events, meta, order, utc


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
