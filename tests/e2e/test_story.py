"""The main job as a person sees it, in a real browser on the real demo: a cart left behind comes back, in both shops."""

import os
import re
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.demo import Demo, free_port

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PICTURES = os.environ.get("TEST_PICTURES")  # a folder: keep what the person saw
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def demo():
    """The demo, started as a newcomer would."""
    folder = Path(tempfile.mkdtemp(prefix="cws-"))
    running = Demo(folder / "d", free_port())
    yield running
    running.stop(signal.SIGINT)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def page(browser, demo):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


class Visitor:
    """A person who looks at the demo."""

    def __init__(self, page: Page, demo: Demo, shop: str, email: str) -> None:
        self.page, self.addresses, self.shop, self.email = page, demo.addresses(), shop, email
        self.pictures = 0

    def look(self, name: str) -> None:
        if PICTURES:
            self.pictures += 1
            self.page.screenshot(path=f"{PICTURES}/{self.shop}-{self.pictures:02}-{name}.png", full_page=True)

    def leave_a_cart(self) -> None:
        self.page.goto(f"{self.addresses['Shop front']}{self.shop}/")
        self.page.locator("form button", has_text="Add").first.click()
        self.page.get_by_role("link", name="Go to checkout").click()
        self.page.get_by_label("E-mail", exact=True).fill(self.email)
        self.page.get_by_label("First name").fill("Ada")
        self.page.get_by_role("button", name="Continue").click()
        self.look("checkout")

    def skip(self, words: str) -> None:
        self.page.goto(self.addresses["Shop front"])
        self.page.get_by_role("button", name=words).click()
        expect(self.page.get_by_text("You skipped")).to_be_visible(timeout=60_000)

    def mails(self) -> list[str]:
        self.page.goto(self.addresses["Mailbox"])
        return [row for row in self.page.locator("main a").all_inner_texts() if self.email in row or row]

    def count_mails(self) -> int:
        self.page.goto(self.addresses["Mailbox"])
        return self.page.get_by_text(self.email).count()

    def open_newest_mail(self) -> None:
        self.page.goto(self.addresses["Mailbox"])
        self.page.locator("a", has=self.page.get_by_text(self.email)).or_(
            self.page.locator("tr", has_text=self.email).locator("a")
        ).first.click()
        self.page.wait_for_load_state()

    def pay(self) -> None:
        self.page.get_by_role("button", name=re.compile("^Pay")).click()
        self.page.wait_for_load_state()


@pytest.mark.parametrize("shop", ["shopify", "woocommerce"])
def test_left_cart_comes_back_with_its_coupon_and_is_bought(page, demo, shop):
    visitor = Visitor(page, demo, shop, f"ada@{shop}.example")
    visitor.leave_a_cart()
    assert visitor.count_mails() == 0

    visitor.skip("Skip 1 hour")
    assert visitor.count_mails() == 1
    visitor.open_newest_mail()
    visitor.look("reminder")

    visitor.skip("Skip 24 hours")
    assert visitor.count_mails() == 2
    visitor.open_newest_mail()
    visitor.look("coupon")
    frame = page.frame_locator("iframe").first
    code = re.search(r"[A-Z2-9]{1,5}-[A-Z2-9]{4}-[A-Z2-9]{4}", frame.locator("body").inner_text())[0]
    with page.context.expect_page() as opened:
        frame.get_by_role("link", name="Back to my cart").click()
    visitor.page = opened.value
    visitor.page.wait_for_load_state()
    visitor.look("recovered")
    expect(visitor.page.get_by_text(code).first).to_be_visible()
    if "checkout" not in visitor.page.url:
        visitor.page.get_by_role("link", name="Go to checkout").click()
    expect(visitor.page.get_by_label("E-mail", exact=True)).to_have_value(visitor.email)

    visitor.pay()
    visitor.look("bought")
    expect(visitor.page.get_by_text(re.compile("Thank you|Thanks", re.IGNORECASE)).first).to_be_visible()


@pytest.mark.parametrize("shop", ["shopify", "woocommerce"])
def test_buying_before_the_hour_brings_no_mail_and_the_admin_says_why(page, demo, shop):
    visitor = Visitor(page, demo, shop, f"bea@{shop}.example")
    visitor.leave_a_cart()
    visitor.pay()
    visitor.skip("Skip 1 hour")

    assert visitor.count_mails() == 0
    mails = demo.cartwheel("mail", "list")
    assert [(m["state"], m["reason"]) for m in mails if m["recipient"] == visitor.email] == [("skipped", "ordered")]


def test_unsubscribing_by_the_link_in_the_mail_stops_the_second(page, demo):
    visitor = Visitor(page, demo, "shopify", "cleo@shopify.example")
    visitor.leave_a_cart()
    visitor.skip("Skip 1 hour")
    visitor.open_newest_mail()
    with page.context.expect_page() as opened:
        page.frame_locator("iframe").first.get_by_role("link", name="Unsubscribe").click()
    unsubscribe = opened.value
    unsubscribe.wait_for_load_state()
    visitor.page = unsubscribe
    visitor.look("unsubscribe")
    unsubscribe.get_by_role("button").click()
    visitor.page = page
    visitor.skip("Skip 24 hours")

    assert visitor.count_mails() == 1
