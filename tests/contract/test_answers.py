"""The page behind a mail's stars: opening it keeps nothing, pressing its button does, and a wrong link says so."""

import pytest
from sqlalchemy import text

from tests.contract import test_flow_stories as stories

shop = stories.shop


@pytest.fixture
def page(shop):
    """A review request that was sent, the path of its page, and a browser."""
    from app.web import create_app

    link = stories.asked(shop)
    return shop, f"/s/{link}", create_app().test_client()


def kept(shop):
    with shop.house() as session:
        return [tuple(row) for row in session.execute(text("SELECT score, words FROM answers"))]


def test_links_of_the_mail_are_the_pages_and_opening_them_keeps_nothing(page):
    """I14: whoever fetches all links of a mail, as scanners do, answers nothing."""
    shop, path, client = page
    from app.config import settings

    mail = next(p.read_text() for p in settings().outbox_dir.glob("*.eml") if path in p.read_text())
    assert all(f"{path}?stars=3D{n}" in mail or f"{path}?stars={n}" in mail for n in range(1, 6))
    for n in range(1, 6):
        answer = client.get(f"{path}?stars={n}")
        assert (answer.status_code, f'value="{n}" required checked' in answer.text) == (200, True)
        assert (answer.headers["Referrer-Policy"], answer.headers["Cache-Control"]) == ("no-referrer", "no-store")
        client.head(f"{path}?stars={n}")

    assert kept(shop) == []


def test_button_keeps_the_answer_and_a_changed_mind_changes_it(page):
    shop, path, client = page
    assert client.post(path, data={"stars": "5", "words": "Fine"}).status_code == 200
    answer = client.post(path, data={"stars": "2", "words": "<b>It broke</b>"})

    assert ("Somebody at the shop will look at it" in answer.text, kept(shop)) == (True, [(2, "<b>It broke</b>")])
    again = client.get(path).text
    assert 'value="2" required checked' in again
    assert "&lt;b&gt;It broke&lt;/b&gt;" in again


@pytest.mark.parametrize("form", [{}, {"stars": "0"}, {"stars": "6"}, {"stars": "many"}])
def test_answer_without_stars_is_asked_for_again(page, form):
    shop, path, client = page
    answer = client.post(path, data={**form, "words": "x"})

    assert (answer.status_code, "Choose how many stars first" in answer.text, kept(shop)) == (422, True, [])


def test_unknown_link_says_so_and_a_cart_mail_asks_nothing(page):
    shop, path, client = page
    with shop.house.begin() as session:
        session.execute(text("UPDATE enrollments SET subject_key = 'checkout'"))
    for there in ("/s/AAAAAAAAAAAAAAAAAAAAAA", "/s/x", path):
        assert "This link does not work" in client.get(there).text
        assert "This link does not work" in client.post(there, data={"stars": "5"}).text
    assert kept(shop) == []


def test_an_unhappy_answer_is_read_and_settled_by_the_merchant_and_by_no_other_shop(page):
    """I10: the list is the shop's own; settling lets the person be mailed again."""
    from datetime import timedelta

    from app.services import signin
    from tests import builders

    shop, path, client = page
    client.application.config["WTF_CSRF_ENABLED"] = False
    client.post(path, data={"stars": "1", "words": "It came broken"})
    with shop.house.begin() as session:
        mine = session.execute(text("SELECT shop_id, id FROM answers")).one()
        other, _ = builders.lamp_loft(session, url="https://other.example")
        now = signin.real_now(session)
        links = [signin.create_link(session, [n], now=now, lifetime=timedelta(hours=1)) for n in (mine.shop_id, other)]
    merchant, stranger = (client.application.test_client() for _ in links)
    for who, link in zip((merchant, stranger), links, strict=True):
        who.post(f"/admin/sign-in/{link}")

    assert "It came broken" in merchant.get("/admin/answers").text
    assert "Nobody has answered yet" in stranger.get("/admin/answers").text
    assert stranger.post(f"/admin/answers/{mine.id}/settled").status_code == 404
    assert merchant.post(f"/admin/answers/{mine.id}/settled").status_code == 303
    with shop.house() as session:
        settled = session.execute(text("SELECT settled_by, (SELECT unhappy_since FROM customers WHERE id = customer_id) "
                                       "FROM answers")).one()  # fmt: skip
    assert tuple(settled) == ("merchant", None)
