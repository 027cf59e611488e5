"""The webhook doors: exactly the answers that keep platforms delivering and strangers out."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from app import clock
from app.web import create_app, directory
from tests import builders

BODY = json.dumps({"token": "t1", "email": None}).encode()


@pytest.fixture
def doors(house):
    """The web app with both shops of the cast connected."""
    directory.directory.cache_clear()
    with house.begin() as session:
        builders.tea_and_tin(session)
        _, connection_id = builders.lamp_loft(session)
    return create_app(), house, f"/webhooks/woocommerce/{connection_id}"


def stored(house) -> int:
    with house() as session:
        return session.execute(text("SELECT count(*) FROM webhooks")).scalar_one()


def post_shopify(app, body=BODY, **headers):
    signed = builders.shopify_headers("checkouts/update", body, webhook_id="w1") | headers
    return app.test_client().post("/webhooks/shopify", data=body, headers={k: v for k, v in signed.items() if v})


def test_signed_webhook_is_a_row_before_it_is_answered(doors):
    """I1."""
    app, house, _ = doors
    answer = post_shopify(app)

    assert (answer.status_code, answer.data) == (200, b"")
    with house() as session:
        row = session.execute(text("SELECT topic, dedupe_key, body, state FROM webhooks")).one()
    assert tuple(row) == ("checkouts/update", "w1", BODY, "pending")


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64 at all", builders.sign("other secret", BODY)])
def test_wrong_or_missing_signature_is_401_and_nothing_is_stored(doors, signature):
    """I11."""
    app, house, woocommerce = doors
    shopify = post_shopify(app, **{"X-Shopify-Hmac-Sha256": signature})
    headers = builders.woo_headers("order.created", BODY) | {"X-WC-Webhook-Signature": signature}
    woo = app.test_client().post(woocommerce, data=BODY, headers=headers)

    assert (shopify.status_code, woo.status_code, stored(house)) == (401, 401, 0)


def test_body_changed_by_one_byte_is_refused(doors):
    app, house, _ = doors
    headers = builders.shopify_headers("checkouts/update", BODY, webhook_id="w1")
    answer = app.test_client().post("/webhooks/shopify", data=BODY + b" ", headers=headers)

    assert (answer.status_code, stored(house)) == (401, 0)


def test_unknown_shop_and_unknown_connection_get_the_same_404(doors):
    app, house, _ = doors
    shopify = post_shopify(app, **{"X-Shopify-Shop-Domain": "stranger.myshopify.com"})
    headers = builders.woo_headers("order.created", BODY)
    woo = [app.test_client().post(f"/webhooks/woocommerce/{c}", data=BODY, headers=headers) for c in ("x", "A" * 22)]

    assert [(a.status_code, a.data) for a in (shopify, *woo)] == [(404, b"")] * 3
    assert stored(house) == 0


def test_compliance_topic_of_an_unknown_shop_is_kept_for_staff(doors):
    app, house, _ = doors
    answer = post_shopify(app, **{"X-Shopify-Shop-Domain": "gone.myshopify.com", "X-Shopify-Topic": "shop/redact"})

    with house() as session:
        row = session.execute(text("SELECT shop_id, state, error FROM webhooks")).one()
    assert (answer.status_code, tuple(row)) == (200, (0, "ignored", "unknown shop"))


def test_signed_webhook_without_its_topic_is_400(doors):
    app, house, _ = doors

    assert (post_shopify(app, **{"X-Shopify-Topic": ""}).status_code, stored(house)) == (400, 0)


def test_ping_is_answered_200_and_not_stored(doors):
    app, house, woocommerce = doors
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    ping = app.test_client().post(woocommerce, data=b"webhook_id=12", headers=form)
    other = app.test_client().post(woocommerce, data=b"webhook_id=12&x=1", headers=form)

    assert (ping.status_code, other.status_code, stored(house)) == (200, 401, 0)


def test_body_without_announced_length_is_411(doors):
    """A chunked body is cut at the server's limit and would be answered 200."""
    app, house, _ = doors
    headers = builders.shopify_headers("checkouts/update", BODY, webhook_id="w1")
    answer = app.test_client().post(
        "/webhooks/shopify", data=BODY, headers=headers, environ_overrides={"CONTENT_LENGTH": ""}
    )

    assert (answer.status_code, stored(house)) == (411, 0)


def test_too_large_is_413_before_it_is_read(doors):
    app, house, _ = doors
    answer = app.test_client().post("/webhooks/shopify", environ_overrides={"CONTENT_LENGTH": str(8 * 1024 * 1024 + 1)})

    assert (answer.status_code, stored(house)) == (413, 0)


