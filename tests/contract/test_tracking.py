"""Links of mails: they lead where they were stored to lead, robots are told apart, looking changes nothing else (I14)."""

import email
import re
from datetime import timedelta
from email import policy

import pytest
from sqlalchemy import text

from app import clock
from app.config import settings
from app.services import edit_rules
from app.web import create_app
from tests import builders

BROWSER = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"}


def mails() -> list[tuple[str, str]]:
    """Return HTML and text of the mails in the outbox, oldest first."""
    found = []
    for path in sorted(settings().outbox_dir.glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
        parts = {p.get_content_type(): p.get_content() for p in message.walk() if not p.is_multipart()}
        found.append((parts["text/html"], parts["text/plain"]))
    return found


def send(house, *, rules: dict | None = None, people: int = 1):
    """Send a reminder to some shoppers and return the shop's id and the time of the hand-over."""
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
        if rules is not None:
            edit_rules.change(session, shop_id, rules, actor="test", now=now)
        for n in range(people):
            body = builders.checkout_body(f"t{n}", now, email=f"shopper{n}@example.com")
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"c{n}")
    builders.work_off()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    builders.work_off()
    return shop_id


def paths(page: str, door: str = "c") -> list[str]:
    return re.findall(rf'"http://127\.0\.0\.1:8000(/{door}/[\w-]+)"', page)


def visible(house, page: str) -> list[str]:
    """Return the paths of the links that a person sees."""
    with house() as session:
        from app.models import Link
        from app.services import links

        hidden = {links.public(row.token) for row in session.query(Link).filter_by(is_hidden=True)}
    return [p for p in paths(page) if p.removeprefix("/c/") not in hidden]


def engagements(house) -> list[tuple]:
    with house() as session:
        return [tuple(r) for r in session.execute(text("SELECT kind, machine FROM engagements ORDER BY id"))]


def later(house, seconds: float = 60) -> None:
    builders.skip_clock(house, timedelta(seconds=seconds))


def test_links_are_rows_and_lead_where_they_were_stored_to_lead(house):
    send(house)
    later(house)
    page, plain = mails()[0]
    answer = create_app().test_client().get(visible(house, page)[-1], headers=BROWSER)

    assert "tea-and-tin.example/recover" not in page + plain
    assert answer.status_code == 302
    assert answer.headers["Location"] == (
        "https://tea-and-tin.example/recover/t0?key=1"
        "&utm_source=cartwheel&utm_medium=email&utm_campaign=abandoned_cart&utm_content=reminder"
    )
    assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "origin")
    assert "Set-Cookie" not in answer.headers
    assert engagements(house) == [("clicked", None)]


def test_text_part_leads_to_the_same_places(house):
    send(house)
    page, plain = mails()[0]
    in_text = set(re.findall(r"http://127\.0\.0\.1:8000(/c/[\w-]+)", plain))

    assert in_text
    assert in_text <= set(paths(page))


def test_ways_out_are_never_followed(house):
    send(house, rules={"tracks_opens": True})
    page, plain = mails()[0]

    assert re.search(r'href="http://127\.0\.0\.1:8000/u/[\w-]{22}"', page)
    assert re.search(r"http://127\.0\.0\.1:8000/u/[\w-]{22}\b", plain)


def test_no_address_of_a_request_is_ever_followed(house):
    """No open redirect: what a visitor adds to a link changes nothing about where it leads."""
    send(house)
    later(house)
    path = visible(house, mails()[0][0])[0]
    client = create_app().test_client()
    answers = [
        client.get(f"{path}{more}", headers=BROWSER) for more in ("", "?url=https://evil.example", "?u=//evil.example")
    ]
    unknown = client.get("/c/AAAAAAAAAAAAAAAAAAAAAA?url=https://evil.example", headers=BROWSER)

    assert len({a.headers["Location"] for a in answers}) == 1
    assert (unknown.status_code, unknown.headers.get("Location")) == (404, None)


@pytest.mark.parametrize("token", ["x", "A" * 500, "%00", "é", "A" * 22])
def test_token_that_leads_nowhere_says_so_and_stores_nothing(house, token):
    client = create_app().test_client()
    answers = client.get(f"/c/{token}", headers=BROWSER), client.get(f"/o/{token}", headers=BROWSER)

    assert [a.status_code for a in answers] == [404, 200]
    assert engagements(house) == []


def test_head_does_nothing(house):
    send(house, rules={"tracks_opens": True})
    later(house)
    page = mails()[0][0]
    client = create_app().test_client()
    answers = [client.head(path, headers=BROWSER).status_code for path in (*paths(page), *paths(page, "o"))]

    assert set(answers) == {200, 302}
    assert engagements(house) == []


