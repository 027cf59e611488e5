"""What people say to us is written into their shop over HTTP, on its good days and its bad ones, and its echo does no harm.

Both platforms, both ways over real HTTP: our calls to the shop's API, and the webhooks by which the shop tells of them.
"""

from itertools import pairwise

import pytest
from sqlalchemy import text

import jobs.consent
import jobs.shops
import jobs.tags
from app.domain.backoff import MAIL_WAITS, WEBHOOK_WAITS
from integrations.shopify import client
from integrations.woocommerce import rest
from tests.admin_cast import client_of
from tests.telling_cast import ALICE, ECHOES, Place, place
from tests.woo_cast import WAIT

FOR_EVER = float("inf")
# What the shop suffers from for one call; `lose` does the work, and its answer never comes.
BAD_DAYS = {
    "busy": {"fail": 1, "fail_status": 429, "retry_after": 600},
    "broken": {"fail": 1, "fail_status": 500},
    "away": {"fail": 1, "fail_status": 503},
    "lost": {"lose": 1},
    "slow": {"delay": 2.0},
    "a page for people": {"html": 1},
}
ONLY_WOO = {"a page for people"}


@pytest.fixture(params=["shopify", "woocommerce"])
def here(request, house, monkeypatch, tmp_path):
    monkeypatch.setattr(client, "TIMEOUT", (3.0, 1.0))
    monkeypatch.setattr(rest, "TIMEOUT", 1.0)
    with place(request.param, house, monkeypatch, tmp_path) as opened:
        yield opened


@pytest.fixture
def refused(here: Place) -> Place:
    """Alice, who has an account and got a reminder, unsubscribed; the shop has not been told yet."""
    here.account()
    here.mailed()
    here.refuse()
    return here


def health(here: Place) -> str:
    return client_of(here.house, here.shop_id).get("/admin/health").text


def writes(here: Place, table: str = "consent_writes") -> list[tuple]:
    return here.rows(f"SELECT state, attempts FROM {table} ORDER BY id")


# Consent


def test_a_refusal_is_written_into_the_shop_and_its_echo_changes_nothing(refused):
    """I7: the shop's own mails stop as well, and what it tells of our word is no new word."""
    before = refused.held_here()
    heard = len(refused.heard(ECHOES[refused.platform]))
    jobs.consent.drain(FOR_EVER)
    assert refused.fakes.sender.wait_until_idle(WAIT)
    rows = refused.counts()
    refused.listen()
    grown = {table for table, count in refused.counts().items() if count != rows[table]}
    for _ in range(2):
        jobs.shops.drain()  # which asks the shop what changed, too
        refused.listen()

    assert refused.consent_there() == "unsubscribed"
    assert len(refused.calls) == 1
    assert set(refused.heard(ECHOES[refused.platform])[heard:]) == {"done"}
    assert len(refused.heard(ECHOES[refused.platform])) == heard + 1
    after = refused.held_here()
    assert [(state, tries) for _, state, tries, _ in after["to tell"]] == [("done", 1)]
    assert [row[-2:] for row in after["stands"]] == [row[-2:] for row in before["stands"]]
    # Shopify's echo is the shop's own word; WooCommerce's says nothing of consent.
    echoed = [("unsubscribed", "platform")] if refused.platform == "shopify" else []
    assert after["said"] == [*before["said"], *echoed]
    assert grown == {"events", *(["consents"] if echoed else [])}


def test_what_the_shop_says_afterwards_lifts_no_refusal(refused):
    """I7: of two words the stricter counts: neither the shop's list nor the ticked box of a cart of before undoes a no."""
    jobs.consent.drain(FOR_EVER)
    refused.listen()
    refused.wait(minutes=5)
    if refused.platform == "shopify":
        refused.shop.set_consent(ALICE, "subscribed")
    else:
        refused.shop.change_account(refused.shop.account(ALICE), {"_cartwheel_marketing_consent": "subscribed"})
    refused.change_cart()
    refused.listen()
    assert refused.consent_here() == "unsubscribed"
    refused.wait(hours=1, minutes=1)

    assert set(refused.rows("SELECT reason FROM deliveries WHERE state <> 'sent'")) == {("unsubscribed",)}
    assert refused.rows("SELECT count(*) FROM deliveries WHERE state = 'sent'") == [(1,)]
    assert writes(refused) == [("done", 1)]


