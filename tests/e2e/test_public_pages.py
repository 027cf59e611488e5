"""The shopper's pages in a real browser: wide and on a phone, light and dark, in every language, without script."""

import os
import shutil
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from werkzeug.serving import make_server

import jobs.inbox
import jobs.runner
from app import clock, crypto
from app.models import Delivery, OptIn
from app.services import edit_rules
from app.services.content import unsubscribe_token
from tests import builders

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(__file__).parent.parent / "data" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
LANGUAGES = ("en", "ar", "az", "zh-Hans", "zh-Hant")
PICTURES = os.environ.get("PICTURES")  # a folder to look at, when somebody wants to

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def site(house) -> Iterator[str]:
    """The real app on a port of its own."""
    from app.web import create_app

    server = make_server("127.0.0.1", 0, create_app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def paths(house) -> dict[str, str]:
    """Where the pages stand: of somebody who got a reminder, of somebody who signs up, and of nobody."""
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        body = builders.checkout_body("t1", clock.now(session))
        builders.store_webhook(session, shop_id, "checkouts/update", body, key="c1")
    jobs.inbox.drain()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()
    with house.begin() as session:
        now = clock.now(session)
        edit_rules.change(session, shop_id, {"double_opt_in": True}, actor="test", now=now)
        token = unsubscribe_token(session.query(Delivery).one())
        form = edit_rules.form_token(session, shop_id, now=now)
    return {
        "unsubscribe": f"/u/{token}", "preferences": f"/p/{token}", "sign-up": f"/signup/{form}", "unknown": "/p/x",
        "unconfirmed": "/d/x",
    }  # fmt: skip


def confirm_path(house) -> str:
    with house() as session:
        opt_in = session.query(OptIn).one()
        return f"/d/{crypto.decrypt(opt_in.shop_id, opt_in.token_sealed)}"


def faults(page: Page) -> list[str]:
    """Return what axe finds wrong, and whether the page scrolls sideways."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", TAGS)
    wrong = [f"{v['id']}: {n['target']} {n['failureSummary']}" for v in found["violations"] for n in v["nodes"]]
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        wrong.append("it scrolls sideways")
    return wrong


def look(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_page_is_in_anybodys_way_in_any_language(house, browser, site, paths, viewport, scheme):
    context = browser.new_context(base_url=site, viewport=viewport, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
    wrong = []
    for name, path in paths.items():
        for lang in LANGUAGES:
            page.goto(f"{path}?lang={lang}")
            wrong += [f"{name} {lang} {w}" for w in faults(page)]
            if lang in {"en", "ar"}:
                look(page, f"{name}-{lang}-{viewport['width']}-{scheme}")
    context.close()

    assert wrong == []
    assert complaints == []


@pytest.mark.parametrize("lang", ["en", "ar"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_way_of_a_shopper_is_in_nobodys_way_to_its_end(house, browser, site, paths, viewport, lang):
    """Sign up, confirm, choose, unsubscribe and come back; each page on the way is in nobody's way."""
    context = browser.new_context(base_url=site, viewport=viewport)
    page = context.new_page()
    wrong: list[str] = []

    def arrive(name: str) -> None:
        wrong.extend(f"{name} {w}" for w in faults(page))
        look(page, f"way-{name}-{lang}-{viewport['width']}")

    page.goto(f"{paths['sign-up']}?lang={lang}")
    page.locator("input[name=email]").fill("dora@example.com")
    page.locator("form button").click()
    arrive("sent")
    page.goto(confirm_path(house) + f"?lang={lang}")
    arrive("confirm")
    page.locator("form button").click()
    arrive("confirmed")
    page.goto(f"{paths['preferences']}?lang={lang}")
    page.locator("input[value=reviews]").uncheck()
    page.locator("input[value=weekly]").check()
    page.locator("input[name=pause]").check()
    page.locator("select[name=birth_day]").select_option("29")
    page.locator("select[name=birth_month]").select_option("02")
    page.locator("form.choices > button").click()
    expect(page.locator("[role=status]")).to_be_visible()
    arrive("saved")
    kept = [page.locator(f"input[value={v}]").is_checked() for v in ("reviews", "cart", "weekly")]
    page.locator("button.plain").click()
    arrive("unsubscribed")
    page.goto(f"{paths['preferences']}?lang={lang}")
    page.locator("button[name=agree]").click()
    arrive("back")
    again = page.locator("button[name=agree]").count()
    page.goto(f"{paths['preferences']}?lang={lang}")
    page.locator("select[name=birth_day]").select_option("31")
    page.locator("select[name=birth_month]").select_option("06")
    page.locator("form.choices > button").click()
    expect(page.locator("[role=alert]")).to_be_visible()
    arrive("wrong")
    context.close()

    assert wrong == []
    assert (kept, again) == ([False, True, True], 0)


def test_pages_work_by_keyboard_with_script_switched_off(browser, site, paths):
    context = browser.new_context(base_url=site, viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(paths["preferences"])
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # the first kind of mail is switched off
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator("form.choices > button:focus").count():
            break
    page.keyboard.press("Enter")
    expect(page.locator("[role=status]")).to_be_visible()
    is_on = page.locator("input[name=topic]").first.is_checked()
    context.close()

    assert is_on is False
