"""The settings page in a real browser: two people at once, the domain's check, the form to copy, in nobody's way."""

import os
import re

import pytest
from playwright.sync_api import expect

from app.services.sender_domain import look_up
from app.web.admin import settings_facts
from tests.admin_cast import link
from tests.e2e.test_admin_pages import CHROMIUM, PHONE, WIDE, axe, browser, cast, signed_in, site

__all__ = ["browser", "cast", "site"]  # fixtures
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
PICTURES = os.environ.get("TEST_PICTURES")
FRAME = re.compile(r'^<iframe src="http.*/signup/')
SMALL = {"width": 320, "height": 700}


class Names:
    """A DNS that knows only who receives the mail."""

    def __init__(self, within=None):
        pass

    def txt(self, _name):
        return []

    def mx(self, _name):
        return ["mx.tea.example"]


def clash(page, other) -> None:
    """Let somebody else save the sender and the rules while this page is open, then save this one."""
    page.goto("/admin/settings")
    other.goto("/admin/settings")
    for window, address, mode in ((other, "other@tea.example", "regional"), (page, "mine@tea.example", "subscribers")):
        sender, consent = window.locator("#settings-sender"), window.locator("#settings-consent")
        sender.get_by_label("Mails come from").fill(address)
        sender.get_by_label("Postal address").fill("1 Leaf Lane")
        sender.get_by_role("button", name="Save").click()
        consent.get_by_label("Marketing goes to").select_option(mode)
        consent.get_by_label("The checkout lets a buyer").set_checked(window is other)
        consent.get_by_role("button", name="Save").click()
        if window is other:
            expect(sender.locator("[name=seen]")).not_to_have_value(
                page.locator("#settings-sender [name=seen]").input_value()
            )
            expect(consent.locator("[name=seen]")).not_to_have_value(
                page.locator("#settings-consent [name=seen]").input_value()
            )
    expect(page.locator("#settings-sender")).to_contain_text("Somebody saved: other@tea.example")
    expect(page.locator("#settings-consent")).to_contain_text("Somebody saved it on.")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE, SMALL], ids=["wide", "phone", "small"])
def test_a_clash_and_a_check_are_in_nobodys_way(house, browser, site, cast, monkeypatch, viewport, scheme, direction):
    monkeypatch.setattr(
        settings_facts, "checked", lambda email: look_up(email.rpartition("@")[2], Names(), via="a:mx.example")
    )
    ways = link(house, cast.tea), link(house, cast.tea)
    with (
        signed_in(browser, site, ways[0], viewport=viewport, color_scheme=scheme) as page,
        signed_in(browser, site, ways[1], viewport=WIDE) as other,
    ):
        clash(page, other)
        page.get_by_role("button", name="Check the domain").click()
        expect(page.locator("#sender-check")).to_contain_text("v=DMARC1; p=none")
        page.locator("#settings-signup").get_by_label("The form is open").check()
        page.locator("#settings-signup").get_by_role("button", name="Save").click()
        expect(page.locator("#signup-frame")).to_have_value(FRAME)
        page.evaluate("direction => document.documentElement.dir = direction", direction)
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/settings-{viewport['width']}-{scheme}-{direction}.png", full_page=True)

        assert axe(page) == []
        assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_mine_or_theirs_is_one_click(house, browser, site, cast):
    ways = link(house, cast.tea), link(house, cast.tea)
    with signed_in(browser, site, ways[0], viewport=WIDE) as page, signed_in(browser, site, ways[1], viewport=WIDE) as other:
        clash(page, other)
        sender, consent = page.locator("#settings-sender"), page.locator("#settings-consent")
        sender.get_by_role("button", name="Save mine over it").click()
        expect(page.locator("#toasts")).to_contain_text("Sender: saved.")
        consent.get_by_role("button", name="Take theirs").click()
        expect(consent.get_by_label("The checkout lets a buyer")).to_be_checked()
        page.reload()

        expect(sender.get_by_label("Mails come from")).to_have_value("mine@tea.example")
        expect(consent.get_by_label("Marketing goes to")).to_have_value("regional")


def test_the_address_of_the_form_is_copied(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea), viewport=WIDE) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto("/admin/settings")
        page.locator("#settings-signup").get_by_label("The form is open").check()
        page.locator("#settings-signup").get_by_role("button", name="Save").click()
        page.get_by_role("button", name="Copy Its address").click()
        expect(page.locator("#toasts")).to_contain_text("Copied.")

        assert page.evaluate("navigator.clipboard.readText()") == page.locator("#signup-url").input_value()


def test_a_refused_form_goes_on_at_its_first_wrong_field(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea), viewport=WIDE) as page:
        page.goto("/admin/settings")
        sender = page.locator("#settings-sender")
        sender.get_by_label("Mails come from").fill("nobody at home")
        sender.get_by_role("button", name="Save").click()
        expect(sender.locator(".err").first).to_be_visible()

        expect(sender.get_by_label("Mails come from")).to_be_focused()
        expect(sender.get_by_label("Mails come from")).to_have_value("nobody at home")
