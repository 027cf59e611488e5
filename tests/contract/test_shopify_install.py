"""A shop becomes ours at its first load, again after an uninstall, and by the older grant, whatever we still hold of it."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from app.demo.fakes import Fakes
from app.demo.shopify_oauth import sign_query
from app.domain.events import AppUninstalled
from app.models import AuditRow, Cursor, FlowSettings, Shop, ShopState, ShopToken, Webhook
from app.services import account, shops, tokens
from integrations.shopify.scopes import needed_scopes
from tests.admin_cast import link
from tests.builders import SHOPIFY_SECRET, TEA_AND_TIN, store_webhook, tea_and_tin, work_off
from tests.pretend import bearer, first_load, pretend_shops, session_token

Maker = sessionmaker[Session]
FRAME = f"frame-ancestors https://{TEA_AND_TIN} https://admin.shopify.com"
SWITCH = "/admin/flows/abandoned_cart/activation"


@pytest.fixture
def fakes(house: Maker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    with pretend_shops(monkeypatch) as fakes:
        yield fakes


@pytest.fixture
def client(fakes: Fakes) -> FlaskClient:
    """A browser that keeps no cookie, as in a frame with third-party cookies blocked."""
    from app.web import create_app

    return create_app().test_client(use_cookies=False)


@pytest.fixture
def exchanges(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The grants that the desk was asked for."""
    desk, seen = fakes.shopify_api.desk, []
    answer = desk.answer
    monkeypatch.setattr(desk, "answer", lambda body: (seen.append(str(body.get("grant_type"))), answer(body))[1])
    return seen


def shop_row(house: Maker) -> Shop | None:
    with house() as session:
        return session.scalar(select(Shop).where(Shop.domain == TEA_AND_TIN))


def test_the_first_load_installs_the_shop_and_shows_its_flows(house, client, exchanges):
    opened = client.get(f"/shopify/?embedded=1&shop={TEA_AND_TIN}&host=YWRtaW4&id_token={session_token()}")
    answer = client.get(opened.headers["Location"])
    shop = shop_row(house)
    with house() as session:
        held = tokens.read(session, shop.id)
        kinds = set(session.scalars(select(Cursor.kind).where(Cursor.shop_id == shop.id)))
        flows = session.scalar(select(func.count()).where(FlowSettings.shop_id == shop.id))

    assert (opened.status_code, answer.status_code) == (302, 200)
    assert ">Flows<" in answer.text
    assert exchanges == ["urn:ietf:params:oauth:grant-type:token-exchange"]
    assert (shop.state, set(shop.scopes.split(","))) == (ShopState.ACTIVE, needed_scopes())
    assert timedelta(minutes=59) < held.left <= timedelta(hours=1)
    assert held.secrets.keys() == {"access_token", "refresh_token"}
    assert "orders" in kinds, "the first import is planned"
    assert flows > 0


def test_later_loads_ask_shopify_for_nothing(house, client, exchanges):
    for _ in range(3):
        assert first_load(client, session_token()).status_code == 200

    assert len(exchanges) == 1


def test_uninstalled_and_installed_again_the_shop_is_worked_for_with_what_it_had(house, client, exchanges):
    first_load(client, session_token())
    client.post(SWITCH, headers=bearer())
    with house.begin() as session:
        shop = session.scalar(select(Shop).where(Shop.domain == TEA_AND_TIN))
        first = shop.installed_at
        now = session.scalar(select(func.now()))
        account.fold_shop(session, shop, [AppUninstalled(object_id=TEA_AND_TIN, happened_at=now)], now=now)
        gone = session.scalar(select(func.count()).select_from(ShopToken))
    again = first_load(client, session_token())
    with house.begin() as session:
        shop = session.scalar(select(Shop).where(Shop.domain == TEA_AND_TIN))
        late = AppUninstalled(object_id=TEA_AND_TIN, happened_at=shop.installed_at - timedelta(seconds=2))
        account.fold_shop(session, shop, [late], now=now)
        is_on = session.scalar(select(FlowSettings.is_on).where(FlowSettings.flow == "abandoned_cart"))
        actions = session.scalars(select(AuditRow.action).order_by(AuditRow.id)).all()

    assert (gone, again.status_code, len(exchanges)) == (0, 200, 2)
    assert (shop.state, shop.uninstalled_at, is_on) == (ShopState.ACTIVE, None, True)
    assert shop.installed_at > first
    assert [a for a in actions if a.startswith("shop.")] == ["shop.installed", "shop.uninstalled", "shop.installed"]


def test_a_visit_connects_a_shop_again_whose_tokens_had_died(house, client, exchanges):
    first_load(client, session_token())
    with house.begin() as session:
        held = tokens.read(session, shop_row(house).id)
        tokens.lose(session, held.shop.id, access_token=held.access_token, renewal=None, is_for_good=True)
    lost = shop_row(house).state
    answer = first_load(client, session_token())

    assert (lost, answer.status_code, len(exchanges)) == (ShopState.RECONNECT, 200, 2)
    assert shop_row(house).state == ShopState.ACTIVE
    assert "until this shop is connected again" not in answer.text


def test_the_standalone_pages_say_that_a_shop_must_be_connected_again(house, fakes):
    """I16: visible with words where its merchant, or who helps them, looks."""
    from app.web import create_app

    with house.begin() as session:
        shop_id = tea_and_tin(session)
        tokens.lose(session, shop_id, access_token="shpat_x", renewal=None, is_for_good=True)
    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post(link(house, shop_id))

    assert "No mail leaves until this shop is connected again." in client.get("/admin/flows").text


