"""The desk finds a webhook by what people know of it, and tells how far it looked for what no index leads to."""

import re

import pytest
from sqlalchemy import select, text, update

from app import clock
from app.models import Role, Webhook
from app.services import desk, edit_flow, signin, staff
from app.web.support import proof as proof_page
from tests import builders
from tests.admin_cast import Cast, client_of, seed

LIST = "/support/webhooks"


@pytest.fixture
def cast(house) -> Cast:
    return seed(house)


@pytest.fixture
def ida(house, cast):
    """Somebody at the desk."""
    from app.web import create_app

    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    with house.begin() as session:
        token = staff.invite(session, "ida@example.com", Role.VIEWER, actor="test", now=signin.real_now(session))
    client = app.test_client()
    client.post(f"/support/sign-in/{token}")
    return client


def listed(page: str) -> list[int]:
    return [int(found) for found in re.findall(r'class="topic mono" href="/support/webhooks/(\d+)"', page)]


@pytest.fixture
def order(house, cast) -> int:
    """The webhook of order #1042 at Tea & Tin, which came as delivery `b1c2` of its platform."""
    with house.begin() as session:
        body = builders.order_body(1042, clock.now(session), email="ada@example.com")
        builders.store_webhook(session, cast.tea, "orders/create", body, key="b1c2")
    builders.work_off()
    with house() as session:
        return session.scalars(select(Webhook.id).where(Webhook.dedupe_key == "b1c2")).one()


@pytest.mark.parametrize("with_shop", [False, True])
@pytest.mark.parametrize("words", ["#1042", "1042", "b1c2", " b1c2 ", "Ada@example.com"])
def test_it_is_found_in_all_shops_and_in_its_own(ida, cast, order, words, with_shop):
    shop = {"shop": cast.tea} if with_shop else {}

    assert listed(ida.get(LIST, query_string={"q": words, **shop}).text) == [order]


def test_what_is_another_shops_is_not_found_in_this_one(ida, cast, order):
    assert listed(ida.get(LIST, query_string={"q": "b1c2", "shop": cast.lamp}).text) == []


def test_it_is_found_by_its_delivery_where_that_is_not_what_makes_it_one(house, ida, cast):
    with house.begin() as session:
        session.execute(update(Webhook).where(Webhook.id == cast.lamp_webhook).values(delivery_id="f00d"))

    assert listed(ida.get(LIST, query_string={"q": "f00d"}).text) == [cast.lamp_webhook]


def test_going_on_through_a_topic_meets_each_once_however_unlike_the_shops_are(house, ida, cast, monkeypatch):
    """Each page looks a little way into each shop: what lies deeper in the busy one must not be passed over."""
    monkeypatch.setattr(desk, "LOOK", 6)
    monkeypatch.setattr(desk, "LOOK_LEAST", 3)
    monkeypatch.setattr(desk, "PAGE", 2)
    with house.begin() as session:
        now = clock.now(session)
        for n in range(20):
            shop, topic = (cast.lamp, "rare/topic") if n % 9 == 0 else (cast.tea, "rare/topic" if n == 1 else "often/topic")
            platform = "woocommerce" if shop == cast.lamp else "shopify"
            builders.store_webhook(session, shop, topic, {"id": n, "at": now.isoformat()}, key=f"n{n}", platform=platform)
        wanted = session.scalars(select(Webhook.id).where(Webhook.topic == "rare/topic").order_by(Webhook.id.desc())).all()
    met, pages, url = [], 0, f"{LIST}?topic=rare/topic"
    while url and pages < 30:
        page = ida.get(url).text
        met, pages = met + listed(page), pages + 1
        older = re.search(r'href="([^"]+)"[^>]*>Older', page)
        url = older[1].replace("&amp;", "&") if older else None

    assert (met, len(wanted)) == (list(wanted), 4)
    assert pages > 4


def test_where_the_look_ended_is_said(ida, cast, monkeypatch):
    monkeypatch.setattr(desk, "LOOK", 2)
    monkeypatch.setattr(desk, "LOOK_LEAST", 1)

    assert "Looked through 1 webhooks of each shop" in ida.get(f"{LIST}?topic=nothing/here").text
    assert "Looked through 2 webhooks, and none fits" in ida.get(f"{LIST}?topic=nothing/here&shop={cast.tea}").text


def test_more_mails_than_somebody_would_wait_for_are_not_proved_on_the_page(house, ida, cast, monkeypatch):
    monkeypatch.setattr(proof_page, "MOST_MAILS", 1)
    page = ida.get("/support/proof?days=7").text

    assert [word in page for word in ("Too many mails", "cartwheel proof --since 7d", "Night by night")] == [True] * 3
    assert "Holds" not in page


def test_people_in_a_flow_are_counted_so_far_and_the_page_says_so(house, cast, monkeypatch):
    monkeypatch.setattr(edit_flow, "PEOPLE_MOST", 2)
    with house.begin() as session:
        session.execute(text("UPDATE enrollments SET state = 'active' WHERE shop_id = :shop"), {"shop": cast.tea})
    client = client_of(house, cast.tea)

    assert re.search(r"People in flows</dt><dd>2\+", client.get("/admin/flows").text)
    assert re.search(r"In it now</dt><dd>2\+", client.get("/admin/flows/abandoned_cart").text)
    assert re.search(r'class="r num">\d\+</td>', client.get("/admin/flows/abandoned_cart/versions").text)
