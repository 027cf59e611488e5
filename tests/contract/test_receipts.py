"""What SendGrid tells after a mail: only with its signature, each event once, in any order, and it settles what was open."""

import json
import random
from dataclasses import asdict
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import text

import jobs.inbox
import jobs.mail
import jobs.receipts
import jobs.runner
from app import clock
from app.config import settings
from app.demo.sendgrid import Accepted
from app.demo.sendgrid_events import SIGNATURE, TIMESTAMP, EventSender, event
from app.domain.errors import AddressRefused, Ambiguous
from app.services import hygiene, retention
from app.web import create_app
from tests import builders

PEOPLE = 4
SENDER = EventSender()


class Transport:
    """A way out that gives each mail an id, or fails."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault

    def send(self, mail):
        if self.fault:
            raise self.fault
        return f"msg-{mail.key}"

    def was_sent(self, key):
        return None


@pytest.fixture
def town(house, monkeypatch):
    """Four people whose reminder is due, a web that knows SendGrid's key, and the mails as SendGrid knows them."""
    monkeypatch.setenv("CARTWHEEL_SENDGRID_EVENT_PUBLIC_KEY", SENDER.public_key)
    settings.cache_clear()
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
        for n in range(PEOPLE):
            body = builders.checkout_body(f"t{n}", now, email=f"shopper{n}@example.com")
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"c{n}")
    jobs.inbox.drain()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()
    with house() as session:
        rows = session.execute(text("SELECT id, recipient FROM deliveries ORDER BY enrollment_id")).all()
    mails = [accepted(shop_id, i, to) for i, to in rows]
    return SimpleNamespace(house=house, shop_id=shop_id, mails=mails, web=create_app().test_client())


def accepted(shop_id: int, delivery_id: int, to: str) -> Accepted:
    person = {"to": [{"email": to}], "custom_args": {"cw_delivery": str(delivery_id), "cw_shop": str(shop_id)}}
    return Accepted(f"msg-{delivery_id}", str(delivery_id), {"personalizations": [person], "categories": ["cartwheel"]})


def send(fault: Exception | None = None) -> None:
    stamp = jobs.mail.Stamp()
    while jobs.mail.send_batch(Transport(fault), stamp):
        pass


def real_now(house):
    with house() as session:
        return clock.real(session)


def tell(town, *events, drain: bool = True) -> int:
    body = json.dumps(list(events)).encode() + b"\r\n"
    headers = SENDER.signed(body, real_now(town.house))
    status = town.web.post("/webhooks/sendgrid", data=body, headers=headers).status_code
    if drain:
        jobs.receipts.drain()
    return status


def rows(town, query: str):
    with town.house() as session:
        return [tuple(row) for row in session.execute(text(query))]


def states(town):
    return dict(rows(town, "SELECT state, count(*) FROM deliveries GROUP BY state"))


# The door


def test_signed_batch_is_one_row_without_a_shop_and_ends_without_its_body(town):
    """I1, I12: nothing of it is parsed at the door, and what was taken in is not kept a second time."""
    send()
    at = real_now(town.house)
    answer = tell(town, event(town.mails[0], "delivered", at), drain=False)
    stored = rows(town, "SELECT shop_id, platform, state, body IS NOT NULL FROM webhooks WHERE platform = 'sendgrid'")
    jobs.inbox.drain()
    jobs.receipts.drain()

    assert (answer, stored) == (200, [(0, "sendgrid", "pending", True)])
    assert rows(town, "SELECT state, body FROM webhooks WHERE platform = 'sendgrid'") == [("done", None)]
    assert rows(town, "SELECT kind, delivery_id FROM delivery_events") == [("delivered", int(town.mails[0].delivery))]


