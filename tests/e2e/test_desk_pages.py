"""The desk in a real browser: in nobody's way, and a failure of many is foretold, replayed and gone."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import select, update

from app.models import Customer, Role, Webhook
from app.services import signin, staff
from jobs import housekeeping
from tests.e2e.test_admin_pages import CHROMIUM, PHONE, WIDE, axe, browser, cast, site  # noqa: F401  (fixtures)

PICTURES = os.environ.get("TEST_PICTURES")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")


@pytest.fixture
def way_in(house):
    with house.begin() as session:
        token = staff.invite(session, "ida@example.com", Role.ADMIN, actor="test", now=signin.real_now(session))
    return f"/support/sign-in/{token}"


@pytest.fixture
def desk(request, browser, site, way_in):  # noqa: F811
    """A page of the desk, signed in, in the window that the test asks for."""
    context = browser.new_context(base_url=site, reduced_motion="reduce", **getattr(request, "param", {"viewport": WIDE}))
    page = context.new_page()
    page.goto(way_in)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/support/")
    yield page
    context.close()


WINDOWS = [
    {"viewport": size, "color_scheme": scheme}
    for size in (WIDE, PHONE, {"width": 320, "height": 700})
    for scheme in ("light", "dark")
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "desk", WINDOWS, indirect=True, ids=[f"{w['viewport']['width']}-{w['color_scheme']}" for w in WINDOWS]
)
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_no_page_of_the_desk_is_in_anybodys_way(house, desk, cast, direction):  # noqa: F811
    with house() as session:
        person = session.scalars(select(Customer).where(Customer.shop_id == cast.tea).limit(1)).one()
    paths = [
        "/support/", "/support/webhooks", f"/support/webhooks?shop={cast.tea}",
        f"/support/webhooks/{cast.webhooks['failed']}",
        "/support/replays", "/support/mails", f"/support/mails/{cast.mails['unknown']}", "/support/people",
        f"/support/people/{person.shop_id}/{person.id}",
        f"/support/people/{person.shop_id}/{person.id}/why?flow=abandoned_cart",
        "/support/proof", "/support/audit", "/support/staff",
        "/support/signed-out", "/support/sign-in/none",
    ]  # fmt: skip
    wrong = []
    for path in paths:
        desk.goto(path)
        desk.evaluate("direction => document.documentElement.dir = direction", direction)
        wrong += [f"{path} {w}" for w in axe(desk)]
        if desk.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wrong.append(f"{path} scrolls sideways")
        if PICTURES and direction == "ltr":
            name = path.strip("/").replace("/", "-").replace("?", "-")
            size, scheme = desk.viewport_size["width"], desk.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
            desk.screenshot(path=Path(PICTURES) / f"{name}-{size}{'-dark' if scheme else ''}.png", full_page=True)

    assert wrong == [], "\n".join(wrong)


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
