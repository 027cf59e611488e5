import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from woocommerce.oauth import OAuth

from app.demo.clock import DemoClock
from app.demo.config import DemoConfig
from app.demo.fakes import Fakes
from app.demo.server import create_app
from app.demo.store import Coupon
from app.demo.webhook import Job, SignedWebhook
from app.domain.errors import CartwheelError, Refused

T0 = datetime(2026, 7, 14, 12, 0, 30, 250_000, tzinfo=UTC)  # summer: the shops' wall clocks differ from UTC
PAYLOADS = Path(__file__).parents[1] / "data" / "payloads"
NOW = int(time.time())
SHOPIFY_SECRET, WOO_SECRET = "shpss_pretend", "woo-pretend-secret"
COUPON = {
    "code": "BACK-7F3KQ2WX",
    "title": "Abandoned cart",
    "startsAt": "2026-07-14T12:00:00Z",
    "endsAt": "2026-07-16T12:00:00Z",
    "usageLimit": 1,
    "appliesOncePerCustomer": True,
    "context": {"all": "ALL"},
    "customerGets": {"value": {"percentage": 0.1}, "items": {"all": True}},
}
CREATE = """
mutation CouponCreate($d: DiscountCodeBasicInput!) {
  made: discountCodeBasicCreate(basicCodeDiscount: $d) {
    codeDiscountNode { id codeDiscount {
      __typename
      ... on DiscountCodeBasic { title status codes(first: 1) { nodes { code } } }
      ... on DiscountCodeBxgy { summary }
    } }
    userErrors { field message code }
  }
}"""
BY_CODE = """
query ($code: String!) { codeDiscountNodeByCode(code: $code) { ...Node } }
fragment Node on DiscountCodeNode { id }"""