@pytest.mark.parametrize("fault", [
    "no signature", "no timestamp", "other key", "reserialised", "stripped", "not base64", "not der", "bad timestamp", "old",
    "from the future",
])  # fmt: skip
def test_every_kind_of_wrong_is_the_same_401_and_stores_nothing(town, fault):
    """I11."""
    at = real_now(town.house)
    body = json.dumps([event(town.mails[0], "delivered", at)], separators=(", ", ":")).encode() + b"\r\n"
    signer = EventSender() if fault == "other key" else SENDER
    if fault == "old":
        at -= timedelta(hours=26)
    if fault == "from the future":
        at += timedelta(minutes=20)
    headers = signer.signed(body, at)
    changes = {"not base64": (SIGNATURE, "a"), "not der": (SIGNATURE, "aGVsbG8="), "bad timestamp": (TIMESTAMP, "²")}
    if fault in changes:
        headers[changes[fault][0]] = changes[fault][1]
    headers.pop({"no signature": SIGNATURE, "no timestamp": TIMESTAMP}.get(fault, "none"), None)
    body = {"reserialised": json.dumps(json.loads(body)).encode(), "stripped": body.strip()}.get(fault, body)
    answer = town.web.post("/webhooks/sendgrid", data=body, headers=headers)

    assert (answer.status_code, answer.data) == (401, b"")
    assert rows(town, "SELECT 1 FROM webhooks WHERE platform = 'sendgrid'") == []


def test_without_a_key_everything_is_refused(town, monkeypatch):
    monkeypatch.delenv("CARTWHEEL_SENDGRID_EVENT_PUBLIC_KEY")
    settings.cache_clear()

    assert tell(town, event(town.mails[0], "delivered", real_now(town.house))) == 401


def test_two_mebibytes_are_taken_and_more_is_not(town):
    at = real_now(town.house)
    for size, status in ((2 * 1024 * 1024, 200), (2 * 1024 * 1024 + 1, 413)):
        body = b"[" + b" " * (size - 2) + b"]"
        answer = town.web.post("/webhooks/sendgrid", data=body, headers=SENDER.signed(body, at))

        assert answer.status_code == status


def test_a_batch_that_is_no_list_fails_with_words(town):
    body = b'{"event": "delivered"}'
    town.web.post("/webhooks/sendgrid", data=body, headers=SENDER.signed(body, real_now(town.house)))
    jobs.receipts.drain()

    assert rows(town, "SELECT state, error FROM webhooks WHERE platform = 'sendgrid'") == [
        ("failed", "The events are not a list.")
    ]


# Each once, in any order


def test_46_copies_under_new_ids_in_any_order_are_one_row_each(town):
    """I3."""
    send()
    at = real_now(town.house)
    told = [
        event(m, kind, at + timedelta(seconds=n)) for m in town.mails for n, kind in enumerate(["processed", "delivered"])
    ]
    for body in SENDER.batches(told, random.Random(3), copies=46, size=40):
        town.web.post("/webhooks/sendgrid", data=body, headers=SENDER.signed(body, at))
    jobs.receipts.drain()

    assert rows(town, "SELECT kind, count(*) FROM delivery_events GROUP BY kind ORDER BY kind") == [
        ("delivered", PEOPLE), ("queued", PEOPLE),
    ]  # fmt: skip
    assert rows(town, "SELECT DISTINCT progress FROM deliveries") == [("delivered",)]


def test_what_is_said_late_does_not_take_a_mail_back(town):
    send()
    at = real_now(town.house)
    for kind in ("bounce", "delivered", "deferred", "processed"):
        tell(town, event(town.mails[0], kind, at))

    assert rows(town, f"SELECT progress FROM deliveries WHERE id = {town.mails[0].delivery}") == [("bounced",)]


def test_words_that_nobody_knows_are_kept_and_broken_events_do_not_stop_the_others(town):
    send()
    at = real_now(town.house)
    strange = event(town.mails[0], "delivered", at) | {"event": "teleported", "sg_event_id": "x"}
    tell(town, strange, {"event": "delivered"}, "no event", event(town.mails[1], "delivered", at))

    assert sorted(rows(town, "SELECT kind FROM delivery_events")) == [("delivered",), ("unknown",)]


