"""What a merchant comes for, in all three places that our pages are shown in: by mouse, counted, by keyboard, in Arabic."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

import jobs.mail
from app.models import Enrollment, FlowSettings, TestMail
from tests.builders import work_off
from tests.e2e.offices import CHROMIUM, Office, browser, office
from tests.e2e.test_admin_pages import AXE
from tests.e2e.test_axe import LOOK, TAGS

__all__ = ["browser", "office"]  # fixtures
SHOTS = os.environ.get("TESTS_SCREENSHOTS")  # a folder for pictures of each stage
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
CART = "Abandoned cart"
WORDS = "Your basket is still here"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
    pytest.mark.timeout(300),
]


def look(office: Office, name: str) -> list[str]:
    """Return what axe finds on this page, wide and on a phone, and keep its pictures where somebody asked for them."""
    wrong = []
    for size in (PHONE, WIDE):
        office.page.set_viewport_size(size)
        office.document.evaluate(AXE.read_text("utf-8"))
        wrong += [f"{name} {size['width']} {fault}" for fault in office.document.evaluate(LOOK, TAGS)]
        if SHOTS:
            path = Path(SHOTS) / f"{office.name}-{name}-{size['width']}.png"
            office.page.screenshot(path=path, caret="initial")  # hiding it would be an inline style
    return wrong


def leave_a_cart(office: Office, email: str) -> None:
    """Be a shopper in a tab of their own, whose shop tells us with a signed webhook."""
    shopper = office.page.context.new_page()
    shopper.goto(office.front)
    shopper.locator("form button", has_text="Add").first.click()
    shopper.get_by_role("link", name="Go to checkout").click()
    shopper.get_by_label("E-mail", exact=True).fill(email)
    shopper.get_by_label("First name").fill("Ada")
    shopper.get_by_role("button", name="Continue").click()
    shopper.wait_for_load_state()
    shopper.close()
    assert office.fakes.sender.wait_until_idle(30)
    work_off()


def read_newest_mail(office: Office) -> Page:
    """Open the mailbox from our page, then the newest mail in it."""
    link = office.inside.get_by_role("link", name="Open the mailbox")
    if office.name == "standalone":
        link.click()
        mailbox = office.page
    else:
        with office.page.context.expect_page() as opened:
            link.click()
        mailbox = opened.value
    mailbox.locator(".mbox-list a").first.click()
    expect(mailbox.locator("iframe")).to_be_visible()
    return mailbox


def test_from_the_switch_to_the_money_page(house, office):
    office.first_page()
    inside, wrong = office.inside, look(office, "1-flows")
    inside.get_by_role("switch", name=CART).click()
    office.said(f"{CART} is live")

    inside.get_by_role("link", name=CART, exact=True).click()
    inside.locator("[name='reminder.after']").fill("2")
    wrong += look(office, "2-flow")
    office.save()
    office.said("Saved as version 2")
    expect(inside.locator(".canvas")).to_contain_text("Wait until 2 hours after")

    inside.locator(".canvas").get_by_role("link", name="reminder").click()
    inside.get_by_label("Subject", exact=True).fill(WORDS)
    expect(inside.frame_locator("[name=mail]").locator("body")).to_be_visible()
    office.save()
    office.said("Saved as version 3")
    wrong += look(office, "3-message")
    inside.get_by_role("link", name="العربية").click()
    arabic = inside.frame_locator("[name=mail]").locator("html")
    expect(arabic).to_have_attribute("dir", "rtl")
    wrong += look(office, "4-arabic")

    inside.get_by_role("link", name="English").click()
    expect(inside.get_by_label("Subject", exact=True)).to_have_value(WORDS)
    inside.locator("#test").get_by_label("To").fill("me@example.com")
    inside.get_by_role("button", name="Send test").click()
    office.said("me@example.com")
    jobs.mail.drain()
    mailbox = read_newest_mail(office)
    expect(mailbox.locator("body")).to_contain_text(WORDS)
    expect(mailbox.locator("body")).to_contain_text("me@example.com")
    if office.name == "standalone":
        mailbox.goto(f"{office.fakes.config.cartwheel_url}/admin/flows")
    else:
        mailbox.close()

    leave_a_cart(office, "ada@example.com")
    office.go("Customers")
    wrong += look(office, "5-customers")
    inside.get_by_role("link", name="ada@example.com").click()
    expect(inside.locator(".story")).to_contain_text("cart", ignore_case=True)
    wrong += look(office, "6-timeline")
    inside.get_by_role("button", name=f"Stop {CART} for this person").click()
    expect(inside.get_by_text("They are in no flow: no mail is planned.")).to_be_visible()
    office.go("Money")
    wrong += look(office, "7-money")
    office.go("Settings")
    wrong += look(office, "8-settings")

    assert wrong == [], "\n".join(wrong)
    with house() as session:
        assert session.execute(select(Enrollment.state, Enrollment.reason)).all() == [("exited", "stopped")]


COUNT = """() => { if (window.counting) return; window.counting = true;
  addEventListener("pointerdown", (e) => e.isTrusted && acted(), true);
  addEventListener("keydown", (e) => e.isTrusted && [" ", "Enter"].includes(e.key) && acted(), true); }"""


def test_a_flow_is_on_and_its_mail_is_read_within_eight_clicks(house, office):
    """From the link of a fresh shop, or the first opening in its back office; the browser itself counts, in every frame."""
    acts: list[str] = []
    office.page.context.expose_binding("acted", lambda source: acts.append(source["frame"].url))
    office.page.context.add_init_script(f"({COUNT})()")
    office.first_page()
    inside = office.inside
    inside.get_by_role("switch", name=CART).click()
    office.said(f"{CART} is live")
    inside.get_by_role("link", name=CART, exact=True).click()
    inside.locator(".canvas").get_by_role("link", name="reminder").click()
    inside.get_by_role("button", name="Send test").click()
    office.said("on its way")
    jobs.mail.drain()
    mail = read_newest_mail(office)
    expect(mail.frame_locator("iframe").locator("body")).to_contain_text("cart", ignore_case=True)

    clicks = {"shopify": 7, "wordpress": 6, "standalone": 7}[office.name]
    assert (len(acts), clicks <= 8) == (clicks, True), acts
    with house() as session:
        assert session.scalars(select(FlowSettings.is_on).where(FlowSettings.flow == "abandoned_cart")).all() == [True]
        assert session.scalars(select(TestMail.state)).all() == ["sent"]


FOCUS = """() => { const at = document.activeElement, box = at.getBoundingClientRect(), look = getComputedStyle(at);
  const shows = look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2 || look.boxShadow !== "none";
  return {name: (at.ariaLabel || at.name || at.textContent || at.tagName).trim().slice(0, 40),
          frame: at.tagName === "IFRAME", seen: shows && at.matches(":focus-visible") && box.width > 0 && box.height > 0
                && box.bottom > 0 && box.top < innerHeight}; }"""


def tab_to(page: Page, wanted, *, most: int = 60) -> int:
    """Press Tab until the focus is there, and check that it is seen at every stop; return how often it was pressed."""
    for presses in range(1, most + 1):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUS)
        assert stop["seen"] or stop["frame"], stop
        if wanted.evaluate("element => element === document.activeElement"):
            return presses
    raise AssertionError(f"not reached with {most} presses of Tab: {wanted}")


@pytest.mark.parametrize("office", ["standalone"], indirect=True)
def test_the_main_task_is_done_by_keyboard_alone_and_the_focus_is_always_seen(house, office):
    office.open()
    page, keys = office.page, office.page.keyboard
    tab_to(page, page.get_by_role("button", name="Sign in"))
    keys.press("Enter")
    page.wait_for_url("**/admin/flows")
    tab_to(page, page.get_by_role("link", name="Skip to content"), most=1)
    keys.press("Enter")
    switch = page.get_by_role("switch", name=CART)
    tab_to(page, switch, most=2)
    keys.press("Space")
    office.said(f"{CART} is live")
    expect(switch).to_be_focused()
    expect(switch).to_have_attribute("aria-checked", "true")

    tab_to(page, page.get_by_role("link", name=CART, exact=True), most=1)
    keys.press("Enter")
    page.wait_for_url("**/abandoned_cart")
    tab_to(page, page.locator("[name='reminder.after']"))
    keys.press("Control+A")
    keys.type("3")
    tab_to(page, page.locator("#waits").get_by_role("button", name="Save"))
    keys.press("Enter")
    office.said("Saved as version 2")
    expect(page.locator(".canvas")).to_contain_text("Wait until 3 hours after")

    tab_to(page, page.locator(".canvas").get_by_role("link", name="reminder"))
    keys.press("Enter")
    page.wait_for_url("**/messages/reminder")
    tab_to(page, page.get_by_role("button", name="Send test"), most=80)
    keys.press("Enter")
    office.said("on its way")

    with house() as session:
        assert session.execute(select(TestMail.flow, TestMail.step)).all() == [("abandoned_cart", "reminder")]


@pytest.mark.parametrize("office", ["shopify", "wordpress"], indirect=True)
def test_a_back_office_in_arabic_shows_the_pages_in_arabic_until_the_shop_chooses_another(office):
    place = office.fakes.shopify_api.desk if office.name == "shopify" else office.fakes.passport
    place.locale = "ar"
    office.first_page()
    inside = office.inside
    expect(inside.locator("html")).to_have_attribute("dir", "rtl")
    expect(inside.locator("h1")).to_have_text("المسارات")
    wrong = look(office, "arabic-1-flows")
    inside.locator("td.f a").first.click()
    expect(inside.locator("#waits")).to_be_visible()
    wrong += look(office, "arabic-2-flow")
    office.document.evaluate("location.reload()")
    expect(inside.locator("#waits")).to_be_visible()
    expect(inside.locator("html")).to_have_attribute("lang", "ar")
    assert wrong == [], "\n".join(wrong)

    office.go("الإعدادات")
    inside.locator("#settings-language select").select_option("az")
    inside.locator("#settings-language").get_by_role("button").click()
    expect(inside.locator("html")).to_have_attribute("lang", "az")
    expect(inside.locator("html")).to_have_attribute("dir", "ltr")
    office.open()
    expect(inside.locator("html")).to_have_attribute("lang", "az")
