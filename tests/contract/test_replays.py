"""Replays that staff ask for: foretold, carried out slice by slice, stopped, and refused where they make no sense."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from app import clock
from app.domain.errors import Refused
from app.models import AuditRow, Delivery, Enrollment, Order, Replay, ReplayState, Webhook
from app.services import replays
from app.services.replays import Which
from jobs import housekeeping, inbox, scheduler
from tests import builders


@pytest.fixture
def shop_id(house):
    with house.begin() as session:
        return builders.tea_and_tin(session)


@pytest.fixture
def planted(house, shop_id, monkeypatch):
    """A bug makes every webhook of 30 people fail for good; then it is mended."""
    with house.begin() as session:
        now = clock.now(session)
        for n in range(30):
            body = builders.checkout_body(f"t{n}", now, email=f"shopper{n}@example.com")
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"c{n}")
            if n % 3 == 0:
                body = builders.order_body(str(900 + n), now, token=f"t{n}", email=f"shopper{n}@example.com")
                builders.store_webhook(session, shop_id, "orders/create", body, key=f"o{n}")
    with monkeypatch.context() as bug:
        bug.setattr("jobs.inbox.ingest", _broken)
        bug.setattr("jobs.drain.backoff", lambda *_: None)
        inbox.drain()
    return shop_id


def _broken(*_args, **_named):
    raise RuntimeError("a bug of ours")


def ask(house, which: Which, **options) -> int:
    with house.begin() as session:
        given = {"is_dry_run": False, "actor": "staff:1", "reason": "mended", **options}
        return replays.ask(session, which, now=clock.now(session), **given).id


def held(house, replay_id: int) -> Replay:
    with house() as session:
        return session.scalars(select(Replay).where(Replay.id == replay_id)).one()


def count(house, model, *conditions) -> int:
    with house() as session:
        return session.scalar(select(func.count()).select_from(model).where(*conditions))


def test_a_dry_run_predicts_what_the_replay_then_does_and_no_mail_is_doubled(house, planted):
    """I5: 40 webhooks that a bug of ours made fail are foretold, replayed, and nothing happens twice."""
    foretold = ask(house, Which(), is_dry_run=True, reason="")
    housekeeping.drain()

    forecast = held(house, foretold).forecast
    assert (forecast["webhooks"], forecast["ends"]) == (40, [{"state": "done", "reason": None, "webhooks": 40}])
    assert count(house, Order) == count(house, Enrollment) == 0
    done = ask(house, Which())
    housekeeping.drain()
    builders.work_off()
    row = held(house, done)
    assert (row.state, row.total, row.done, row.refused) == (ReplayState.DONE, 40, 40, 0)
    assert count(house, Order) == forecast["numbers"]["order"]["+"] == 10
    assert count(house, Enrollment) == forecast["numbers"]["run"]["+"] == 30
    assert count(house, Webhook, Webhook.state == "done") == 40
    steps = select(Delivery.enrollment_id, Delivery.step).group_by(Delivery.enrollment_id, Delivery.step)
    with house() as session:
        assert session.execute(steps.having(func.count() > 1)).all() == []


def test_it_goes_slice_by_slice_and_stops_between_two(house, planted, monkeypatch):
    monkeypatch.setattr(replays, "SLICE", 10)
    replay_id = ask(house, Which())
    honest = replays.advance

    def stop_after_the_second(session, asked, *, now):
        values = honest(session, asked, now=now)
        if values.get("done") == 20:
            asked.is_stop_wanted = True
            session.execute(update(Replay).values(is_stop_wanted=True))
        return values

    monkeypatch.setattr(replays, "advance", stop_after_the_second)
    housekeeping.drain()

    row = held(house, replay_id)
    assert (row.state, row.done) == (ReplayState.STOPPED, 20)
    assert count(house, Webhook, Webhook.state == "pending") == 20
    assert count(house, Webhook, Webhook.state == "failed") == 20


def test_one_that_fails_again_is_not_taken_twice(house, planted, monkeypatch):
    monkeypatch.setattr(replays, "SLICE", 10)
    replay_id = ask(house, Which())
    monkeypatch.setattr("jobs.inbox.ingest", _broken)
    monkeypatch.setattr("jobs.drain.backoff", lambda *_: None)
    housekeeping.drain()
    inbox.drain()

    housekeeping.drain()
    assert held(house, replay_id).done == 40
    assert count(house, Webhook, Webhook.state == "failed") == 40


def test_one_that_cannot_be_carried_on_ends_and_says_when(house, planted, monkeypatch):
    replay_id = ask(house, Which())
    monkeypatch.setattr(replays, "advance", _broken)
    monkeypatch.setattr("jobs.drain.backoff", lambda *_: None)
    housekeeping.drain()
    found = held(house, replay_id)

    assert (found.state, found.done) == (ReplayState.FAILED, 0)
    assert found.ended_at is not None


def test_what_came_after_it_was_asked_for_is_not_meant(house, planted):
    replay_id = ask(house, Which())
    with house.begin() as session:
        session.execute(
            update(Webhook).where(Webhook.dedupe_key == "c1").values(received_at=func.now() + timedelta(hours=1))
        )
    housekeeping.drain()

    assert held(house, replay_id).done == 39


def test_the_scheduler_rings_for_it(house, planted):
    ask(house, Which())

    assert "housekeeping" in scheduler.tick()


@pytest.mark.parametrize(
    ("which", "options", "words"),
    [
        (Which(topic="no/such"), {}, "No webhook matches"),
        (Which(), {"reason": "  "}, "Say why"),
        (Which(state="done"), {}, "Only failed and ignored"),
        (Which(), {"is_dry_run": True, "most": 39}, "Narrow the choice"),
        (Which(ids=tuple(range(replays.MOST_CHOSEN + 1))), {}, "at most 200"),
    ],
    ids=["nothing", "no reason", "wrong state", "too many", "too many chosen"],
)
def test_what_makes_no_sense_is_refused_with_the_way_out(house, planted, which, options, words):
    with pytest.raises(Refused, match=words):
        ask(house, which, **options)


@pytest.mark.parametrize(
    ("which", "webhooks"),
    [
        ({"topic": "orders/create"}, 10),
        ({"cause": "RuntimeError: a bug of ours"}, 40),
        ({"cause": "another"}, 0),
        ({"ids": (1, 2, 3)}, 3),
        ({"shop_id": 99}, 0),
    ],
)
def test_each_part_of_a_choice_narrows_it(house, planted, which, webhooks):
    with house() as session:
        keys = replays.next_keys(session, Which(**which), after=0, until=clock.now(session), limit=100)

    assert len(keys) == webhooks


def test_a_choice_is_kept_and_read_back_without_loss():
    with_all = Which(shop_id=3, topic="orders/create", cause="x", ids=(1, 2))

    assert Which.from_json(with_all.to_json()) == with_all
    assert Which.from_json(Which().to_json()) == Which()


def test_failures_are_grouped_by_their_cause(house, planted):
    with house.begin() as session:
        session.execute(update(Webhook).where(Webhook.topic == "orders/create").values(error="id: Field required."))
        found = replays.causes(session, newest_each=100)

    assert [(c.topic, c.error, c.webhooks, c.shops) for c in found] == [
        ("checkouts/update", "RuntimeError: a bug of ours", 30, 1),
        ("orders/create", "id: Field required.", 10, 1),
    ]


def test_who_asked_and_why_is_on_record(house, planted):
    ask(house, Which(shop_id=planted))
    housekeeping.drain()

    with house() as session:
        rows = session.execute(select(AuditRow.action, AuditRow.actor, AuditRow.detail["reason"].astext)).all()
    assert ("replay.asked", "staff:1", "mended") in rows
    assert rows.count(("webhook.replayed", "staff:1", "mended")) == 40
