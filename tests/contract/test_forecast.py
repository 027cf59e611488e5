"""A forecast is what then happens: the same webhooks are foretold, replayed, and the rows compared with what was said."""

import json
from collections import Counter
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, text, update

from app import clock
from app.cli import cli
from app.db import sessions
from app.models import Base, Webhook
from app.services import effects, replay
from jobs import forecast
from tests import builders

PLANTED = "a bug of ours"


@pytest.fixture
def shop_id(house):
    with house.begin() as session:
        return builders.tea_and_tin(session)


def fail_all(house, monkeypatch, work_off=builders.work_off) -> list[tuple[int, int]]:
    """Let a planted bug make every waiting webhook fail for good, and return their keys."""
    with monkeypatch.context() as planted:
        planted.setattr("jobs.inbox.ingest", _broken)
        planted.setattr("jobs.drain.backoff", lambda *_: None)
        work_off()
    with house() as session:
        return [tuple(key) for key in session.execute(select(Webhook.shop_id, Webhook.id).where(Webhook.state == "failed"))]


def _broken(*_args, **_named):
    raise RuntimeError(PLANTED)


def everything(house) -> dict[str, list[str]]:
    """All rows of all tables."""
    with house() as session:
        return {
            t.name: sorted(map(str, session.execute(select(t)).all()))
            for t in Base.metadata.sorted_tables
            if t.name != "heartbeats"
        }


def store(house, shop_id: int, people: int) -> None:
    """A checkout for each of these people, and an order for every third."""
    with house.begin() as session:
        now = clock.now(session)
        for n in range(people):
            body = builders.checkout_body(f"t{n}", now, email=f"shopper{n}@example.com")
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"c{n}")
            if n % 3 == 0:
                body = builders.order_body(str(5000 + n), now, token=f"t{n}", email=f"shopper{n}@example.com")
                builders.store_webhook(session, shop_id, "orders/create", body, key=f"o{n}")


def happened(house, keys, before: dict[str, list[str]]) -> Counter:
    """Count what is there now and was not before, by the words of a forecast."""
    tables = {watched.model.__tablename__: watched.noun for watched in effects._WATCHED}
    after = everything(house)
    return Counter({noun: len(after[t]) - len(before[t]) for t, noun in tables.items() if len(after[t]) != len(before[t])})


def test_a_forecast_changes_nothing_and_then_comes_true(house, shop_id, monkeypatch):
    store(house, shop_id, 30)
    keys = fail_all(house, monkeypatch)
    before = everything(house)

    told = forecast.foretell(keys)

    assert everything(house) == before
    assert (told.webhooks, told.ends) == (40, ((("done", None), 40),))
    with house.begin() as session:
        replay.replay_matching(session, shop_id, replay.Which(), actor="test", reason="mended", now=clock.now(session))
    from jobs import inbox

    inbox.drain()
    predicted = Counter(effect.noun for effect in told.effects.found if effect.sign == "+")
    assert predicted == happened(house, keys, before)
    assert predicted["order"] == 10
    assert predicted["run"] == 30


def test_what_is_known_already_is_said_to_stay(house, shop_id):
    store(house, shop_id, 3)
    from jobs import inbox

    inbox.drain()
    with house.begin() as session:
        session.execute(update(Webhook).values(state="ignored"))
        keys = [tuple(key) for key in session.execute(select(Webhook.shop_id, Webhook.id))]

    told = forecast.foretell(keys)

    assert Counter(effect.sign for effect in told.effects.found) == {"=": 4}
    assert {effect.noun for effect in told.effects.found} == {"order", "checkout"}


