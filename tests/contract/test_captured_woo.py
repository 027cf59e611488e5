"""Deliveries captured from a real WooCommerce 10.5.0, sent to the real door with their own headers and signatures."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from app import crypto
from app.models import NO_SHOP, OAuthState, ShopToken, TokenKind
from app.services import connecting
from app.web import create_app
from app.web.directory import directory
from tests import builders

FILES = sorted((builders.PAYLOADS / "woocommerce").glob("*.json"))
SIGNED = [path for path in FILES if path.stem not in {"ping", "connect-callback"}]
# How each ends; what is not named is taken in. A coupon is known to us already, an action's argument means nothing alone.
ENDS = {
    "action.woocommerce_payment_complete": "ignored",
    "coupon.created": "ignored",
    "coupon.updated": "ignored",
    "coupon.deleted": "ignored",
    "coupon.deleted.wrong-resource": "ignored",
    "order.updated.error-body": "failed",
    "shopper.deleted": "redacted",
}


def captured(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def door(house: sessionmaker[Session]) -> tuple[FlaskClient, str]:
    """The web app and the address of a shop whose webhooks sign with the secret of the recordings."""
    with house.begin() as session:
        shop_id, connection_id = builders.lamp_loft(session, url="https://shop.example.com")
        secret = crypto.encrypt(shop_id, captured(SIGNED[0])["secret"])
        session.execute(update(ShopToken).where(ShopToken.kind == TokenKind.WEBHOOK_SECRET).values(secret=secret))
    directory.cache_clear()
    return create_app().test_client(), f"/webhooks/woocommerce/{connection_id}"


@pytest.mark.parametrize("path", SIGNED, ids=lambda path: path.stem)
def test_a_captured_delivery_is_let_in_kept_word_for_word_and_ends(
    house: sessionmaker[Session], door: tuple[FlaskClient, str], path: Path
) -> None:
    """I1, I2, I11: the real store's own signature over the real store's own bytes."""
    client, address = door
    sent = captured(path)
    forged = {**sent["headers"], "X-WC-Webhook-Signature": builders.sign("another", sent["body"].encode())}

    assert client.post(address, data=sent["body"].encode(), headers=forged).status_code == 401
    assert client.post(address, data=sent["body"].encode(), headers=sent["headers"]).status_code == 200
    with house() as session:
        kept = session.execute(text("SELECT topic, body, headers FROM webhooks")).one()
    assert (kept.topic, bytes(kept.body)) == (sent["headers"]["X-WC-Webhook-Topic"], sent["body"].encode())
    assert "x-wc-webhook-signature" not in kept.headers
    builders.work_off()
    with house.begin() as session:
        session.execute(text("UPDATE erasures SET due_at = now()"))
    from jobs import housekeeping
    from jobs.drain import Work, drain

    drain(Work(queue="housekeeping", model=housekeeping.Erasure, do=housekeeping._advance, batch=1))  # type: ignore[arg-type]
    with house() as session:
        state = session.scalar(text("SELECT state FROM webhooks"))
    assert state == ENDS.get(path.stem, "done")


@pytest.mark.parametrize("path", SIGNED, ids=lambda path: path.stem)
def test_a_captured_delivery_twice_is_one(house: sessionmaker[Session], door: tuple[FlaskClient, str], path: Path) -> None:
    """I3: also where the second copy comes after the first was handled."""
    client, address = door
    sent = captured(path)
    for _ in range(2):
        assert client.post(address, data=sent["body"].encode(), headers=sent["headers"]).status_code == 200
        builders.work_off()
    with house() as session:
        counted = session.scalar(text("SELECT count(*) FROM webhooks"))
    assert counted == 1


def test_the_captured_ping_is_answered_and_its_content_not_kept(
    house: sessionmaker[Session], door: tuple[FlaskClient, str]
) -> None:
    client, address = door
    sent = captured(builders.PAYLOADS / "woocommerce" / "ping.json")

    assert client.post(address, data=sent["body"].encode(), headers=sent["headers"]).status_code == 200
    with house() as session:
        assert session.scalar(text("SELECT count(*) FROM webhooks")) == 0
        assert session.scalar(text("SELECT pinged_at IS NOT NULL FROM connections")) is True


def test_the_captured_keys_are_taken_for_the_attempt_that_asked(house: sessionmaker[Session]) -> None:
    sent = captured(builders.PAYLOADS / "woocommerce" / "connect-callback.json")
    told = json.loads(sent["body"])
    with house.begin() as session:
        now = session.scalar(select(func.now()))
        attempt, token = connecting.begin(session, "https://shop.example.com", now=now)
        attempt.phase, attempt.state = "approving", "waiting"
    body = json.dumps({**told, "user_id": token}).replace("/", "\\/")
    headers = {name: value for name, value in sent["headers"].items() if name.lower() not in {"content-length", "host"}}
    answer = create_app().test_client().post("/woocommerce/callback", data=body.encode(), headers=headers)

    assert answer.status_code == 200
    with house() as session:
        kept = session.scalars(select(OAuthState).where(OAuthState.shop_id == NO_SHOP)).one()
    assert kept.phase == "proving"
    assert connecting.keys_of(kept).key == told["consumer_key"]
    assert told["consumer_secret"].encode() not in (kept.keys or b"")