def test_an_event_that_names_another_shop_is_nobodys(town):
    """I10."""
    send()
    forged = event(town.mails[0], "spamreport", real_now(town.house)) | {"cw_shop": str(town.shop_id + 1)}
    tell(town, forged)

    assert rows(town, "SELECT shop_id, delivery_id FROM delivery_events") == [(0, None)]
    assert rows(town, "SELECT 1 FROM suppressions") == []


# What it does


def test_event_settles_a_mail_whose_outcome_nobody_knew(town):
    """I5: the provider's own word; the mail is not sent again."""
    send(Ambiguous("the answer was lost"))
    before = states(town)
    tell(town, *(event(m, "processed", real_now(town.house)) for m in town.mails))

    assert (before, states(town)) == ({"unknown": PEOPLE}, {"sent": PEOPLE})
    assert rows(town, "SELECT DISTINCT reason, error FROM deliveries") == [(None, None)]


def test_event_that_is_faster_than_our_commit_decides_what_the_lost_answer_meant(town):
    """I5: the event came while the mail was being handed over; the answer to the call got lost."""

    class Slow(Transport):
        def send(self, mail):
            if mail.key == town.mails[0].delivery:
                tell(town, *(event(m, "delivered", real_now(town.house)) for m in town.mails))
            raise Ambiguous("the answer was lost")

    jobs.mail.send_batch(Slow(), jobs.mail.Stamp())

    assert states(town) == {"sent": PEOPLE}


def test_event_about_a_mail_that_waits_for_another_try_keeps_it_from_being_sent_twice(town):
    """I5: a provider that said "not now" and took it all the same."""
    with town.house.begin() as session:
        session.execute(text("UPDATE deliveries SET attempts = 1, sending_at = now(), due_at = now()"))
    tell(town, *(event(m, "processed", real_now(town.house)) for m in town.mails))
    stamp = jobs.mail.Stamp()

    assert (jobs.mail.send_batch(Transport(), stamp), states(town)) == (0, {"sent": PEOPLE})


@pytest.mark.parametrize(("kind", "reason", "scope"), [
    ("bounce", "bounced", "all"), ("dropped", "bounced", "all"), ("spamreport", "complained", "marketing"),
])  # fmt: skip
def test_bounce_and_complaint_stop_the_address_and_the_flow(town, kind, reason, scope):
    """I7."""
    send()
    tell(town, event(town.mails[0], kind, real_now(town.house)))

    assert rows(town, "SELECT scope, reason, source FROM suppressions") == [(scope, reason, "sendgrid")]
    assert rows(town, "SELECT state, reason FROM enrollments ORDER BY id") == [
        ("exited", reason), *[("active", None)] * (PEOPLE - 1),
    ]  # fmt: skip
    assert rows(town, "SELECT step, state, reason FROM deliveries WHERE step = 'coupon'") == [("coupon", "skipped", reason)]


def test_unsubscribing_at_the_provider_is_kept_as_the_persons_word(town):
    send()
    # Their clock has whole seconds, and this must be after the checkout that agreed.
    tell(town, event(town.mails[0], "unsubscribe", real_now(town.house) + timedelta(seconds=2)))

    assert rows(town, "SELECT state, source FROM consents ORDER BY id DESC LIMIT 1") == [("unsubscribed", "sendgrid")]
    assert rows(town, "SELECT state, reason FROM enrollments ORDER BY id LIMIT 1") == [("exited", "unsubscribed")]


def test_late_bounce_without_our_arguments_is_found_by_sendgrids_id(town):
    send()
    tell(town, event(town.mails[2], "bounce", real_now(town.house), is_bare=True))

    assert rows(town, "SELECT delivery_id FROM delivery_events") == [(int(town.mails[2].delivery),)]
    assert rows(town, "SELECT reason FROM suppressions") == [("bounced",)]