def test_a_change_is_told_with_what_it_was_and_without_who_it_is(house, shop_id):
    """I13: a forecast shows no address and no name."""
    with house.begin() as session:
        now = clock.now(session)
        body = builders.order_body("77", now, email="alice@example.com")
        builders.store_webhook(session, shop_id, "orders/create", body, key="o1")
    builders.work_off()
    with house.begin() as session:
        cancelled = builders.order_body("77", now + timedelta(minutes=5), email="alice@example.com")
        cancelled = cancelled | {"cancelled_at": (now + timedelta(minutes=5)).isoformat()}
        builders.store_webhook(session, shop_id, "orders/cancelled", cancelled, key="o2")
        session.execute(update(Webhook).where(Webhook.dedupe_key == "o2").values(state="failed"))
        key = tuple(session.execute(select(Webhook.shop_id, Webhook.id).where(Webhook.dedupe_key == "o2")).one())

    told = forecast.foretell([key])

    (order,) = [effect for effect in told.effects.found if effect.noun == "order"]
    assert order.sign == "~"
    assert [(c.field, c.before) for c in order.changes if c.field == "cancelled_at"] == [("cancelled_at", None)]
    assert "alice" not in repr(told)


def test_what_would_fail_again_is_foretold_and_the_others_with_it(house, shop_id, monkeypatch):
    store(house, shop_id, 2)
    keys = fail_all(house, monkeypatch)
    with house.begin() as session:
        session.execute(update(Webhook).where(Webhook.dedupe_key == "c1").values(body=b"{broken"))

    told = forecast.foretell(keys)

    ends = {state: count for (state, _), count in told.ends}
    assert ends == {"done": 2, "failed": 1}


def test_what_breaks_in_the_trial_is_told_alone(house, shop_id, monkeypatch):
    store(house, shop_id, 2)
    keys = fail_all(house, monkeypatch)
    honest = forecast.inbox.ingest

    def breaks_on_one(session, shop, facts, **named):
        if any(fact.event.object_id == "t1" for fact in facts):
            raise RuntimeError(PLANTED)
        return honest(session, shop, facts, **named)

    monkeypatch.setattr("jobs.inbox.ingest", breaks_on_one)

    told = forecast.foretell(keys)

    assert {state: count for (state, _), count in told.ends} == {"done": 2, "failed": 1}


def test_erased_webhooks_are_refused_with_the_reason(house, shop_id, monkeypatch):
    store(house, shop_id, 1)
    keys = fail_all(house, monkeypatch)
    with house.begin() as session:
        session.execute(update(Webhook).values(state="redacted", body=None))

    told = forecast.foretell(keys)

    assert (told.webhooks, told.effects.found) == (0, ())
    assert told.refused == (("Its content was erased, so there is nothing to replay.", 2),)


def test_another_shops_rows_are_not_in_it(house, shop_id, monkeypatch):
    """I10: what another shop's worker commits meanwhile is not taken for an effect."""
    store(house, shop_id, 1)
    keys = fail_all(house, monkeypatch)
    with house.begin() as session:
        other, _ = builders.lamp_loft(session)
    work = forecast.inbox.work

    def meanwhile(session, webhooks, now):
        work(session, webhooks, now)
        with sessions().begin() as elsewhere:
            elsewhere.execute(
                text("INSERT INTO products (shop_id, external_id, title, is_available, changed_at, rank) "
                     "VALUES (:other, '1', 'Lamp', true, now(), ''), (:ours, '2', 'Tin', true, now(), '')"),
                {"other": other, "ours": shop_id},
            )  # fmt: skip

    monkeypatch.setattr("jobs.forecast.inbox.work", meanwhile)

    told = forecast.foretell(keys)

    assert [effect for effect in told.effects.found if effect.noun == "product"] == []


def test_the_command_tells_it_and_changes_nothing(house, shop_id, monkeypatch):
    store(house, shop_id, 1)
    fail_all(house, monkeypatch)

    as_json = CliRunner().invoke(cli, ["webhook", "replay", "--since", "1h", "--dry-run", "--json"])
    as_text = CliRunner().invoke(cli, ["webhook", "replay", "--since", "1h", "--dry-run"])

    told = json.loads(as_json.stdout)
    assert told["would_replay"] == 2
    assert {"+ order", "+ checkout", "+ run"} <= {f"{effect['sign']} {effect['noun']}" for effect in told["effects"]}
    assert "+ order" in as_text.stdout
    assert "Nothing was changed." in as_text.stderr
    with house() as session:
        assert session.scalar(select(func.count()).where(Webhook.state == "failed")) == 2
