"""The connect wizard against a shop that behaves like a real one: unsigned keys come, and are proven before they stay."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from app import crypto
from app.models import Connection, OAuthState, Shop, ShopToken
from app.services import connecting
from tests import builders
from tests.woo_cast import KEY, SECRET, WAIT, Town, town


@pytest.fixture
def place(house: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Town]:
    with town(house, monkeypatch, tmp_path) as opened:
        yield opened


def shops(place: Town) -> int:
    with place.house() as session:
        return session.scalar(select(func.count()).select_from(Shop)) or 0


def test_a_shop_is_connected_by_approving_in_it(place: Town) -> None:
    page = place.begin()

    assert "Connecting Lamp Loft" in page.text
    place.approve(page)
    place.work()
    done = place.get("/woocommerce/connect/progress").text
    assert "Lamp Loft is connected" in done
    assert "The companion plugin 1.0.0 is there" in done
    inside = place.post("/woocommerce/connect/session")
    assert inside.url.endswith("/admin/flows")
    assert "Lamp Loft" in inside.text


def test_what_is_kept_of_the_shop_is_what_the_shop_said(place: Town) -> None:
    shop = place.connect()

    assert (shop.name, shop.currency, shop.timezone) == ("Lamp Loft", "EUR", "Europe/Lisbon")
    assert shop.sender_email == "hello@lamp-loft.example"
    assert shop.postal_address == "Rua das Flores 27, 1200-195, Lisboa, PT"
    with place.house() as session:
        known = session.scalars(select(Connection)).one()
    assert (known.version, known.companion, known.problem) == ("10.5.0", "1.0.0", None)


def test_keys_and_webhook_secrets_are_sealed_and_the_attempt_keeps_none(place: Town) -> None:
    """I13: the keys lie encrypted for this shop; nothing is left of them where they arrived."""
    shop = place.connect()
    with place.house() as session:
        sealed = dict(session.execute(select(ShopToken.kind, ShopToken.secret)).all())
        left = session.execute(text("SELECT keys, front::text, url FROM oauth_states")).one()

    key = crypto.decrypt(shop.id, sealed["consumer_key"])
    assert place.fakes.woocommerce_api.keyring.secret_of(key) == crypto.decrypt(shop.id, sealed["consumer_secret"])
    assert left[0] is None
    assert key not in str(left)
    assert {hook.secret for hook in place.shop.hooks.values()} & set(map(str, sealed.values())) == set()


def test_nothing_is_kept_and_no_shop_is_made_before_its_keys_are_proven(place: Town) -> None:
    place.approve(place.begin())

    assert shops(place) == 0
    assert place.attempt().phase == "proving"


def test_every_topic_gets_a_webhook_with_a_secret_of_its_own(place: Town) -> None:
    shop = place.connect()
    hooks = list(place.shop.hooks.values())

    assert len(hooks) == 12
    assert len({hook.topic for hook in hooks}) == 12
    assert len({hook.secret for hook in hooks}) == 12
    assert {hook.target for hook in hooks} == {f"{place.url}/webhooks/woocommerce/{shop.connection_id}"}


def test_a_test_delivery_is_seen_to_have_come(place: Town) -> None:
    place.connect()
    assert place.fakes.sender.wait_until_idle(WAIT)

    assert re.search(r"A test delivery has come through<span[^>]*>, done", place.get("/woocommerce/connect/progress").text)


def test_without_the_companion_plugin_the_core_topics_are_enough(place: Town) -> None:
    del place.shop.plugins["cartwheel"]
    place.connect()

    assert len(place.shop.hooks) == 8
    shown = place.get("/woocommerce/connect/progress").text

    assert "The companion plugin is not there yet" in shown
    assert 'href="/woocommerce/plugin.zip"' in shown


def test_a_token_works_once(place: Town) -> None:
    """The callback is unsigned and names no shop: a second set of keys for one attempt is refused, and the shop drops it."""
    page = place.begin()
    place.approve(page)
    second = place.approve(page)

    assert second.status_code == 401
    assert "unable to send the consumer data" in second.text


def callback(place: Town, **told: object) -> int:
    return requests.post(f"{place.url}/woocommerce/callback", json=told, timeout=WAIT).status_code


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"user_id": "x"},
        {"user_id": ["x"], "consumer_key": "ck_1", "consumer_secret": "cs_1"},
        {"user_id": "x", "consumer_key": "", "consumer_secret": "cs_1"},
        {"user_id": "x", "consumer_key": "ck_1" * 100, "consumer_secret": "cs_1"},
        {"user_id": "unknown", "consumer_key": "ck_1", "consumer_secret": "cs_1", "key_permissions": "read_write"},
    ],
)
def test_keys_that_answer_no_attempt_are_refused(place: Town, told: dict[str, object]) -> None:
    assert callback(place, **told) in {400, 403}


def test_the_callback_takes_no_body_that_is_no_json_or_has_no_end(place: Town) -> None:
    url = f"{place.url}/woocommerce/callback"

    assert requests.post(url, data=b"[" * 10_000, timeout=WAIT).status_code == 400
    assert requests.post(url, data=b"x" * 100_000, timeout=WAIT).status_code == 400


def test_a_token_ends_after_a_quarter_of_an_hour(place: Town) -> None:
    page = place.begin()
    with place.house.begin() as session:
        session.execute(update(OAuthState).values(expires_at=func.now()))

    assert place.approve(page).status_code == 401
    assert "A quarter of an hour went by" in place.get("/woocommerce/connect/progress").text


def test_of_a_refusal_the_merchant_reads_that_nothing_happened(place: Town) -> None:
    url = place.approve_url(place.begin()).replace("/authorize?", "/denied?")
    page = place.browser.get(url, timeout=WAIT)

    assert "You chose not to approve" in page.text
    assert "Approve in your shop" in page.text


def test_keys_of_another_shop_are_not_kept(place: Town) -> None:
    place.post("/woocommerce/connect", address=place.address, by="keys", key="ck_" + "9" * 40, secret="cs_" + "9" * 40)
    place.work()

    assert "The shop refuses these keys" in place.get("/woocommerce/connect/progress").text
    assert shops(place) == 0


def test_keys_that_were_typed_in_connect_as_well(place: Town) -> None:
    place.post("/woocommerce/connect", address=place.address, by="keys", key=KEY, secret=SECRET)
    place.work()

    assert "Lamp Loft is connected" in place.get("/woocommerce/connect/progress").text


def test_a_key_that_is_none_is_said_so_before_anything_is_tried(place: Town) -> None:
    page = place.post("/woocommerce/connect", address=place.address, by="keys", key="abc", secret="def")

    assert (page.status_code, "A consumer key begins with ck_" in page.text) == (422, True)
    with place.house() as session:
        assert session.scalar(select(func.count()).select_from(OAuthState)) == 0


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://shop.example.com", "must begin with https://"),
        ("https://10.0.0.1", "public name"),
        ("https://2130706433", "public name"),
        ("https://shop.example.com:8443", "without a port"),
        ("https://user:pw@shop.example.com", "as the browser shows it"),
        ("gopher://shop.example.com", "must begin with https://"),
        ("", "as the browser shows it"),
        ("https://shop.example.com/?x=1", "as the browser shows it"),
    ],
)
def test_an_address_that_may_not_be_called_is_refused_in_words(place: Town, address: str, words: str) -> None:
    page = place.post("/woocommerce/connect", address=address)

    assert page.status_code == 422
    assert words in page.text


def test_an_address_that_redirects_is_not_followed_and_the_other_is_offered(place: Town) -> None:
    place.fakes.woocommerce_api.faults.redirect = 1
    page = place.begin()

    assert "The shop sends us on to https://www.lamp-loft.example/woocommerce" in page.text
    assert 'value="https://www.lamp-loft.example/woocommerce">Use that address' in page.text


@pytest.mark.parametrize(
    ("fault", "words"),
    [("html", "There is no WordPress shop at this address"), ("fail", "turned us away (503)")],
)
def test_a_shop_that_does_not_answer_as_one_has_words(place: Town, fault: str, words: str) -> None:
    setattr(place.fakes.woocommerce_api.faults, fault, 1)

    assert words in place.begin().text


def test_a_browser_that_did_not_begin_it_stops_it(place: Town) -> None:
    """Somebody sends the shop's owner a link to approve: the owner's browser comes back, and the keys are nobody's."""
    page = place.begin()
    owner = requests.Session()
    came_back = place.approve(page, owner)

    assert "This connection was begun elsewhere" in came_back.text
    assert place.attempt().phase == "proving"  # a GET changes nothing (I14)
    token = re.search(r'name="token" value="([^"]+)"', came_back.text)
    assert token
    assert "The connection was stopped" in place.post("/woocommerce/stop", owner, token=token[1]).text
    place.work()
    assert shops(place) == 0
    assert place.attempt().keys is None
    assert place.post("/woocommerce/connect/session").url.endswith("/woocommerce/connect")


