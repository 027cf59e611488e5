"""Proof 12: each mail of each flow, in each language, from shops of both platforms, as it is handed to SendGrid.

The mails are made once, by the whole house; what follows only reads them, so that a failure names flow, step and language.
"""

import re
from html import unescape
from typing import Any

import pytest

from app import config
from app.demo.sendgrid import FakeSendGrid
from app.flows import FLOWS
from app.flows.gates import gate_of
from app.flows.vocabulary import text_key
from app.web import create_app
from integrations import PLATFORMS as PORTS
from tests.conftest import empty_house
from tests.every_mail import EVERY, LOCALES, PLATFORMS, STORIES, TAGS, Street, tag_of
from tests.mail_cast import Page
from tests.specification import faults

Body = dict[str, Any]
Key = tuple[str, str, str, str]  # platform, flow, step, language
IN_DOMAIN = "in.mail.example"
OURS = "http://127.0.0.1:8000"
LARGEST = 102_000  # bytes of HTML; Gmail cuts off what is behind them
HEADER_LINE = 998  # octets with the name (RFC 5322, 2.1.1)
SUBJECT, NAME = 200, 70  # characters
# Names, codes and addresses are the same in every language.
FACTS = re.compile(
    r"Alice|Stoneware Mug|Forest Green|Heron Lamp|Juggling clubs|Tea & Tin|Lamp Loft|1 Harbour St|Lisbon|Pictures|UTC"
)
# What a text or a template leaves behind when nobody filled it in.
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{%|%\}|%\(\w+\)|\{\w+\}|\$\{|<%|\bNone\b|\bundefined\b|Undefined|Markup\(")


@pytest.fixture(scope="module")
def post(servers_of_worker, tmp_path_factory) -> dict[Key, Body]:
    """Every body that SendGrid was handed, by platform, flow, step and language."""
    found: dict[Key, Body] = {}
    for platform in PLATFORMS:
        with pytest.MonkeyPatch.context() as patch, FakeSendGrid() as fake:
            _lead_to(patch, fake)
            with empty_house(servers_of_worker, tmp_path_factory.mktemp(platform), patch) as house:
                Street(house, platform, create_app().test_client()).play()
            for mail in fake.accepted:
                flow, _, step = mail.body["headers"]["X-Cartwheel-Flow"].partition("/")
                key = (platform, flow, text_key(step), tag_of(mail.to))
                before = found.get(key, {}).get("personalizations")
                assert before != mail.body["personalizations"], f"{key} was mailed twice"
                found[key] = mail.body
    config.settings.cache_clear()
    return found


def _lead_to(patch: pytest.MonkeyPatch, fake: FakeSendGrid) -> None:
    for name, value in {
        "MAIL_TRANSPORT": "sendgrid", "SENDGRID_API_KEY": fake.api_key, "SENDGRID_API_BASE": fake.url,
        "INBOUND_DOMAIN": IN_DOMAIN, "INBOUND_SECRET": "s" * 32,
    }.items():  # fmt: skip
        patch.setenv(f"CARTWHEEL_{name}", value)
    for port in PORTS.values():
        patch.setattr(port, "mint_coupon", lambda access, spec: f"id-{spec.code}")


@pytest.fixture(params=[(p, *mail) for p in PLATFORMS for mail in EVERY], ids="-".join)
def key(request) -> Key:
    return request.param


@pytest.fixture
def body(post, key) -> Body:
    if key not in post:
        pytest.fail(f"{'/'.join(key)} was not handed over: tell in tests/every_mail.py what makes it due", pytrace=False)
    return post[key]


def html_of(body: Body) -> str:
    return str(body["content"][1]["value"])


def text_of(body: Body) -> str:
    return str(body["content"][0]["value"])


def words_of(body: Body) -> str:
    """Return all that a reader sees, each piece on a line of its own."""
    shown = re.sub(r"<style.*?</style>|<!--.*?-->|<[^>]+>", "\n", html_of(body), flags=re.DOTALL)
    return "\n".join((body["subject"], text_of(body), unescape(shown)))


def test_every_flow_is_told():
    """A new flow needs its story in tests/every_mail.py, a new language its locale there."""
    assert STORIES.keys() == FLOWS.keys()
    assert len(set(TAGS)) == len(LOCALES) >= 5


def test_every_body_is_one_that_the_specification_allows(body):
    """Mail test 12."""
    assert faults(body) == []


def test_headers_are_within_their_limits(body):
    people = [body["from"], *body["personalizations"][0]["to"], *([body["reply_to"]] if "reply_to" in body else [])]
    lines = [f"{name}: {value}" for name, value in body["headers"].items()]

    assert 0 < len(body["subject"].strip()) <= SUBJECT
    assert all(len(person.get("name", "")) <= NAME for person in people)
    assert all(line.isascii() and len(line) <= HEADER_LINE for line in lines)
    assert not any(re.search(r"[\x00-\x1f\x7f\u2028\u2029]", line) for line in (body["subject"], *lines))


def test_both_parts_are_there_and_small_enough(body):
    html, text = html_of(body), text_of(body)

    assert [part["type"] for part in body["content"]] == ["text/plain", "text/html"]
    assert len(html.encode()) < LARGEST
    assert len(text.split()) > 10 or len(text) > 100  # Chinese sets no spaces
    assert not re.search(r"<\w+[ >]", text)


def test_marketing_can_be_left_in_one_click_and_nothing_else_claims_to_be_marketing(body, key):
    _, flow, step, _ = key
    kind = FLOWS[flow].class_of(FLOWS[flow].send(step))
    headers, links = body["headers"], {a["href"] for a in Page(html_of(body)).all("a")}
    ways = {link for link in links if link.startswith(f"{OURS}/u/")}
    if not gate_of(flow, step, kind).has_one_click:
        assert (ways, "/u/" in text_of(body)) == (set(), False)
        assert not {"List-Unsubscribe", "List-Unsubscribe-Post"} & headers.keys()
        return

    (way,) = ways
    assert way in text_of(body)
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert re.fullmatch(
        rf"<{way}>, <mailto:u\+[\w-]+@{IN_DOMAIN}\?subject=unsubscribe>", headers["List-Unsubscribe"]
    )  # fmt: skip


def test_every_link_leads_somewhere(body):
    page = Page(html_of(body))
    in_text = re.findall(r"\S+://\S+", text_of(body))

    assert all(re.match(r"https?://[^\s/]+", link["href"] or "") for link in page.all("a"))
    assert all(link.startswith(("http://", "https://")) for link in (part.strip("()") for part in in_text))
    assert all(image["src"].startswith("http") and image.get("alt") is not None for image in page.all("img"))
    assert f"{OURS}/" in "".join(in_text)


def test_it_is_laid_out_in_its_languages_direction(body, key):
    root, wanted = Page(html_of(body)).all("html")[0], "rtl" if key[3] == "ar" else "ltr"
    said = set(re.findall(r"direction: ?(\w+)", html_of(body)))

    assert (root["dir"], said) == (wanted, {wanted})
    assert root["lang"].lower().startswith(LOCALES[key[3].replace("-", "_")][:2])


def test_nothing_is_left_unfilled_or_untranslated(post, body, key):
    """Of what the English mail says, another language shares names, codes and numbers only."""
    platform, flow, step, tag = key
    assert PLACEHOLDER.findall(words_of(body)) == []
    if tag != "en":
        english = pieces(post[platform, flow, step, "en"])

        assert {piece for piece in pieces(body) & english if not FACTS.fullmatch(piece)} == set()


def pieces(body: Body) -> set[str]:
    """Return the runs of Latin words that a mail says outside of its addresses and numbers."""
    plain = re.sub(r"\S+://\S+|\S+@\S+|[A-Z0-9]+-[A-Z0-9-]+", "\n", words_of(body))
    found = (piece.strip() for piece in re.split(r"[^A-Za-z&' 0-9]+", plain))
    return {piece for piece in found if re.search("[A-Za-z]{3}", piece)}