def test_third_soft_bounce_without_a_delivery_rests_the_address_for_thirty_days(town):
    send()
    mail, at = town.mails[0], real_now(town.house)
    counts = []
    for n, kind in enumerate(["blocked", "blocked", "delivered", "blocked", "blocked", "blocked"]):
        tell(town, event(mail, kind, at + timedelta(seconds=n), n=n))
        counts.append(len(rows(town, "SELECT 1 FROM suppressions")))

    assert counts == [0, 0, 0, 0, 0, 1]
    assert rows(town, "SELECT scope, reason, expires_at - created_at FROM suppressions") == [
        ("marketing", "bounced", timedelta(days=30))
    ]


def test_machine_opens_and_robot_clicks_are_told_apart(town):
    send()
    mail, at = town.mails[0], real_now(town.house)
    robot = event(mail, "click", at, n=1) | {"useragent": "Barracuda Sentinel (EE)", "url": "https://x.example"}
    tell(
        town,
        event(mail, "open", at),
        event(mail, "machine_open", at + timedelta(seconds=1)),
        event(mail, "click", at),
        robot,
    )

    assert sorted(rows(town, "SELECT kind, is_machine FROM delivery_events")) == [
        ("clicked", False), ("clicked", True), ("opened", False), ("opened", True),
    ]  # fmt: skip


def test_a_mailbox_that_the_server_does_not_know_is_as_good_as_a_bounce(town):
    send(AddressRefused("no such mailbox"))

    assert states(town) == {"failed": PEOPLE, "skipped": PEOPLE}
    assert rows(town, "SELECT DISTINCT scope, reason, source FROM suppressions") == [("all", "bounced", "smtp")]


def test_no_address_is_in_what_is_kept_of_an_event(town):
    """I12."""
    send()
    loud = event(town.mails[0], "bounce", real_now(town.house)) | {"reason": "550 <shopper0@example.com> unknown"}
    tell(town, loud)
    kept = rows(town, "SELECT row_to_json(e)::text FROM delivery_events e")

    assert "shopper0" not in str(kept)
    assert rows(town, "SELECT reason FROM delivery_events") == [("550 (address) unknown",)]


def test_week_of_a_shop_is_counted_by_mail_and_not_by_event(town):
    """The report behind `cartwheel mail health`."""
    send()
    at = real_now(town.house)
    told = [event(m, "delivered", at) for m in town.mails]
    told += [event(town.mails[1], "blocked", at, n=n) for n in (1, 2)]
    tell(town, *told, event(town.mails[0], "spamreport", at))
    with town.house() as session:
        weeks = hygiene.report(session, now=clock.now(session))

    assert [asdict(week) for week in weeks] == [
        {
            "shop_id": town.shop_id, "sent": PEOPLE, "delivered": PEOPLE, "bounced": 0, "soft_bounced": 1, "complained": 1,
            "unsubscribed": 0, "verdict": "unsure",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(("numbers", "expected"), [
    ((1000, 990, 5, 0), "good"), ((1000, 990, 20, 0), "watch"), ((1000, 990, 50, 0), "bad"), ((2000, 1990, 0, 2), "watch"),
    ((1000, 990, 0, 3), "bad"), ((199, 199, 50, 9), "unsure"),
])  # fmt: skip
def test_week_is_judged_by_what_mailbox_providers_say(numbers, expected):
    assert hygiene.verdict(*numbers) == expected


def test_what_was_told_goes_after_400_days_and_what_it_led_to_stays(town):
    """I12: the suppression and how far the mail came outlive the event; told again at once, it blocks nobody twice."""
    send()
    bounced = event(town.mails[0], "bounce", real_now(town.house))
    tell(town, bounced)
    held = "SELECT reason FROM suppressions UNION ALL SELECT progress FROM deliveries WHERE progress IS NOT NULL"
    left = []
    for days in (399, 2):
        with town.house.begin() as session:
            session.execute(text(f"UPDATE delivery_events SET recorded_at = recorded_at - interval '{days} days'"))
            rule = next(rule for rule in retention.RULES if rule.name == "what providers told")
            retention.apply(session, rule)
        left.append(len(rows(town, "SELECT 1 FROM delivery_events")))
    before = rows(town, held)
    tell(town, bounced)

    assert left == [1, 0]
    assert before == rows(town, held) == [("bounced",), ("bounced",)]
