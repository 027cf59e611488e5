"""Every page of every route in front of axe: 1440, 390 and 320 px, light and dark, left to right and right to left.

The list of pages is tests/e2e/pages.py, which a house test holds against the routes. A page is loaded four times, on a desk
and on a phone in either direction, and looked at in all twelve ways; where there are words for it, right to left is Arabic.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product

import pytest
from playwright.sync_api import Browser, Page

from tests.admin_cast import link
from tests.e2e.page_cast import filled_in, staff_token
from tests.e2e.pages import ANYBODY, ERRORS, MERCHANT, STAFF
from tests.e2e.test_admin_pages import AXE, CHROMIUM, PHONE, SMALL, TAGS, WIDE, browser, cast, site

__all__ = ["browser", "cast", "site"]  # fixtures
DESKS = {"desk": ((WIDE,), {}), "phone": ((PHONE, SMALL), {"has_touch": True, "is_mobile": True})}
SCHEMES = {"light": TAGS, "dark": ["color-contrast", "link-in-text-block"]}  # a theme changes colours and nothing else
LOOK = """tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']}).then(found => [
  ...found.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.target} ${n.failureSummary}`)),
  ...(document.documentElement.scrollWidth > document.documentElement.clientWidth ? ['it scrolls sideways'] : [])])"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")


@pytest.fixture
def addresses(house, cast) -> dict[str, dict[str, int]]:
    """All addresses by who may open them, filled in, each with the status of its answer."""
    from app.web import create_app

    known, routes = filled_in(house, cast), create_app().url_map.bind("localhost")
    found: dict[str, dict[str, int]] = {}
    for who, pages in {"merchant": MERCHANT, "staff": STAFF, "anybody": ANYBODY}.items():
        paths = {path.format(**known): name for name, paths in pages.items() for path in paths}
        assert {path: routes.match(path.partition("?")[0])[0] for path in paths} == paths
        found[who] = dict.fromkeys(paths, 200)
    for path, status in ERRORS.items():
        found[{"admin": "merchant", "support": "staff"}.get(path.split("/")[1], "anybody")][path] = status
    return found


@contextmanager
def window(house, browser: Browser, site: str, who: str, shop_id: int, **look: object) -> Iterator[tuple[Page, list[str]]]:
    """Open a window for one of them, signed in, and collect what its console complains about."""
    context = browser.new_context(base_url=site, reduced_motion="reduce", **look)
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on("console", lambda m: complaints.append(f"{page.url}: {m.text}") if m.type in {"error", "warning"} else None)
    if who == "anybody":
        page.goto("/woocommerce/connect")
        page.locator("[name=address]").fill("https://shop.example")
        page.locator("form button").first.click()
        page.wait_for_url("**/progress")
    else:
        page.goto(link(house, shop_id) if who == "merchant" else f"/support/sign-in/{staff_token(house, 'ida@example.com')}")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/admin/flows" if who == "merchant" else "**/support/")
    yield page, complaints
    context.close()


def turned(page: Page, path: str, direction: str) -> str:
    """Return the address in Arabic, where a page can be asked for it so."""
    is_public = path.startswith(("/u/", "/p/", "/d/", "/s/", "/signup/"))
    return f"{path}{'&' if '?' in path else '?'}lang=ar" if direction == "rtl" and is_public else path


def faults(page: Page, path: str, status: int, direction: str, widths: tuple[dict[str, int], ...]) -> list[str]:
    """Open a page and return what is wrong with it in each of these widths, light and dark."""
    answer = page.goto(turned(page, path, direction))
    assert answer is not None
    here = page.url.removeprefix(page.url.split("/", 3)[0] + "//" + page.url.split("/", 3)[2])
    if (answer.status, here) != (status, turned(page, path, direction)):
        return [f"it is answered by {answer.status} at {here}"]
    page.evaluate("direction => document.documentElement.dir = direction", direction)
    page.evaluate(AXE.read_text("utf-8"))
    wrong = []
    for width, scheme in product(widths, SCHEMES):
        page.set_viewport_size(width)
        page.emulate_media(color_scheme=scheme)
        wrong += [f"{width['width']} {scheme}: {fault}" for fault in page.evaluate(LOOK, SCHEMES[scheme])]
    return wrong


@pytest.mark.timeout(600)
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("who", ["merchant", "staff", "anybody"])
def test_no_page_of_any_route_is_in_anybodys_way(house, browser, site, cast, addresses, who, direction):
    wrong = []
    for desk, (widths, options) in DESKS.items():
        with window(house, browser, site, who, cast.tea, viewport=widths[0], **options) as (page, complaints):
            if who == "merchant" and direction == "rtl":
                page.locator("[name=language][value=ar]").first.evaluate("button => button.form.requestSubmit(button)")
                page.wait_for_selector("html[dir=rtl]")
            for path, status in addresses[who].items():
                wrong += [f"{path} {desk} {fault}" for fault in faults(page, path, status, direction, widths)]
        wrong += [c for c in complaints if "the server responded with a status of 40" not in c]

    assert wrong == [], "\n".join(wrong)