def test_only_the_browser_that_began_gets_in(place: Town) -> None:
    place.connect()
    stranger = requests.Session()

    assert place.post("/woocommerce/connect/session", stranger).url.endswith("/woocommerce/connect")
    assert place.get("/woocommerce/connect/progress", stranger).url.endswith("/woocommerce/connect")


def test_the_way_in_is_used_up(place: Town) -> None:
    place.connect()
    cookies = dict(place.browser.cookies)
    assert place.post("/woocommerce/connect/session").url.endswith("/admin/flows")
    place.browser.cookies.clear()
    place.browser.cookies.update(cookies)

    assert place.post("/woocommerce/connect/session").url.endswith("/woocommerce/connect")


def test_connecting_again_keeps_what_people_set_and_what_the_webhooks_sign_with(place: Town) -> None:
    first = place.connect()
    with place.house.begin() as session:
        session.execute(update(Shop).values(name="Our Loft", sender_email="we@lamp-loft.example"))
    secrets = {hook.topic: hook.secret for hook in place.shop.hooks.values()}
    second = place.connect()

    assert (second.id, second.connection_id, second.name) == (first.id, first.connection_id, "Our Loft")
    assert second.sender_email == "we@lamp-loft.example"
    assert {hook.topic: hook.secret for hook in place.shop.hooks.values()} == secrets


