"""The pretend Shopify answers what the real schema allows, and our adapter reads it; tokens live and die as they should."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from graphql import GraphQLSchema, execute, parse
from werkzeug.serving import make_server

from app.demo import shopify_admin
from app.demo.catalog import TEA_AND_TIN
from app.demo.clock import DemoClock
from app.demo.config import DemoConfig
from app.demo.fakes import Fakes
from app.demo.server import create_app
from app.demo.shopify_oauth import make_session_token
from app.demo.webhook import Job, SignedWebhook
from app.domain.errors import Ambiguous, Permanent, Transient
from app.domain.ports import CouponSpec, ShopAccess
from integrations.http import dig
from integrations.shopify.auth import StaleSessionToken, TokenDead, Tokens, exchange_token, refresh_token
from integrations.shopify.client import AdminClient
from integrations.shopify.coupons import mint
from integrations.shopify.documents import is_query, operation_text
from integrations.shopify.errors import ShopGone, TokenRefused, UserErrors
from integrations.shopify.scopes import missing_scopes
from integrations.shopify.topics import TOPICS
from tests.contract.test_shopify_operations import NAMES, real_schema

T0 = datetime(2026, 7, 14, 12, 0, 30, tzinfo=UTC)
FIXED = "shpat_fixed"
APP = {"client_id": "client-id", "client_secret": "shpss_pretend"}
SPEC = CouponSpec(code="BACK-7F3KQ2WX", percent=15, title="Cart", starts_at=T0, expires_at=T0 + timedelta(days=2))


class Held:
    """A sender that keeps what it is given."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def take(self) -> list[SignedWebhook]:
        jobs, self.jobs = self.jobs, []
        return [webhook for job in jobs if (webhook := job.build())]


@pytest.fixture(scope="session")
def schema() -> GraphQLSchema:
    return real_schema()


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def fakes(held: Held) -> Iterator[Fakes]:
    """A shop with two customers, one order of each kind, and a cart that was left."""
    server = make_server("127.0.0.1", 0, lambda _environ, _start: [], threaded=True)
    config = DemoConfig(
        cartwheel_url="http://127.0.0.1:1", shops_url=f"http://127.0.0.1:{server.server_port}",
        shopify_client_secret=APP["client_secret"], shopify_access_token=FIXED, woo_connection_path="/w",
        woo_webhook_secret="w", woo_consumer_key="ck", woo_consumer_secret="cs", announces=False,
    )  # fmt: skip
    fakes = Fakes(config, clock=DemoClock(real=T0.timestamp), outgoing=held)
    server.app = create_app(config, fakes)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    fill(fakes)
    held.take()
    yield fakes
    server.shutdown()
    thread.join()
    server.server_close()
    fakes.stop()


def fill(fakes: Fakes) -> None:
    shop = fakes.shopify
    with AdminClient(access(fakes)) as client:
        mint(client, SPEC)
    bought = shop.begin_checkout(email="alice@example.com", items=[("TEA-DARJ-50", 2), ("TIN-OAT", 1)])
    bought = shop.recover(bought.cart_token, bought.secret, "/?utm_source=cartwheel&utm_medium=email") or bought
    shop.place_order(shop.set_code(bought, SPEC.code))
    shop.place_order("alice@example.com")
    shop.begin_checkout(email="bob@example.com", first_name="Bob", consent=False)
    shop.open_cart()


def access(fakes: Fakes, token: str = FIXED) -> ShopAccess:
    return ShopAccess(shop_id=1, domain=TEA_AND_TIN.domain, base_url=fakes.shopify.home_url, key="", secret=token)


@pytest.fixture
def client(fakes: Fakes) -> Iterator[AdminClient]:
    with AdminClient(access(fakes), sleep=lambda _seconds: None) as client:
        yield client


def alice(client: AdminClient) -> str:
    return str(dig(client.run("CustomerByEmail", {"email": "alice@example.com"}).data, "customerByIdentifier", "id"))


