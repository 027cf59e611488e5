"""The unsubscribe link: one click from a mailbox (RFC 8058), a page for people, and nothing for scanners (I7, I14)."""

from datetime import timedelta

import pytest
from sqlalchemy import text

import jobs.inbox
import jobs.runner
from app import clock
from app.services.content import unsubscribe_token
from app.web import create_app
from tests import builders


@pytest.fixture
def link(house):
    """Alice's reminder is in the ledger; the path of its unsubscribe link."""
    from app.models import Delivery

    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        body = builders.checkout_body("t1", clock.now(session))
        builders.store_webhook(session, shop_id, "checkouts/update", body, key="c1")
    jobs.inbox.drain()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()
    with house() as session:
        return house, f"/u/{unsubscribe_token(session.query(Delivery).one())}"


def consent(house) -> list[tuple[str, str]]:
    with house() as session:
        rows = session.execute(text("SELECT state, source FROM consents ORDER BY at, id")).all()
    return [tuple(r) for r in rows]


ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_one_click_acts_at_once_without_cookie_or_redirect_and_again_changes_nothing(link, kind):
    house, path = link
    answers = [create_app().test_client().post(path, data=ONE_CLICK, content_type=kind) for _ in range(3)]

    assert [a.status_code for a in answers] == [200, 200, 200]
    assert "Set-Cookie" not in answers[0].headers
    assert consent(house)[0] == ("subscribed", "checkout")
    assert set(consent(house)[1:]) == {("unsubscribed", "one_click")}
    assert builders.ledger(house) == [("reminder", "skipped", "unsubscribed")]


def test_getting_the_link_shows_a_page_and_changes_nothing(link):
    house, path = link
    client = create_app().test_client()
    page = client.get(path)
    client.head(path)

    assert (page.status_code, b"a\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2@example.com" in page.data) == (200, True)
    assert b"alice@example.com" not in page.data
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert consent(house) == [("subscribed", "checkout")]


@pytest.mark.parametrize("token", ["x", "A" * 22, "A" * 500, "%00", "..%2f", "é"])
def test_link_that_leads_nowhere_is_answered_like_any_other(link, token):
    house, _ = link
    client = create_app().test_client()
    answers = client.get(f"/u/{token}").status_code, client.post(f"/u/{token}", data=ONE_CLICK).status_code

    assert answers in {(200, 200), (404, 404)}
    assert consent(house) == [("subscribed", "checkout")]


def test_button_of_the_page_unsubscribes_and_says_so(link):
    house, path = link
    page = create_app().test_client().post(path)

    assert (page.status_code, b"unsubscribed" in page.data.lower()) == (200, True)
    assert consent(house)[-1] == ("unsubscribed", "page")