def test_body_of_the_largest_allowed_size_is_kept_whole(doors):
    app, house, _ = doors
    body = json.dumps({"token": "t1", "note": "x" * (8 * 1024 * 1024 - 100)}).encode()

    assert post_shopify(app, body).status_code == 200
    with house() as session:
        assert session.execute(text("SELECT length(body) FROM webhooks")).scalar_one() == len(body)


def test_shorter_than_announced_is_refused(doors):
    app, house, _ = doors
    headers = builders.shopify_headers("checkouts/update", BODY, webhook_id="w1")
    answer = app.test_client().post(
        "/webhooks/shopify", data=BODY, headers=headers, environ_overrides={"CONTENT_LENGTH": str(len(BODY) + 5)}
    )

    assert (answer.status_code, stored(house)) == (400, 0)


def test_compressed_is_415(doors):
    app, house, _ = doors

    assert (post_shopify(app, **{"Content-Encoding": "gzip"}).status_code, stored(house)) == (415, 0)


def test_too_deep_is_413(doors):
    app, house, _ = doors

    assert (post_shopify(app, b"[" * 65 + b"]" * 65).status_code, stored(house)) == (413, 0)


def test_broken_json_with_a_good_signature_is_stored(doors):
    app, house, _ = doors

    assert (post_shopify(app, b'{"a": ').status_code, stored(house)) == (200, 1)


def test_other_methods_are_405_and_a_slash_at_the_end_is_no_redirect(doors):
    app, _, woocommerce = doors
    headers = builders.woo_headers("order.created", BODY)

    assert app.test_client().get("/webhooks/shopify").status_code == 405
    assert app.test_client().post(f"{woocommerce}/", data=BODY, headers=headers).status_code == 200


def test_database_down_is_503(doors, monkeypatch):
    from app.web import webhooks

    app, _, _ = doors
    post_shopify(app)  # the directory knows the shop now
    monkeypatch.setattr(webhooks, "engine", webhooks_engine_that_is_gone)

    assert post_shopify(app).status_code == 503


def webhooks_engine_that_is_gone():
    from app.db import make_engine

    return make_engine("postgresql+psycopg://nobody@127.0.0.1:9/none")


def test_redis_down_costs_nothing_but_the_ring(doors, monkeypatch):
    """I9."""
    from app import config, queues

    app, house, _ = doors
    monkeypatch.setenv("REDIS_URL", "unix:///nowhere/redis.sock")
    config.settings.cache_clear()
    queues.bell.cache_clear()

    assert (post_shopify(app).status_code, stored(house)) == (200, 1)


def test_same_webhook_fifty_times_at_once_is_one_row_and_one_effect(doors):
    """I3."""
    app, house, _ = doors
    with house() as session:
        body = json.dumps(builders.checkout_body("t1", clock.now(session))).encode()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: post_shopify(app, body).status_code, range(50)))
    builders.work_off()
    with house() as session:
        effects = session.execute(text("SELECT (SELECT count(*) FROM enrollments), (SELECT count(*) FROM customers)")).one()

    assert (set(answers), stored(house), tuple(effects)) == ({200}, 1, (1, 1))


def test_two_orders_with_one_delivery_id_are_two_rows(doors):
    """WooCommerce's delivery id is unique for a second and a webhook only."""
    app, house, woocommerce = doors
    bodies = [json.dumps({"id": n}).encode() for n in (1, 2)]
    for body in (*bodies, bodies[0]):
        app.test_client().post(woocommerce, data=body, headers=builders.woo_headers("order.created", body))

    assert stored(house) == 2


@pytest.mark.parametrize(("state", "expected"), [("failed", "pending"), ("done", "done"), ("ignored", "ignored")])
def test_redelivery_rearms_only_what_did_not_end_well(doors, state, expected):
    """I4."""
    app, house, _ = doors
    post_shopify(app)
    with house.begin() as session:
        session.execute(text("UPDATE webhooks SET state = :s, attempts = 5"), {"s": state})
    post_shopify(app)

    with house() as session:
        assert session.execute(text("SELECT state FROM webhooks")).scalar_one() == expected


def test_redelivery_rearms_a_copy_whose_worker_died(doors):
    """I4."""
    app, house, _ = doors
    post_shopify(app)
    with house.begin() as session:
        session.execute(text("UPDATE webhooks SET attempts = 3, fence = 3, lease_until = now() - interval '1 second'"))
    post_shopify(app)

    with house() as session:
        row = session.execute(text("SELECT attempts, fence, lease_until FROM webhooks")).one()
    assert tuple(row) == (0, 4, None)


def test_headers_that_are_kept_hold_no_signature(doors):
    """I13."""
    app, house, _ = doors
    post_shopify(app)

    with house() as session:
        kept = session.execute(text("SELECT headers::text FROM webhooks")).scalar_one()
    assert builders.sign(builders.SHOPIFY_SECRET, BODY) not in kept
    assert "hmac" not in kept.lower()
