"""A flow's conditions in a real browser, by keyboard alone: added, refused beside the field, counted, saved, taken away."""

import os
import re

import pytest
from playwright.sync_api import Page, expect

from app.services import edit_flow
from app.web.admin.condition_form import AUDIENCE
from tests.admin_cast import link
from tests.e2e.test_admin_pages import CHROMIUM, FLOW, PHONE, WIDE, axe, browser, cast, signed_in, site

__all__ = ["browser", "cast", "site"]  # fixtures
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
PICTURES = os.environ.get("TEST_PICTURES")
TABS_MOST = 120  # to any field of the page


def stands_at(page: Page) -> str:
    """Return the id or the name of what has the focus."""
    return str(page.evaluate("document.activeElement.id || document.activeElement.name || document.activeElement.value"))


def tab_to(page: Page, where: str) -> None:
    """Go on by the tab key until something has the focus; a field that cannot be reached so is a failure."""
    for _ in range(TABS_MOST):
        page.keyboard.press("Tab")
        if page.evaluate("where => document.activeElement.matches(where)", where):
            return
    raise AssertionError(f"{where} was not reached; the focus is at {stands_at(page)}")


def add(page: Page, name: str, prefix: str = AUDIENCE) -> None:
    """Choose a condition from the list and add it, by letters and the enter key."""
    tab_to(page, f"[id='{prefix}-new']")
    page.keyboard.type(name)
    tab_to(page, f"[value='add:{prefix}']")
    page.keyboard.press("Enter")


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True, caret="initial")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_conditions_are_edited_by_keyboard_alone(house, browser, site, cast, viewport, scheme, direction):
    name = f"editor-{viewport['width']}-{scheme}-{direction}"
    with signed_in(browser, site, link(house, cast.tea), viewport=viewport, color_scheme=scheme) as page:
        page.goto(FLOW)
        page.evaluate("direction => document.documentElement.dir = direction", direction)
        add(page, "Worth")
        expect(page.locator(f"[id='{AUDIENCE}-0-sign']")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.type("much")
        add(page, "Country")
        expect(page.locator(f"[id='{AUDIENCE}-1-sign']")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.type("Atlantis")
        page.keyboard.press("Enter")  # in a field: it saves
        expect(page.locator(f"[id='{AUDIENCE}-0-value']")).to_be_focused()
        expect(page.locator(f"[id='{AUDIENCE}-1-value']")).to_have_value("Atlantis")
        expect(page.locator(".err")).to_have_count(2)
        picture(page, f"{name}-refused")
        wrong = axe(page)
        page.keyboard.press("Control+A")
        page.keyboard.type("20")
        tab_to(page, f"[id='{AUDIENCE}-1-value']")
        page.keyboard.press("Control+A")
        page.keyboard.type("Germany")
        tab_to(page, "#look")
        page.keyboard.press("Enter")
        expect(page.locator("#reach")).to_contain_text("About 0 of them would have come in.")
        expect(page.locator("#look")).to_be_focused()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")  # in the field of countries

        expect(page.locator(f"[id='{AUDIENCE}-anyway']")).to_be_focused()
        picture(page, f"{name}-nobody")
        wrong += axe(page)
        tab_to(page, f"[value='drop:{AUDIENCE}:1']")
        page.keyboard.press("Enter")
        expect(page.locator(f"[id='{AUDIENCE}-new']")).to_be_focused()
        add(page, "Click", "coupon.only")
        expect(page.locator("[id='coupon.only-0-sign']")).to_be_focused()
        page.keyboard.press("ArrowDown")
        tab_to(page, "#waits > header .primary")
        page.keyboard.press("Enter")
        expect(page.locator("#toasts")).to_contain_text("Saved as version 2")
        picture(page, f"{name}-saved")

        assert wrong + axe(page) == []
        assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    with house() as session:
        flow = edit_flow.current(session, cast.tea, "abandoned_cart").flow
    assert [(c.name, c.value) for c in flow.trigger.when][2:] == [("worth_at_least", 2000)]
    assert [(c.name, [i.name for i in c.of]) for c in flow.send("coupon").when] == [("none_of", ["clicked"])]


def test_without_scripts_everything_works_too_and_the_first_wrong_field_has_the_focus(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea), viewport=PHONE, java_script_enabled=False) as page:
        page.goto(FLOW)
        page.get_by_label("Who comes in: condition to add").select_option("worth_at_least")
        page.get_by_role("button", name="Add: Who comes in").click()
        expect(page.locator(f"[id='{AUDIENCE}-0-sign']")).to_be_focused()
        page.locator(f"[id='{AUDIENCE}-0-value']").fill("120 %")
        page.locator("#reminder-after").fill("2")
        page.locator("#waits > header").get_by_role("button", name="Save").click()
        wrong = page.locator(f"[id='{AUDIENCE}-0-value']")
        expect(wrong).to_be_focused()
        expect(wrong).to_have_value("120 %")
        expect(wrong).to_have_accessible_description(re.compile("Write an amount such as 20"))
        expect(page.locator("#reminder-after")).to_have_value("2")
        wrong.fill("30")
        page.get_by_role("button", name="Count").click()
        expect(page.locator("#reach")).to_contain_text("About 46 of them would have come in.")
        page.locator("#waits > header").get_by_role("button", name="Save").click()
        expect(page.locator(".said")).to_contain_text("Saved as version 2")
        page.get_by_role("button", name="Take away: 1. Worth of the cart").click()
        page.locator("#waits > header").get_by_role("button", name="Save").click()
        expect(page.locator(".said")).to_contain_text("Saved as version 3")
