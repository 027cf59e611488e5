"""A bug lets a thousand webhooks fail; on the desk they are foretold, replayed and stopped, and what was foretold is so."""

import os
import re
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from app import clock
from app.models import (
    Checkout,
    ConsentRow,
    Coupon,
    Customer,
    Delivery,
    Enrollment,
    Order,
    PurchaseMark,
    Replay,
    Role,
    ScheduledStep,
    Webhook,
)  # fmt: skip
from app.queues import QueueName
from app.services import proof, signin, staff
from tests import builders
from tests.e2e.planted_bug import REASON
from tests.e2e.processes import Process, environment, wait_until
from tests.e2e.test_admin_pages import CHROMIUM, WIDE, browser, site  # noqa: F401  (fixtures)
from tests.e2e.test_crash import shops, standing  # noqa: F401  (a fixture, and a sum)

FAILED = int(os.environ.get("TEST_FAILED_WEBHOOKS", "1200"))  # over two slices of a replay, or it could not be stopped
HELD = FAILED * 6 // 10  # this failed webhook is held back for a while: it is in the second slice of a replay
PATIENCE = 120_000  # milliseconds
PICTURES = os.environ.get("TEST_PICTURES")
NOUNS = {
    "checkout": Checkout, "order": Order, "purchase": PurchaseMark, "customer": Customer, "run": Enrollment,
    "step": ScheduledStep, "mail": Delivery, "coupon": Coupon, "consent": ConsentRow,
}  # fmt: skip

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
    pytest.mark.timeout(600),
]


@pytest.fixture
def cast(house) -> int:
    """Tea & Tin; the site of the other browser tests stands on it."""
    with house.begin() as session:
        return builders.tea_and_tin(session)


@pytest.fixture
def desk(house, browser, site) -> Page:  # noqa: F811
    with house.begin() as session:
        token = staff.invite(session, "ida@example.com", Role.SUPPORT, actor="test", now=signin.real_now(session))
    context = browser.new_context(base_url=site, reduced_motion="reduce", viewport=WIDE)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"/support/sign-in/{token}")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/support/")
    yield page
    context.close()


@pytest.fixture
def workers(cast, shops, tmp_path):  # noqa: F811
    """Start the real workers and the scheduler, when they are wanted; they are ended afterwards."""
    given = environment(CARTWHEEL_SHOPIFY_API_BASE=f"{shops}/shopify")
    lines = {name.value: ["worker", name.value] for name in QueueName} | {"scheduler": ["scheduler"]}
    processes = [Process(name, arguments, given, tmp_path) for name, arguments in lines.items()]
    started: list[Process] = []
    yield lambda: started.extend(process.start() for process in processes)
    for process in started:
        process.stop()
        print(f"--- {process.name}\n{process.log()[-800:]}")


def cart(n: int, at: datetime, **more: Any) -> dict[str, Any]:
    """The cart of a person; three in eight agreed to marketing, so that there are mails to send and mails not to."""
    return builders.checkout_body(f"t{n}", at, email=f"shopper{n}@example.com", consent=n % 8 in {0, 1, 4}, **more)


def known_before(house, shop_id: int) -> None:
    """Every second cart is known before the bug."""
    with house.begin() as session:
        now = clock.now(session)
        for n in range(0, FAILED, 2):
            builders.store_webhook(session, shop_id, "checkouts/update", cart(n, now), key=f"before{n}")
    builders.work_off()


def told_to_the_bug(house, shop_id: int) -> None:
    """New carts, orders of known people, changes of known carts, and what is known already."""
    with house.begin() as session:
        now = clock.now(session)
        for n in range(FAILED):
            topic, body = "checkouts/update", cart(n, now, quantity=3)
            if n % 8 == 0:
                order = builders.order_body(9000 + n, now, token=f"t{n}", email=f"shopper{n}@example.com")
                topic, body = "orders/create", order
            elif n % 8 == 2:  # older than what is held
                body = cart(n, now - timedelta(minutes=9))
            builders.store_webhook(session, shop_id, topic, body, key=f"failed{n}")
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.planted_bug"], env=environment(), cwd=Path(__file__).parents[2],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def counted(house) -> Counter[str]:
    """How many rows there are, by the words of a forecast."""
    with house() as session:
        return Counter({noun: session.scalar(select(func.count()).select_from(model)) for noun, model in NOUNS.items()})


def count(house, model, *conditions) -> int:
    with house() as session:
        return session.scalar(select(func.count()).select_from(model).where(*conditions))