@pytest.mark.parametrize(
    ("seconds", "headers", "expected"),
    [
        (2, BROWSER, "too_soon"),
        (30, BROWSER, None),
        (30, {"User-Agent": ""}, "robot"),
        (30, {"User-Agent": "Mozilla/5.0 (compatible; BarracudaSentinel/1.0)"}, "robot"),
        (30, {"User-Agent": "python-requests/2.34"}, "robot"),
        (30, {**BROWSER, "Sec-Purpose": "prefetch;prerender"}, "robot"),
    ],
)
def test_click_is_a_persons_or_a_robots(house, seconds, headers, expected):
    send(house)
    later(house, seconds)
    create_app().test_client().get(visible(house, mails()[0][0])[0], headers=headers)

    assert engagements(house) == [("clicked", expected)]


def test_hidden_link_unmasks_the_walk_that_hit_it(house):
    send(house)
    later(house)
    page = mails()[0][0]
    client = create_app().test_client()
    hidden = next(p for p in paths(page) if p not in visible(house, page))
    for path in (visible(house, page)[0], hidden):
        client.get(path, headers=BROWSER)

    assert engagements(house) == [("clicked", "hidden_link"), ("clicked", "hidden_link")]


def test_whoever_begins_with_the_hidden_link_is_known_by_it_for_ten_seconds(house):
    send(house, rules={"tracks_opens": True})
    later(house)
    page = mails()[0][0]
    client = create_app().test_client()
    first = visible(house, page)[0]
    hidden = next(p for p in paths(page) if p not in visible(house, page))
    for path in (hidden, first, paths(page, "o")[0]):
        client.get(path, headers=BROWSER)
    later(house, 11)
    client.get(first, headers=BROWSER)

    assert engagements(house) == [
        ("clicked", "hidden_link"), ("clicked", "hidden_link"), ("opened", "hidden_link"), ("clicked", None),
    ]  # fmt: skip


def test_three_links_at_once_are_a_robots(house):
    from app.domain.machines import Machine, Visit, why_machine
    from tests.conftest import T0

    def click(link, seconds):
        return Visit(link, T0 + timedelta(seconds=seconds))

    earlier = [click(1, 100), click(2, 102)]
    told = {"sent_at": T0, "is_named": False}

    assert why_machine(click(3, 104), earlier, **told) is Machine.BURST
    assert why_machine(click(2, 104), earlier, **told) is None
    assert why_machine(click(3, 108), earlier, **told) is None
    assert why_machine(click(3, 104), earlier, **{**told, "sent_at": None}) is Machine.TOO_SOON


def test_merchant_switches_following_off(house):
    send(house, rules={"tracks_clicks": False})
    page, plain = mails()[0]

    assert (paths(page), paths(page, "o")) == ([], [])
    assert "https://tea-and-tin.example/recover/t0?key=1&amp;utm_source=cartwheel" in page
    assert "https://tea-and-tin.example/recover/t0?key=1&utm_source=cartwheel" in plain


def test_merchant_switches_campaign_marks_off(house):
    send(house, rules={"tracks_clicks": False, "adds_utm": False})

    assert "utm_" not in "".join(mails()[0])


def test_pixel_is_there_only_when_asked_for(house):
    send(house, rules={"tracks_opens": True})
    later(house)
    page = mails()[0][0]
    answer = create_app().test_client().get(paths(page, "o")[0], headers=BROWSER)

    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (200, "image/gif", "no-store")
    assert engagements(house) == [("opened", None)]


def test_all_links_of_a_batch_are_written_by_one_statement(house, monkeypatch):
    from sqlalchemy import event

    from app.db import engine

    seen: list[str] = []
    listener = lambda _c, _cur, statement, *_: seen.append(statement)  # noqa: E731
    event.listen(engine(), "before_cursor_execute", listener)
    send(house, people=12)
    event.remove(engine(), "before_cursor_execute", listener)

    assert len([s for s in seen if s.startswith("INSERT INTO links")]) == 1
    assert len([s for s in seen if "FROM links" in s]) == 0
    assert len(mails()) == 12


def test_mail_that_is_rendered_again_keeps_its_links(house):
    from app.domain.ports import Mail
    from app.models import Delivery
    from app.services import links
    from app.services.links import Written

    shop_id = send(house)
    with house.begin() as session:
        delivery = session.query(Delivery).one()
        mail = Mail(
            key="1", shop_key="1", flow_step="abandoned_cart/reminder", from_email="a@b.example", from_name="A",
            to_email="c@d.example", to_name=None, reply_to=None, subject="S", text="See https://x.example/1.",
            html='<html><body><a href="https://x.example/1">x</a></body></html>', unsubscribe_url=None,
        )  # fmt: skip
        written = [Written(shop_id, delivery.id, mail, frozenset())]
        first, second = (links.track(session, written, public_url="http://p.example")[delivery.id] for _ in range(2))

    assert first == second
    assert first.text.startswith("See http://p.example/c/")
    assert first.text.endswith(".")


def test_scanner_that_never_stops_fills_no_disk(house, monkeypatch):
    from app.services import engagement

    monkeypatch.setattr(engagement, "MOST", 5)
    send(house)
    later(house)
    path = visible(house, mails()[0][0])[0]
    answers = {create_app().test_client().get(path, headers=BROWSER).status_code for _ in range(8)}

    assert (answers, len(engagements(house))) == ({302}, 5)