@pytest.mark.parametrize("day", BAD_DAYS)
def test_a_shop_on_a_bad_day_is_told_later_by_the_same_row(refused, day):
    if refused.platform == "shopify" and day in ONLY_WOO:
        pytest.skip("Shopify answers nothing but JSON")
    for name, value in BAD_DAYS[day].items():
        setattr(refused.faults, name, value)
    jobs.consent.drain(FOR_EVER)
    first, waits = writes(refused), wait_of(refused)
    jobs.consent.drain(FOR_EVER)  # not due yet
    done_unheard = len(refused.calls) if day == "lost" else 0
    refused.faults.delay = 0.0
    refused.wait(seconds=waits + 1)
    jobs.consent.drain(FOR_EVER)
    refused.listen()

    assert (first, writes(refused)) == ([("pending", 1)], [("done", 2)])
    assert waits >= (595 if day == "busy" else 55)
    assert done_unheard == int(day == "lost")
    assert refused.consent_there() == "unsubscribed"
    assert "Told to your shop" not in health(refused)


def wait_of(here: Place, table: str = "consent_writes") -> float:
    """Return how many seconds the row waits for its next try."""
    query = (
        f"SELECT extract(epoch FROM due_at - now()) - (SELECT coalesce(max(offset_seconds), 0) FROM demo_clock) FROM {table}"
    )
    return float(here.rows(query)[-1][0])


def test_a_word_that_the_shop_never_takes_is_shown_on_health_and_still_heeded(refused):
    """I16: eight tries in some eight hours, further and further apart, and then a person has to know."""
    refused.faults.fail, refused.faults.fail_status = 99, 500
    waited = []
    for _ in MAIL_WAITS:
        jobs.consent.drain(FOR_EVER)
        waited.append(wait_of(refused))
        assert "Told to your shop" not in health(refused)
        refused.wait(seconds=waited[-1] + 1)
    jobs.consent.drain(FOR_EVER)

    assert writes(refused) == [("failed", len(MAIL_WAITS) + 1)]
    assert all(
        w.total_seconds() - 5 <= seconds <= w.total_seconds() * 1.2 for w, seconds in zip(MAIL_WAITS, waited, strict=True)
    )
    assert all(later > 1.5 * earlier for earlier, later in pairwise(waited))
    page = health(refused)
    assert "Your shop does not know yet what 1 person told us about marketing mail." in page
    assert "(500" in page
    assert refused.calls == []
    # A newer word of the same person that arrives makes the old one idle.
    refused.faults.fail = 0
    refused.refuse()
    jobs.consent.drain(FOR_EVER)
    assert "Told to your shop" not in health(refused)


def test_a_shop_that_moved_is_shown_at_once(here):
    """A redirect is not followed: it would carry the key to wherever it leads."""
    if here.platform == "shopify":
        pytest.skip("Shopify sends nobody elsewhere")
    here.account()
    here.mailed()
    here.refuse()
    here.faults.redirect = 1
    jobs.consent.drain(FOR_EVER)

    assert writes(here) == [("failed", 1)]
    assert "its address has changed. Connect it again." in health(here)


def test_a_refusal_that_waits_outlives_what_the_shop_says_meanwhile(refused):
    """I7: the shop was away, tells that she agreed, and is told that she did not."""
    refused.faults.fail, refused.faults.fail_status = 1, 503
    jobs.consent.drain(FOR_EVER)
    refused.wait(seconds=30)
    if refused.platform == "shopify":
        refused.shop.set_consent(ALICE, "subscribed")
        refused.calls.clear()
        refused.listen()
    assert refused.consent_here() == "unsubscribed"
    refused.wait(minutes=2)
    jobs.consent.drain(FOR_EVER)
    refused.listen()

    assert (refused.consent_here(), refused.consent_there(), len(refused.calls)) == ("unsubscribed", "unsubscribed", 1)
    assert writes(refused) == [("done", 2)]