def look(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/planted-{name}.png")


def shown_additions(page: Page) -> dict[str, int]:
    """What the page of a dry run says will be added, by noun."""
    rows = page.locator("table", has_text="Added +").locator("tbody tr")
    found = {}
    for row in rows.all():
        noun, added = (row.locator("td").nth(n).inner_text().strip() for n in (0, 1))
        found[noun.lower()] = int(added.replace(",", ""))
    return {noun: added for noun, added in found.items() if added}


def set_going(page: Page, why: str) -> None:
    page.get_by_label("Why").fill(why)
    page.get_by_role("button", name=re.compile("^Replay [0-9,]+$")).click()


def foretell(page: Page, topic: str) -> dict[str, int]:
    """Ask for a dry run of what failed by the bug on this topic, and return what would be added."""
    page.goto("/support/")
    cause = page.locator("tr", has_text=REASON).filter(has_text=topic)
    expect(cause).to_have_count(1)
    look(page, f"1-causes-{topic.split('/', maxsplit=1)[0]}")
    cause.get_by_role("button", name="Dry run").click()
    expect(page.get_by_role("heading", name="If you replay them now")).to_be_visible(timeout=PATIENCE)
    look(page, f"2-foretold-{topic.split('/', maxsplit=1)[0]}")
    return shown_additions(page)


def stopped_in_the_middle(house, page: Page, total: int) -> int:
    """Replay, watch it move, stop it, and return how many were set due by then.

    Somebody holds one webhook after the first slices meanwhile, so that there is a middle, on any machine.
    """
    with house.begin() as holder:
        ids = select(Webhook.id).where(Webhook.state == "failed", Webhook.topic == "checkouts/update").order_by(Webhook.id)
        key = holder.scalars(ids.offset(HELD).limit(1)).one()
        holder.execute(select(Webhook.id).where(Webhook.id == key).with_for_update())
        set_going(page, "the price is read again")
        expect(page.get_by_text("Under way")).to_be_visible()
        moved = page.get_by_text(re.compile(rf"[1-9][0-9]* of {total:,} are set due"))
        expect(moved).to_be_visible(timeout=PATIENCE)  # the page looks again by itself
        assert 0 < float(page.get_by_role("progressbar").get_attribute("value")) < total
        look(page, "3-under-way")
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("It stops before its next slice")).to_be_visible()
    expect(page.get_by_text("Stopped")).to_be_visible(timeout=PATIENCE)
    look(page, "4-stopped")
    with house() as session:
        return session.scalars(select(Replay.done).where(Replay.state == "stopped")).one()


def replayed(house, page: Page, left: int) -> None:
    """Set going what the page foretells, to its end, and wait until all of it is handled."""
    set_going(page, "the price is read again")
    expect(page.get_by_text(re.compile(f"^{left:,} were set due"))).to_be_visible(timeout=PATIENCE)
    wait_until(lambda: not count(house, Webhook, Webhook.state == "pending"), seconds=120, what="all handled")


def added_since(house, before: Counter[str]) -> dict[str, int]:
    return {noun: added for noun, added in (counted(house) - before).items() if added}


def test_what_a_bug_let_fail_is_foretold_replayed_and_exactly_so(house, cast, desk, workers):
    """I5, I16: what the desk foretells of a replay is what then is, and nobody is mailed twice."""
    known_before(house, cast)
    told_to_the_bug(house, cast)
    orders = FAILED // 8
    assert count(house, Webhook, Webhook.state == "failed") == FAILED
    before = counted(house)
    workers()

    foretold = foretell(desk, "checkouts/update")
    foretold_at = desk.url
    assert counted(house) == before, "a dry run changes nothing"
    assert set(desk.locator(".effects .sig").all_inner_texts()) >= {"~", "="}, "the first are shown one by one"
    stayed = desk.locator("table", has_text="Added +").locator("tr", has_text="Checkout").locator("td").last
    assert stayed.inner_text() == f"{orders:,}", "what is older than what is held stays as it is"

    set_due = stopped_in_the_middle(house, desk, FAILED - orders)
    assert 0 < set_due < FAILED - orders
    assert count(house, Webhook, Webhook.state == "failed") == FAILED - set_due
    desk.goto(foretold_at)
    replayed(house, desk, FAILED - orders - set_due)
    assert added_since(house, before) == foretold

    between = counted(house)
    foretold = foretell(desk, "orders/create")
    replayed(house, desk, orders)
    assert added_since(house, between) == foretold
    assert foretold["order"] == foretold["mail"] == orders, "who bought is written down as not mailed"
    assert count(house, Webhook, Webhook.state != "done") == 0
    look(desk, "5-done")
    mailed_once(house, carts=FAILED // 4)


def mailed_once(house, *, carts: int) -> None:
    """Let a day go by: each open cart whose owner agreed gets its two mails, once, and the ledger proves it."""
    for hours, mails in ((1, carts), (24, 2 * carts)):
        builders.skip_clock(house, timedelta(hours=hours, minutes=1))
        wait_until(
            lambda mails=mails: count(house, Delivery, Delivery.state == "sent") == mails,
            seconds=60 + FAILED * 0.2, what=f"{mails} mails, not {standing(house)}",
        )  # fmt: skip
    assert count(house, Coupon, Coupon.state == "minted") == carts
    with house.begin() as session:
        until = signin.real_now(session)
        found = proof.prove(session, since=until - timedelta(days=1), until=until)
    print(f"{FAILED} failed, {carts} carts mailed, {found.states}, doubles {found.doubles.mails}")
    assert (found.doubles.mails, found.holds) == (0, True)
