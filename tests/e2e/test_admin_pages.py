"""The merchant's pages in a real browser: in nobody's way, on a phone, in the dark, right to left; and they work."""

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.serving import make_server

from app.models import FlowSettings, Webhook
from tests.admin_cast import Cast, link, seed
from tests.people_cast import busy_shopper

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(__file__).parent.parent / "data" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
SMALL = {"width": 320, "height": 640}
MOST_BYTES = 130_000  # of a page with its style sheet and scripts, nothing compressed
FLOW = "/admin/flows/abandoned_cart"
MESSAGE = f"{FLOW}/messages/coupon"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")


@pytest.fixture
def cast(house: sessionmaker[Session]) -> Cast:
    return seed(house, month=40)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def site(house: sessionmaker[Session], cast: Cast) -> Iterator[str]:
    """The real app on a port of its own."""
    from app.web import create_app

    server = make_server("127.0.0.1", 0, create_app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def signed_in(browser: Browser, site: str, path: str, **options: object) -> Iterator[Page]:
    """Open a window, sign in by the link, and fail on anything that the console complains about."""
    context: BrowserContext = browser.new_context(base_url=site, reduced_motion="reduce", **options)  # type: ignore[arg-type]
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
    page.goto(path)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin/flows")
    yield page
    context.close()
    assert [c for c in complaints if "the server responded with a status" not in c] == []


def axe(page: Page) -> list[str]:
    """Return what axe finds wrong."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", TAGS)
    return [f"{v['id']}: {n['target']} {n['failureSummary']}" for v in found["violations"] for n in v["nodes"]]


@pytest.mark.parametrize("state", ["empty form", "menu", "panel", "switcher"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_opens_is_in_nobodys_way_either(house, browser, site, cast, scheme, state):
    viewport = PHONE if state == "menu" else WIDE
    with signed_in(browser, site, link(house, cast.tea, cast.lamp), viewport=viewport, color_scheme=scheme) as page:
        if state == "menu":
            page.locator(".menu > summary").click()
        elif state == "switcher":
            page.locator(".side .switcher:not(.tongues) summary").click()
        elif state == "panel":
            page.goto("/admin/webhooks")
            page.get_by_role("link", name="checkouts/update").click()
            expect(page.locator("#event h2")).to_have_text("checkouts/update")
        else:
            page.goto(FLOW)
            page.locator("[name='reminder.after']").fill("")
            page.locator("#waits").get_by_role("button", name="Save").click()
            expect(page.locator(".err")).to_have_count(1)

        assert axe(page) == []


def test_pages_are_light_and_stand_still(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea), viewport=WIDE) as page:
        # As on a slow phone: a quick machine shows a page at once, and nothing could be seen to move.
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 8})
        for path in ("/admin/flows", FLOW, "/admin/webhooks", "/admin/mails"):
            sizes: list[int] = []
            page.on("response", lambda r, sizes=sizes: sizes.append(len(r.body())))
            page.goto(path, wait_until="networkidle")
            shift = page.evaluate(
                "new Promise(done => { let sum = 0; const add = l => l.getEntries().forEach(e => sum += e.value); "
                "new PerformanceObserver(add).observe({type: 'layout-shift', buffered: true}); "
                "setTimeout(() => done(sum), 100) })"
            )

            assert shift == 0, path
            assert len(sizes) <= 5, path
            assert sum(sizes) <= MOST_BYTES, path


def test_the_switch_moves_without_leaving_the_page(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea), viewport=WIDE) as page:
        switch = page.get_by_role("switch", name="Abandoned cart")
        switch.focus()
        page.keyboard.press("Space")
        expect(switch).to_have_attribute("aria-checked", "false")
        expect(page.locator("#flow-abandoned_cart .badge")).to_have_text("Paused")
        expect(page.locator("#toasts")).to_contain_text("paused")
        expect(switch).to_be_focused()
        with house() as session:
            is_on = session.scalar(
                select(FlowSettings.is_on).where(FlowSettings.shop_id == cast.tea, FlowSettings.flow == "abandoned_cart")
            )

        assert is_on is False
        assert page.url.endswith("/admin/flows")


def test_a_wait_is_changed_in_place_and_a_wrong_one_is_kept(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea), viewport=WIDE) as page:
        page.goto(FLOW)
        bar, field = page.locator("#savebar"), page.locator("[name='coupon.valid_hours']")
        expect(bar).to_be_hidden()
        field.fill("0")
        expect(bar).to_be_visible()
        bar.get_by_role("button", name="Save").click()
        expect(page.locator(".err")).to_contain_text("at least 1 hour")
        expect(field).to_have_value("0")
        field.fill("24")
        bar.get_by_role("button", name="Save").click()
        expect(page.locator("#toasts")).to_contain_text("Saved as version 2")
        expect(bar).to_be_hidden()
        expect(page.locator(".canvas")).to_contain_text("valid 24 hours")


def test_the_log_works_from_the_keyboard(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea), viewport=WIDE) as page:
        page.goto("/admin/webhooks")
        failed = cast.webhooks["failed"]
        page.keyboard.press("j")
        expect(page.locator(f"#topic-{failed}")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#event")).to_contain_text("It could not be handled")
        page.keyboard.press("r")
        expect(page.locator(f"#webhook-{failed} .badge")).to_have_text("Waiting")
        page.keyboard.press("/")
        expect(page.locator("#state")).to_be_focused()
        with house.begin() as session:
            session.get_one(Webhook, (cast.tea, failed)).state = "done"
        expect(page.locator(f"#webhook-{failed} .badge")).to_have_text("Handled")  # the line looks again by itself


def test_a_replay_from_the_panel_changes_panel_and_line(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea), viewport=WIDE) as page:
        page.goto("/admin/webhooks")
        failed = cast.webhooks["failed"]
        page.locator(f"#topic-{failed}").click()
        page.locator("#event").get_by_role("button", name="Replay").click()
        expect(page.locator("#event .badge").first).to_have_text("Waiting")
        expect(page.locator(f"#webhook-{failed} .badge")).to_have_text("Waiting")
        expect(page.locator("#event")).to_contain_text("Waiting for its turn")


def test_filters_apply_when_chosen(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea), viewport=WIDE) as page:
        page.goto("/admin/webhooks")
        page.select_option("#state", "failed")
        page.wait_for_url(re.compile(r"/admin/webhooks\?state=failed$"))
        expect(page.locator(".log tbody tr")).to_have_count(1)


def test_personal_data_is_shown_on_demand(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea), viewport=WIDE) as page:
        page.goto("/admin/webhooks")
        page.locator(f"#topic-{cast.webhooks['failed']}").click()
        expect(page.locator("#payload")).to_contain_text("ma•••@example.com")
        page.get_by_role("button", name="Show personal data").click()
        expect(page.locator("#payload")).to_contain_text("maya.okafor@example.com")


def test_a_phone_opens_a_webhook_as_a_page_of_its_own(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea), viewport=PHONE, has_touch=True, is_mobile=True) as page:
        page.locator(".menu > summary").tap()
        page.locator(".menu").get_by_role("link", name="Webhooks").tap()
        page.locator(f"#topic-{cast.webhooks['failed']}").tap()
        page.wait_for_url(f"**/admin/webhooks/{cast.webhooks['failed']}")
        expect(page.get_by_role("heading", name="checkouts/create")).to_be_visible()


def test_everything_works_without_scripts(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea, cast.lamp), viewport=PHONE, java_script_enabled=False) as page:
        page.get_by_role("switch", name="Abandoned cart").click()
        expect(page.locator(".said")).to_contain_text("paused")
        page.goto(FLOW)
        page.locator("[name='reminder.after']").fill("2")
        page.locator("#waits").get_by_role("button", name="Save").click()
        expect(page.locator(".said")).to_contain_text("Saved as version 2")
        page.goto("/admin/webhooks?state=failed")
        page.get_by_role("button", name="Replay checkouts/create").click()
        expect(page.locator(".said")).to_contain_text("Replaying")
        page.locator(".menu > summary").click()
        page.locator(".menu .switcher:not(.tongues) summary").click()
        page.locator(".menu").get_by_role("button", name="Lamp Loft").click()
        page.locator(".menu > summary").click()
        expect(page.locator(".menu .switcher:not(.tongues) summary")).to_contain_text("Lamp Loft")


def test_a_server_that_does_not_answer_is_said_and_the_switch_goes_back(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea), viewport=WIDE) as page:
        page.route("**/activation", lambda route: route.fulfill(status=500, body="<h1>broken</h1>"))
        switch = page.get_by_role("switch", name="Abandoned cart")
        switch.click()
        expect(page.locator("#toasts")).to_contain_text("did not work")
        expect(switch).to_have_attribute("aria-checked", "true")
        expect(page.locator("h1")).to_have_text("Flows")


def test_a_mail_is_seen_while_it_is_written_and_a_mistake_keeps_the_words(house, browser, site, cast):
    with signed_in(browser, site, link(house, cast.tea), viewport=WIDE) as page:
        page.goto(MESSAGE)
        seen, body = page.frame_locator("[name=mail]"), page.locator("#body")
        expect(seen.locator("body")).to_contain_text("Still thinking it over", timeout=30_000)
        body.fill("<h1>Half typed</h1>\n<!-- button cart -->")
        expect(seen.locator("body")).to_contain_text("Half typed", timeout=30_000)
        expect(page.locator("#ready")).to_contain_text("does not show the code", timeout=30_000)
        body.fill("<h1>{{ nobody }}</h1>")
        page.locator("#texts").get_by_role("button", name="Save").click()
        expect(page.locator("#body-wrong")).to_contain_text("line 1, column 8", timeout=30_000)
        expect(body).to_have_value("<h1>{{ nobody }}</h1>")
        body.fill("<h1>Kept</h1>\n<!-- coupon -->\n<!-- button cart -->")
        page.locator("#texts").get_by_role("button", name="Save").click()
        expect(page.locator("#toasts")).to_contain_text("Saved as version 2", timeout=30_000)
        page.locator("#test").get_by_role("button", name="Send test").click()
        expect(page.locator("#toasts")).to_contain_text("on its way", timeout=30_000)


def test_a_person_is_found_and_stopped_without_a_mouse(house, browser, site, cast):
    with house.begin() as session:
        busy_shopper(session, cast.tea, cast.now)
    with signed_in(browser, site, link(house, cast.tea), viewport=WIDE) as page:
        page.goto("/admin/customers")
        page.get_by_label("E-mail or name").focus()
        page.keyboard.type("zoé ång")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="zoe@example.com").press("Enter")
        page.get_by_role("button", name="Stop Abandoned cart for this person").press("Enter")

        expect(page.get_by_role("status").filter(has_text="Nothing more of it is sent.")).to_be_visible()
        expect(page.get_by_text("They are in no flow: no mail is planned.")).to_be_visible()
