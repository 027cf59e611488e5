"""The log of webhooks: replays, filters, pages, and payloads that hide people."""

import json
import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, sessionmaker

from app import queues
from app.models import AuditRow, Webhook
from app.web.admin import payload
from tests.admin_cast import Cast, client_of, seed

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def cast(house: sessionmaker[Session]) -> Cast:
    return seed(house)


@pytest.fixture
def client(house: sessionmaker[Session], cast: Cast) -> FlaskClient:
    """Somebody of Tea & Tin."""
    return client_of(house, cast.tea)


def _more(session: Session, shop_id: int, key: str, state: str, topic: str) -> None:
    session.add(
        Webhook(
            shop_id=shop_id, platform="shopify", topic=topic, dedupe_key=key, body=b"{}", body_sha256=b"0" * 32, headers={},
            state=state, due_at=session.execute(select(func.now())).scalar_one(),
        )
    )  # fmt: skip


def _rings() -> int:
    client = queues.connect()
    try:
        return int(client.llen(f"rq:queue:{queues.QueueName.INBOX}"))
    finally:
        client.close()


def test_foreign_webhooks_are_neither_replayed_nor_revealed(house, client, cast):
    for act in ("replay", "payload"):
        foreign = client.post(f"/admin/webhooks/{cast.lamp_webhook}/{act}")
        unknown = client.post(f"/admin/webhooks/999999/{act}")

        assert (foreign.status_code, foreign.data) == (404, unknown.data)
    client.post("/admin/webhooks/replay")
    with house() as session:
        state = session.scalar(select(Webhook.state).where(Webhook.id == cast.lamp_webhook))

    assert state == "failed"


def test_replay_sets_a_failed_webhook_due_rings_and_is_audited(house, client, cast):
    webhook_id = cast.webhooks["failed"]
    answer = client.post(f"/admin/webhooks/{webhook_id}/replay", follow_redirects=True)
    with house() as session:
        row = session.scalars(select(Webhook).where(Webhook.id == webhook_id)).one()
        actions = session.scalars(select(AuditRow.action).where(AuditRow.object_kind == "webhook")).all()
        is_due = session.scalar(select(Webhook.due_at <= func.now()).where(Webhook.id == webhook_id))

    assert answer.request.path == f"/admin/webhooks/{webhook_id}"
    assert "Replaying" in answer.text
    assert (row.state, row.attempts, row.fence, is_due) == ("pending", 0, 1, True)
    assert actions == ["webhook.replayed"]
    assert _rings() == 1


@pytest.mark.parametrize(("state", "why"), [("done", "It was handled"), ("redacted", "erased"), ("pending", "waiting")])
def test_replay_refuses_what_makes_no_sense_and_says_why(house, client, cast, state, why):
    webhook_id = cast.webhooks[state]
    answer = client.post(f"/admin/webhooks/{webhook_id}/replay", headers={**HTMX, "HX-Target": f"tr#webhook-{webhook_id}"})
    with house() as session:
        fence = session.scalar(select(Webhook.fence).where(Webhook.id == webhook_id))

    assert answer.status_code == 422
    assert why in json.loads(answer.headers["HX-Trigger"])["toast"]["text"]
    assert (fence, _rings()) == (0, 0)


def test_all_failed_webhooks_of_a_topic_are_replayed_and_no_others(house, client, cast):
    with house.begin() as session:
        for n in range(3):
            _more(session, cast.tea, f"f{n}", "failed", "orders/create")
    answer = client.post("/admin/webhooks/replay", data={"topic": "orders/create"}, follow_redirects=True)
    with house() as session:
        failed = session.scalars(select(Webhook.id).where(Webhook.state == "failed", Webhook.shop_id == cast.tea)).all()

    assert "Replaying 3 webhooks." in answer.text
    assert failed == [cast.webhooks["failed"]]


def test_a_replayed_line_looks_again_until_it_is_handled(house, client, cast):
    webhook_id = cast.webhooks["failed"]
    path = f"/admin/webhooks/{webhook_id}"
    headers = {**HTMX, "HX-Target": f"tr#webhook-{webhook_id}"}
    first = client.post(f"{path}/replay", headers=headers).text
    last = client.get(f"{path}?look=8", headers=headers).text
    with house.begin() as session:
        session.execute(text("UPDATE webhooks SET state = 'done' WHERE id = :i"), {"i": webhook_id})

    assert f'hx-get="{path}?look=2"' in first
    assert "hx-trigger" not in last
    assert "hx-trigger" not in client.get(f"{path}?look=2", headers=headers).text


