"""Every call to a shop has a living token, renewed by one worker at a time; a dead one stops its shop alone (D11)."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from app import clock, crypto, db
from app.cli import cli
from app.demo.fakes import Fakes
from app.domain.errors import NotAllowed, Transient
from app.domain.events import AppUninstalled
from app.domain.ports import ShopAccess, Tokens
from app.models import AuditRow, Shop, ShopState, ShopToken
from app.services import account, shops, tokens
from integrations.shopify.auth import TokenDead, TokenRefused
from integrations.shopify.client import AdminClient
from jobs import access, scheduler
from jobs.access import call_shop, shop_access
from tests.builders import TEA_AND_TIN, lamp_loft, ledger, skip_clock, store_webhook, tea_and_tin, work_off
from tests.builders import checkout_body as cart
from tests.pretend import FIXED, pretend_shops

Maker = sessionmaker[Session]
GONE = timedelta(seconds=-1)


@pytest.fixture
def fakes(house: Maker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    with pretend_shops(monkeypatch) as fakes:
        yield fakes


@pytest.fixture
def asked(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The grants that the desk was asked for, in order."""
    desk, seen = fakes.shopify_api.desk, []
    answer = desk.answer

    def listen(body):
        seen.append(str(body.get("grant_type")))
        return answer(body)

    monkeypatch.setattr(desk, "answer", listen)
    return seen


def issue(fakes: Fakes) -> Tokens:
    """Take tokens from the desk, as an install would."""
    got = fakes.shopify_api.desk._issue(None)
    return Tokens(
        access_token=got["access_token"], scopes=tuple(got["scope"].split(",")), expires_in=timedelta(hours=1),
        refresh_token=got["refresh_token"], refresh_expires_in=timedelta(days=90),
    )  # fmt: skip


@pytest.fixture
def shop_id(house: Maker, fakes: Fakes) -> int:
    """Tea & Tin, with tokens that end in an hour."""
    with house.begin() as session:
        shop_id = tea_and_tin(session)
        tokens.keep(session, shop_id, issue(fakes))
    return shop_id


def end_in(house: Maker, shop_id: int, left: timedelta) -> None:
    """Let the access token live for so long from now."""
    with house.begin() as session:
        session.execute(
            update(ShopToken).where(ShopToken.shop_id == shop_id, ShopToken.kind == "access_token")
            .values(expires_at=func.now() + left)
        )  # fmt: skip


def held(house: Maker, shop_id: int) -> dict[str, str]:
    with house.begin() as session:
        found = tokens.read(session, shop_id)
        return found.secrets if found else {}


def state(house: Maker, shop_id: int) -> str:
    with house() as session:
        return str(session.scalar(select(Shop.state).where(Shop.id == shop_id)))


def who_am_i(shop_access: ShopAccess) -> object:
    with AdminClient(shop_access) as client:
        return client.run("ShopInfo").data["shop"]


def test_a_token_that_lives_is_used_as_it_is(house, shop_id, asked) -> None:
    assert call_shop(shop_id, who_am_i)["myshopifyDomain"] == TEA_AND_TIN
    assert shop_access(shop_id).secret == held(house, shop_id)["access_token"]
    assert asked == []


def test_a_token_with_less_than_five_minutes_is_renewed_before_it_is_used(house, shop_id, asked) -> None:
    before = held(house, shop_id)
    end_in(house, shop_id, timedelta(minutes=4, seconds=50))
    renewed = shop_access(shop_id)
    after = held(house, shop_id)

    assert asked == ["refresh_token"]
    assert renewed.secret == after["access_token"]
    assert {*before.values()} & {*after.values()} == set()
    assert call_shop(shop_id, who_am_i)["myshopifyDomain"] == TEA_AND_TIN


def test_no_transaction_is_open_while_the_desk_is_asked(house, shop_id, fakes, monkeypatch) -> None:
    desk, seen = fakes.shopify_api.desk, []
    answer = desk.answer

    def look(body):
        seen.append(db.engine().pool.checkedout())
        return answer(body)

    monkeypatch.setattr(desk, "answer", look)
    end_in(house, shop_id, GONE)
    shop_access(shop_id)

    assert seen == [0]


def test_twenty_callers_at_the_end_make_one_renewal(house, shop_id, fakes, asked) -> None:
    fakes.shopify_api.faults.delay = 0.3  # the nineteen others come while the first one is asking
    end_in(house, shop_id, GONE)
    gate = threading.Barrier(20)

    def call(_n: int) -> str:
        gate.wait()
        return shop_access(shop_id).secret

    with ThreadPoolExecutor(20) as pool:
        secrets = set(pool.map(call, range(20)))

    assert asked == ["refresh_token"]
    assert secrets == {held(house, shop_id)["access_token"]}


def test_others_go_on_with_a_token_that_is_being_renewed_early(house, shop_id, asked) -> None:
    end_in(house, shop_id, timedelta(minutes=2))
    with house.begin() as session:
        somebody = tokens.lease(session, shop_id)

    assert somebody.renewal
    assert shop_access(shop_id).secret == held(house, shop_id)["access_token"]
    assert asked == []