def test_strangers_cannot_begin_without_end(place: Town) -> None:
    """I15: an address is tried ten times in a quarter of an hour, whoever asks."""
    for _ in range(connecting.MOST_OF_ADDRESS):
        place.post("/woocommerce/connect", address="https://shop.example.com")
    page = place.post("/woocommerce/connect", requests.Session(), address="https://shop.example.com")

    assert (page.status_code, "many tries" in page.text) == (422, True)


def test_an_attempt_whose_shop_is_away_for_a_moment_goes_on(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.connecting._AGAIN", timedelta(0))
    page = place.begin()
    place.approve(page)
    place.fakes.woocommerce_api.faults.fail = 1
    place.work()

    assert "Lamp Loft is connected" in place.get("/woocommerce/connect/progress").text


def test_a_shop_is_made_for_its_own_address_only(place: Town) -> None:
    """Keys that are good for a shop that calls itself something else do not connect the address that was typed."""
    address, place.shop.home_url = place.address, f"{place.url}/elsewhere"
    place.post("/woocommerce/connect", address=address)
    place.work()
    page = place.get("/woocommerce/connect/progress")

    assert "The shop calls itself" in page.text
    assert shops(place) == 0


def test_the_two_shops_of_one_shopper_stay_apart(place: Town) -> None:
    """I10: who just connected a WooCommerce shop sees nothing of the Shopify shop that the same shopper buys at."""
    with place.house.begin() as session:
        tea = builders.tea_and_tin(session)
        now = session.scalar(select(func.now()))
        builders.store_webhook(session, tea, "checkouts/update", builders.checkout_body("t1", now), key="k1")
    builders.work_off()
    place.approve(place.begin())
    place.work()
    place.post("/woocommerce/connect/session")
    with place.house() as session:
        lamp = session.scalar(select(Shop.id).where(Shop.platform == "woocommerce"))
    place.shop.begin_checkout(email="alice@example.com")
    assert place.fakes.sender.wait_until_idle(WAIT)
    builders.work_off()
    with place.house() as session:
        rows = session.execute(text("SELECT shop_id, count(*) FROM customers GROUP BY shop_id ORDER BY shop_id")).all()

    assert [tuple(row) for row in rows] == [(tea, 1), (lamp, 1)]
    assert "Tea" not in place.get("/admin/flows").text
    assert place.post("/admin/shop", shop=str(tea)).status_code == 404
