"""Our pages in the pretend wp-admin, in a real browser: opened, worked in, renewed, and deaf to everybody else."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Frame, FrameLocator, Page, expect, sync_playwright
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.serving import make_server

from app.config import settings
from app.demo.fakes import Fakes
from app.models import FlowSettings
from integrations.woocommerce.verify import secret_of
from tests.builders import WOO_SECRET, lamp_loft, tea_and_tin
from tests.pretend import pretend_shops

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SHOTS = os.environ.get("TESTS_SCREENSHOTS")  # a folder for pictures of each stage
PATIENCE = 30_000  # milliseconds
ADMIN = "/woocommerce/wp-admin/admin.php"
EVIL = "eyJpYXQiOjEsImV4cCI6NjF9.evil"  # {"iat":1,"exp":61}, signed by nobody

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
    """Both sides on ports of their own: the pretend shop, whose webhooks were made by our connection, and the app."""
    server = make_server("127.0.0.1", 0, lambda _environ, _start: [], threaded=True)
    with pretend_shops(monkeypatch, cartwheel_url=f"http://127.0.0.1:{server.server_port}") as fakes:
        monkeypatch.setenv("CARTWHEEL_PUBLIC_URL", fakes.config.cartwheel_url)
        settings.cache_clear()
        from app.web import create_app

        with house.begin() as session:
            _, connection = lamp_loft(session)
            tea_and_tin(session)
        shop = fakes.woocommerce
        shop.hooks.clear()
        for topic in ("order.created", "checkout.updated"):
            shop.add_hook(
                topic, f"{fakes.config.cartwheel_url}/webhooks/woocommerce/{connection}", secret_of(WOO_SECRET, topic)
            )
        server.app = create_app()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield fakes
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def page(browser: Browser, fakes: Fakes) -> Iterator[Page]:
    """The pretend wp-admin, in a browser that keeps no cookie of the frame and complains of nothing."""
    context = browser.new_context(base_url=fakes.config.shops_url, reduced_motion="reduce")
    page = context.new_page()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(f"{m.text} {m.location}") if m.type in {"error", "warning"} else None)
    yield page
    names = {cookie["name"] for cookie in context.cookies()}
    context.close()
    assert [c for c in complaints if "the server responded with a status of 401" not in c] == []
    assert names <= {"cartwheel_demo_shopper"}


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"wp-{name}.png", caret="initial")  # hiding it would be an inline style


def opened(page: Page) -> FrameLocator:
    """Open the plugin's page and wait for the first page in its frame."""
    page.goto(ADMIN)
    frame = page.frame_locator("#cartwheel-frame")
    expect(frame.get_by_role("heading", name="Flows", exact=True)).to_be_visible()
    return frame


def inner(page: Page, fakes: Fakes) -> Frame:
    return next(frame for frame in page.frames if frame.url.startswith(fakes.config.cartwheel_url))


def renewals(page: Page) -> list[str]:
    """Collect the calls by which the plugin's page gets a fresh token from now on."""
    seen: list[str] = []
    page.on("request", lambda r: seen.append(r.url) if r.url.endswith("/admin-ajax.php") else None)
    return seen


def is_on(house: Maker, shop: str) -> bool | None:
    from app.models import Shop

    with house() as session:
        return session.scalar(
            select(FlowSettings.is_on)
            .join(Shop, Shop.id == FlowSettings.shop_id)
            .where(FlowSettings.flow == "abandoned_cart", Shop.platform == shop)
        )


def stranger(page: Page, script: str) -> None:
    """Run a script in a frame of another origin that sits beside ours."""
    page.evaluate(
        """() => { const frame = document.createElement("iframe"); frame.name = "stranger";
                   frame.sandbox = "allow-scripts"; frame.srcdoc = "<p>stranger</p>"; document.body.append(frame); }"""
    )
    frame = page.wait_for_selector("iframe[name=stranger]").content_frame()
    frame.wait_for_selector("p")
    frame.evaluate(script)


def test_the_plugins_page_opens_the_admin_of_its_shop_and_works(house, fakes, page):
    frame = opened(page)
    shot(page, "1-flows")
    framed = inner(page, fakes)
    was_on = is_on(house, "woocommerce"), is_on(house, "shopify")

    assert framed.evaluate("document.documentElement.dataset.host") == "wordpress"
    assert "wordpress_token" not in framed.url
    assert "Lamp Loft" in frame.locator("body").inner_text()
    assert "Tea & Tin" not in frame.locator("body").inner_text()

    paths: list[str] = []
    page.on("request", lambda r: paths.append(r.url) if r.resource_type == "document" else None)
    frame.get_by_role("switch", name="Abandoned cart").click()
    expect(frame.get_by_role("switch", name="Abandoned cart")).to_have_attribute(
        "aria-checked", "false" if was_on[0] else "true"
    )
    frame.get_by_role("link", name="Abandoned cart").click()
    expect(frame.locator("h1")).to_have_text("Abandoned cart")
    shot(page, "2-flow")
    frame.get_by_role("link", name="Webhooks").first.click()
    expect(frame.locator("h1")).to_have_text("Webhooks")
    shot(page, "3-webhooks")

    assert paths == [], "every page came by a fetch, which carries the token"
    assert (is_on(house, "woocommerce"), is_on(house, "shopify")) == (not was_on[0], was_on[1])