class Held:
    """A sender that keeps what it is given; `take` builds it and hands it out."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def take(self) -> list[SignedWebhook]:
        jobs, self.jobs = self.jobs, []
        return [webhook for job in jobs if (webhook := job.build())]


@pytest.fixture
def config(tmp_path: Path) -> DemoConfig:
    return DemoConfig(
        cartwheel_url="http://127.0.0.1:8000",
        shops_url="http://127.0.0.1:8001",
        shopify_client_secret=SHOPIFY_SECRET,
        shopify_access_token="shpat_pretend",
        woo_connection_path="/webhooks/woocommerce/c0ffee",
        woo_webhook_secret=WOO_SECRET,
        woo_consumer_key="ck_pretend",
        woo_consumer_secret="cs_pretend",
        data_dir=tmp_path,
        announces=False,
    )


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def fakes(config: DemoConfig, held: Held) -> Iterator[Fakes]:
    fakes = Fakes(config, clock=DemoClock(real=T0.timestamp), outgoing=held)
    yield fakes
    fakes.stop()


@pytest.fixture
def client(config: DemoConfig, fakes: Fakes) -> FlaskClient:
    return create_app(config, fakes).test_client()


def body(webhook: SignedWebhook) -> Any:
    return json.loads(webhook.body)


def topics(webhooks: list[SignedWebhook]) -> list[str]:
    return [webhook.topic for webhook in webhooks]


def keys(value: object, path: str = "") -> set[str]:
    """All paths through a JSON document, list positions left out."""
    if isinstance(value, dict):
        return {p for key, v in value.items() for p in {f"{path}.{key}", *keys(v, f"{path}.{key}")}}
    if isinstance(value, list):
        return {p for v in value for p in keys(v, f"{path}[]")}
    return set()


# ---- Shopify: webhooks


def test_a_shopify_delivery_has_all_headers_and_a_signature_over_its_bytes(fakes: Fakes) -> None:
    webhook = fakes.shopify.build_checkout_webhook(email="alice@example.com", first_name="Zoë")

    recorded = json.loads((PAYLOADS / "shopify" / "_headers.json").read_text())
    digest = hmac.new(SHOPIFY_SECRET.encode(), webhook.body, hashlib.sha256).digest()
    assert set(recorded) <= set(webhook.headers)
    assert webhook.url == "http://127.0.0.1:8000/webhooks/shopify"
    assert webhook.headers["X-Shopify-Hmac-Sha256"] == base64.b64encode(digest).decode()
    assert re.fullmatch(r"2026-07-14T12:00:30\.250000\d{3}Z", webhook.headers["X-Shopify-Triggered-At"])


@pytest.mark.parametrize("topic", ["checkouts/create", "checkouts/delete", "orders/create", "orders/paid"])
def test_a_shopify_body_has_the_keys_of_a_recorded_one(fakes: Fakes, topic: str) -> None:
    shop = fakes.shopify
    shop.store.put(Coupon(id=1, code="TEN", percent=10, title="", starts_at=T0, created_at=T0))
    checkout = shop.set_code(shop.begin_checkout(email="alice@example.com", items=[("TEA-DARJ-50", 2)]), "ten")
    made = shop.checkout_webhook(checkout, topic) if topic[0] == "c" else shop.order_webhook(shop.pay(checkout), topic)

    recorded = keys(json.loads((PAYLOADS / "shopify" / f"{topic}.json").read_text()))
    ours = keys(body(made))
    assert recorded - ours <= {".note_attributes[].name", ".note_attributes[].value"}
    assert ours - recorded <= {".discount_codes[].code", ".discount_codes[].amount", ".discount_codes[].type"}


@pytest.mark.parametrize("topic", ["customers/create", "customers_email_marketing_consent/update", "products/update"])
def test_what_shopify_tells_beside_a_checkout_has_recorded_keys(fakes: Fakes, held: Held, topic: str) -> None:
    fakes.shopify.begin_checkout(email="alice@example.com")
    fakes.shopify.announce()
    told = next(webhook for webhook in held.take() if webhook.topic == topic)

    recorded = keys(json.loads((PAYLOADS / "shopify" / f"{topic}.json").read_text()))
    assert {path for path in recorded - keys(body(told)) if not path.startswith(".category.")} == set()


def test_a_checkout_in_a_webhook_has_no_id(fakes: Fakes) -> None:
    assert "id" not in body(fakes.shopify.build_checkout_webhook(email="alice@example.com"))


def test_one_act_is_one_event_in_several_deliveries(fakes: Fakes, held: Held) -> None:
    fakes.shopify.begin_checkout(email="alice@example.com")
    sent = held.take()

    assert topics(sent) == ["checkouts/create", "customers/create", "customers_email_marketing_consent/update"]
    assert len({webhook.headers["X-Shopify-Event-Id"] for webhook in sent}) == 1
    assert len({webhook.headers["X-Shopify-Webhook-Id"] for webhook in sent}) == 3


def test_a_box_left_empty_gives_no_consent_and_takes_none_back(fakes: Fakes, held: Held) -> None:
    fakes.shopify.begin_checkout(email="alice@example.com")
    fakes.shopify.begin_checkout(email="bob@example.com", consent=False)
    held.take()
    fakes.shopify.begin_checkout(email="ALICE@example.com", consent=False)
    again = held.take()

    assert topics(again) == ["checkouts/create"]
    assert body(again[0])["buyer_accepts_marketing"] is False


def test_a_changed_cart_is_told_and_an_unchanged_one_is_not(fakes: Fakes, held: Held) -> None:
    checkout = fakes.shopify.begin_checkout(email="alice@example.com", items=[("TEA-ASSAM", 1)])
    held.take()
    fakes.shopify.change_cart(checkout, [("TEA-ASSAM", 1)])
    fakes.shopify.change_cart(checkout, [("MUG-GREEN", 2)])
    fakes.shopify.empty_cart(checkout)
    sent = held.take()

    assert topics(sent) == ["checkouts/update", "checkouts/update"]
    assert [line["title"] for line in body(sent[0])["line_items"]] == ["Stoneware Mug"]
    assert body(sent[0])["total_price"] == "48.00"
    assert body(sent[1])["line_items"] == []


def test_nobody_is_told_about_a_cart_without_an_address(fakes: Fakes, held: Held) -> None:
    fakes.shopify.set_items(fakes.shopify.open_cart(), fakes.shopify.items())

    assert held.take() == []


def test_a_paid_checkout_is_an_order_with_its_tokens_and_closed(fakes: Fakes, held: Held) -> None:
    checkout = fakes.shopify.begin_checkout(email="alice@example.com")
    held.take()
    fakes.shopify.place_order(checkout)
    sent = held.take()

    assert topics(sent) == ["orders/create", "orders/paid"]
    assert body(sent[0])["checkout_token"] == checkout.token
    assert body(sent[0])["cart_token"] == checkout.cart_token
    with pytest.raises(Refused, match="bought already"):
        fakes.shopify.change_cart(checkout, [("MUG-GREEN", 1)])


def test_an_order_from_elsewhere_has_only_the_address_in_common(fakes: Fakes, held: Held) -> None:
    fakes.shopify.place_order("alice@example.com")

    told = body(held.take()[0])
    assert (told["email"], told["checkout_token"], told["cart_token"]) == ("alice@example.com", None, None)


def test_products_are_introduced_until_they_arrived_once(fakes: Fakes, held: Held) -> None:
    fakes.shopify.announce()
    first, held.jobs = held.jobs, []
    for job in first:
        job.on_end(True)
    fakes.shopify.announce()

    assert len(first) == len(fakes.shopify.catalogue.products)
    assert held.jobs == []


# ---- Shopify: Admin API


def ask(client: FlaskClient, query: str, variables: dict[str, Any], key: str = "shpat_pretend") -> Any:
    return client.post(
        "/shopify/admin/api/2026-10/graphql.json",
        json={"query": query, "variables": variables},
        headers={"X-Shopify-Access-Token": key},
    )


def test_a_coupon_is_made_once_and_found_in_any_case(client: FlaskClient) -> None:
    made = ask(client, CREATE, {"d": COUPON}).json["data"]["made"]
    taken = ask(client, CREATE, {"d": COUPON | {"code": "back-7f3kq2wx"}}).json
    found = ask(client, BY_CODE, {"code": "Back-7F3KQ2WX"}).json["data"]["codeDiscountNodeByCode"]

    assert made == {
        "codeDiscountNode": {
            "id": found["id"],
            "codeDiscount": {
                "__typename": "DiscountCodeBasic",
                "title": "Abandoned cart",
                "status": "ACTIVE",
                "codes": {"nodes": [{"code": "BACK-7F3KQ2WX"}]},
            },
        },
        "userErrors": [],
    }
    assert taken["data"]["made"]["userErrors"][0]["code"] == "TAKEN"
    assert taken["extensions"]["cost"]["throttleStatus"]["maximumAvailable"] == 2000


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"code": ""}, "BLANK"),
        ({"code": "x" * 256}, "TOO_LONG"),
        ({"endsAt": "2026-07-14T11:00:00Z"}, "END_DATE_BEFORE_START_DATE"),
        ({"customerGets": {"value": {"percentage": 10}}}, "VALUE_OUTSIDE_RANGE"),
    ],
)
def test_a_wrong_coupon_is_a_user_error(client: FlaskClient, change: dict[str, Any], code: str) -> None:
    made = ask(client, CREATE, {"d": COUPON | change}).json["data"]["made"]

    assert made["codeDiscountNode"] is None
    assert [error["code"] for error in made["userErrors"]] == [code]


def test_a_wrong_token_is_refused(client: FlaskClient) -> None:
    assert ask(client, BY_CODE, {"code": "X"}, key="shpat_other").status_code == 401


def test_too_much_asked_is_answered_200_throttled(client: FlaskClient, fakes: Fakes) -> None:
    fakes.shopify_api.faults.throttle = 1
    first, second = (ask(client, BY_CODE, {"code": "X"}) for _ in range(2))

    assert (first.status_code, first.json["errors"][0]["extensions"]["code"]) == (200, "THROTTLED")
    assert first.json["extensions"]["cost"]["actualQueryCost"] is None
    assert second.json["data"] == {"codeDiscountNodeByCode": None}


def test_a_lost_answer_leaves_the_coupon_made(client: FlaskClient, fakes: Fakes) -> None:
    fakes.shopify_api.faults.lose = 1
    lost = ask(client, CREATE, {"d": COUPON})

    assert lost.status_code == 502
    assert ask(client, BY_CODE, {"code": COUPON["code"]}).json["data"]["codeDiscountNodeByCode"]


@pytest.mark.parametrize("query", ["", "query {", "{ nonsense }", "{ shop { name }", "mutation { codeDiscountNode }"])
def test_a_query_that_cannot_be_answered_is_an_error_not_a_crash(client: FlaskClient, query: str) -> None:
    answer = ask(client, query, {})

    assert answer.status_code == 200
    assert answer.json["errors"][0]["message"]


# ---- WooCommerce: webhooks


@pytest.mark.parametrize(
    ("topic", "file"),
    [
        ("checkout.updated", "checkout.updated"),
        ("order.created", "order.created"),
        ("order.updated", "order.updated.completed"),
        ("customer.created", "customer.created"),
    ],
)
def test_a_woocommerce_body_has_the_keys_of_a_captured_one(fakes: Fakes, held: Held, topic: str, file: str) -> None:
    shop = fakes.woocommerce
    shop.store.put(Coupon(id=1, code="ten", percent=10, title="", starts_at=T0, created_at=T0))
    shop.register_customer("alice@example.com")
    shop.pay(shop.set_code(shop.begin_checkout(email="alice@example.com", items=[("HARBOUR-30", 2)]), "TEN"))
    told = next(webhook for webhook in held.take() if webhook.topic == topic)

    captured = json.loads((PAYLOADS / "woocommerce" / f"{file}.json").read_text())
    missing = keys(captured["json"]) - keys(body(told))
    assert {path for path in missing if "[].meta_data[]" not in path and "refunds" not in path} == set()
    assert set(captured["headers"]) - set(told.headers) <= {"Host", "Accept", "Accept-Encoding", "Content-Length"}


def test_a_woocommerce_delivery_is_signed_and_spelled_as_php_does(fakes: Fakes) -> None:
    webhook = fakes.woocommerce.build_checkout_webhook(email="zoë@example.com")

    digest = hmac.new(WOO_SECRET.encode(), webhook.body, hashlib.sha256).digest()
    assert webhook.url == "http://127.0.0.1:8000/webhooks/woocommerce/c0ffee"
    assert webhook.headers["X-WC-Webhook-Signature"] == base64.b64encode(digest).decode()
    assert b"zo\\u00eb@example.com" in webhook.body
    assert b"http:\\/\\/127.0.0.1:8001\\/woocommerce\\/?cartwheel_cart=" in webhook.body


def test_two_deliveries_of_one_second_share_their_id(fakes: Fakes) -> None:
    one, two = (fakes.woocommerce.build_checkout_webhook(email=f"{n}@example.com") for n in "ab")

    assert one.headers["X-WC-Webhook-Delivery-ID"] == two.headers["X-WC-Webhook-Delivery-ID"]
    assert one.body != two.body


def test_a_body_says_what_the_shop_knows_when_it_is_delivered(fakes: Fakes, held: Held) -> None:
    checkout = fakes.woocommerce.begin_checkout(email="alice@example.com")
    fakes.woocommerce.empty_cart(checkout)

    assert [body(webhook)["status"] for webhook in held.take()] == ["emptied", "emptied"]


def test_a_purchase_closes_the_checkout_and_names_it_in_the_order(fakes: Fakes, held: Held) -> None:
    checkout = fakes.woocommerce.begin_checkout(email="alice@example.com")
    held.take()
    fakes.woocommerce.place_order(checkout)
    sent = {webhook.topic: body(webhook) for webhook in held.take()}

    marks = {meta["key"]: meta["value"] for meta in sent["order.created"]["meta_data"]}
    assert marks["_cartwheel_checkout_token"] == checkout.token
    assert sent["order.updated"]["status"] == "processing"
    assert sent["checkout.updated"]["status"] == "completed"
    assert sent["checkout.updated"]["order_id"] == sent["order.created"]["id"]


def test_an_object_that_is_gone_is_delivered_as_a_signed_error(fakes: Fakes, held: Held) -> None:
    fakes.woocommerce._touch("order.updated", "404404")

    assert body(held.take()[0])["data"] == {"status": 404}


def test_local_times_stand_beside_utc_ones(fakes: Fakes) -> None:
    told = body(fakes.woocommerce.build_order_webhook("alice@example.com"))

    assert (told["date_created"], told["date_created_gmt"]) == ("2026-07-14T13:00:30", "2026-07-14T12:00:30")


def test_the_seventh_failure_in_a_row_switches_a_webhook_off(fakes: Fakes, held: Held) -> None:
    hook = fakes.woocommerce.hook("checkout.created")
    for _ in range(6):
        hook.count(False)
    still_on = hook.is_active
    hook.count(False)
    off = not hook.is_active
    fakes.woocommerce.begin_checkout(email="alice@example.com")

    assert (still_on, off, held.jobs) == (True, True, [])


def test_a_webhook_switched_on_again_forgives_nothing_until_a_delivery_arrives(fakes: Fakes) -> None:
    hook = fakes.woocommerce.hook("checkout.updated")
    for _ in range(7):
        hook.count(False)
    hook.reactivate()
    hook.count(False)
    off_again = not hook.is_active
    hook.reactivate()
    hook.count(True)
    hook.count(False)

    assert (off_again, hook.is_active) == (True, True)


# ---- WooCommerce: REST


def signed(path: str, method: str = "GET", home: str = "http://127.0.0.1:8001", key: str = "cs_pretend") -> str:
    """Sign as the woocommerce package does over http; it puts parameters into the path before."""
    url = f"{home}/woocommerce/wp-json/wc/v3/{path}"
    parts = urlsplit(
        OAuth(
            url,
            "ck_pretend",
            key,
            version="wc/v3",
            method=method,
            oauth_timestamp=NOW,
        ).get_oauth_url()
    )
    return f"{parts.path}?{parts.query}"


def test_a_signed_coupon_is_made_once_and_found(client: FlaskClient) -> None:
    wanted = {"code": "BACK-7F3K", "discount_type": "percent", "amount": "10", "usage_limit": 1}
    made = client.post(signed("coupons", "POST"), json=wanted)
    again = client.post(signed("coupons", "POST"), json=wanted | {"code": "back-7F3K"})
    found = client.get(signed("coupons?code=Back-7f3k"))

    captured = json.loads((PAYLOADS / "woocommerce" / "coupon.created.json").read_text())["json"]
    assert (made.status_code, again.status_code) == (201, 400)
    assert keys(made.json) == keys(captured)
    assert made.json["code"] == "back-7f3k"
    assert again.json["code"] == "woocommerce_rest_coupon_code_already_exists"
    assert [coupon["id"] for coupon in found.json] == [made.json["id"]]


@pytest.mark.parametrize(
    ("date_expires", "gmt"),
    [("2026-07-16T12:00:00Z", "2026-07-16T12:00:00"), ("2026-07-16T12:00:00", "2026-07-16T11:00:00"), (None, None)],
)
def test_an_expiry_without_an_offset_is_the_shops_wall_clock(
    client: FlaskClient, date_expires: str | None, gmt: str | None
) -> None:
    wanted = {"code": "x", "discount_type": "percent", "amount": "10", "date_expires_gmt": "2026-07-16T12:00:00"}
    made = client.post(signed("coupons", "POST"), json=wanted | {"date_expires": date_expires})

    assert made.json["date_expires_gmt"] == gmt


def test_a_request_is_refused_unless_signed_with_the_secret_for_the_shops_own_address_and_once(
    client: FlaskClient,
) -> None:
    good = signed("coupons")
    paths = [
        good,
        good,
        signed("coupons", key="cs_other"),
        signed("coupons", home="http://localhost:8001"),
        signed("coupons", method="POST"),
        "/woocommerce/wp-json/wc/v3/coupons",
        "/woocommerce/wp-json/wc/v3/coupons?consumer_key=ck_pretend&consumer_secret=cs_pretend",
    ]

    assert [client.get(path).status_code for path in paths] == [200, 401, 401, 401, 401, 401, 401]


def test_basic_authentication_is_off_over_plain_http(client: FlaskClient) -> None:
    answer = client.get("/woocommerce/wp-json/wc/v3/coupons", auth=("ck_pretend", "cs_pretend"))

    assert (answer.status_code, answer.json["code"]) == (401, "woocommerce_rest_cannot_view")


# ---- Carts, coupons and time


def coupon(fakes: Fakes, shop: str, **facts: Any) -> None:
    made = {"id": 7, "code": "TEN", "percent": 10, "title": "", "starts_at": T0, "created_at": T0} | facts
    fakes.shops[shop].store.put(Coupon(**made))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"ends_at": T0}, "ended on 14 July 2026 at 12:00 UTC"),
        ({"usage_limit": 1, "used_by": ("bob@example.com",)}, "was used already"),
        ({"starts_at": T0 + timedelta(hours=1)}, "is not active"),
        ({"is_active": False}, "is not active"),
        ({"allowed_emails": ("bob@example.com",)}, "belongs to another e-mail address"),
        ({"once_per_customer": True, "used_by": ("alice@example.com",)}, "You used"),
        ({"code": "OTHER"}, "There is no discount code TEN"),
    ],
)
def test_a_coupon_that_does_not_hold_says_why(fakes: Fakes, facts: dict[str, Any], message: str) -> None:
    coupon(fakes, "shopify", **facts)
    checkout = fakes.shopify.begin_checkout(email="Alice@example.com")

    with pytest.raises(Refused, match=message):
        fakes.shopify.set_code(checkout, "TEN")


def test_a_single_use_coupon_pays_once(fakes: Fakes) -> None:
    coupon(fakes, "shopify", usage_limit=1)
    shop = fakes.shopify
    one, two = (shop.set_code(shop.begin_checkout(email=f"{n}@example.com"), "ten") for n in "ab")
    order = shop.place_order(one)

    assert (order.code, order.discount_minor, order.total_minor) == ("TEN", 145, 1305)
    assert shop.totals(two).discount_minor == 0
    with pytest.raises(Refused, match="used already"):
        shop.place_order(two)


def test_discounts_of_lines_add_up_to_that_of_the_order(fakes: Fakes, held: Held) -> None:
    coupon(fakes, "shopify", percent=15)
    checkout = fakes.shopify.begin_checkout(
        email="alice@example.com", items=[("TEA-ASSAM", 1), ("SCOOP-OAK", 3), ("TEA-DARJ-50", 1)]
    )
    told = body(fakes.shopify.order_webhook(fakes.shopify.place_order(fakes.shopify.set_code(checkout, "TEN"))))

    shares = [float(line["discount_allocations"][0]["amount"]) for line in told["line_items"]]
    assert round(sum(shares), 2) == float(told["total_discounts"])


def test_carts_and_coupons_survive_a_restart(config: DemoConfig, fakes: Fakes, held: Held) -> None:
    coupon(fakes, "shopify")
    checkout = fakes.shopify.begin_checkout(email="alice@example.com")
    fakes.stop()
    again = Fakes(config, clock=fakes.clock, outgoing=held)
    recovered = again.shopify.recover(checkout.cart_token, checkout.secret, "/")
    refused = again.shopify.recover(checkout.cart_token, "guessed", "/")
    kept = again.shopify.store.get(Coupon, "ten")
    again.stop()

    assert recovered == checkout
    assert refused is None
    assert kept


def test_the_clock_only_goes_forward_and_stamps_everything(fakes: Fakes, held: Held) -> None:
    fakes.clock.skip(timedelta(hours=24))
    fakes.shopify.begin_checkout(email="alice@example.com")
    told = held.take()[0]

    assert body(told)["created_at"] == "2026-07-15T05:00:30-07:00"
    assert told.headers["X-Shopify-Triggered-At"].startswith("2026-07-15T12:00:30")
    with pytest.raises(CartwheelError, match="only goes forward"):
        fakes.clock.skip(timedelta(hours=-1))


# ---- The pages


@pytest.mark.parametrize(("key", "sku"), [("shopify", "TEA-ASSAM"), ("woocommerce", "HERON")])
def test_a_visitor_fills_a_cart_gives_an_address_and_pays(
    client: FlaskClient, fakes: Fakes, held: Held, key: str, sku: str
) -> None:
    shop = fakes.shops[key]
    client.post(f"/{key}/cart/items", data={"variant_id": shop.catalogue.variant_id(sku)})
    client.post(f"/{key}/cart/items/{shop.catalogue.variant_id(sku)}", data={"quantity": 2})
    quiet = held.take()
    contact = {"email": "alice@example.com", "first_name": "Alice", "consent": "on"}
    saved = client.post(f"/{key}/checkout/contact", data=contact, headers={"HX-Request": "true"})
    first = held.take()[0]
    client.post(f"/{key}/checkout/contact", data=contact)
    unchanged = held.take()
    paid = client.post(f"/{key}/checkout/payment", data=contact, follow_redirects=True)

    assert quiet == unchanged == []
    assert "has told Cartwheel" in saved.text
    assert body(first)["email"] == "alice@example.com"
    assert "Thank you, Alice" in paid.text
    assert "Nothing in it yet" in client.get(f"/{key}/cart").text
    assert held.take()[0].topic in {"orders/create", "order.created"}


@pytest.mark.parametrize("path", ["contact", "payment"])
def test_a_wrong_address_is_said_beside_the_field_and_nothing_is_told(
    client: FlaskClient, fakes: Fakes, held: Held, path: str
) -> None:
    client.post("/shopify/cart/items", data={"variant_id": fakes.shopify.catalogue.variant_id("TEA-ASSAM")})
    answer = client.post(f"/shopify/checkout/{path}", data={"email": "nobody", "first_name": "Al"})

    assert answer.status_code == 422
    assert "Enter an e-mail address such as" in answer.text
    assert 'value="nobody"' in answer.text
    assert held.take() == []


def test_shopifys_recovery_link_brings_back_cart_and_discount(client: FlaskClient, fakes: Fakes, held: Held) -> None:
    coupon(fakes, "shopify")
    fakes.shopify.begin_checkout(email="alice@example.com")
    link = urlsplit(body(held.take()[0])["abandoned_checkout_url"])
    page = client.get(f"{link.path}?{link.query}&discount=TEN", follow_redirects=True)

    assert "Smoky Assam" in page.text
    assert 'value="alice@example.com"' in page.text
    assert "Pay $13.05" in page.text


def test_woocommerces_recovery_link_brings_back_cart_address_and_coupon(
    client: FlaskClient, fakes: Fakes, held: Held
) -> None:
    coupon(fakes, "woocommerce")
    fakes.woocommerce.begin_checkout(email="alice@example.com")
    link = urlsplit(body(held.take()[0])["recovery_url"])
    page = client.get(f"{link.path}?{link.query}&coupon=ten", follow_redirects=True)

    assert "Pebble" in page.text
    assert 'value="alice@example.com"' in page.text
    assert "Pay €71.10" in page.text


def test_a_recovery_link_with_a_dead_coupon_still_brings_back_the_cart(client: FlaskClient, fakes: Fakes) -> None:
    checkout = fakes.woocommerce.begin_checkout(email="alice@example.com")
    page = client.get(f"/woocommerce/?cartwheel_cart={checkout.token}&coupon=gone", follow_redirects=True)

    assert "There is no discount code gone" in page.text
    assert "Pay €79.00" in page.text


def test_a_recovery_link_of_a_bought_cart_restores_nothing(client: FlaskClient, fakes: Fakes) -> None:
    checkout = fakes.woocommerce.begin_checkout(email="alice@example.com")
    fakes.woocommerce.place_order(checkout)
    page = client.get(f"/woocommerce/?cartwheel_cart={checkout.token}", follow_redirects=True)

    assert "You bought this cart already" in page.text


def test_a_guessed_key_recovers_nothing(client: FlaskClient, fakes: Fakes) -> None:
    checkout = fakes.shopify.begin_checkout(email="alice@example.com")
    pages = [
        client.get(f"/shopify/checkouts/ac/{checkout.cart_token}/recover{query}", follow_redirects=True)
        for query in ("", "?key=guessed")
    ]

    assert all("no cart that we know" in page.text and "alice@" not in page.text for page in pages)


def test_a_coupon_that_died_before_paying_is_taken_off_and_nothing_is_paid(
    client: FlaskClient, fakes: Fakes, held: Held
) -> None:
    coupon(fakes, "shopify", ends_at=T0 + timedelta(minutes=30))
    checkout = fakes.shopify.begin_checkout(email="alice@example.com")
    client.get(f"/shopify/checkouts/ac/{checkout.cart_token}/recover?key={checkout.secret}&discount=TEN")
    fakes.clock.skip(timedelta(hours=1))
    held.take()
    page = client.post("/shopify/checkout/payment", data={"email": "alice@example.com"}, follow_redirects=True)

    assert "ended on 14 July 2026 at 12:30 UTC. Nothing was paid." in page.text
    assert "Pay $14.50" in page.text
    assert not {"orders/create"} & set(topics(held.take()))


def test_the_start_page_skips_time_and_refuses_odd_steps(client: FlaskClient, fakes: Fakes) -> None:
    page = client.post("/clock", data={"hours": "24"}, follow_redirects=True)
    odd = client.post("/clock", data={"hours": "5"})

    assert "it is now Wednesday, 15 July, 12:00 UTC" in page.text
    assert odd.status_code == 400
    assert fakes.clock.offset() == timedelta(hours=24)


def test_who_left_without_ticking_the_box_is_told_that_no_mail_will_come(client: FlaskClient, fakes: Fakes) -> None:
    client.post("/shopify/cart/items", data={"variant_id": fakes.shopify.catalogue.variant_id("TEA-ASSAM")})
    unknown = client.get("/?left=shopify").text
    client.post("/shopify/checkout/contact", data={"email": "alice@example.com"})
    unticked = client.get("/?left=shopify").text
    client.post("/shopify/checkout/contact", data={"email": "alice@example.com", "consent": "on"})
    ticked = client.get("/?left=shopify").text

    assert "does not know whom to remind" in unknown
    assert "no mail will come" in unticked
    assert "Skip 1 hour now" in ticked


def test_a_switched_off_webhook_is_shown_and_switched_on_by_a_button(client: FlaskClient, fakes: Fakes) -> None:
    hook = fakes.woocommerce.hook("order.created")
    hook.is_active = False
    shown = client.get("/control").text
    client.post(f"/control/hooks/{hook.id}/activation")

    assert "Switched off" in shown
    assert hook.is_active


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1:8001", 200), ("localhost:8001", 200), ("evil.example", 400)])
def test_only_a_loopback_name_is_answered(client: FlaskClient, host: str, status: int) -> None:
    assert client.get("/", headers={"Host": host}).status_code == status


def test_every_picture_of_the_catalogue_exists_and_every_product_has_a_page(client: FlaskClient, fakes: Fakes) -> None:
    paths = [
        path
        for shop in fakes.shops.values()
        for product in shop.catalogue.products
        for path in (f"/static/demo/{product.picture}", f"/{shop.catalogue.key}/products/{product.slug}")
    ]
    answers = [client.get(path) for path in paths]
    statuses = [answer.status_code for answer in answers]
    for answer in answers:
        answer.close()

    assert statuses == [200] * len(paths)


def test_no_secret_shows_in_a_repr(config: DemoConfig, fakes: Fakes) -> None:
    told = repr(config) + repr(fakes.woocommerce.hooks)

    assert not [secret for secret in (SHOPIFY_SECRET, WOO_SECRET, "shpat_pretend", "cs_pretend") if secret in told]
