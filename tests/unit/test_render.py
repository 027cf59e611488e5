"""The mails that we ship: what they say, what they never say, and that nothing in them can be turned against anyone."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import CartwheelError
from app.services import texts as shelf
from app.services.cleaning import one_line, safe_url
from app.services.render import render, warm
from app.services.texts import TEMPLATES
from tests.mail_cast import APRON, COUPON, REMINDER, SPOONS, TEA_AND_TIN, Page, only, own, page

BOTH = pytest.mark.parametrize("content", [REMINDER, COUPON], ids=["reminder", "coupon"])


# What the mails say


@BOTH
def test_both_parts_say_the_same(content):
    mail = render(content)
    words = Page(mail.html).words

    for fact in ("Alice", "Linen apron", "Sage", "$62.00", "Oak spoon set", "2\xa0\u00d7\xa0$11.00", "$22.00", "$84.00",
                 "Tea & Tin", "4 Mill Lane, Portland, OR 97204", "You get this because"):  # fmt: skip
        assert fact in words
        assert fact in mail.text


@BOTH
def test_the_text_part_shows_the_way_back_and_the_way_out(content):
    text = render(content).text

    assert "Back to my cart:\nhttps://teaandtin.example/recover?a=1&b=2\n" in text
    assert "Unsubscribe: https://mail.example/u/TOKEN\n" in text


@BOTH
def test_the_html_part_links_the_way_back_and_the_way_out(content):
    links = [attrs["href"] for attrs in page(content).all("a")]

    assert links == ["https://teaandtin.example", content.button_url, content.unsubscribe_url]


def test_the_reminder_has_no_coupon():
    mail = render(REMINDER)

    assert not re.search(r"coupon|code|% off|save", Page(mail.html).words + mail.text + mail.subject, re.IGNORECASE)


def test_the_coupon_tells_its_code_its_end_and_what_there_is_to_pay():
    mail = render(COUPON)

    for part in (Page(mail.html).words, mail.text):
        assert "TIN-7KQ2-10" in part
        assert "Yours until Monday, November 23, 6:24\xa0PM (PST)" in part
        assert "10% off this cart: you pay $75.60 instead of $84.00" in part


@pytest.mark.parametrize(("subtotal", "percent", "currency", "expected"), [
    (8400, 10, "USD", "$75.60"),
    (999, 15, "USD", "$8.49"),  # 1.4985 of discount is 1.50
    (1005, 50, "USD", "$5.02"),  # half a cent goes to the shopper
    (1234, 10, "JPY", "¥1,111"),
    (8400, 100, "USD", "$0.00"),
])  # fmt: skip
def test_the_price_after_the_coupon_is_rounded_in_the_shoppers_favour(subtotal, percent, currency, expected):
    coupon = replace(COUPON.coupon, percent=percent)
    content = replace(COUPON, coupon=coupon, subtotal_minor=subtotal, currency=currency)

    assert f"you pay {expected} instead" in render(content).text


@BOTH
@pytest.mark.parametrize("first_name", [None, "", "http://evil.example", "Win 10000 now", "x" * 50, "a@b.example"])
def test_a_mail_without_a_name_to_trust_greets_without_one(content, first_name):
    mail = render(replace(content, first_name=first_name))

    assert "Your cart is still here\n" in mail.text or "Still thinking it over?\n" in mail.text


@BOTH
def test_the_writing_is_calm(content):
    mail = render(replace(content, first_name=None))
    words = f"{mail.subject} {mail.preheader} {mail.text}"

    assert not re.search(r"!|hurry|last chance|don't miss|act now|only \d|expires|urgent", words, re.IGNORECASE)


def test_a_reply_is_asked_for_only_where_it_is_read():
    sender = replace(TEA_AND_TIN, reply_to=None)

    assert "Reply to this mail" in render(REMINDER).text
    assert "Reply to this mail" not in render(replace(REMINDER, sender=sender)).text


def test_a_long_cart_shows_twenty_lines_and_says_how_many_more():
    lines = tuple(replace(SPOONS, title=f"Spoon {n}.") for n in range(23))
    mail = render(replace(REMINDER, lines=lines))

    for part in (Page(mail.html).words, mail.text):
        assert "Spoon 19." in part
        assert "Spoon 20." not in part
        assert "and 3 more" in part


def test_a_cart_of_twenty_lines_hides_none():
    assert "more" not in render(replace(REMINDER, lines=(SPOONS,) * 20, subtotal_minor=44000)).text


def test_a_mail_about_no_lines_still_renders():
    mail = render(replace(REMINDER, lines=(), subtotal_minor=0))

    assert "Subtotal" not in mail.text
    assert mail.preheader == "Everything is just as you left it."


def test_a_line_without_a_picture_shows_its_first_letter():
    html = render(only(replace(SPOONS, title="(oak) spoon set"))).html

    assert "<img" not in html
    assert re.search(r'class="thumb"[^>]*>o</td>', html)


# Languages, numbers, time


@pytest.mark.parametrize(("locale", "expected"), [
    ("en-US", "$62.00"), ("de-DE", "62,00\xa0$"), ("fr", "62,00\xa0$US"), ("az", "62,00\xa0US$"),
    ("en-XX", "$62.00"), ("??", "$62.00"), ("", "$62.00"),
])  # fmt: skip
def test_money_is_written_the_recipients_way(locale, expected):
    assert expected in render(replace(REMINDER, locale=locale)).text


@pytest.mark.parametrize(("locale", "timezone", "expected"), [
    ("en-US", "America/Los_Angeles", "Monday, November 23, 6:24\xa0PM (PST)"),
    ("en-US", "Asia/Baku", "Tuesday, November 24, 6:24\xa0AM (GMT+04:00)"),
    ("en-GB", "Europe/London", "Tuesday, 24 November, 02:24 (GMT)"),
    ("de-DE", "Europe/London", "Tuesday, November 24, 2:24\xa0AM (GMT)"),  # the text is English, so is the day
    ("en-US", "Nowhere/Land", "Tuesday, November 24, 2:24\xa0AM (UTC)"),
    ("en-US", "../../etc/passwd", "Tuesday, November 24, 2:24\xa0AM (UTC)"),
])  # fmt: skip
def test_time_is_the_shops_in_the_words_of_the_text(locale, timezone, expected):
    sender = replace(TEA_AND_TIN, timezone=timezone, locale="en-US")

    assert f"Yours until {expected}" in render(replace(COUPON, sender=sender, locale=locale)).text


def test_a_text_from_right_to_left_turns_the_whole_mail():
    mail = render(replace(COUPON, locale="ar-EG"))

    assert {"direction:rtl"} == set(re.findall(r"direction: ?\w+", mail.html))
    root = Page(mail.html).all("html")[0]
    assert (root["lang"], root["dir"]) == ("ar-EG", "rtl")
    assert re.search(r'<bdi dir="ltr"[^>]*>TIN-7KQ2-10</bdi>', mail.html)
    assert "\n    TIN-7KQ2-10\n" in mail.text  # no invisible marks: people copy it


# Hostile values


@pytest.mark.parametrize("evil", [
    "{{7*7}}", "{{ 7 | times: 7 }}", "{% for i in (1..9) %}x{% endfor %}", "{{ mail.subject }}",
])  # fmt: skip
def test_a_title_that_looks_like_a_template_stays_as_it_is(evil):
    mail = render(only(replace(APRON, title=evil, variant_title=evil)))

    assert evil in Page(mail.html).words
    assert evil in mail.text
    assert "49" not in mail.text
    assert mail.preheader.startswith(evil)


@pytest.mark.parametrize("evil", [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</table></body><form>",
])  # fmt: skip
def test_a_title_that_is_html_stays_text(evil):
    everywhere = replace(APRON, title=evil, variant_title=evil)
    sender = replace(TEA_AND_TIN, name=evil, postal_address=evil)
    coupon = replace(COUPON.coupon, code=evil)
    mail = page(replace(COUPON, lines=(everywhere,), sender=sender, coupon=coupon))

    assert mail.words.count(evil) >= 6
    assert not mail.all("script", "form")
    assert [attrs["src"] for attrs in mail.all("img")] == [APRON.image_url]
    assert not [name for _, attrs in mail.tags for name in attrs if name.startswith("on")]


@pytest.mark.parametrize("evil", [
    "{{7*7}}", "<script>alert(1)</script>", "Bob\r\nBcc: eve@evil.example", "=?utf-8?q?=0ABcc?=",
])  # fmt: skip
@BOTH
def test_a_name_that_is_an_attack_is_not_greeted(content, evil):
    mail = render(replace(content, first_name=evil))

    for part in (mail.subject, mail.preheader, mail.text, mail.html):
        assert "{{" not in part
        assert "<script" not in part
        assert "\nBcc" not in part
        assert "=?" not in part.replace("example/recover?", "")


@pytest.mark.parametrize("evil", [
    "Apron\r\nBcc: eve@evil.example", "Apron\nBcc: eve", "Apron\x00\x1b\x7f\x85", "Apron\u2028Bcc\u2029x",
    "Apron\u202egnp.exe", "Apron \ud800",
])  # fmt: skip
def test_control_characters_become_spaces(evil):
    mail = render(only(replace(APRON, title=evil)))

    for line in (mail.subject, mail.preheader):
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]", line)
    assert "\nBcc" not in mail.text
    mail.html.encode()
    mail.text.encode()


def test_an_encoded_word_in_a_title_is_broken():
    preheader = render(only(replace(APRON, title="=?utf-8?q?Bcc=3A?="))).preheader

    assert preheader.startswith("= ?utf-8?q?Bcc=3A?=")


def test_a_very_long_title_is_cut():
    mail = render(replace(REMINDER, lines=(replace(APRON, title="y" * 10_000),) * 3))

    assert len(mail.preheader) <= 200
    assert len(mail.html) < 20_000


@given(st.text(), st.integers(1, 50))
def test_one_line_is_one_line(text, limit):
    line = one_line(text, limit)

    assert len(line) <= limit
    assert line == " ".join(line.split())
    assert line.isprintable() or not re.search(r"[\x00-\x1f\u2028\u2029]", line)
    assert "=?" not in line


@pytest.mark.parametrize("url", [
    "javascript:alert(1)", "data:text/html,x", "//evil.example", "/cart", "", "ftp://x.example", "https://", "http:x",
    "https://x.example/\r\nBcc: e", "https://x.example/ y", 'https://x.example/"onclick', "https://[bad",
    "https://x.example/" + "y" * 2000, "\x01https://x.example",
])  # fmt: skip
def test_a_url_that_a_mail_may_not_hold_is_dropped_or_stops_the_mail(url):
    sender = replace(TEA_AND_TIN, url=url)
    mail = page(replace(REMINDER, sender=sender, lines=(replace(APRON, image_url=url),)))

    assert safe_url(url) is None
    assert not mail.all("img")
    assert len(mail.all("a")) == 2
    with pytest.raises(CartwheelError, match="the way back"):
        render(replace(REMINDER, button_url=url))
    with pytest.raises(CartwheelError, match="unsubscribe"):
        render(replace(REMINDER, unsubscribe_url=url))


def test_a_mail_over_90_kb_is_refused():
    with pytest.raises(CartwheelError, match="kB"):
        render(own("<h1>w</h1>" * 1_900))


def test_what_a_text_may_not_hold_is_taken_out():
    body = (
        '<h1 onclick="x()">Hi</h1><style>*{}</style><a href="javascript:x()">a</a><a href="https://x.example">b</a><table>'
    )
    mail = render(own(body))

    assert "onclick" not in mail.html
    assert "javascript" not in mail.html
    assert "*{}" not in mail.html
    assert "b (https://x.example)" in mail.text


# The frame


@BOTH
def test_the_frame_is_right_for_mailboxes(content):
    mail = page(content)

    assert mail.all("html")[0]["lang"] == "en-US"
    assert [attrs["content"] for attrs in mail.all("meta") if attrs.get("name") == "color-scheme"] == ["light dark"]
    assert all("alt" in attrs and attrs["width"] == attrs["height"] == "72" for attrs in mail.all("img"))
    assert [attrs.get("role") for attrs in mail.all("table")].count(None) == 1  # the cart, which is no layout
    assert [attrs["scope"] for attrs in mail.all("th")] == ["row"] * 3
    assert not mail.all("script", "link", "form", "iframe")
    assert len(mail.all("h1")) == 1


@BOTH
def test_nothing_is_loaded_from_anywhere_but_the_shop(content):
    html = render(content).html
    addresses = set(re.findall(r"https?://([^/\"?]+)", re.sub(r'xmlns[^"]*"[^"]*"', "", html)))

    assert addresses == {"teaandtin.example", "cdn.example", "mail.example"}


@BOTH
def test_no_trace_of_the_making_is_left(content):
    html = render(content).html

    assert not re.search(r"mj-|\{\{|\{%|\{#", html.replace("mj-column", "").replace("mj-outlook", ""))
    assert len(html.encode()) < 20_000


def test_the_preheader_keeps_the_text_out_of_the_inbox_list():
    html = render(REMINDER).html
    hidden = html[html.index("Linen apron and 1 more") : html.index('<div aria-label="We kept')]

    assert hidden.count("\u034f\u200c\xa0") == 40


# mjml-python drops what it does not know without a word; these are the tags and attributes that it was seen to heed.
BOX = {"css-class", "padding", "padding-bottom", "direction", "background-color", "border-radius"}
FONT = {"font-family", "font-size", "font-weight", "line-height", "color", "align"}
KNOWN = {
    "mjml": {"lang", "dir"}, "mj-head": set(), "mj-title": set(), "mj-preview": set(), "mj-raw": set(),
    "mj-style": set(), "mj-attributes": set(), "mj-all": {"font-family"},
    "mj-body": {"width", "background-color", "css-class"},
    "mj-wrapper": BOX, "mj-section": BOX, "mj-column": BOX, "mj-text": BOX | FONT, "mj-table": BOX | FONT,
    "mj-button": BOX | FONT | {"href", "width", "inner-padding"},
}  # fmt: skip


def test_the_frame_uses_only_what_mjml_knows():
    used = [tag for tag in ET.parse(TEMPLATES / "layout.mjml").iter() if tag.tag.startswith("mj")]

    assert {tag.tag for tag in used} <= KNOWN.keys()
    assert not [(tag.tag, name) for tag in used for name in tag.attrib if name not in KNOWN[tag.tag]]


def test_the_frame_has_no_raw_blocks_inside_text():
    frame = ET.parse(TEMPLATES / "layout.mjml")

    assert not frame.findall(".//mj-text//mj-raw")


def test_warming_compiles_everything_once():
    warm()

    assert shelf.shipped() is shelf.shipped()
