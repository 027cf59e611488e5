"""A scanner that opens everything it finds in our mails, twice, over real HTTP: nothing happens but records of its visit."""

import email
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from email import policy

import pytest
import requests
import sqlalchemy as sa
from sqlalchemy import text
from werkzeug.serving import make_server

from app import clock, config
from app.config import settings
from app.models import Base
from app.services import edit_rules
from app.web import create_app
from integrations import PLATFORMS
from tests import builders

SCANNERS = (
    "Mozilla/5.0 (compatible; Barracuda Sentinel)",
    "python-requests/2.34",
    "",
    "Mozilla/5.0 (Windows NT 10.0) Chrome/130",
)
# A record of a visit is all that GET may leave (I14); these two tell only that a process lives.
MAY_CHANGE = {"engagements", "heartbeats"}


@pytest.fixture
def site(house, monkeypatch) -> Iterator[str]:
    """The web on loopback; links in mails lead to it."""
    server = make_server("127.0.0.1", 0, create_app(), threaded=True)
    url = f"http://127.0.0.1:{server.port}"
    monkeypatch.setenv("CARTWHEEL_PUBLIC_URL", url)
    config.settings.cache_clear()
    server.app = create_app()  # once more, now that it can know its address
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield url
    server.shutdown()
    thread.join()


def everything(house) -> dict[str, list]:
    """Return all rows of all tables but those that may change."""
    with house() as session:
        return {
            table.name: sorted(str(tuple(row)) for row in session.execute(sa.select(table)))
            for table in Base.metadata.sorted_tables
            if table.name not in MAY_CHANGE
        }


def links_of_mails() -> list[str]:
    """Return every address of ours in all mails of the outbox: in both parts and in the headers."""
    found: list[str] = []
    for path in sorted(settings().outbox_dir.glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
        parts = [p.get_content() for p in message.walk() if not p.is_multipart()]
        for part in (*parts, message["List-Unsubscribe"] or ""):
            found += re.findall(rf"{re.escape(settings().public_url)}[^\s\"<>)]*", part)
    return sorted(set(found))


def test_robot_that_opens_every_link_of_every_mail_twice_changes_nothing(site, house, monkeypatch):
    """I14."""
    monkeypatch.setattr(PLATFORMS["shopify"], "mint_coupon", lambda access, spec: f"gid://{spec.code}")
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
        edit_rules.change(session, shop_id, {"tracks_opens": True}, actor="test", now=now)
        for n in range(3):
            body = builders.checkout_body(f"t{n}", now, email=f"shopper{n}@example.com")
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"c{n}")
    builders.work_off()
    for hours in (1, 23.5):
        builders.skip_clock(house, timedelta(hours=hours, minutes=1))
        builders.work_off()
    with house.begin() as session:
        now = clock.now(session)
        edit_rules.change(session, shop_id, {"double_opt_in": True}, actor="test", now=now)
        form = f"{site}/signup/{edit_rules.form_token(session, shop_id, now=now)}"
    requests.post(form, data={"email": "dora@example.com"}, timeout=30)
    builders.work_off()
    links = [*links_of_mails(), form]
    # What the pages behind the links link to is opened too.
    links += [link.replace("/u/", "/p/") for link in links if "/u/" in link]
    before = everything(house)
    answers = set()
    for _ in range(2):
        for agent in SCANNERS:
            for link in links:
                for method in ("HEAD", "GET"):
                    answer = requests.request(method, link, headers={"User-Agent": agent}, allow_redirects=False, timeout=30)
                    answers.add(answer.status_code)
    with house() as session:
        human = session.scalar(text("SELECT count(*) FROM engagements WHERE machine IS NULL"))
        machine = session.scalar(text("SELECT count(*) FROM engagements WHERE machine IS NOT NULL"))

    assert {door for door in "ucdop" if any(f"/{door}/" in link for link in links)} == set("ucdop")
    assert answers == {200, 302}
    assert everything(house) == before
    assert (human, machine > 0) == (0, True)


def test_the_same_walk_a_minute_later_is_unmasked_by_the_hidden_link(site, house):
    """A scanner with a browser's name, which comes late and slowly, is known by the link that no person sees."""
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        builders.store_webhook(
            session, shop_id, "checkouts/update", builders.checkout_body("t0", clock.now(session)), key="c0"
        )
    builders.work_off()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    builders.work_off()
    builders.skip_clock(house, timedelta(minutes=1))
    for link in (x for x in links_of_mails() if "/c/" in x):
        requests.get(link, headers={"User-Agent": SCANNERS[-1]}, allow_redirects=False, timeout=30)
    with house() as session:
        rows = session.execute(text("SELECT machine, count(*) FROM engagements GROUP BY machine")).all()

    assert {machine for machine, _ in rows} <= {"hidden_link", "burst"}
    assert sum(count for _, count in rows) >= 3