def test_a_paused_shop_stays_paused_when_its_merchant_looks_in(house, client):
    first_load(client, session_token())
    with house.begin() as session:
        shop = session.scalar(select(Shop))
        shops.set_state(session, shop, ShopState.PAUSED, actor="test", now=shop.installed_at)
        session.execute(text("DELETE FROM shop_tokens"))
    first_load(client, session_token())

    assert shop_row(house).state == ShopState.PAUSED


def test_rights_that_are_missing_are_asked_for_again_but_not_at_every_load(house, client, exchanges):
    first_load(client, session_token())
    with house.begin() as session:
        session.execute(update(Shop).values(scopes="read_orders"))
    soon = first_load(client, session_token())
    with house.begin() as session:
        session.execute(text("UPDATE shop_tokens SET updated_at = now() - interval '6 minutes'"))
    later = first_load(client, session_token())

    assert "has not granted everything" in soon.text
    assert "write_customers" in soon.text
    assert "has not granted everything" not in later.text
    assert len(exchanges) == 2


def test_word_of_fewer_rights_is_kept(house, client):

    first_load(client, session_token())
    body = {"id": 1, "previous": ["read_orders"], "current": ["read_orders"], "updated_at": "2026-11-24T12:00:00Z"}
    with house.begin() as session:
        store_webhook(session, shop_row(house).id, "app/scopes_update", body | {"shop_id": 5}, key="s1")
    work_off()

    assert shop_row(house).scopes == "read_orders"


def test_two_first_loads_at_once_make_one_shop(house, client):
    from concurrent.futures import ThreadPoolExecutor

    app = client.application
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _n: first_load(app.test_client(use_cookies=False), session_token()), range(4)))
    with house() as session:
        count = session.scalar(select(func.count()).select_from(Shop))

    assert [a.status_code for a in answers] == [200] * 4
    assert count == 1


def test_a_shop_is_asked_its_name_by_a_job_and_not_while_the_page_waits(house, client, fakes, monkeypatch):
    import jobs.facts
    from jobs import scheduler

    called: list[str] = []
    answer = fakes.shopify_api.answer
    monkeypatch.setattr(
        fakes.shopify_api, "answer", lambda query, *rest: (called.append(query[:14]), answer(query, *rest))[1]
    )
    first_load(client, session_token())
    on_the_page = list(called)
    rung = scheduler.tick()
    asked = (jobs.facts.learn(), jobs.facts.learn())
    shop = shop_row(house)

    assert on_the_page == []
    assert "shops" in rung
    assert asked == (1, 0)
    assert (shop.name, shop.currency, shop.timezone) == ("Tea & Tin", "USD", "America/Los_Angeles")
    assert (shop.email, shop.sender_email, shop.locale) == ("hello@tea-and-tin.example",) * 2 + ("en",)
    assert shop.postal_address == "18 Alder Street, 97205 Portland, US"


def test_a_shop_that_does_not_answer_is_asked_again_later(house, client, fakes):
    import jobs.facts

    first_load(client, session_token())
    fakes.shopify_api.faults.fail, fakes.shopify_api.faults.fail_status = 9, 423
    asked = (jobs.facts.learn(), jobs.facts.learn())
    with house() as session:
        due_in = session.scalar(text("SELECT facts_due_at - now() FROM shops"))

    assert asked == (1, 0)
    assert timedelta(minutes=4) < due_in <= timedelta(minutes=5)


def test_the_older_grant_begins_at_shopify_and_ends_in_its_admin(house, fakes):
    import requests

    from app.web import create_app

    client = create_app().test_client()
    signed = sign_query({"shop": TEA_AND_TIN, "timestamp": str(int(time.time()))}, SHOPIFY_SECRET)
    begun = client.get("/shopify/", query_string=signed)
    asked = client.get(begun.headers["Location"]).headers["Location"]
    back = requests.get(asked, allow_redirects=False, timeout=10).headers["Location"]
    path = back.removeprefix("http://127.0.0.1:8000")
    done = client.get(path)
    twice = client.get(path)
    shop = shop_row(house)

    assert asked.startswith(f"{fakes.config.shops_url}/shopify/admin/oauth/authorize?client_id=client-id&scope=")
    assert (done.status_code, twice.status_code) == (302, 401)
    assert done.headers["Location"] == "https://admin.shopify.com/store/tea-and-tin/apps/client-id"
    assert shop.state == ShopState.ACTIVE
    with house() as session:
        assert tokens.read(session, shop.id).left > timedelta(minutes=59)


@pytest.mark.parametrize("topic", ["app/uninstalled", "shop/redact", "shop/update"])
def test_a_signed_webhook_whose_body_names_another_shop_changes_nothing(house, client, topic):
    """I10: one shop's webhook, sent again under another shop's name, has a good signature; its headers are not signed."""
    first_load(client, session_token())
    body = {"id": 9, "myshopify_domain": "other.myshopify.com", "shop_domain": "other.myshopify.com", "shop_id": 9}
    with house.begin() as session:
        later = session.scalar(select(func.now() + timedelta(minutes=1)))
        store_webhook(session, shop_row(house).id, topic, body | {"name": "Other"}, key="o1", triggered_at=later)
        session.execute(update(Webhook).values(due_at=func.now()))
    work_off()
    with house() as session:
        ended = session.execute(select(Webhook.state, Webhook.error)).one()

    assert tuple(ended) == ("failed", "The body names another shop than the headers.")
    assert (shop_row(house).state, shop_row(house).name) == (ShopState.ACTIVE, "Tea And Tin")
