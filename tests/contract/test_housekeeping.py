"""What is older than we keep it goes, in small portions; what is younger or not ended stays."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import OperationalError

import jobs.housekeeping
import jobs.scheduler
from app import clock
from app.models import DecisionRow, Enrollment, Export, SignInLink, Webhook
from app.queues import QueueName
from app.services import retention
from tests import builders


@pytest.fixture
def shop(house):
    """Tea & Tin, and what time it is."""
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session, flow_on=False)
    return house, shop_id, datetime.now(UTC)


def keep(house, shop_id, now, ages, processed=None):
    """Store ended and waiting webhooks of some ages in days, as (state, age)."""
    with house.begin() as session:
        for n, (state, days) in enumerate(ages):
            at = now - timedelta(days=days)
            session.execute(
                insert(Webhook).values(
                    shop_id=shop_id, platform="shopify", topic="x", dedupe_key=f"{n}", body=b"{}", body_sha256=b"0",
                    headers={"a": "b"},
                    received_at=at, due_at=now + timedelta(days=900), state=state, error="why",
                    processed_at=processed or (None if state in {"pending", "failed"} else at),
                )
            )  # fmt: skip


def left(house):
    query = "SELECT dedupe_key::int, state, body IS NOT NULL AS has_body FROM webhooks ORDER BY id"
    with house() as session:
        return [tuple(r) for r in session.execute(text(query))]


def test_bodies_and_keys_go_when_their_time_is_over(shop):
    house, shop_id, now = shop
    ages = [
        ("done", 29), ("done", 31), ("done", 91), ("ignored", 29), ("ignored", 31), ("ignored", 91), ("failed", 31),
        ("failed", 89), ("failed", 91), ("pending", 31), ("pending", 400), ("redacted", 89), ("redacted", 91),
    ]  # fmt: skip
    keep(house, shop_id, now, ages)
    jobs.housekeeping.drain()

    assert left(house) == [
        (0, "done", True), (1, "done", False), (3, "ignored", True), (4, "ignored", False), (6, "failed", True),
        (7, "failed", True), (8, "redacted", False), (9, "pending", True), (10, "pending", True), (11, "redacted", True),
    ]  # fmt: skip
    with house() as session:
        given_up = session.execute(text("SELECT headers, error FROM webhooks WHERE dedupe_key = '8'")).one()
    assert tuple(given_up) == ({}, "why")


def test_what_was_replayed_lately_keeps_its_key(shop):
    house, shop_id, now = shop
    keep(house, shop_id, now, [("done", 91)], processed=now - timedelta(days=1))
    jobs.housekeeping.drain()

    assert left(house) == [(0, "done", False)]


def test_decisions_exports_and_links_go(shop):
    house, shop_id, now = shop
    with house.begin() as session:
        run = session.scalar(
            insert(Enrollment)
            .values(
                shop_id=shop_id, flow="f", version=1, subject_key="checkout", episode="t", customer_id=1, arm="treated",
                entered_at=now,
            )
            .returning(Enrollment.id)
        )  # fmt: skip
        for days in (399, 401):
            decision = {"shop_id": shop_id, "enrollment_id": run, "version": 1, "step_no": 0, "because": f"{days}"}
            session.execute(
                insert(DecisionRow).values(**decision, saw={}, effects=[], decided_at=now - timedelta(days=days))
            )
        for minutes in (-1, 1):
            at = now + timedelta(minutes=minutes)
            session.execute(insert(Export).values(shop_id=shop_id, kind=f"{minutes}", requested_at=now, expires_at=at))
            session.execute(insert(SignInLink).values(token_hash=f"{minutes}".encode(), shop_ids=[shop_id], expires_at=at))
    jobs.housekeeping.drain()
    with house() as session:
        assert session.scalars(text("SELECT because FROM decisions")).all() == ["399"]
        assert session.scalars(text("SELECT kind FROM exports")).all() == ["1"]
        assert session.scalars(text("SELECT token_hash FROM sign_in_links")).all() == [b"1"]


def test_the_demos_clock_throws_nothing_away(shop):
    house, shop_id, now = shop
    keep(house, shop_id, now, [("done", 1)])
    builders.skip_clock(house, timedelta(days=400))
    jobs.housekeeping.drain()

    assert left(house) == [(0, "done", True)]


def test_many_rows_go_in_portions(shop, monkeypatch):
    house, shop_id, now = shop
    monkeypatch.setattr(retention, "BATCH", 3)
    portions = []
    real = retention.apply
    monkeypatch.setattr(retention, "apply", lambda session, rule: portions.append(n := real(session, rule)) or n)
    keep(house, shop_id, now, [("done", 31)] * 7)
    jobs.housekeeping.drain()

    assert [n for n in portions if n] == [3, 3, 1]
    assert {has_body for *_, has_body in left(house)} == {False}


def test_no_time_left_means_going_on_at_the_next_ring(shop, monkeypatch):
    house, shop_id, now = shop
    keep(house, shop_id, now, [("done", 31)])
    with monkeypatch.context() as hurried:
        hurried.setattr(jobs.housekeeping.draining, "BUDGET", -1.0)
        jobs.housekeeping.drain()
    assert left(house) == [(0, "done", True)]

    jobs.housekeeping.drain()
    assert left(house) == [(0, "done", False)]


def is_rung() -> bool:
    return QueueName.HOUSEKEEPING in jobs.scheduler.tick()


def test_the_scheduler_rings_once_an_hour_and_when_an_erasure_waits(shop):
    house, shop_id, _ = shop
    assert is_rung()
    jobs.housekeeping.drain()
    assert not is_rung()

    with house.begin() as session:
        session.execute(
            text("UPDATE heartbeats SET beat_at = beat_at - interval '61 minutes' WHERE process = 'housekeeping'")
        )
    assert is_rung()
    jobs.housekeeping.drain()
    redact = {"shop_domain": builders.TEA_AND_TIN, "customer": {"email": "alice@example.com"}}
    with house.begin() as session:
        builders.store_webhook(session, shop_id, "customers/redact", redact, key="w1")
        clock.now(session)
    builders.work_off()
    assert is_rung()
    jobs.housekeeping.drain()
    assert not is_rung()


def test_a_retention_that_breaks_is_said_and_tried_again_in_an_hour(shop, monkeypatch):
    def broken(*_):
        raise OperationalError("UPDATE webhooks", {}, Exception("canceling statement due to statement timeout"))

    said = []
    monkeypatch.setattr(jobs.housekeeping.log, "error", lambda event, **_: said.append(event), raising=False)
    monkeypatch.setattr(retention, "apply", broken)
    jobs.housekeeping.drain()

    assert not is_rung()
    assert said == ["housekeeping.retention_failed"]
