import base64
import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep

import pytest
from werkzeug.serving import make_server

from app.demo.clock import DemoClock
from app.demo.config import DemoConfig
from app.demo.fakes import Fakes
from app.demo.sender import Sender
from app.demo.server import create_app
from app.demo.shop import Shop
from app.demo.webhook import SHOPIFY_MANNERS, WOO_MANNERS, Faults, Job, Manners, SignedWebhook
from app.domain.errors import AdapterError, Ambiguous, NotAllowed, Transient
from app.domain.ports import CouponSpec, ShopAccess
from integrations import PLATFORMS

T0 = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
SECRET = "shpss_pretend"
SOON = 20.0  # seconds; on a busy machine nothing here takes a tenth of it


@dataclass
class Door:
    """What stands where Cartwheel would: it answers as told, and writes down what came."""

    url: str = ""
    answers: list[int] = field(default_factory=list)  # used up first to last, then 200
    wait: float = 0.0
    came: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def topics(self) -> list[str]:
        return [headers.get("X-Shopify-Topic") or headers["X-WC-Webhook-Topic"] for _, headers, _ in self.came]


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            door.came.append((self.path, dict(self.headers), body))
            sleep(door.wait)
            self.send_response(door.answers.pop(0) if door.answers else 200)
            self.send_header("Content-Length", "0")
            self.send_header("Location", f"{door.url}/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    door.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield door
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fakes(door: Door) -> Iterator[Fakes]:
    clock = DemoClock(real=T0.timestamp)
    fakes = Fakes(config(door.url), clock=clock, sender=Sender(clock.now, threads=1, time_scale=0.001))
    fakes.woocommerce.delays = (0.0, 0.0)
    yield fakes
    fakes.stop()


def config(cartwheel_url: str, shops_url: str = "http://127.0.0.1:1") -> DemoConfig:
    return DemoConfig(
        cartwheel_url=cartwheel_url,
        shops_url=shops_url,
        shopify_client_secret=SECRET,
        shopify_access_token="shpat_pretend",
        woo_connection_path="/webhooks/woocommerce/c0ffee",
        woo_webhook_secret="woo-pretend-secret",
        woo_consumer_key="ck_pretend",
        woo_consumer_secret="cs_pretend",
        announces=False,
    )


def send(fakes: Fakes, webhook: SignedWebhook, manners: Manners = SHOPIFY_MANNERS) -> list[bool]:
    """Send one webhook, wait for its end, and return what was said about it."""
    ends: list[bool] = []
    fakes.sender.submit(Job(build=lambda: webhook, manners=manners, on_end=ends.append))
    assert fakes.sender.wait_until_idle(SOON)
    return ends


def order_webhook(fakes: Fakes) -> SignedWebhook:
    return fakes.shopify.build_order_webhook("alice@example.com")


def test_a_delivery_arrives_with_its_headers_and_bytes(fakes: Fakes, door: Door) -> None:
    webhook = order_webhook(fakes)
    ends = send(fakes, webhook)
    path, headers, body = door.came[0]

    assert (path, body, ends) == ("/webhooks/shopify", webhook.body, [True])
    assert webhook.headers.items() <= headers.items()


def test_shopify_repeats_a_refused_delivery_byte_for_byte_until_it_arrives(fakes: Fakes, door: Door) -> None:
    door.answers = [500, 503, 302]
    ends = send(fakes, order_webhook(fakes))

    assert ends == [True]
    assert len(door.came) == 4
    assert len({(headers["X-Shopify-Webhook-Id"], body) for _, headers, body in door.came}) == 1
    assert {path for path, _, _ in door.came} == {"/webhooks/shopify"}


def test_shopify_gives_up_after_eight_retries_over_four_hours(fakes: Fakes, door: Door) -> None:
    door.answers = [500] * 20
    quick = replace(SHOPIFY_MANNERS, retry_waits=tuple(wait * 0.01 for wait in SHOPIFY_MANNERS.retry_waits))
    ends = send(fakes, order_webhook(fakes), quick)

    assert (len(door.came), ends) == (9, [False])
    assert sum(SHOPIFY_MANNERS.retry_waits) == pytest.approx(4 * 3600, rel=0.01)


def test_an_answer_that_comes_too_late_is_a_failure(fakes: Fakes, door: Door) -> None:
    door.wait = 0.4
    hasty = replace(SHOPIFY_MANNERS, timeout=0.2, retry_waits=())
    ends = send(fakes, order_webhook(fakes), hasty)

    assert ends == [False]
    assert fakes.sender.recent()[0].status is None


def test_a_closed_door_is_written_down_and_tried_again(fakes: Fakes) -> None:
    away = replace(order_webhook(fakes), url="http://127.0.0.1:1/webhooks/shopify")
    ends = send(fakes, away, replace(SHOPIFY_MANNERS, retry_waits=(1.0,)))
    notes = [attempt.note for attempt in fakes.sender.recent()]

    assert (ends, notes) == ([False], ["not reached", "not reached, again in 0 s"])


def test_woocommerce_takes_a_redirect_for_a_success_and_does_not_follow_it(fakes: Fakes, door: Door) -> None:
    door.answers = [302]
    webhook = fakes.woocommerce.build_checkout_webhook(email="alice@example.com")

    assert send(fakes, webhook, WOO_MANNERS) == [True]
    assert len(door.came) == 1


def test_woocommerce_never_tries_again_and_goes_silent_at_the_seventh_failure(fakes: Fakes, door: Door) -> None:
    door.answers = [500] * 50
    hook = fakes.woocommerce.hook("checkout.created")
    for n in range(9):
        fakes.woocommerce.begin_checkout(email=f"{n}@example.com")
        assert fakes.sender.wait_until_idle(SOON)

    assert len(door.came) == 7
    assert not hook.is_active


def test_woocommerce_merges_deliveries_of_one_object_that_still_wait(fakes: Fakes, door: Door) -> None:
    fakes.woocommerce.delays = (1.0, 1.0)
    checkout = fakes.woocommerce.begin_checkout(email="alice@example.com")
    fakes.woocommerce.change_cart(checkout, [("HERON", 1)])
    fakes.woocommerce.change_cart(checkout, [("MOON", 1)])
    assert fakes.sender.wait_until_idle(SOON)

    assert [came[1]["X-WC-Webhook-Topic"] for came in door.came] == ["checkout.created", "checkout.updated"]
    assert [b"Moon" in came[2] for came in door.came] == [True, True]


def test_woocommerce_pings_unsigned_and_a_lost_ping_does_not_count(fakes: Fakes, door: Door) -> None:
    hook = fakes.woocommerce.hook("order.created")
    door.answers = [500]
    send(fakes, hook.ping(), WOO_MANNERS)
    _, headers, body = door.came[0]

    assert body == b"webhook_id=1"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert not [name for name in headers if name.startswith("X-WC")]
    assert hook.failures == 0


# ---- Bad days


def test_copies_share_their_ids(fakes: Fakes, door: Door) -> None:
    fakes.sender.faults = Faults(copies=3)
    send(fakes, order_webhook(fakes))

    assert len(door.came) == 3
    assert len({headers["X-Shopify-Webhook-Id"] for _, headers, _ in door.came}) == 1


def test_a_lost_topic_never_arrives_and_the_shop_does_not_know(fakes: Fakes, door: Door) -> None:
    fakes.sender.faults = Faults(drop=frozenset({"orders/create"}))
    fakes.shopify.place_order("alice@example.com")
    ends = send(fakes, order_webhook(fakes))

    assert ends == [True]
    assert set(door.topics()) == {"orders/paid", "customers/create"}


def test_held_back_webhooks_arrive_last_first(fakes: Fakes, door: Door) -> None:
    fakes.sender.faults = Faults(reverse=3)
    fakes.shopify.begin_checkout(email="alice@example.com")
    fakes.sender.submit(Job(build=lambda: order_webhook(fakes), manners=SHOPIFY_MANNERS))
    assert fakes.sender.wait_until_idle(SOON)
    before = door.topics()
    fakes.sender.release()
    assert fakes.sender.wait_until_idle(SOON)

    assert before == ["customers_email_marketing_consent/update", "customers/create", "checkouts/create"]
    assert door.topics()[3:] == ["orders/create"]


def test_a_late_webhook_comes_late(fakes: Fakes, door: Door) -> None:
    fakes.sender.faults = Faults(delay=0.5)
    fakes.sender.submit(Job(build=lambda: order_webhook(fakes), manners=SHOPIFY_MANNERS))
    early = fakes.sender.wait_until_idle(0.1)
    late = fakes.sender.wait_until_idle(SOON)

    assert (early, late, len(door.came)) == (False, True, 1)


def test_a_forged_webhook_has_a_wrong_signature(fakes: Fakes, door: Door) -> None:
    fakes.sender.faults = Faults(forge=True)
    send(fakes, order_webhook(fakes))
    _, headers, body = door.came[0]

    right = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
    assert headers["X-Shopify-Hmac-Sha256"] != right


def test_stopping_ends_the_threads_and_sends_nothing_more(fakes: Fakes, door: Door) -> None:
    send(fakes, order_webhook(fakes))
    fakes.sender.submit(Job(build=lambda: order_webhook(fakes), manners=SHOPIFY_MANNERS, delay=0.3))
    fakes.sender.stop()
    sleep(0.4)

    assert len(door.came) == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("webhooks-")]


