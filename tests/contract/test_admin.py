"""The merchant's pages together: they are guarded, show one shop, change nothing by looking, and say errors in sentences."""

import json
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app.models import Base, Delivery, Shop, Webhook
from app.services import pauses
from app.web.guards import unguarded_routes
from tests.admin_cast import Cast, client_of, link, seed, two_shops

FLOW = "/admin/flows/abandoned_cart"
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def cast(house: sessionmaker[Session]) -> Cast:
    return seed(house)


@pytest.fixture
def client(house: sessionmaker[Session], cast: Cast) -> FlaskClient:
    """Somebody of Tea & Tin."""
    return client_of(house, cast.tea)


def pages(cast: Cast) -> list[str]:
    return [
        "/admin/flows", FLOW, "/admin/webhooks", "/admin/webhooks?state=failed&topic=checkouts/create&platform=shopify",
        *(f"/admin/webhooks/{i}" for i in cast.webhooks.values()), "/admin/mails", "/admin/mails?state=skipped",
        "/admin/customers", *(f"/admin/customers/{i}" for i in range(1, 4)), "/admin/customers/1/why?flow=vip",
        "/admin/coupons", "/admin/health",
        *(f"/admin/mails/{i}" for i in cast.mails.values()),
    ]  # fmt: skip


class Inline(HTMLParser):
    """Collects what the content security policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.script = False

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        self.script = tag == "script" and "src" not in names
        if tag == "style" or "style" in names or any(n.startswith("on") for n in names):
            self.found.append(f"{tag} {names}")
        if any(n.startswith("hx-on") or "js:" in (v or "") for n, v in attrs):
            self.found.append(f"{tag} {names}")

    def handle_data(self, data):
        if self.script and data.strip():
            self.found.append(f"script {data[:40]}")


def test_every_page_answers_in_full_and_as_a_piece_without_inline_style_or_script(client, cast):
    for path in pages(cast):
        for headers in ({}, HTMX):
            answer = client.get(path, headers=headers)
            look = Inline()
            look.feed(answer.text)

            assert answer.status_code == 200, path
            assert look.found == [], path


def test_every_route_is_guarded(client):
    assert unguarded_routes(client.application) == []


def test_looking_changes_nothing(house, client, cast):
    def everything() -> list[int]:
        with house() as session:
            return [
                session.execute(text(f"SELECT coalesce(sum(hashtext(t::text)::bigint), 0) FROM {t.name} t")).scalar_one()
                for t in Base.metadata.sorted_tables
            ]

    before = everything()
    for path in [*pages(cast), f"{FLOW}?x=1", "/admin/sign-in/x", "/admin/signed-out"]:
        client.get(path)
    acts = [f"{FLOW}/activation", "/admin/webhooks/replay", f"/admin/webhooks/{cast.webhooks['failed']}/replay"]

    assert [client.get(path).status_code for path in acts] == [405, 405, 405]
    assert everything() == before


def test_foreign_and_unknown_ids_are_the_same_404(client, cast):
    for foreign, unknown in (
        (f"/admin/webhooks/{cast.lamp_webhook}", "/admin/webhooks/999999"),
        (f"/admin/mails/{cast.lamp_mail}", "/admin/mails/999999"),
        (f"/admin/webhooks/{'9' * 30}", "/admin/webhooks/999999"),
        ("/admin/flows/no_such_flow", "/admin/mails/0"),
    ):
        a, b = client.get(foreign), client.get(unknown)

        assert (a.status_code, b.status_code) == (404, 404)
        assert a.data == b.data


def test_nothing_of_another_shop_is_on_any_page(house, client, cast):
    with house.begin() as session:
        session.execute(
            text("UPDATE deliveries SET recipient = 'charlie@lamp.example' WHERE shop_id = :s"), {"s": cast.lamp}
        )
        session.execute(text("UPDATE webhooks SET topic = 'charlie/secret' WHERE shop_id = :s"), {"s": cast.lamp})
    shown = "".join(client.get(path).text for path in pages(cast))

    assert "charlie" not in shown
    assert "Lamp Loft" not in shown


def test_the_wall_in_the_database_holds_when_a_query_forgets_the_shop(house, cast):
    from app.db import tenant_session

    with tenant_session(cast.tea) as session:
        shops = set(session.scalars(select(Webhook.shop_id))) | set(session.scalars(select(Delivery.shop_id)))

    assert shops == {cast.tea}


def test_an_empty_shop_is_taught_what_comes_next(house):
    from app.web import create_app

    with house.begin() as session:
        tea, _, _ = two_shops(session)
    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post(link(house, tea.id))
    flows, webhooks, mails = (client.get(f"/admin/{p}").text for p in ("flows", "webhooks", "mails"))
    switched = client.post("/admin/flows/abandoned_cart/activation", headers={**HTMX, "HX-Target": "tr#flow-abandoned_cart"})

    assert "1 of 4" in flows
    assert "No mail has gone out yet" in flows
    assert "Nothing received yet" in webhooks
    assert "No mail yet" in mails
    assert "2 of 4" in switched.text


def test_times_are_in_the_shops_zone(house, client, cast):
    with house.begin() as session:
        session.execute(text("UPDATE webhooks SET received_at = '2026-11-18T03:30:00Z' WHERE shop_id = :s"), {"s": cast.tea})
    page = client.get("/admin/webhooks").text

    assert "17 Nov, 22:30:00" in page
    assert "18 Nov, 03:30:00" not in page


def test_a_zone_that_nobody_knows_is_shown_in_utc(house, client, cast):
    with house.begin() as session:
        session.execute(text("UPDATE shops SET timezone = '+02:00'"))

    assert "Time (UTC)" in client.get("/admin/webhooks").text


def test_an_error_inside_a_page_is_a_sentence(client):
    answer = client.get("/admin/webhooks/999999", headers={**HTMX, "HX-Target": "aside#event"})

    assert answer.status_code == 404
    assert "gone" in json.loads(answer.headers["HX-Trigger"])["toast"]["text"]


def test_pages_are_told_apart_from_their_pieces_by_caches(client, cast):
    answer = client.get("/admin/flows")

    assert "HX-Request" in answer.headers["Vary"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_shop_that_was_forgotten_ends_the_session(house, client, cast):
    with house.begin() as session:
        session.execute(text("DELETE FROM shops WHERE id = :s"), {"s": cast.tea})

    assert client.get("/admin/flows").status_code == 401
    assert client.get("/admin/flows").status_code == 302


def test_the_shop_row_is_read_by_the_plain_role(house, cast):
    from app.db import tenant_session

    with tenant_session(cast.lamp) as session:
        assert session.scalars(select(Shop.id)).all() == [cast.lamp]


@pytest.mark.parametrize(
    ("whose", "is_refusal", "is_told"),
    [("all", True, True), ("own", True, True), ("own", False, False), ("other", True, False)],
)
def test_a_way_out_that_refuses_is_said_on_every_page(house, client, cast, whose, is_refusal, is_told):
    """I16: mails that wait for a person say so, to the shops whose mails they are."""
    with house.begin() as session:
        shop_id = {"all": 0, "own": cast.tea, "other": cast.lamp}[whose]
        pauses.begin(session, shop_id, "401 from the service", is_refusal=is_refusal, now=cast.now)

    page = client.get("/admin/mails").text
    assert ("No mail leaves at the moment" in page) is is_told
    assert "401 from the service" not in page


def test_a_pause_is_ended_by_hand_once_what_was_refused_is_mended(house, client, cast):
    from click.testing import CliRunner

    from app.cli import cli

    with house.begin() as session:
        pauses.begin(session, 0, "401 from the service", is_refusal=True, now=cast.now)
    first, again = (CliRunner().invoke(cli, ["mail", "resume", "--json"]) for _ in range(2))

    assert json.loads(first.stdout)["was"] == "401 from the service"
    assert (again.exit_code, "not paused" in again.stderr) == (1, True)
    assert "No mail leaves" not in client.get("/admin/mails").text
