"""The three places that our pages are shown in, each with a fresh shop: Shopify's admin, wp-admin, a window of our own."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Frame, FrameLocator, Page, expect, sync_playwright
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.serving import make_server

from app.config import settings
from app.demo.fakes import Fakes
from app.services import signin
from integrations.woocommerce.verify import secret_of
from tests.builders import WOO_SECRET, lamp_loft, tea_and_tin
from tests.pretend import pretend_shops

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NAMES = ("shopify", "wordpress", "standalone")
PATIENCE = 30_000  # milliseconds

Maker = sessionmaker[Session]


@dataclass
class Office:
    """One of the places. `inside` finds what is on our page, wherever it is shown."""

    name: str
    page: Page
    fakes: Fakes
    way_in: str

    @property
    def inside(self) -> Page | FrameLocator:
        """Our page."""
        selectors = {"shopify": "#app", "wordpress": "#cartwheel-frame"}
        return self.page.frame_locator(selectors[self.name]) if self.name in selectors else self.page

    @property
    def document(self) -> Page | Frame:
        """Our page, to run a script in."""
        if self.name == "standalone":
            return self.page
        return next(frame for frame in self.page.frames[1:] if frame.url.startswith(self.fakes.config.cartwheel_url))

    @property
    def front(self) -> str:
        """The shop front of the same shop."""
        shop = "woocommerce" if self.name == "wordpress" else "shopify"
        return f"{self.fakes.config.shops_url}/{shop}/"

    def open(self) -> None:
        """Go to where the work begins; nothing is clicked yet."""
        self.page.goto(self.way_in)

    def first_page(self) -> None:
        """Come to our first page, by the one click that it takes at most."""
        self.open()
        button = {"shopify": "Install", "standalone": "Sign in"}.get(self.name)
        if button:
            self.page.get_by_role("button", name=button, exact=True).click()
        expect(self.inside.locator("h1").first).to_be_visible()

    def go(self, word: str) -> None:
        """Choose a page in the menu, which Shopify draws itself."""
        if self.name == "shopify":
            self.page.locator("#menu").get_by_role("button", name=word, exact=True).click()
        else:
            if self.inside.locator(".menu > summary").is_visible():
                self.inside.locator(".menu > summary").click()
            self.inside.get_by_role("link", name=word, exact=True).locator("visible=true").first.click()
        expect(self.inside.locator("h1").first).to_have_text(word)

    def save(self) -> None:
        """Press Save in the bar that came with the first change, which Shopify draws itself."""
        bar = self.page.locator("#save") if self.name == "shopify" else self.inside.locator("#savebar")
        expect(bar).to_be_visible()
        bar.get_by_role("button", name="Save", exact=True).click()
        expect(bar).to_be_hidden()

    def said(self, words: str) -> None:
        """Wait for a sentence, which Shopify shows itself."""
        where = self.page.locator("#toast") if self.name == "shopify" else self.inside.locator("#toasts")
        expect(where).to_contain_text(words)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a file."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(params=NAMES)
def office(
    request: pytest.FixtureRequest, house: Maker, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    """One of the places, with both sides on ports of their own, in a window that keeps no cookie of a frame of ours."""
    server = make_server("127.0.0.1", 0, lambda _environ, _start: [], threaded=True)
    app_url = f"http://127.0.0.1:{server.server_port}"
    with pretend_shops(monkeypatch, cartwheel_url=app_url) as fakes:
        monkeypatch.setenv("CARTWHEEL_PUBLIC_URL", app_url)
        monkeypatch.setenv("CARTWHEEL_SHOPIFY_ADMIN_URL", fakes.config.shops_url)
        monkeypatch.setenv("CARTWHEEL_SHOPIFY_APP_BRIDGE_URL", f"{fakes.config.shops_url}/static/demo/app-bridge.js")
        settings.cache_clear()
        from app.web import create_app

        way_in = _fresh_shop(request.param, house, fakes)
        server.app = create_app()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        context = browser.new_context(reduced_motion="reduce", viewport={"width": 1440, "height": 900})
        context.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page, complaints = context.new_page(), []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
        yield Office(request.param, page, fakes, way_in)
        names = {cookie["name"] for cookie in context.cookies()}
        context.close()
        server.shutdown()
        thread.join()
        server.server_close()
    assert [c for c in complaints if "the server responded with a status of 401" not in c] == []
    assert request.param == "standalone" or names <= {"cartwheel_demo_shopper"}


def _fresh_shop(name: str, house: Maker, fakes: Fakes) -> str:
    """Have a shop in which nothing was done yet, and return where its people come in."""
    if name == "shopify":
        fakes.shopify_api.desk.set_installed(is_installed=False)
        return f"{fakes.config.shops_url}/store/tea-and-tin/apps/client-id"
    with house.begin() as session:
        if name == "standalone":
            shop_id = tea_and_tin(session, flow_on=False)
            token = signin.create_link(session, [shop_id], now=signin.real_now(session), lifetime=timedelta(hours=1))
            return f"{settings().public_url}/admin/sign-in/{token}"
        _, connection = lamp_loft(session, flow_on=False)
    shop = fakes.woocommerce
    shop.hooks.clear()
    for topic in ("order.created", "checkout.updated"):
        target = f"{fakes.config.cartwheel_url}/webhooks/woocommerce/{connection}"
        shop.add_hook(topic, target, secret_of(WOO_SECRET, topic))
    return f"{fakes.config.shops_url}/woocommerce/wp-admin/admin.php"
