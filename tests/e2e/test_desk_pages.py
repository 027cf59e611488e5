"""The desk in a real browser: a failure of many is foretold, replayed and gone."""

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from app.models import Role, Webhook
from app.services import signin, staff
from jobs import housekeeping
from tests.e2e.test_admin_pages import CHROMIUM, WIDE, browser, cast, site  # noqa: F401  (fixtures)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")


@pytest.fixture
def way_in(house):
    with house.begin() as session:
        token = staff.invite(session, "ida@example.com", Role.ADMIN, actor="test", now=signin.real_now(session))
    return f"/support/sign-in/{token}"


@pytest.fixture
def desk(browser, site, way_in):  # noqa: F811
    """A page of the desk, signed in."""
    context = browser.new_context(base_url=site, reduced_motion="reduce", viewport=WIDE)
    page = context.new_page()
    page.goto(way_in)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/support/")
    yield page
    context.close()


def test_a_cause_is_foretold_and_replayed_by_clicks(house, desk, cast):  # noqa: F811
    with house.begin() as session:
        session.execute(update(Webhook).where(Webhook.state == "failed").values(error="a bug of ours"))
    desk.goto("/support/")
    desk.get_by_role("button", name="Dry run").first.click()
    desk.wait_for_url("**/support/replays/*")
    housekeeping.drain()
    expect(desk.get_by_role("heading", name="If you replay them now")).to_be_visible()
    desk.get_by_label("Why").fill("mended in the release of today")
    desk.get_by_role("button", name="Replay 2").click()
    expect(desk.get_by_text("Under way")).to_be_visible()
    housekeeping.drain()
    expect(desk.get_by_text("2 were set due")).to_be_visible()
    desk.goto("/support/audit")
    expect(desk.get_by_text("replay.asked")).to_be_visible()
