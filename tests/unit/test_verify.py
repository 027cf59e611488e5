import base64
import hashlib
import hmac
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.errors import BadPayload
from integrations import PLATFORMS
from integrations.shopify import verify as shopify
from integrations.woocommerce import verify as woocommerce

ROOT = Path(__file__).parents[2]
PAYLOADS = ROOT / "tests" / "data" / "payloads"
SECRET = "shpss_made_up_client_secret"
BODY = '{"id":820982911946154508,"note":"Zażółć gęślą jaźń 日本語"}'.encode()
SHOPIFY: dict[str, str] = json.loads((PAYLOADS / "shopify" / "_headers.json").read_text(encoding="utf-8"))


def signature(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def delivery(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PAYLOADS / "woocommerce" / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


SIGNATURE_HEADERS = ["X-Shopify-Hmac-Sha256", "X-WC-Webhook-Signature"]
SIGNED = sorted(path.stem for path in (PAYLOADS / "woocommerce").glob("*.json") if "secret" in delivery(path.stem))


def without(headers: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in names}


def test_shopify_accepts_its_own_signature() -> None:
    assert shopify.is_authentic({"X-Shopify-Hmac-Sha256": signature(BODY)}, BODY, [SECRET])


@pytest.mark.parametrize(
    "name", ["x-shopify-hmac-sha256", "X-SHOPIFY-HMAC-SHA256", "Shopify-Hmac-Sha256", "shopify-hmac-sha256"]
)
def test_shopify_reads_header_names_without_regard_to_case_and_in_the_form_without_x(name: str) -> None:
    assert shopify.is_authentic({name: signature(BODY)}, BODY, [SECRET])


def test_the_old_secret_is_still_good_during_a_rotation() -> None:
    assert shopify.is_authentic({"X-Shopify-Hmac-Sha256": signature(BODY, "old")}, BODY, ["new", "old"])


@pytest.mark.parametrize("position", [0, 5, len(BODY) - 1])
def test_shopify_refuses_a_body_with_one_bit_changed(position: int) -> None:
    changed = bytearray(BODY)
    changed[position] ^= 1

    assert not shopify.is_authentic({"X-Shopify-Hmac-Sha256": signature(BODY)}, bytes(changed), [SECRET])


def test_an_empty_secret_lets_nobody_in() -> None:
    headers = {"X-Shopify-Hmac-Sha256": signature(BODY, "")}

    assert not shopify.is_authentic(headers, BODY, [""])
    assert not shopify.is_authentic(headers, BODY, [])


@pytest.mark.parametrize(
    "value",
    [
        "",
        "=",
        "not base64!",
        signature(BODY)[:-1],
        signature(BODY) + "\n",
        " " + signature(BODY),
        signature(BODY) + "AAAA",
        hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest(),
        base64.b64encode(hmac.new(SECRET.encode(), BODY, hashlib.sha1).digest()).decode(),
        base64.urlsafe_b64encode(b"\xfb" * 32).decode(),
        "ü" * 44,
    ],
)
def test_what_is_not_the_base64_of_a_digest_is_refused(value: str) -> None:
    assert not shopify.is_authentic({"X-Shopify-Hmac-Sha256": value}, BODY, [SECRET])


def test_a_second_spelling_of_the_same_digest_is_refused() -> None:
    spelled = signature(BODY)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = spelled[:42] + alphabet[alphabet.index(spelled[42]) ^ 1] + "="

    assert base64.b64decode(other) == base64.b64decode(spelled)
    assert not shopify.is_authentic({"X-Shopify-Hmac-Sha256": other}, BODY, [SECRET])


@example(headers={}, body=b"", secrets=["\ud800"])
@settings(deadline=None)
@given(
    headers=st.dictionaries(st.text() | st.sampled_from(SIGNATURE_HEADERS), st.text()),
    body=st.binary(),
    secrets=st.lists(st.text(st.characters())),
)
def test_no_header_body_or_secret_makes_it_raise(headers: dict[str, str], body: bytes, secrets: list[str]) -> None:
    for platform in PLATFORMS.values():
        assert platform.is_authentic(headers, body, secrets) is False


@settings(deadline=None)
@given(body=st.binary(), secret=st.text(min_size=1), others=st.lists(st.text(), max_size=3))
def test_whatever_is_signed_with_one_of_the_secrets_is_accepted(body: bytes, secret: str, others: list[str]) -> None:
    digest = hmac.new(secret.encode("utf-8", "surrogatepass"), body, hashlib.sha256).digest()
    signed = base64.b64encode(digest).decode()

    assert shopify.is_authentic({"X-Shopify-Hmac-Sha256": signed}, body, [*others, secret])
    assert woocommerce.is_authentic({"X-WC-Webhook-Signature": signed}, body, [*others, secret])


@settings(deadline=None)
@given(
    values=st.lists(st.text(max_size=300), min_size=8, max_size=8),
    body=st.binary(max_size=50),
    is_valid=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_any_headers_give_an_envelope_or_a_known_error(values: list[str], body: bytes, is_valid: list[bool]) -> None:
    captured = delivery("order.created")["headers"]
    for platform, good in ((shopify, SHOPIFY), (woocommerce, captured)):
        choices = zip(list(good)[-8:], values, is_valid, strict=False)
        headers = {name: good[name] if keep else value for name, value, keep in choices}
        try:
            envelope = platform.read_envelope(headers, body)
        except BadPayload:
            continue
        assert len(envelope.dedupe_key) <= 400


def test_shopify_reads_the_documented_headers() -> None:
    envelope = shopify.read_envelope(SHOPIFY, BODY)

    assert envelope.topic == "orders/create"
    assert envelope.shop_domain == "juniper-and-pine.myshopify.com"
    assert envelope.dedupe_key == "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"
    assert envelope.delivery_id == "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"
    assert envelope.external_id == "98880550-7158-44d4-b7cd-2c97c8a091b5"
    assert envelope.triggered_at == datetime(2026, 11, 19, 13, 44, 53, 412907, tzinfo=UTC)


def test_shopify_keeps_the_headers_worth_keeping_and_no_signature() -> None:
    envelope = shopify.read_envelope({**SHOPIFY, "Cookie": "a=b", "X-Forwarded-For": "203.0.113.7"}, BODY)

    assert envelope.headers == {
        "content-type": "application/json",
        "x-shopify-topic": "orders/create",
        "x-shopify-shop-domain": "juniper-and-pine.myshopify.com",
        "x-shopify-api-version": "2026-10",
        "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "x-shopify-triggered-at": "2026-11-19T13:44:53.412907518Z",
        "x-shopify-event-id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
        "x-shopify-name": "orders",
    }


def test_shopify_reads_the_newer_header_names_alike() -> None:
    newer = {name.removeprefix("X-").lower(): value for name, value in SHOPIFY.items()}
    envelope = shopify.read_envelope(newer, BODY)

    assert envelope.topic == "orders/create"
    assert envelope.dedupe_key == "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"


def test_a_retry_has_the_same_key_and_another_delivery_of_the_event_has_not() -> None:
    first = shopify.read_envelope(SHOPIFY, BODY)
    retry = shopify.read_envelope({**SHOPIFY, "User-Agent": "another"}, BODY)
    other = shopify.read_envelope({**SHOPIFY, "X-Shopify-Webhook-Id": "c0ffee"}, BODY)

    assert retry.dedupe_key == first.dedupe_key
    assert other.dedupe_key != first.dedupe_key


def test_without_any_id_the_key_is_topic_body_and_time() -> None:
    bare = without(SHOPIFY, "X-Shopify-Webhook-Id", "X-Shopify-Event-Id")
    digest = hashlib.sha256(BODY).hexdigest()

    assert shopify.read_envelope(bare, BODY).dedupe_key == f"orders/create:{digest}:2026-11-19T13:44:53.412907518Z"
    assert shopify.read_envelope(bare, b"{}").dedupe_key != shopify.read_envelope(bare, BODY).dedupe_key


def test_without_a_webhook_id_one_event_under_two_topics_has_two_keys() -> None:
    bare = without(SHOPIFY, "X-Shopify-Webhook-Id")
    paid = {**bare, "X-Shopify-Topic": "orders/paid"}

    assert shopify.read_envelope(bare, BODY).dedupe_key != shopify.read_envelope(paid, BODY).dedupe_key


@pytest.mark.parametrize(
    "value", ["", "yesterday", "2026-11-19", "2026-11-19T13:44:53", "9999-12-31T23:59:59-23:59", "1700000000"]
)
def test_a_bad_time_in_the_header_is_no_time(value: str) -> None:
    assert shopify.read_envelope({**SHOPIFY, "X-Shopify-Triggered-At": value}, BODY).triggered_at is None


@pytest.mark.parametrize("name", ["X-Shopify-Topic", "X-Shopify-Shop-Domain"])
def test_shopify_refuses_a_webhook_without_topic_or_shop(name: str) -> None:
    with pytest.raises(BadPayload, match=f"The header {name} is missing"):
        shopify.read_envelope(without(SHOPIFY, name), BODY)


@pytest.mark.parametrize(
    "domain",
    [
        "example.com",
        "x.myshopify.com.evil.example",
        "evil.example#.myshopify.com",
        "under_score.myshopify.com",
        "-dash.myshopify.com",
        ".myshopify.com",
        "a.b.myshopify.com",
        "tea-and-tin.myshopify.com\n",
        "https://tea-and-tin.myshopify.com",
        "a" * 64 + ".myshopify.com",
    ],
)
def test_shopify_refuses_what_is_not_a_myshopify_domain(domain: str) -> None:
    with pytest.raises(BadPayload, match=r"myshopify\.com domain"):
        shopify.read_envelope({**SHOPIFY, "X-Shopify-Shop-Domain": domain}, BODY)


def test_a_shop_domain_in_capitals_is_the_same_shop() -> None:
    envelope = shopify.read_envelope({**SHOPIFY, "X-Shopify-Shop-Domain": "Tea-And-Tin.MyShopify.com"}, BODY)

    assert envelope.shop_domain == "tea-and-tin.myshopify.com"


@pytest.mark.parametrize(("name", "value"), [("X-Shopify-Topic", "orders create"), ("X-Shopify-Webhook-Id", "x" * 129)])
def test_shopify_refuses_headers_that_are_none_of_its_own(name: str, value: str) -> None:
    with pytest.raises(BadPayload, match=f"The header {name}"):
        shopify.read_envelope({**SHOPIFY, name: value}, BODY)


def test_every_captured_woocommerce_delivery_is_covered() -> None:
    assert len(SIGNED) == 26


@pytest.mark.parametrize("name", SIGNED)
def test_woocommerce_accepts_its_captured_signatures(name: str) -> None:
    captured = delivery(name)
    body = captured["body"].encode()

    assert woocommerce.is_authentic(captured["headers"], body, ["another", captured["secret"]])


@pytest.mark.parametrize("name", SIGNED)
def test_woocommerce_refuses_a_captured_body_with_one_byte_changed(name: str) -> None:
    captured = delivery(name)
    body = captured["body"].encode()

    assert not woocommerce.is_authentic(captured["headers"], body[:-1] + b" ", [captured["secret"]])
    assert not woocommerce.is_authentic(captured["headers"], body + b"\n", [captured["secret"]])


def test_woocommerce_reads_the_captured_headers() -> None:
    captured = delivery("order.created")
    envelope = woocommerce.read_envelope(captured["headers"], captured["body"].encode())
    digest = hashlib.sha256(captured["body"].encode()).hexdigest()

    assert envelope.topic == "order.created"
    assert envelope.dedupe_key == f"1:a18255d4d8763eb796d9a42f3a52c57c:{digest}"
    assert envelope.external_id == "1"
    assert envelope.delivery_id == "a18255d4d8763eb796d9a42f3a52c57c"
    assert envelope.shop_domain == "shop.example.com"
    assert envelope.triggered_at is None
    assert envelope.headers == {
        "content-type": "application/json",
        "user-agent": "WooCommerce/10.5.0 Hookshot (WordPress/6.9.7)",
        "x-wc-webhook-source": "https://shop.example.com/",
        "x-wc-webhook-topic": "order.created",
        "x-wc-webhook-resource": "order",
        "x-wc-webhook-event": "created",
        "x-wc-webhook-id": "1",
        "x-wc-webhook-delivery-id": "a18255d4d8763eb796d9a42f3a52c57c",
    }


def test_two_orders_under_one_delivery_id_are_both_kept() -> None:
    captured = delivery("order.created")
    first = woocommerce.read_envelope(captured["headers"], b'{"id":19}')
    second = woocommerce.read_envelope(captured["headers"], b'{"id":20}')

    assert first.delivery_id == second.delivery_id
    assert first.dedupe_key != second.dedupe_key


def test_woocommerce_refuses_a_webhook_without_topic() -> None:
    with pytest.raises(BadPayload, match="X-WC-Webhook-Topic is missing"):
        woocommerce.read_envelope({"X-WC-Webhook-ID": "1"}, b"{}")


def test_a_source_that_is_no_address_is_no_reason_to_lose_an_order() -> None:
    headers = {**delivery("order.created")["headers"], "X-WC-Webhook-Source": "https://[broken"}

    assert woocommerce.read_envelope(headers, b"{}").shop_domain is None


def test_the_captured_ping_is_a_ping() -> None:
    ping = delivery("ping")

    assert woocommerce.is_ping(ping["headers"]["Content-Type"], ping["body"].encode())
    assert woocommerce.is_ping("Application/X-WWW-Form-Urlencoded; charset=UTF-8", b"webhook_id=12")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"webhook_id=1"),
        (None, b"webhook_id=1"),
        ("application/x-www-form-urlencoded", b"webhook_id=1\n"),
        ("application/x-www-form-urlencoded", b"webhook_id=1&a=b"),
        ("application/x-www-form-urlencoded", b"webhook_id="),
        ("application/x-www-form-urlencoded", "webhook_id=\N{ARABIC-INDIC DIGIT ONE}".encode()),
        ("application/x-www-form-urlencoded", b"webhook_id=" + b"1" * 21),
        ("application/x-www-form-urlencoded-x", b"webhook_id=1"),
    ],
)
def test_anything_else_unsigned_is_no_ping(content_type: str | None, body: bytes) -> None:
    assert not woocommerce.is_ping(content_type, body)


def test_the_platforms_say_who_they_are() -> None:
    assert list(PLATFORMS) == ["shopify", "woocommerce"]
    assert [platform.NAME for platform in PLATFORMS.values()] == list(PLATFORMS)
    assert sorted(PLATFORMS["shopify"].COMPLIANCE_TOPICS) == [
        "customers/data_request",
        "customers/redact",
        "shop/redact",
    ]
    assert not PLATFORMS["woocommerce"].COMPLIANCE_TOPICS


def test_the_web_process_loads_no_vendor_library_and_no_pydantic() -> None:
    heavy = ("pydantic", "requests", "woocommerce", "shopify")
    script = f"import sys, integrations; print([name for name in {heavy} if name in sys.modules])"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, cwd=ROOT)

    assert done.stdout.strip() == "[]"