def variables(client: AdminClient, name: str) -> dict[str, Any]:
    """What finds something for each operation."""
    who = alice(client)
    consent = {"marketingState": "UNSUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN"}
    coupon = client.run("CouponByCode", {"code": SPEC.code}).data
    orders = list(client.pages("CustomerOrders", {"id": who}, "customer.orders"))
    return {
        "AbandonedCheckouts": {"first": 5, "q": "created_at:>='2026-07-14T00:00:00Z' status:open"},
        "ConsentUpdate": {"input": {"customerId": who, "emailMarketingConsent": consent}},
        "CountCheckouts": {"q": "status:open"},
        "CountOrders": {"q": "created_at:>=2026-07-14"},
        "CouponByCode": {"code": SPEC.code},
        "CouponCreate": {"d": {"code": "TEN", "title": "Ten", "startsAt": "2026-07-14T12:00:00Z",
                               "customerGets": {"value": {"percentage": 0.1}, "items": {"all": True}}}},
        "CouponDeactivate": {"id": dig(coupon, "codeDiscountNodeByCode", "id")},
        "CustomerByEmail": {"email": "Alice@example.com"},
        "CustomerById": {"id": who},
        "CustomersSince": {"first": 5, "q": "updated_at:>='2026-07-14T11:50:00Z'"},
        "CustomerOrders": {"id": who},
        "Existing": {"ids": [who, orders[0]["id"], "gid://shopify/Product/1"]},
        "OrderByCheckout": {"q": f"checkout_token:{'x'}"},
        "OrderLines": {"id": orders[0]["id"], "first": 5},
        "OrdersSince": {"first": 5, "q": "updated_at:>='2026-07-14T11:50:00Z'"},
        "Products": {"first": 3},
        "TagsAdd": {"id": who, "tags": ["vip"]},
        "TagsRemove": {"id": who, "tags": ["vip"]},
    }.get(name, {})  # fmt: skip


# ---- shapes


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_what_the_real_schema_makes_of_it(
    schema: GraphQLSchema, fakes: Fakes, client: AdminClient, name: str
) -> None:
    """The library checks every null, enum and list; the demo's own little reader must then give the same."""
    given = variables(client, name)
    strict = execute(
        schema, parse(operation_text(name)), fakes.shopify_api.root_value(), variable_values=given, operation_name=name
    )
    plain = client.run(name, given).data if is_query(name) else strict.data

    assert strict.errors is None
    assert plain == strict.data
    assert strict.data
    assert all(value is not None for value in strict.data.values())


def test_orders_say_what_was_bought(client: AdminClient) -> None:
    newest, first = (
        list(client.pages("CustomerOrders", {"id": alice(client)}, "customer.orders")),
        list(client.pages("OrdersSince", {"first": 1, "q": None}, "orders")),
    )
    order = first[0]

    assert (len(newest), len(first)) == (2, 2)
    assert order["discountCodes"] == [SPEC.code]
    assert [dig(line, "sku") for line in order["lineItems"]["nodes"]] == ["TEA-DARJ-50", "TIN-OAT"]
    assert dig(order, "totalPriceSet", "shopMoney") == {"amount": "35.70", "currencyCode": "USD"}
    assert [dig(n, "originalUnitPriceSet", "shopMoney", "amount") for n in order["lineItems"]["nodes"]] == ["13.00", "16.00"]


def test_the_order_of_a_checkout_is_found_by_its_token(fakes: Fakes, client: AdminClient) -> None:
    checkout = fakes.shopify.begin_checkout(email="carol@example.com")
    order = fakes.shopify.place_order(checkout)
    found = client.run("OrderByCheckout", {"q": f"checkout_token:{checkout.token}"}).data

    assert [dig(node, "name") for node in dig(found, "orders", "nodes")] == [f"#{order.number}"]


def test_a_list_is_cut_into_pages_and_searched(client: AdminClient) -> None:
    since = {"first": 1, "q": "created_at:>='2026-07-14T12:00:00Z'"}
    left = list(client.pages("AbandonedCheckouts", since, "abandonedCheckouts"))

    assert [dig(node, "customer", "firstName") for node in left] == ["Alice", "Bob"]
    assert list(client.pages("AbandonedCheckouts", since | {"q": "created_at:>2027-01-01"}, "abandonedCheckouts")) == []
    assert len(list(client.pages("Products", {"first": 3, "q": None}, "products"))) == len(TEA_AND_TIN.products)
    assert len(list(client.pages("Webhooks", {}, "webhookSubscriptions"))) == len(TOPICS)


@pytest.mark.parametrize(("first", "q"), [(0, None), (251, None), (1, "updated_at:>=yesterday")])
def test_a_list_that_is_asked_for_wrongly_is_refused(client: AdminClient, first: int, q: str | None) -> None:
    with pytest.raises(Permanent, match=r"BAD_REQUEST|MAX_COST_EXCEEDED"):
        client.run("OrdersSince", {"first": first, "q": q})