def test_a_toggle_works_after_the_token_has_ended(house, fakes, page):
    """The first token is so old that the server takes it just once more; then the page has to bring a fresh one."""
    fakes.passport.real = lambda: time.time() - 70  # 20 s are left of it, with the leeway
    frame = opened(page)
    source = page.locator("#cartwheel-frame").get_attribute("src")
    stale = parse_qs(urlsplit(source).query)["wordpress_token"][0]
    deadline = time.monotonic() + 60
    while requests.get(
        f"{fakes.config.cartwheel_url}/admin/flows", headers={"Authorization": f"Bearer {stale}"}, timeout=30
    ).ok:
        assert time.monotonic() < deadline, "the token never ends"
        time.sleep(0.5)
    del fakes.passport.real
    seen, answers = renewals(page), []
    page.on("response", lambda r: answers.append(r.status) if r.url.split("?")[0].endswith("/activation") else None)
    was_on = is_on(house, "woocommerce")
    frame.get_by_role("switch", name="Abandoned cart").click()
    expect(frame.get_by_role("switch", name="Abandoned cart")).to_have_attribute(
        "aria-checked", "false" if was_on else "true"
    )

    assert is_on(house, "woocommerce") is not was_on
    assert (len(seen), answers) == (1, [401, 200])


def test_a_message_from_a_wrong_origin_is_ignored(house, fakes, page):
    """I10: neither side believes a window that is not the one it knows, nor an origin that is not the verified one."""
    frame = opened(page)
    seen, addresses = renewals(page), []
    page.on("request", lambda r: addresses.append(r.url + r.headers.get("authorization", "")))
    stranger(
        page,
        """() => {
          addEventListener("message", (event) => { document.body.dataset.got = JSON.stringify(event.data); });
          parent.postMessage({ type: "cartwheel:token-wanted", id: 1 }, "*");
        }""",
    )
    page.evaluate("postMessage({ type: 'cartwheel:token-wanted', id: 1 }, '*')")
    frame.locator("body").evaluate("() => new Promise(requestAnimationFrame)")
    assert seen == [], "the stranger's wish made no token"

    held = []

    def hold(route):
        held.append(route)

    page.route("**/admin-ajax.php", hold)  # the frame waits for a token from here on, and strangers offer theirs
    with page.expect_request("**/admin-ajax.php"):
        inner(page, fakes).evaluate("location.reload()")
    inner(page, fakes).evaluate(
        """(token) => {
          const home = document.querySelector("meta[name=cartwheel-back-office]").content;
          const data = { type: "cartwheel:token", id: 1, token };
          dispatchEvent(new MessageEvent("message", { data, origin: "https://evil.example", source: parent }));
          dispatchEvent(new MessageEvent("message", { data, origin: home, source: window }));
        }""",
        EVIL,
    )
    beside = page.query_selector("iframe[name=stranger]").content_frame()
    beside.evaluate("(token) => parent.frames[0].postMessage({ type: 'cartwheel:token', id: 1, token }, '*')", EVIL)
    held[0].continue_()
    expect(frame.get_by_role("heading", name="Flows", exact=True)).to_be_visible()

    assert beside.evaluate("document.body.dataset.got ?? null") is None
    assert [a for a in addresses if a.startswith(fakes.config.cartwheel_url) and "wordpress_token" in a]
    assert [a for a in addresses if "evil" in a] == []


def test_a_page_that_is_loaded_anew_in_the_frame_finds_its_way(house, fakes, page):
    frame = opened(page)
    frame.get_by_role("link", name="Abandoned cart").click()
    expect(frame.locator("h1")).to_have_text("Abandoned cart")
    with page.expect_request("**/admin-ajax.php"), page.expect_request("**/admin/flows/abandoned_cart?*wordpress_token=*"):
        inner(page, fakes).evaluate("location.reload()")
    expect(frame.locator("h1")).to_have_text("Abandoned cart")
    inner(page, fakes).wait_for_function("!location.search.includes('wordpress_token')")


def test_who_is_signed_out_of_wordpress_is_told_so(house, fakes, page):
    opened(page)
    page.route("**/admin-ajax.php", lambda route: route.fulfill(json={"success": False}))
    inner(page, fakes).evaluate("location.reload()")
    expect(page.get_by_text("You are signed out of WordPress")).to_be_visible()
    shot(page, "4-signed-out")


def test_an_unconnected_shop_is_led_to_the_page_that_connects_it(house, fakes, page):
    fakes.woocommerce.hooks.clear()
    page.goto(ADMIN)
    connect = f"{fakes.config.cartwheel_url}/woocommerce/connect?shop={fakes.woocommerce.home_url}"
    expect(page.get_by_role("link", name="Connect this shop")).to_have_attribute("href", connect)


def test_a_phone_has_the_page_too(house, fakes, page):
    page.set_viewport_size({"width": 390, "height": 800})
    opened(page)
    shot(page, "5-phone")

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