def test_an_answer_that_was_lost_after_the_change_is_asked_for_again(house, shop_id, fakes, asked) -> None:
    fakes.shopify_api.desk.faults.lose = 1
    end_in(house, shop_id, GONE)

    assert call_shop(shop_id, who_am_i)["myshopifyDomain"] == TEA_AND_TIN
    assert asked == ["refresh_token", "refresh_token"]
    assert state(house, shop_id) == ShopState.ACTIVE


def test_what_is_lost_again_and_again_is_tried_later_with_the_same_token(house, shop_id, fakes) -> None:
    fakes.shopify_api.desk.faults.lose = 2
    before = held(house, shop_id)
    end_in(house, shop_id, GONE)
    with pytest.raises(Transient):
        shop_access(shop_id)

    assert held(house, shop_id) == before
    assert call_shop(shop_id, who_am_i)["myshopifyDomain"] == TEA_AND_TIN


def test_a_worker_that_died_while_renewing_is_replaced_when_its_lease_ends(house, shop_id, asked) -> None:
    end_in(house, shop_id, GONE)
    with house.begin() as session:
        dead = tokens.lease(session, shop_id)
        session.execute(text("UPDATE shop_tokens SET lease_until = now() - interval '1 s' WHERE kind = 'refresh_token'"))
    alive = shop_access(shop_id)
    with house.begin() as session:
        is_kept = tokens.keep_renewed(session, shop_id, dead.renewal, issue_nothing())

    assert asked == ["refresh_token"]
    assert not is_kept
    assert held(house, shop_id)["access_token"] == alive.secret


def issue_nothing() -> Tokens:
    hour = timedelta(hours=1)
    return Tokens(access_token="late", scopes=(), expires_in=hour, refresh_token="late", refresh_expires_in=hour)


def test_a_refused_token_is_renewed_once_and_the_call_made_again(house, shop_id, fakes, asked) -> None:
    fakes.shopify_api.desk._access.clear()  # Shopify no longer knows it, though it had time left

    assert call_shop(shop_id, who_am_i)["myshopifyDomain"] == TEA_AND_TIN
    assert asked == ["refresh_token"]


def test_a_token_that_is_refused_right_after_its_renewal_stops_the_shop(house, shop_id, fakes) -> None:
    fakes.shopify_api.faults.is_revoked = True
    with pytest.raises(TokenRefused):
        call_shop(shop_id, who_am_i)

    assert state(house, shop_id) == ShopState.RECONNECT
    assert held(house, shop_id) == {}


def test_a_dead_refresh_token_stops_this_shop_and_says_what_to_do(house, shop_id, fakes, asked) -> None:
    with house.begin() as session:
        lamp_id, _ = lamp_loft(session)
    fakes.shopify_api.desk.faults.errors = ["invalid_grant"]
    end_in(house, shop_id, GONE)
    with pytest.raises(TokenDead):
        shop_access(shop_id)
    with pytest.raises(NotAllowed, match="merchant opens Cartwheel once"):
        shop_access(shop_id)

    assert asked == ["refresh_token"]
    assert (state(house, shop_id), state(house, lamp_id)) == (ShopState.RECONNECT, ShopState.ACTIVE)
    assert shop_access(lamp_id).key == "ck_x"
    with house() as session:
        assert "shop.needs_reconnect" in session.scalars(select(AuditRow.action).where(AuditRow.shop_id == shop_id)).all()


def test_a_dead_token_holds_the_mails_of_its_shop_only_until_it_is_connected_again(house, shop_id, fakes) -> None:
    with house.begin() as session:
        lamp_loft(session)
        at = session.scalar(select(func.now()))
        store_webhook(session, shop_id, "checkouts/create", cart("c1", at), key="1", triggered_at=at)
    work_off()
    skip_clock(house, timedelta(hours=25))  # the second mail needs a coupon, and with it the shop
    end_in(house, shop_id, GONE)
    fakes.shopify_api.desk.faults.errors = ["invalid_grant"]
    work_off()
    waiting = ledger(house, ("step", "state"))
    with house.begin() as session:
        tokens.keep(session, shop_id, issue(fakes))
        session.execute(update(Shop).values(state=ShopState.ACTIVE))
    skip_clock(house, timedelta(minutes=16))
    work_off()

    assert waiting[-1] == ("coupon", "pending")
    assert ledger(house, ("step", "state"))[-1] == ("coupon", "sent")


def test_a_wrong_secret_of_ours_is_not_the_end_of_the_tokens(house, shop_id, fakes) -> None:
    """Were they thrown away, one mistyped setting would cost the connection to every shop."""
    fakes.shopify_api.desk.faults.errors = ["invalid_client"]
    end_in(house, shop_id, GONE)
    with pytest.raises(NotAllowed):
        shop_access(shop_id)
    lost = state(house, shop_id)
    with house.begin() as session:
        is_early = tokens.is_any_idle(session)
        session.execute(text("UPDATE shop_tokens SET due_at = now() WHERE kind = 'refresh_token'"))
    rung = scheduler.tick()
    kept_alive = access.keep_alive()

    assert (lost, is_early) == (ShopState.RECONNECT, False)
    assert "shops" in rung
    assert kept_alive == 1
    assert state(house, shop_id) == ShopState.ACTIVE
    assert call_shop(shop_id, who_am_i)["myshopifyDomain"] == TEA_AND_TIN


