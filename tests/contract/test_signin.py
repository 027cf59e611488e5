"""The way into the standalone admin: one link, once, for some shops; every other door stays shut."""

import threading
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app import clock
from app.models import AuditRow, SignInLink
from app.services import signin
from tests.admin_cast import Cast, link, seed


@pytest.fixture
def cast(house: sessionmaker[Session]) -> Cast:
    return seed(house)


@pytest.fixture
def client(house: sessionmaker[Session]) -> FlaskClient:
    from app.web import create_app

    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    return app.test_client()


def test_a_link_signs_in_and_shows_the_flows(house, client, cast):
    answer = client.post(link(house, cast.tea), follow_redirects=True)

    assert answer.status_code == 200
    assert answer.request.path == "/admin/flows"
    assert "Tea &amp; Tin" in answer.text


def test_opening_the_link_shows_a_button_and_uses_nothing_up(house, client, cast):
    path = link(house, cast.tea)

    assert all('<button class="btn primary full" type="submit">' in client.get(path).text for _ in range(3))
    assert client.get("/admin/flows").status_code == 302
    assert client.post(path).status_code == 303


def test_a_link_works_once(house, client, cast):
    path = link(house, cast.tea)
    client.post(path)
    other = client.application.test_client()

    assert other.post(path).status_code == 404
    assert other.get("/admin/flows").status_code == 302


def test_of_many_who_use_a_link_at_once_one_gets_in(house, cast):
    path = link(house, cast.tea)
    token = path.rpartition("/")[2]
    won: list[list[int]] = []
    barrier = threading.Barrier(4)

    def use() -> None:
        barrier.wait()
        with house.begin() as session:
            if shop_ids := signin.consume(session, token, now=signin.real_now(session)):
                won.append(shop_ids)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert won == [[cast.tea]]


def test_unknown_used_and_expired_links_are_answered_alike(house, client, cast):
    used, expired = link(house, cast.tea), link(house, cast.tea, lifetime=timedelta(seconds=-1))
    client.post(used)
    client.post("/admin/sign-out")
    paths = ["/admin/sign-in/no-such-token", used, expired]
    answers = [method(path) for path in paths for method in (client.get, client.post)]

    assert {a.status_code for a in answers} == {404}
    assert len({a.data for a in answers}) == 1
    assert "how to get a new link" in answers[0].text


def test_the_demos_clock_does_not_age_a_link(house, client, cast):
    path = link(house, cast.tea)
    with house.begin() as session:
        clock.skip(session, timedelta(days=3))

    assert client.post(path).status_code == 303


def test_only_a_hash_of_the_link_is_kept_and_its_use_is_audited(house, client, cast):
    path = link(house, cast.tea, cast.lamp)
    client.post(path)

    with house() as session:
        kept = session.scalars(select(SignInLink)).one()
        actions = session.scalars(select(AuditRow.shop_id).where(AuditRow.action == "session.started")).all()

    assert path.rpartition("/")[2].encode() not in kept.token_hash
    assert kept.used_at is not None
    assert sorted(actions) == [cast.tea, cast.lamp]


def test_a_stranger_is_told_how_to_get_in(client, cast):
    for path in ("/admin", "/admin/flows", "/admin/webhooks", "/admin/mails/1"):
        answer = client.get(path, follow_redirects=True)

        assert answer.request.path == "/admin/signed-out"
        assert "sign-in link" in answer.text


def test_a_session_that_ended_takes_the_whole_page_away(client, cast):
    answer = client.get("/admin/webhooks/1", headers={"HX-Request": "true"}, follow_redirects=True)

    assert answer.headers["HX-Redirect"] == "/admin/signed-out"
    assert answer.data == b""


def test_signing_out_ends_the_session(house, client, cast):
    client.post(link(house, cast.tea))
    answer = client.post("/admin/sign-out")

    assert answer.location == "/admin/signed-out"
    assert client.get("/admin/flows").location == "/admin/signed-out"


def test_a_session_of_two_shops_shows_one_and_switches(house, client, cast):
    client.post(link(house, cast.tea, cast.lamp))
    before = client.get("/admin/flows").text
    client.post("/admin/shop", data={"shop": cast.lamp})
    after = client.get("/admin/flows").text

    assert "<b>Tea &amp; Tin</b>" in before.split("<nav")[0].split("<form")[0]
    assert "<b>Lamp Loft</b>" in after.split("<nav")[0].split("<form")[0]


@pytest.mark.parametrize("chosen", ["{lamp}", "999999", "", "x", "-1", "9" * 40])
def test_a_shop_of_somebody_else_is_as_unknown_as_none(house, client, cast, chosen):
    client.post(link(house, cast.tea))
    answer = client.post("/admin/shop", data={"shop": chosen.format(lamp=cast.lamp)})

    assert answer.status_code == 404
    assert answer.data == client.post("/admin/shop", data={"shop": "123456"}).data
    assert "Tea &amp; Tin" in client.get("/admin/flows").text


def test_a_form_without_its_token_is_refused(house, cast):
    from app.web import create_app

    client = create_app().test_client()
    path = link(house, cast.tea)

    assert client.post(path).status_code == 400
    assert client.get(path).status_code == 200
