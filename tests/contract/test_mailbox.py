"""The mailbox page: what was written to the outbox is shown, and nothing in a mail can act on the page."""

import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from flask import Flask, render_template

from app.domain.ports import Mail
from app.web import mailbox
from integrations.outbox.transport import OutboxTransport

ROOT = Path(__file__).resolve().parents[2]
T0 = datetime(2026, 11, 21, 18, 24, tzinfo=UTC)
MAIL = Mail(
    key="41",
    shop_key="tea-tin",
    flow_step="abandoned_cart/reminder",
    from_email="hello@teaandtin.example",
    from_name="Tea & Tin",
    to_email="alice@example.com",
    to_name="Alice",
    reply_to=None,
    subject="We kept your cart for you",
    html="<!doctype html><html><head><title>x</title></head><body>"
    '<a href="https://teaandtin.example/recover?a=1&amp;b=2">Back to <b>my cart</b></a> '
    '<a href="https://mail.example/u/T">Unsubscribe</a><img src="https://x.example/a.png" alt="">',
    text="Your cart is still here\n",
    unsubscribe_url="https://mail.example/u/T",
)


class Box:
    """An outbox with a browser before it; mails are a second apart."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.written = 0
        self.app = Flask("app", root_path=str(ROOT / "app"), template_folder="../templates", static_folder="static")
        self.app.extensions["cartwheel"] = {"outbox_dir": directory}
        self.app.register_blueprint(mailbox.blueprint)
        self.client = self.app.test_client()

    def write(self, mail: Mail) -> None:
        OutboxTransport(self.directory, lambda: T0).send(mail)
        self.written += 1
        os.utime(self.directory / f"{mail.key}.eml", (1_800_000_000 + self.written,) * 2)

    def get(self, path: str, status: int = 200, **headers: str) -> str:
        answer = self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        assert answer.status_code == status
        return unescape(answer.text)


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path / "outbox")


def subjects(page: str) -> list[str]:
    return re.findall(r'mbox-subject"><bdi>(.*?)</bdi>', page)


# The list


def test_an_empty_mailbox_says_how_to_fill_it(box):
    page = box.get("/mailbox/")

    assert "No mail yet" in page
    assert "Begin a checkout" in page


def test_the_list_shows_the_newest_first_with_what_matters(box):
    box.write(MAIL)
    box.write(replace(MAIL, key="42", subject="10% off your cart", flow_step="abandoned_cart/coupon"))
    page = box.get("/mailbox/")
    size = f"{(box.directory / '41.eml').stat().st_size / 1000:.1f} kB"

    assert subjects(page) == ["10% off your cart", "We kept your cart for you"]
    for fact in ("2 mails", "Alice <alice@example.com>", "Abandoned cart · Reminder", "21 Nov, 18:24:00", size):
        assert fact in page


def test_the_list_comes_in_pages(box, monkeypatch):
    monkeypatch.setattr(mailbox, "PAGE_SIZE", 3)
    for n in range(5):
        box.write(replace(MAIL, key=str(n), subject=f"Mail {n}"))
    first = box.get("/mailbox/")
    second = box.get(re.search(r'href="(/mailbox/\?before=[^"]+)"', first)[1])

    assert subjects(first) == ["Mail 4", "Mail 3", "Mail 2"]
    assert subjects(second) == ["Mail 1", "Mail 0"]
    assert "every 3s" in first
    assert "every 3s" not in second


def test_listing_reads_the_heads_of_one_page_and_no_more(box, monkeypatch):
    monkeypatch.setattr(mailbox, "PAGE_SIZE", 3)
    for n in range(5):
        box.write(replace(MAIL, key=str(n), html="<p>" + "word " * 20_000))
    read = []

    class Parser(mailbox.BytesHeaderParser):
        def parsebytes(self, head):
            read.append(len(head))
            return super().parsebytes(head)

    monkeypatch.setattr(mailbox, "BytesHeaderParser", Parser)
    box.get("/mailbox/")

    assert read == [mailbox.HEADER_BYTES] * 3


def test_the_list_is_asked_for_again_only_when_there_is_something_new(box):
    box.write(MAIL)
    again = re.search(r'hx-get="([^"]+)"', box.get("/mailbox/"))[1]
    box.get(again, 204, HX_Request="true")
    box.write(replace(MAIL, key="42"))
    fragment = box.get(again, HX_Request="true")

    assert fragment.lstrip().startswith("<section")
    assert "2 mails" in fragment
    assert "<html" not in fragment


@pytest.mark.parametrize("before", ["", "x", "1", "1.a/b", "-1.x", "9" * 30 + ".x"])
def test_a_place_that_is_none_gives_the_first_page(box, before):
    box.write(MAIL)

    assert len(subjects(box.get(f"/mailbox/?before={before}"))) == 1


def test_other_files_are_not_shown(box):
    box.write(MAIL)
    (box.directory / ".x.tmp").write_text("Subject: unfinished\n\n")
    (box.directory / "a b.eml").write_text("Subject: strange\n\n")

    assert len(subjects(box.get("/mailbox/"))) == 1


# One mail


def test_the_html_is_shown_in_a_sandbox(box):
    box.write(MAIL)
    page = box.get("/mailbox/41")
    frame = re.search(r"<iframe[^>]*>", page)[0]

    assert 'src="/mailbox/41/html"' in frame
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"' in frame
    assert "All good" in page
    assert "Back to my cart" in page
    assert 'href="https://teaandtin.example/recover?a=1&b=2"' in page


def test_the_frame_may_do_nothing_but_show_pictures_and_open_links(box):
    box.write(MAIL)
    answer = box.client.get("/mailbox/41/html")
    policy = answer.headers["Content-Security-Policy"]

    assert '<head><base target="_blank"><title>' in answer.text
    assert policy.startswith("default-src 'none'; img-src http: https: data:; style-src 'unsafe-inline'; ")
    assert "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation" in policy
    assert "frame-ancestors 'self'" in policy
    assert not re.search("script|allow-same-origin|allow-forms", policy)


def test_a_link_around_a_picture_is_called_by_the_pictures_words(box):
    picture = '<a href="https://x.example/p"><img src="https://x.example/a.png" alt="Green tea"></a>'
    stars = '<a href="https://x.example/5" aria-label="5 of 5 stars">*****</a>'
    box.write(replace(MAIL, html=f'{picture}{stars}<a href="https://x.example/n"><img alt=""></a>'))
    links = re.findall(r"<bdi>([^<]*)</bdi></b><a", box.get("/mailbox/41"))

    assert links == ["Green tea", "5 of 5 stars", "(no words)"]


def test_html_without_a_head_opens_its_links_in_a_tab_too(box):
    box.write(replace(MAIL, html="<p>bare</p>"))

    assert box.get("/mailbox/41/html").startswith('<base target="_blank"><p>bare')


def test_the_text_and_the_source_have_tabs(box):
    box.write(MAIL)

    assert "Your cart is still here" in box.get("/mailbox/41?show=text")
    source = box.get("/mailbox/41?show=source")
    assert "<dt>List-Unsubscribe-Post</dt>" in source
    assert "\nX-Cartwheel-Flow: abandoned_cart/reminder" in source.replace("\r", "")


def test_the_mail_can_be_shown_as_wide_as_a_phone(box):
    box.write(MAIL)

    assert "mbox-paper phone" in box.get("/mailbox/41?width=phone")
    assert "mbox-paper phone" not in box.get("/mailbox/41")


@pytest.mark.parametrize(("change", "warning"), [
    ({"unsubscribe_url": None}, "No one-click unsubscribe header"),
    ({"html": "<img src='https://x.example/a.png'><img alt=''>"}, "Pictures without an alt text: 1"),
    ({"html": "x" * 90_001}, "90.0 kB of HTML; Gmail cuts off at 102"),
    ({"text": " "}, "No plain text part"),
])  # fmt: skip
def test_a_mail_with_a_fault_is_marked(box, change, warning):
    box.write(replace(MAIL, **change))
    page = box.get("/mailbox/41")

    assert "1 to look at" in page
    assert warning in page


def test_the_file_can_be_downloaded(box):
    box.write(MAIL)
    answer = box.client.get("/mailbox/41/raw")

    assert answer.data == (box.directory / "41.eml").read_bytes()
    assert answer.mimetype == "message/rfc822"
    assert "attachment; filename=41.eml" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize("path", ["99", "99/html", "99/raw", "..%2f..%2fpyproject", "a%20b", ".hidden", "41.eml"])
def test_what_is_not_there_is_not_found(box, path):
    box.write(MAIL)
    (box.directory / "a b.eml").write_text("x")

    box.get(f"/mailbox/{path}", 404)


@pytest.mark.parametrize("path", ["/mailbox/", "/mailbox/41", "/mailbox/41/html", "/mailbox/41/raw"])
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_the_mailbox_only_shows(box, path, method):
    box.write(MAIL)

    assert getattr(box.client, method)(path).status_code == 405


def test_a_hostile_mail_stays_text_on_the_page(box):
    evil = '"><script>alert(1)</script>'
    link = '<a href="javascript:alert(1)">click</a>'
    box.write(replace(MAIL, subject=evil, to_name=evil, from_name=evil, text=evil, html=link))
    for path in ("/mailbox/", "/mailbox/41", "/mailbox/41?show=text", "/mailbox/41?show=source"):
        page = box.client.get(path).text

        assert "<script>alert" not in page
        assert 'href="javascript' not in page


@pytest.mark.parametrize("path", ["/mailbox/", "/mailbox/41", "/mailbox/41?show=text", "/mailbox/41?show=source"])
def test_no_page_has_inline_styles_or_scripts(box, path):
    box.write(replace(MAIL, html="<p>x</p>"))
    page = box.client.get(path).text

    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=", page)


# The page behind the unsubscribe link


@pytest.mark.parametrize(("state", "words", "buttons"), [
    ("ask", "Stop these mails?", 1),
    ("done", "You are unsubscribed", 0),
    ("unknown", "This link does not work", 0),
])  # fmt: skip
def test_the_unsubscribe_page_has_a_state_for_every_case(box, state, words, buttons):
    with box.app.test_request_context():
        page = render_template(
            "public/unsubscribe.html",
            shop_name="<b>Tea & Tin</b>",
            masked_email="a•••@example.com",
            token="TOKEN",
            state=state,
            locale="ar",
            direction="rtl",
            languages={"ar": "العربية", "en": "English"},
            _=lambda words: words,
        )

    assert '<html lang="ar" dir="rtl">' in page
    assert 'content="noindex, nofollow"' in page
    assert f"<h1>{words}</h1>" in page
    assert page.count('<form method="post" action="/u/TOKEN">') == page.count("<button") == buttons
    assert "<b>Tea" not in page
    assert not re.search(r"<script|<style|\sstyle=", page)
    assert ('<bdi dir="ltr" class="address">a•••@example.com</bdi>' in page) is (state != "unknown")