def test_a_guest_of_woocommerce_has_nothing_to_be_written_to_and_is_heeded_here(here):
    """Shopify keeps everybody who gave an address; WooCommerce only who has an account."""
    if here.platform == "shopify":
        pytest.skip("Shopify has no guests")
    here.mailed()
    here.on("vip")
    for _ in range(4):
        here.shop.place_order(ALICE)
    here.listen()
    here.refuse()
    jobs.consent.drain(FOR_EVER)
    jobs.tags.write_back()

    assert (here.consent_there(), here.calls) == (None, [])
    assert here.rows("SELECT state, error FROM consent_writes") == [("ignored", "The shop has no account for this person.")]
    assert here.rows("SELECT DISTINCT state FROM tag_writes") == [("ignored",)]
    assert here.consent_here() == "unsubscribed"
    assert "your shop does not know" not in health(here).lower()


# Tags


@pytest.fixture
def patron(here: Place) -> Place:
    """Alice bought four times, and is to be tagged."""
    here.account()
    here.on("vip")
    for _ in range(4):
        here.shop.place_order(ALICE)
        here.listen()
    return here


def end_the_year(here: Place) -> None:
    """Let the year pass in which she bought enough."""
    here.wait(days=31)
    here.wait(days=340)
    here.wait(days=31)


def test_a_tag_is_given_and_taken_and_its_echo_changes_nothing(patron):
    for _ in range(2):
        jobs.tags.write_back()
        patron.listen()
    given = patron.is_vip_there()
    end_the_year(patron)
    for _ in range(2):
        jobs.tags.write_back()
        patron.listen()

    assert (given, patron.is_vip_there()) == (True, False)
    assert writes(patron, "tag_writes") == [("done", 1), ("done", 1)]
    assert patron.rows("SELECT count(*) FROM enrollments WHERE flow = 'vip'") == [(1,)]
    assert patron.rows("SELECT count(*) FROM webhooks WHERE state NOT IN ('done', 'ignored')") == [(0,)]


@pytest.mark.parametrize("day", BAD_DAYS)
def test_a_tag_that_a_bad_day_kept_from_the_shop_is_given_later(patron, day):
    if patron.platform == "shopify" and day in ONLY_WOO:
        pytest.skip("Shopify answers nothing but JSON")
    for name, value in BAD_DAYS[day].items():
        setattr(patron.faults, name, value)
    jobs.tags.write_back()
    first, waits = writes(patron, "tag_writes"), wait_of(patron, "tag_writes")
    patron.faults.delay = 0.0
    patron.wait(seconds=waits + 1)
    jobs.tags.write_back()
    patron.listen()

    assert (first, writes(patron, "tag_writes")) == ([("pending", 1)], [("done", 2)])
    assert waits >= (595 if day == "busy" else 55)
    assert patron.is_vip_there()


def test_a_tag_that_was_put_off_is_not_given_after_it_was_taken(patron):
    """The shop was busy when she became a good customer, and asked us to come back when she was none any more."""
    patron.faults.fail, patron.faults.fail_status, patron.faults.retry_after = 1, 503, 24 * 3600
    jobs.tags.write_back()
    with patron.house.begin() as session:
        session.execute(text("UPDATE tag_writes SET due_at = due_at + interval '500 days'"))
    end_the_year(patron)
    jobs.tags.write_back()
    patron.wait(days=200)
    jobs.tags.write_back()
    patron.listen()

    assert [row[0] for row in patron.rows("SELECT state FROM tag_writes ORDER BY id")] == ["ignored", "done"]
    assert not patron.is_vip_there()


def test_a_tag_that_the_shop_never_takes_is_shown_on_health(patron):
    """I16."""
    patron.faults.fail, patron.faults.fail_status = 99, 500
    for _ in range(len(WEBHOOK_WAITS) + 1):
        jobs.tags.write_back()
        patron.wait(hours=8)

    assert writes(patron, "tag_writes") == [("failed", len(WEBHOOK_WAITS) + 1)]
    assert "1 tag could not be given or taken in your shop." in health(patron)
