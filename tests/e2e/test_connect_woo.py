"""A merchant connects a WooCommerce shop in a real browser, in its good and its bad moments."""

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlalchemy.orm import Session, sessionmaker

from jobs import connecting, reconcile
from tests.woo_cast import Town, town

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(__file__).parent.parent / "data" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PATIENCE = 60_000  # milliseconds; what a busy machine may take
ADDRESS = re.compile("^Your shop.s address$")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def place(house: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Town]:
    with town(house, monkeypatch, tmp_path) as opened:
        yield opened


@contextmanager
def at_work(place: Town) -> Iterator[None]:
    """Do in a thread what a worker would: connect, then import."""
    end = threading.Event()

    def loop() -> None:
        while not end.wait(0.2):
            connecting.drain(float("inf"))
            reconcile.drain(float("inf"))

    thread = threading.Thread(target=loop)
    thread.start()
    yield
    end.set()
    thread.join()


@contextmanager
def window(browser: Browser, place: Town, **options: object) -> Iterator[Page]:
    """Open a window that fails on anything the console complains about."""
    context = browser.new_context(base_url=place.url, reduced_motion="reduce", **options)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
    yield page
    context.close()
    assert [c for c in complaints if "the server responded with a status" not in c] == []


def wrong(page: Page, what: str) -> list[str]:
    """Return what axe finds wrong, and whether the page is wider than its window."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", TAGS)
    faults = [f"{what} {v['id']}: {n['target']} {n['failureSummary']}" for v in found["violations"] for n in v["nodes"]]
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        faults.append(f"{what} scrolls sideways")
    return faults


def ask(page: Page, address: str) -> None:
    page.goto("/woocommerce/connect")
    page.get_by_label(ADDRESS).fill(address)
    page.get_by_role("button", name="Check the shop").click()


@pytest.mark.timeout(300)
def test_a_shop_is_connected_and_the_ticks_appear_by_themselves(place: Town, browser: Browser) -> None:
    place.shop.place_order("alice@example.com")
    with window(browser, place, viewport=WIDE) as page:
        ask(page, place.address)
        expect(page.get_by_text("The shop answers")).to_be_visible()
        assert page.locator(".tick.y").count() == 0
        with at_work(place):  # nothing is reloaded from here on but by the page itself
            expect(page.locator(".tick.y")).to_have_count(1, timeout=PATIENCE)
            page.get_by_role("link", name="Approve in your shop").click()
            page.get_by_role("link", name="Approve", exact=True).click()
            expect(page.get_by_role("heading", name="Lamp Loft is connected")).to_be_visible(timeout=PATIENCE)
            expect(page.locator(".tick.y")).to_have_count(7, timeout=PATIENCE)
        expect(page.get_by_text("1 order was read")).to_be_visible()
        page.get_by_role("button", name="Open Cartwheel").click()
        page.wait_for_url("**/admin/flows")
        expect(page.get_by_text("Lamp Loft").first).to_be_visible()


@pytest.mark.timeout(300)
def test_a_refusal_has_words_that_help_and_can_be_taken_back(place: Town, browser: Browser) -> None:
    with window(browser, place, viewport=WIDE) as page, at_work(place):
        ask(page, place.address)
        page.get_by_role("link", name="Approve in your shop").click()
        page.get_by_role("link", name="Deny").click()
        expect(page.get_by_text("You chose not to approve.")).to_be_visible()
        page.get_by_role("link", name="Approve in your shop").click()
        page.get_by_role("link", name="Approve", exact=True).click()
        expect(page.get_by_role("heading", name="Lamp Loft is connected")).to_be_visible(timeout=PATIENCE)


@pytest.mark.timeout(300)
def test_keys_of_another_shop_have_words_that_help(place: Town, browser: Browser) -> None:
    with window(browser, place, viewport=WIDE) as page, at_work(place):
        page.goto("/woocommerce/connect")
        page.get_by_label(ADDRESS).fill(place.address)
        page.get_by_text("I have made REST keys myself").click()
        page.get_by_label("Consumer key").fill("ck_" + "9" * 40)
        page.get_by_label("Consumer secret").fill("cs_" + "9" * 40)
        page.get_by_role("button", name="Connect with these keys").click()
        expect(page.get_by_role("alert")).to_contain_text("The shop refuses these keys", timeout=PATIENCE)
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("link", name="Approve in your shop")).to_be_visible(timeout=PATIENCE)


@pytest.mark.timeout(300)
def test_who_did_not_begin_it_sees_it_stopped(place: Town, browser: Browser) -> None:
    with at_work(place), window(browser, place, viewport=WIDE) as page, window(browser, place, viewport=WIDE) as owner:
        ask(page, place.address)
        link = page.get_by_role("link", name="Approve in your shop").get_attribute("href")
        owner.goto(str(link))
        owner.get_by_role("link", name="Deny").click()
        expect(owner.get_by_text("The connection was stopped")).to_be_visible()
        expect(page.get_by_role("alert")).to_contain_text("Somebody else began this connection", timeout=PATIENCE)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_page_of_it_is_in_anybodys_way(place: Town, browser: Browser, viewport: dict[str, int], scheme: str) -> None:
    faults = []
    with window(browser, place, viewport=viewport, color_scheme=scheme) as page:
        page.goto("/woocommerce/connect")
        page.get_by_text("I have made REST keys myself").click()
        faults += wrong(page, "start")
        page.get_by_label(ADDRESS).fill("http://shop.example.com")
        page.get_by_role("button", name="Connect with these keys").click()
        expect(page.get_by_role("alert")).to_be_visible()
        faults += wrong(page, "wrong address")
        ask(page, place.address)
        faults += wrong(page, "checking")
        with at_work(place):
            page.get_by_role("link", name="Approve in your shop").wait_for()
            faults += wrong(page, "approving")
            page.get_by_role("link", name="Approve in your shop").click()
            page.get_by_role("link", name="Approve", exact=True).click()
            page.get_by_role("button", name="Open Cartwheel").wait_for()
            faults += wrong(page, "connected")
            place.fakes.woocommerce_api.faults.redirect = 1
            ask(page, place.address)
            page.get_by_role("button", name="Use that address").wait_for()
            faults += wrong(page, "moved")
            page.goto("/woocommerce/return?success=1&user_id=elses")
            expect(page.get_by_text("The connection was stopped")).to_be_visible()
            faults += wrong(page, "stopped")

    assert faults == []
