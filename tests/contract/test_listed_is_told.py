"""What Shopify lists is what its webhooks tell: the same change gives equal events, whichever way it comes (design 8.8)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.demo.fakes import Fakes
from app.demo.store import Customer
from app.domain.errors import BadPayload
from app.domain.events import CheckoutUpdated, ConsentChanged, ConsentState, CustomerTagged, PurchasesSummed
from app.domain.json_input import parse_json
from integrations.shopify.client import AdminClient
from integrations.shopify.normalise import normalise
from integrations.shopify.respelled import read_checkout_node, read_customer_node, read_order_node, read_product_node
from tests.contract.test_shopify_fake import Held, access
from tests.shop_cast import pretend_shops

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TOTAL = {
    "shopMoney": {"amount": "80.00", "currencyCode": "EUR"},
    "presentmentMoney": {"amount": "100.00", "currencyCode": "USD"},
}
TIMES = {"createdAt": "2026-11-24T11:00:00Z", "updatedAt": "2026-11-24T12:00:00Z"}
NODE = {"id": "gid://shopify/Order/7", "currencyCode": "EUR", "totalPriceSet": TOTAL, **TIMES}
HOME = "https://shop.example/68214059331/checkouts"


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    with pretend_shops(Held()) as fakes:
        yield fakes


@pytest.fixture
def client(fakes: Fakes) -> Iterator[AdminClient]:
    with AdminClient(access(fakes)) as client:
        yield client


def test_a_listed_order_is_the_order_that_was_told(fakes, client):
    shop = fakes.shopify
    bought = shop.begin_checkout(email="alice@example.com", items=[("TEA-DARJ-50", 2), ("TIN-OAT", 1)])
    webhooks = [shop.order_webhook(shop.place_order(bought)), shop.order_webhook(shop.place_order("bob@example.com"))]
    told = [normalise("orders/create", parse_json(webhook.body), at=AT) for webhook in webhooks]
    listed = [read_order_node(node) for node in client.pages("OrdersSince", {"first": 4, "q": None}, "orders")]

    assert listed == told


def test_a_listed_checkout_tells_all_but_its_token_and_its_box(fakes, client):
    shop = fakes.shopify
    cart = shop.begin_checkout(email="alice@example.com", items=[("TEA-DARJ-50", 2), ("TIN-OAT", 1)])
    (told,) = normalise("checkouts/create", parse_json(shop.checkout_webhook(cart).body), at=AT)
    node = next(client.pages("AbandonedCheckouts", {"first": 5, "q": None}, "abandonedCheckouts"))
    listed, consent = read_checkout_node(node)

    assert isinstance(listed, CheckoutUpdated)
    person = replace(told.person, locale="en", country="US")
    assert listed == replace(told, object_id=cart.cart_token, cart_token=None, consent=None, is_by_link=True, person=person)
    assert (consent.kind, consent.consent.state) == ("consent_changed", ConsentState.SUBSCRIBED)


def test_a_listed_customer_is_the_account_that_was_told_with_tags_sums_and_consent(fakes, client):
    shop = fakes.shopify
    shop.begin_checkout(email="alice@example.com")
    shop.place_order("alice@example.com")
    node = next(client.pages("CustomersSince", {"first": 5, "q": None}, "customers"))
    account, tags, sums, consent = read_customer_node({**node, "tags": ["vip"]})
    known = shop.store.get(Customer, "alice@example.com")

    assert (account.object_id, account.person.email) == (str(known.id), "alice@example.com")
    assert tags == CustomerTagged(object_id=str(known.id), happened_at=account.happened_at, added=("vip",), is_all=True)
    assert isinstance(sums, PurchasesSummed)
    assert (sums.orders_count, sums.spent_minor, sums.currency) == (1, 1450, "USD")
    assert isinstance(consent, ConsentChanged)
    assert consent.consent.at == known.consent_at.replace(microsecond=0)


def test_a_no_without_a_date_counts_from_the_last_change_and_a_yes_does_not_count():
    """I7: of two dates that are not told, the stricter reading."""
    address = {"emailAddress": "alice@example.com", "marketingUpdatedAt": None, "marketingOptInLevel": None}
    node = {"id": "gid://shopify/Customer/7", "updatedAt": "2026-11-24T12:00:00Z", "numberOfOrders": "0"}
    said = [
        [e for e in read_customer_node({**node, "defaultEmailAddress": address | {"marketingState": state}})
         if isinstance(e, ConsentChanged)]
        for state in ("UNSUBSCRIBED", "SUBSCRIBED")
    ]  # fmt: skip

    assert [[(e.consent.state, e.consent.at) for e in each] for each in said] == [[(ConsentState.UNSUBSCRIBED, AT)], []]


def test_a_listed_product_is_for_sale_when_one_of_its_variants_is(fakes, client):
    node = next(client.pages("Products", {"first": 1, "q": None}, "products"))
    sold_out = [{**variant, "availableForSale": False} for variant in node["variants"]["nodes"]]
    (now,), (gone,), (draft,) = (
        read_product_node({**node, **change}) for change in ({}, {"variants": {"nodes": sold_out}}, {"publishedAt": None})
    )

    assert (now.is_available, gone.is_available, draft.is_available) == (True, False, False)
    assert (now.url, now.image_url) == (node["onlineStoreUrl"], node["featuredMedia"]["preview"]["image"]["url"])


def test_a_parcel_and_a_refund_are_read_from_a_listed_order():
    money = {"presentmentMoney": {"amount": "25.00", "currencyCode": "USD"}}
    parcel = {"id": "gid://shopify/Fulfillment/8", "status": "SUCCESS", "displayStatus": "OUT_FOR_DELIVERY",
              "createdAt": "2026-11-24T11:30:00Z", "updatedAt": "2026-11-24T11:40:00Z",
              "trackingInfo": [{"company": "UPS", "number": "1Z", "url": "https://ups.example/1Z"}]}  # fmt: skip
    refund = {"id": "gid://shopify/Refund/9", "createdAt": "2026-11-24T11:50:00Z", "totalRefundedSet": money,
              "refundLineItems": {"nodes": [{"lineItem": {"product": {"id": "gid://shopify/Product/11"}}}]}}  # fmt: skip
    order, shipped, refunded = read_order_node(NODE | {"fulfillments": [parcel], "refunds": [refund]})

    assert order.refunded_minor == 2000  # 25 of 100 dollars are 20 of 80 euros
    assert (shipped.object_id, shipped.order_id, shipped.state, shipped.tracking_number) == (
        "8",
        "7",
        "out_for_delivery",
        "1Z",
    )
    assert (refunded.object_id, refunded.order_id, refunded.amount_minor, refunded.product_ids) == ("9", "7", 2500, ("11",))


@pytest.mark.parametrize(
    ("url", "key"),
    [
        (f"{HOME}/ac/hWN6K1pQx7s2vT9rLmB4cYdE/recover?key=0f3c&locale=en-US", "hWN6K1pQx7s2vT9rLmB4cYdE"),
        (f"{HOME}/8f2b6a0d4c9e4b57a1d3e60f7c2b9a84/recover?key=0f3c", "8f2b6a0d4c9e4b57a1d3e60f7c2b9a84"),
        ("https://shop.example/checkouts/cn/Z2NwLXVzLWVhc3QxOjAx", "Z2NwLXVzLWVhc3QxOjAx"),
        ("https://shop.example/cart", None),
    ],
)
def test_a_checkout_is_known_by_the_key_in_its_link(url, key):
    node = {"id": "gid://shopify/AbandonedCheckout/1", "abandonedCheckoutUrl": url, "totalPriceSet": TOTAL, **TIMES}
    if key is None:
        with pytest.raises(BadPayload, match="names no checkout"):
            read_checkout_node(node)
        return

    assert read_checkout_node(node)[0].object_id == key