# ---- Our own adapters at the pretend shops' APIs


@dataclass
class Counter:
    """A pretend shop's API on loopback, and the access that our adapter needs."""

    fakes: Fakes
    access: Callable[[str], ShopAccess]


@pytest.fixture
def counter() -> Iterator[Counter]:
    server = make_server("127.0.0.1", 0, lambda _environ, _start: [], threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    fakes = Fakes(config("http://127.0.0.1:1", url))
    server.app = create_app(fakes.config, fakes)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()

    def access(platform: str) -> ShopAccess:
        keys = ("", "shpat_pretend") if platform == "shopify" else ("ck_pretend", "cs_pretend")
        return ShopAccess(shop_id=1, domain="127.0.0.1", base_url=f"{url}/{platform}", key=keys[0], secret=keys[1])

    yield Counter(fakes, access)
    server.shutdown()
    thread.join()
    server.server_close()
    fakes.stop()


SPEC = CouponSpec(
    code="BACK-7F3KQ2WX", percent=15, title="Abandoned cart", starts_at=T0, expires_at=T0 + timedelta(days=40_000)
)


def faults_of(counter: Counter, platform: str) -> object:
    return counter.fakes.shopify_api.faults if platform == "shopify" else counter.fakes.woocommerce_api.faults


@pytest.mark.parametrize("platform", ["shopify", "woocommerce"])
def test_a_coupon_minted_by_our_adapter_takes_its_percentage_off_a_cart(counter: Counter, platform: str) -> None:
    first = PLATFORMS[platform].mint_coupon(counter.access(platform), SPEC)
    again = PLATFORMS[platform].mint_coupon(counter.access(platform), SPEC)
    shop: Shop = counter.fakes.shops[platform]
    counter.fakes.sender.faults = Faults(drop=frozenset({"*"}))
    checkout = shop.set_code(shop.begin_checkout(email="alice@example.com"), SPEC.code)
    totals = shop.totals(checkout)

    assert first == again
    assert totals.discount_minor * 100 == pytest.approx(totals.subtotal_minor * 15, abs=100)


@pytest.mark.parametrize("platform", ["shopify", "woocommerce"])
@pytest.mark.parametrize(
    ("fault", "value", "error"), [("fail", 1, Transient), ("lose", 1, Ambiguous), ("is_revoked", True, NotAllowed)]
)
def test_our_adapter_reads_a_bad_day_right_and_mints_once_it_is_over(
    counter: Counter, platform: str, fault: str, value: object, error: type[AdapterError]
) -> None:
    faults = faults_of(counter, platform)
    setattr(faults, fault, value)
    with pytest.raises(error):
        PLATFORMS[platform].mint_coupon(counter.access(platform), SPEC)
    setattr(faults, fault, type(value)())

    assert PLATFORMS[platform].mint_coupon(counter.access(platform), SPEC)
