"""A scanner that opens everything it finds in our mails, twice, over real HTTP: nothing happens but records of its visit."""

import html
import itertools
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from urllib.parse import urljoin, urlsplit

import pytest
import requests
import sqlalchemy as sa
from sqlalchemy import text
from werkzeug.serving import WSGIRequestHandler, make_server

from app import clock, config, queues
from app.config import settings
from app.models import Base
from app.web import create_app
from integrations import PLATFORMS as PORTS
from tests import builders
from tests.every_mail import EVERY, Street
from tests.mail_cast import links_of_outbox

SCANNERS = (
    "Mozilla/5.0 (compatible; Barracuda Sentinel)",
    "python-requests/2.34",
    "",
    "Mozilla/5.0 (Windows NT 10.0) Chrome/130",
)
# A record of a visit is all that GET may leave (I14); these two tell only that a process lives.
METHODS = ("HEAD", "GET")
MAY_CHANGE = {"engagements", "heartbeats"}


@pytest.fixture
def site(house, monkeypatch) -> Iterator[str]:
    """The web on loopback; links in mails lead to it."""
    server = make_server("127.0.0.1", 0, create_app(), threaded=True, request_handler=Kept)
    url = f"http://127.0.0.1:{server.port}"
    monkeypatch.setenv("CARTWHEEL_PUBLIC_URL", url)
    config.settings.cache_clear()
    server.app = create_app()  # once more, now that it can know its address
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield url
    server.shutdown()
    thread.join()


@dataclass(frozen=True)
class Everything:
    """All that a look could change: every row of every table but those that may, what Redis holds, and the outbox."""

    rows: dict[str, list[str]]
    redis: dict[bytes, object]
    outbox: dict[str, bytes]

    def changes(self, later: "Everything") -> dict[str, object]:
        """Return what is different later; small, because pytest would take minutes to compare the two."""
        found: dict[str, object] = {name: {*rows} ^ {*later.rows[name]} for name, rows in self.rows.items()}
        found |= {"redis": self.redis != later.redis, "outbox": self.outbox != later.outbox}
        return {name: change for name, change in found.items() if change}


def everything(house) -> Everything:
    with house() as session:
        rows = {
            table.name: sorted(str(tuple(row)) for row in session.execute(sa.select(table)))
            for table in Base.metadata.sorted_tables
            if table.name not in MAY_CHANGE
        }
    redis = queues.connect()
    held = {key: redis.dump(key) for key in redis.scan_iter()}
    redis.close()
    return Everything(rows, held, {path.name: path.read_bytes() for path in settings().outbox_dir.iterdir()})


def linked(page: str, link: str) -> set[str]:
    """Return what a page of ours links to on our own site, style sheets and all."""
    found = (urljoin(link, html.unescape(to)) for to in re.findall(r'href="([^"#]+)"', page))
    return {to for to in found if to.startswith(f"{settings().public_url}/")}


class Robot:
    """A scanner on one kept connection; it follows no redirect, because what is behind it is not ours."""

    def __init__(self, site: str) -> None:
        self._connection = HTTPConnection(urlsplit(site).netloc, timeout=30)

    def open(self, link: str, agent: str) -> tuple[set[int], str]:
        """Ask whether an address is there, and read it; return the states and the page."""
        answers = [self._ask(method, link, agent) for method in METHODS]
        return {status for status, _ in answers}, answers[-1][1]

    def _ask(self, method: str, link: str, agent: str) -> tuple[int, str]:
        self._connection.request(method, link.removeprefix(settings().public_url), headers={"User-Agent": agent})
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")


class Kept(WSGIRequestHandler):
    """A server that lets its callers keep their connections."""

    protocol_version = "HTTP/1.1"


def visits(house) -> list[tuple[str, bool]]:
    """Return what was recorded of visits: the kind of each, and whether it is taken for a robot's."""
    with house() as session:
        return [tuple(row) for row in session.execute(text("SELECT kind, machine IS NOT NULL FROM engagements"))]


def test_robot_that_opens_every_link_of_every_mail_twice_changes_nothing(site, house, monkeypatch):
    """I14: all mails of all flows in all languages, and the pages behind their links."""
    monkeypatch.setattr(PORTS["shopify"], "mint_coupon", lambda access, spec: f"gid://{spec.code}")
    street = Street(house, "shopify", create_app().test_client())
    street.play()
    mails = links_of_outbox()
    robot, agents = Robot(site), itertools.cycle(SCANNERS)
    before, answers, behind = everything(house), set(), set()
    for order in (list, reversed):
        for links in [*mails, [street.form]]:
            agent = next(agents)
            for link in order(links):
                said, page = robot.open(link, agent)
                answers |= said
                behind |= linked(page, link)
    seen = {link for links in mails for link in links}
    # Each page in each language is the same look; one of them will do.
    for link in behind - seen:
        if "lang=" not in link or link.endswith("lang=ar"):
            answers |= robot.open(link, next(agents))[0]

    assert len(mails) >= len(EVERY)  # those that fall silent got others before
    assert {door for door in "ucdops" if any(f"/{door}/" in link for link in seen)} == set("ucdops")
    assert answers == {200, 302}
    assert before.changes(everything(house)) == {}
    assert {*visits(house)} == {("clicked", True), ("opened", True)}


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
    for link in (x for links in links_of_outbox() for x in links if "/c/" in x):
        requests.get(link, headers={"User-Agent": SCANNERS[-1]}, allow_redirects=False, timeout=30)
    with house() as session:
        rows = session.execute(text("SELECT machine, count(*) FROM engagements GROUP BY machine")).all()

    assert {machine for machine, _ in rows} <= {"hidden_link", "burst"}
    assert sum(count for _, count in rows) >= 3
