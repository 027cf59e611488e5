"""The app inside a pretend Shopify admin, in a real browser: bounce, install, work, a stale token, remove, install again."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.serving import make_server

from app.config import settings
from app.demo.fakes import Fakes
from app.models import FlowSettings, Shop, ShopToken
from tests.builders import store_webhook, work_off
from tests.pretend import pretend_shops

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SHOTS = os.environ.get("TESTS_SCREENSHOTS")  # a folder for pictures of each stage
PATIENCE = 30_000  # milliseconds

Maker = sessionmaker[Session]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def fakes(house: Maker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    """Both sides on ports of their own: the pretend shop, with the app not installed, and the app."""
    server = make_server("127.0.0.1", 0, lambda _environ, _start: [], threaded=True)
    with pretend_shops(monkeypatch, cartwheel_url=f"http://127.0.0.1:{server.server_port}") as fakes:
        monkeypatch.setenv("CARTWHEEL_SHOPIFY_ADMIN_URL", fakes.config.shops_url)
        monkeypatch.setenv("CARTWHEEL_SHOPIFY_APP_BRIDGE_URL", f"{fakes.config.shops_url}/static/demo/app-bridge.js")
        settings.cache_clear()
        from app.web import create_app

        server.app = create_app()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        fakes.shopify_api.desk.set_installed(is_installed=False)
        yield fakes
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def page(browser: Browser, fakes: Fakes) -> Iterator[Page]:
    """The pretend admin, in a browser that keeps no cookie of the frame and complains of nothing."""
    context = browser.new_context(base_url=fakes.config.shops_url, reduced_motion="reduce", viewport=None)
    page = context.new_page()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(f"{m.text} {m.location}") if m.type in {"error", "warning"} else None)
    page.goto("/store/tea-and-tin/apps/client-id")
    yield page
    names = {cookie["name"] for cookie in context.cookies()}
    context.close()
    assert [c for c in complaints if "the server responded with a status of 401" not in c] == []
    assert names <= {"cartwheel_demo_shopper"}


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", caret="initial")  # hiding it would be an inline style


def install(page: Page) -> FrameLocator:
    """Press Install and wait for the first page in the frame."""
    page.get_by_role("button", name="Install", exact=True).click()
    frame = page.frame_locator("#app")
    expect(frame.get_by_role("heading", name="Flows", exact=True)).to_be_visible()
    return frame


def visited(page: Page) -> list[str]:
    """Collect the paths that documents are loaded from from now on."""
    paths: list[str] = []
    page.on("request", lambda r: paths.append(r.url.split("?")[0]) if r.resource_type == "document" else None)
    return paths


def is_on(house: Maker) -> bool | None:
    with house() as session:
        return session.scalar(select(FlowSettings.is_on).where(FlowSettings.flow == "abandoned_cart"))


def test_installed_used_removed_and_installed_again(house, fakes, page):
    assert "not installed" in page.locator("main").inner_text()
    shot(page, "1-not-installed")
    paths = visited(page)
    frame = install(page)
    shot(page, "2-first-page")

    app = fakes.config.cartwheel_url
    assert [p.removeprefix(app) for p in paths if p.startswith(app)] == [
        "/shopify/", "/admin/flows", "/shopify/bounce", "/admin/flows",
    ]  # fmt: skip

    frame.get_by_role("switch", name="Abandoned cart").click()
    expect(page.locator("#toast")).to_contain_text("Abandoned cart is live")
    assert is_on(house) is True
    shot(page, "3-switched-on")

    page.get_by_role("button", name="Uninstall").click()
    expect(page.locator(".bo-none")).to_be_visible()
    fakes.sender.wait_until_idle(30)
    work_off()
    with house() as session:
        gone = session.scalar(select(Shop.state)), session.scalar(select(func.count()).select_from(ShopToken))
    shot(page, "4-removed")
    assert gone == ("uninstalled", 0)

    frame = install(page)
    expect(frame.get_by_role("switch", name="Abandoned cart")).to_have_attribute("aria-checked", "true")
    shot(page, "5-installed-again")
    with house() as session:
        back = session.scalars(select(Shop.state)).all(), session.scalar(select(func.count()).select_from(ShopToken))
    assert back == (["active"], 2)


def test_a_toggle_works_although_the_first_token_is_stale(house, fakes, page):
    frame = install(page)
    desk = fakes.shopify_api.desk
    clocks = [-61 - 15, 0]  # the first token is 61 s and the leeway too old, the next one fresh
    desk.real = lambda: time.time() + (clocks.pop(0) if len(clocks) > 1 else clocks[0])
    answers: list[int] = []
    page.on("response", lambda r: answers.append(r.status) if r.url.split("?")[0].endswith("/activation") else None)
    frame.get_by_role("switch", name="Abandoned cart").click()
    expect(frame.get_by_role("switch", name="Abandoned cart")).to_have_attribute("aria-checked", "true")

    assert answers == [401, 200]
    assert is_on(house) is True


def test_links_forms_and_the_menu_stay_in_the_frame_and_need_no_cookie(house, fakes, page):
    frame = install(page)
    paths = visited(page)
    frame.get_by_role("link", name="Abandoned cart").click()
    expect(frame.locator("h1")).to_have_text("Abandoned cart")
    shot(page, "6-flow")
    page.locator("#menu").get_by_role("button", name="Webhooks").click()
    expect(frame.locator("h1")).to_have_text("Webhooks")
    page.locator("#menu").get_by_role("button", name="Mails").click()
    expect(frame.locator("h1")).to_have_text("Mails")
    shot(page, "7-mails")

    assert paths == [], "every page came by a fetch, which carries the token"


def test_a_form_that_is_sent_whole_says_its_sentence_in_the_admin(house, fakes, page):
    frame = install(page)
    with house.begin() as session:
        shop_id = session.scalar(select(Shop.id))
        store_webhook(session, shop_id, "orders/create", b"{", key="broken")
    work_off()
    page.locator("#menu").get_by_role("button", name="Webhooks").click()
    frame.locator(".banner").get_by_role("button", name="Replay").click()
    expect(page.locator("#toast")).to_contain_text("replay", ignore_case=True)
    expect(frame.locator("h1")).to_have_text("Webhooks")
    shot(page, "9-replayed")


def test_the_admins_own_save_bar_saves_and_discards(house, fakes, page):
    frame = install(page)
    frame.get_by_role("link", name="Abandoned cart").click()
    field, bar = frame.locator("[name='coupon.valid_hours']"), page.locator("#save")
    expect(bar).to_be_hidden()
    field.fill("30")
    expect(bar).to_be_visible()
    shot(page, "8-save-bar")
    expect(frame.locator("#savebar")).to_be_hidden()
    bar.get_by_role("button", name="Discard").click()
    expect(bar).to_be_hidden()
    expect(field).to_have_value("48")
    field.fill("24")
    bar.get_by_role("button", name="Save").click()
    expect(page.locator("#toast")).to_contain_text("Saved as version 2")
    expect(frame.locator(".canvas")).to_contain_text("valid 24 hours")


def test_a_page_that_is_loaded_anew_in_the_frame_finds_its_way(house, fakes, page):
    frame = install(page)
    frame.get_by_role("link", name="Abandoned cart").click()
    expect(frame.locator("h1")).to_have_text("Abandoned cart")
    with (
        page.expect_request(lambda r: "/shopify/bounce?" in r.url) as by_way_of,
        page.expect_response(lambda r: "/admin/flows/" in r.url and "id_token=" in r.url) as back,
    ):
        page.frames[1].evaluate("location.reload()")
    expect(frame.locator("h1")).to_have_text("Abandoned cart")

    assert by_way_of.value.is_navigation_request()
    assert back.value.status == 200