def test_counts_are_exact(client: AdminClient) -> None:
    counted = {name: client.run(f"Count{name}", {"q": q}).data for name, q in
               (("Orders", None), ("Customers", None), ("Products", None), ("Checkouts", "status:open"))}  # fmt: skip

    assert {name: dig(list(value.values()), 0, "count") for name, value in counted.items()} == {
        "Orders": 2,
        "Customers": 2,
        "Products": len(TEA_AND_TIN.products),
        "Checkouts": 1,
    }


# ---- changes


def test_a_consent_that_we_set_is_told_by_webhook(client: AdminClient, held: Held) -> None:
    client.run("ConsentUpdate", variables(client, "ConsentUpdate"))
    after = client.run("CustomerByEmail", {"email": "alice@example.com"}).data

    assert [webhook.topic for webhook in held.take()] == ["customers_email_marketing_consent/update"]
    assert dig(after, "customerByIdentifier", "defaultEmailAddress", "marketingState") == "UNSUBSCRIBED"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"marketingState": "PENDING", "marketingOptInLevel": "SINGLE_OPT_IN"}, "INVALID", "marketingOptInLevel"),
        ({"marketingState": "SUBSCRIBED"}, "MISSING_ARGUMENT", "marketingOptInLevel"),
        ({"marketingState": "UNSUBSCRIBED", "consentUpdatedAt": "2026-07-15T00:00:00Z"}, "INVALID", "consentUpdatedAt"),
    ],
)
def test_a_consent_that_shopify_would_refuse_is_refused(
    client: AdminClient, held: Held, change: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(UserErrors) as caught:
        client.run("ConsentUpdate", {"input": {"customerId": alice(client), "emailMarketingConsent": change}})

    assert (caught.value.codes, caught.value.errors[0].field.split(".")[-1], held.take()) == ((code,), field, [])


def test_tags_are_added_once_and_taken_away_and_told(client: AdminClient, held: Held) -> None:
    who = alice(client)
    client.run("TagsAdd", {"id": who, "tags": ["vip", "tea"]})
    client.run("TagsAdd", {"id": who, "tags": ["vip"]})
    client.run("TagsRemove", {"id": who, "tags": ["tea", "none"]})
    after = client.run("CustomerById", {"id": who}).data

    assert [webhook.topic for webhook in held.take()] == ["customer.tags_added", "customer.tags_removed"]
    assert dig(after, "customer", "tags") == ["vip"]


def test_nobody_is_tagged_by_a_wrong_id(client: AdminClient) -> None:
    with pytest.raises(UserErrors, match="at id"):
        client.run("TagsAdd", {"id": "gid://shopify/Customer/1", "tags": ["vip"]})


class Stopped:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.at = time.monotonic()
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        if seconds:
            self.slept.append(seconds)


def test_the_bucket_runs_dry_and_fills_again(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Stopped()
    monkeypatch.setattr(shopify_admin, "time", clock)
    fakes.shopify_api._points, fakes.shopify_api._filled_at = 5.0, clock.at
    with AdminClient(access(fakes), sleep=clock.sleep) as client:
        client.run("CouponByCode", {"code": "X"})
        client.run("CustomerByEmail", {"email": "alice@example.com"})

    assert len(clock.slept) == 1
    assert 0.01 <= clock.slept[0] < 0.5


# ---- tokens


def session_token(**change: object) -> str:
    return make_session_token(TEA_AND_TIN.domain, APP["client_id"], APP["client_secret"], time.time(), **change)


@pytest.fixture
def tokens(fakes: Fakes) -> Tokens:
    return exchange_token(fakes.shopify.home_url, session_token(), **APP)


def works(fakes: Fakes, token: str) -> bool:
    try:
        with AdminClient(access(fakes, token)) as client:
            return bool(client.run("ShopInfo").data)
    except TokenRefused:
        return False


def test_a_session_token_is_exchanged_for_tokens_that_end(fakes: Fakes, tokens: Tokens) -> None:
    assert works(fakes, tokens.access_token)
    assert (tokens.expires_in, tokens.refresh_expires_in) == (timedelta(hours=1), timedelta(days=90))
    assert missing_scopes(frozenset(tokens.scopes)) == frozenset()
    assert "shp" not in repr(tokens)


def test_an_access_token_ends_after_an_hour_and_the_fixed_one_never(fakes: Fakes, tokens: Tokens) -> None:
    fakes.shopify_api.desk.real = lambda: time.time() + 3601

    assert not works(fakes, tokens.access_token)
    assert works(fakes, FIXED)


@pytest.mark.parametrize(
    "change", [{"exp": 1}, {"nbf": 9_999_999_999}, {"aud": "other"}, {"dest": "https://evil.myshopify.com"}]
)
def test_a_session_token_that_is_stale_or_of_others_is_told_apart(fakes: Fakes, change: dict[str, object]) -> None:
    with pytest.raises(StaleSessionToken):
        exchange_token(fakes.shopify.home_url, session_token(**change), **APP)


def test_a_wrong_secret_gets_nothing(fakes: Fakes) -> None:
    with pytest.raises(TokenDead, match="invalid_client"):
        exchange_token(fakes.shopify.home_url, session_token(), client_id="client-id", client_secret="guess")


def test_a_refresh_replaces_both_and_the_old_one_dies_when_the_new_one_is_used(fakes: Fakes, tokens: Tokens) -> None:
    home = fakes.shopify.home_url
    second = refresh_token(home, tokens.refresh_token, **APP)
    third = refresh_token(home, second.refresh_token, **APP)

    assert len({tokens.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert works(fakes, third.access_token)
    with pytest.raises(TokenDead, match="invalid_grant"):
        refresh_token(home, tokens.refresh_token, **APP)


def test_a_refresh_whose_answer_was_lost_is_asked_again_with_the_same_token(fakes: Fakes, tokens: Tokens) -> None:
    fakes.shopify_api.desk.faults.lose = 1
    with pytest.raises(Ambiguous):
        refresh_token(fakes.shopify.home_url, tokens.refresh_token, **APP)
    again = refresh_token(fakes.shopify.home_url, tokens.refresh_token, **APP)

    assert works(fakes, again.access_token)


@pytest.mark.parametrize(("days", "is_used"), [(91, False), (31, True)])
def test_a_refresh_token_does_not_live_for_ever(fakes: Fakes, tokens: Tokens, days: int, is_used: bool) -> None:
    if is_used:
        refresh_token(fakes.shopify.home_url, tokens.refresh_token, **APP)
    fakes.shopify_api.desk.real = lambda: time.time() + days * 86400

    with pytest.raises(TokenDead):
        refresh_token(fakes.shopify.home_url, tokens.refresh_token, **APP)


def test_scripted_refusals_come_in_their_order(fakes: Fakes, tokens: Tokens) -> None:
    fakes.shopify_api.desk.faults.errors = ["invalid_grant", "invalid_subject_token", "invalid_request"]
    for kind in (TokenDead, StaleSessionToken, Permanent):
        with pytest.raises(kind):
            refresh_token(fakes.shopify.home_url, tokens.refresh_token, **APP)

    assert works(fakes, refresh_token(fakes.shopify.home_url, tokens.refresh_token, **APP).access_token)


def test_a_busy_desk_says_when_to_come_back(fakes: Fakes, tokens: Tokens) -> None:
    fakes.shopify_api.desk.faults.throttle = 1
    with pytest.raises(Transient) as caught:
        refresh_token(fakes.shopify.home_url, tokens.refresh_token, **APP)

    assert caught.value.retry_after == timedelta(seconds=2)


def test_a_desk_that_is_not_there_is_no_shop(fakes: Fakes) -> None:
    with pytest.raises(ShopGone):
        refresh_token(f"{fakes.shopify.home_url}/nobody", "shprt_x", **APP)


@pytest.mark.parametrize(
    "change",
    [{"access_token": None}, {"access_token": "a\r\nb"}, {"refresh_token": ""}, {"expires_in": None}, {"expires_in": True},
     {"expires_in": -1}, {"refresh_token_expires_in": "soon"}, {"scope": ["read_orders"]}],
)  # fmt: skip
def test_tokens_that_could_not_be_kept_are_no_answer(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    desk = fakes.shopify_api.desk
    issue = desk._issue
    monkeypatch.setattr(desk, "_issue", lambda parent: issue(parent) | change)

    with pytest.raises(Ambiguous):
        exchange_token(fakes.shopify.home_url, session_token(), **APP)