def test_a_quiet_shop_is_kept_reachable_once_a_week(house, shop_id, asked) -> None:
    with house.begin() as session:
        is_early = tokens.is_any_idle(session)
        due_in = session.scalar(text("SELECT due_at - now() FROM shop_tokens WHERE kind = 'refresh_token'"))
        session.execute(text("UPDATE shop_tokens SET due_at = now() WHERE kind = 'refresh_token'"))
    before = held(house, shop_id)

    assert not is_early
    assert timedelta(days=6, hours=23) < due_in <= timedelta(days=7)
    assert (access.keep_alive(), access.keep_alive()) == (1, 0)
    assert asked == ["refresh_token"]
    assert held(house, shop_id)["refresh_token"] != before["refresh_token"]


def test_a_desk_that_is_away_is_asked_again_an_hour_later_and_not_every_second(house, shop_id, fakes) -> None:
    with house.begin() as session:
        session.execute(text("UPDATE shop_tokens SET due_at = now() WHERE kind = 'refresh_token'"))
    fakes.shopify_api.desk.faults.throttle = 1

    assert (access.keep_alive(), access.keep_alive()) == (1, 0)
    assert state(house, shop_id) == ShopState.ACTIVE


def test_a_paused_shop_stays_paused_when_its_token_dies_and_tells_when_it_goes_on(house, shop_id, fakes) -> None:
    with house.begin() as session:
        shops.set_state(session, session.get_one(Shop, shop_id), ShopState.PAUSED, actor="test", now=clock.now(session))
    fakes.shopify_api.desk.faults.errors = ["invalid_grant"]
    end_in(house, shop_id, GONE)
    with pytest.raises(TokenDead):
        shop_access(shop_id)
    paused = state(house, shop_id)
    with house.begin() as session:
        session.execute(update(Shop).values(state=ShopState.ACTIVE))
    with pytest.raises(NotAllowed):
        shop_access(shop_id)

    assert paused == ShopState.PAUSED
    assert state(house, shop_id) == ShopState.RECONNECT


def test_a_shop_connected_by_hand_has_a_token_without_an_end(house, fakes, asked) -> None:
    with house.begin() as session:
        shop_id = tea_and_tin(session)
        session.execute(update(ShopToken).values(secret=crypto.encrypt(shop_id, FIXED)))

    assert call_shop(shop_id, who_am_i)["myshopifyDomain"] == TEA_AND_TIN
    fakes.shopify_api.faults.is_revoked = True
    with pytest.raises(NotAllowed):
        call_shop(shop_id, who_am_i)
    assert state(house, shop_id) == ShopState.RECONNECT
    assert asked == []


def test_uninstalling_takes_every_token_and_a_late_word_of_it_takes_none(house, shop_id, fakes) -> None:
    """I7: what was told of an earlier life of the app says nothing about this one."""
    with house.begin() as session:
        shop = session.get_one(Shop, shop_id)
        late = AppUninstalled(object_id=TEA_AND_TIN, happened_at=shop.installed_at - timedelta(seconds=1))
        now = session.scalar(select(func.now()))
        account.fold_shop(session, shop, [late], now=now)
    kept, active = held(house, shop_id), state(house, shop_id)
    with house.begin() as session:
        shop = session.get_one(Shop, shop_id)
        account.fold_shop(session, shop, [AppUninstalled(object_id=TEA_AND_TIN, happened_at=now)], now=now)
    with pytest.raises(NotAllowed, match="removed"):
        shop_access(shop_id)

    assert (len(kept), active) == (2, ShopState.ACTIVE)
    assert held(house, shop_id) == {}
    assert state(house, shop_id) == ShopState.UNINSTALLED


def test_no_secret_shows_in_a_representation_or_a_log(house, shop_id, fakes, logged) -> None:
    """I13."""
    end_in(house, shop_id, GONE)
    got = shop_access(shop_id)
    with house.begin() as session:
        shown = repr(tokens.read(session, shop_id)) + repr(tokens.lease(session, shop_id, refused=got.secret)) + repr(got)

    assert "tokens.renewed" in str(logged)
    assert "shpat_" not in shown + str(logged)
    assert "shprt_" not in shown + str(logged)


def test_status_says_that_a_shop_must_be_connected_again(house, shop_id, fakes) -> None:
    """I16."""
    fakes.shopify_api.desk.faults.errors = ["invalid_grant"]
    end_in(house, shop_id, GONE)
    with pytest.raises(TokenDead):
        shop_access(shop_id)
    said = CliRunner().invoke(cli, ["status"])
    as_json = CliRunner().invoke(cli, ["status", "--json"])

    assert "1 shop must be connected again by the merchant" in said.output
    assert json.loads(as_json.stdout)["states"]["shops"] == {"needs_reconnect": 1}