def test_the_log_pages_by_id_and_meets_every_row_once(house, client, cast):
    with house.begin() as session:
        for n in range(120):
            _more(session, cast.tea, f"p{n}", "done", "orders/create")
    seen, path, count = [], "/admin/webhooks", 0
    while path:
        page = client.get(path).text
        seen += re.findall(r'<tr id="webhook-(\d+)"', page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path, count = (older.group(1).replace("&amp;", "&") if older else ""), count + 1

    assert count == 3
    assert len(seen) == len(set(seen)) == 126
    assert seen == sorted(seen, key=int, reverse=True)


def test_filters_show_what_fits_and_ignore_nonsense(client, cast):
    def listed(query: str) -> set[int]:
        return {int(i) for i in re.findall(r'<tr id="webhook-(\d+)"', client.get(f"/admin/webhooks?{query}").text)}

    assert listed("state=failed") == {cast.webhooks["failed"]}
    assert listed("topic=products/create") == {cast.webhooks["ignored"]}
    assert listed("platform=woocommerce") == set()
    assert listed("state=done&topic=products/create") == set()
    assert listed("state=nonsense&before=x&platform=magento") == set(cast.webhooks.values())
    assert listed(f"before={'9' * 40}") == set(cast.webhooks.values())


def test_a_filter_without_an_index_looks_so_far_and_goes_on(house, client, cast, monkeypatch):
    from app.services import listings

    monkeypatch.setattr(listings, "LOOK", 10)
    with house.begin() as session:
        for n in range(12):
            _more(session, cast.tea, f"l{n}", "done", "orders/create")
    first = client.get("/admin/webhooks?topic=products/create").text
    older = re.search(r'rel="next" href="([^"]+)"', first).group(1).replace("&amp;", "&")

    assert "No webhook fits all filters among the" in first
    assert f'id="webhook-{cast.webhooks["ignored"]}"' in client.get(older).text


def test_payloads_hide_people_and_keep_ids_and_amounts(house, client, cast):
    page = client.get(f"/admin/webhooks/{cast.webhooks['failed']}").text

    for personal in ("maya.okafor", "Okafor", "Larkspur", "+15035550142", "97214", "recover?key"):
        assert personal not in page
    for kept in (
        "7751203946691",
        "48.00",
        "Stoneware Mug",
        "8f2b6a0d4c9e4b57a1d3e60f7c2b9a84",
        "USD",
        "2026-11-18T10:02:11",
    ):
        assert kept in page


def test_showing_personal_data_is_an_audited_act(house, client, cast):
    path = f"/admin/webhooks/{cast.webhooks['failed']}/payload"
    full, piece = client.post(path).text, client.post(path, headers=HTMX).text
    with house() as session:
        actions = session.scalars(select(AuditRow.action).where(AuditRow.object_kind == "webhook")).all()

    assert "maya.okafor@example.com" in full
    assert "maya.okafor@example.com" in piece
    assert actions == ["webhook.revealed", "webhook.revealed"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"email": "jo.fields@example.com"}, {"email": "jo•••@example.com"}),
        ({"note": "ring at jo@example.com"}, {"note": "•••"}),
        ({"text": "ring jo@example.com, twice"}, {"text": "ring jo•••@example.com, twice"}),
        ({"billing": {"city": "Baku", "country": "AZ"}}, {"billing": {"city": "•••", "country": "AZ"}}),
        ({"customer": {"id": 7, "first_name": "Jo"}}, {"customer": {"id": 7, "first_name": "•••"}}),
        ({"default_address": {"name": "Jo Fields", "zip": "1", "latitude": 40.4}},
         {"default_address": {"name": "•••", "zip": "•••", "latitude": "•••"}}),
        ({"line_items": [{"name": "Mug", "price": "4.00"}], "name": "#1042"},
         {"line_items": [{"name": "Mug", "price": "4.00"}], "name": "#1042"}),
        ({"url": "https://shop.example/recover?key=s3cret"}, {"url": "https://shop.example/•••"}),
        ({"image": "https://cdn.example/mug.jpg"}, {"image": "https://cdn.example/mug.jpg"}),
        ({"meta_data": [{"key": "for", "value": "Jo"}]}, {"meta_data": [{"key": "for", "value": "•••"}]}),
        ({"browser_ip": "10.0.0.1", "client_details": {"user_agent": "x"}, "ip_count": None},
         {"browser_ip": "•••", "client_details": {"user_agent": "•••"}, "ip_count": None}),
        ({"email_sent": True, "total": 3}, {"email_sent": True, "total": 3}),
    ],
)  # fmt: skip
def test_masking(value, expected):
    assert payload.masked(value) == expected


def test_bodies_that_are_no_json_or_too_long_are_shown_safely():
    as_text, text_cut = payload.pretty(payload.read(b"webhook_id=7 <script>\xff"))
    long, long_cut = payload.pretty({"rows": [{"id": n} for n in range(20_000)]})
    wordy, wordy_cut = payload.pretty({"html": "x" * 50_000, "after": 1})

    assert "&lt;script&gt;" in as_text
    assert (text_cut, long_cut, wordy_cut) == (False, True, False)
    assert len(long.striptags()) <= payload.LONGEST
    assert "49000 more characters" in wordy
    assert "after" in wordy
    assert payload.masked(payload.read(b"[" * 5000)) == "[" * 5000


@pytest.mark.parametrize(
    "text", ["a" * 2_000_000, "a@" * 1_000_000, "https://a/" * 200_000, "http://a?" * 200_000, "é@b." * 400_000]
)
@pytest.mark.timeout(20)
def test_masking_takes_time_in_proportion_to_the_text(text):
    assert payload.masked({"text": text})
