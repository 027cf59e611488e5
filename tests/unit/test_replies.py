"""What a shopper wrote back, told from what their mail program quotes; hostile messages cost little."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from app.domain.replies import TEXT_MOST, answer_text
from app.services.cleaning import html_as_text

DOMAIN = "in.mail.example"
SENDER = "Tea & Tin <hello@tea-and-tin.example>"


def read(message: EmailMessage) -> str:
    return answer_text(message, DOMAIN, as_text=html_as_text)


def of_text(words: str) -> str:
    message = EmailMessage()
    message.set_content(words)
    return read(message)


def of_html(rich: str) -> str:
    message = EmailMessage()
    message.set_content(rich, subtype="html")
    return read(message)


@pytest.mark.parametrize("quoted", [
    # Gmail, in one line and broken into more; the address is the shop's, not ours.
    f"\nOn Tue, Nov 24, 2026 at 7:17 PM {SENDER} wrote:\n\n> How do you like it?\n",
    "\nOn Tue, Nov 24, 2026 at 7:17 PM Tea & Tin of Lisbon\n<hello@tea-and-tin.example> wrote:\n> How do you like it?\n",
    "\nOn Tue, Nov 24, 2026 at 7:17 PM Tea &\nTin <hello@tea-and-tin.example>\nwrote:\n\n> How do you like it?\n",
    f"\nفي الثلاثاء، 24 نوفمبر 2026 في 7:17 م تمت كتابة ما يلي بواسطة {SENDER}\u200f:\n\n> كيف وجدت طلبك؟\n",
    f"\n{SENDER} 于2026年11月24日周二 19:17写道：\n\n> 这次买的东西还满意吗？\n",
    f"\n{SENDER} 於 2026年11月24日週二 下午7:17寫道：\n\n> 這次買的東西還滿意嗎？\n",
    f"\n{SENDER}, 24 noy 2026, Çər 19:17 tarixində bunu yazdı:\n\n> Sifarişiniz xoşunuza gəldimi?\n",
    f"\nAm Di., 24. Nov. 2026 um 19:17 Uhr schrieb {SENDER}:\n\n> How do you like it?\n",
    # Nothing stands between, or what is quoted has no mark.
    f"On Tue, Nov 24, 2026 at 7:17 PM {SENDER} wrote:\n> How do you like it?\n",
    "On Tue, Nov 24, 2026 at 7:17 PM Tea & Tin\n<hello@tea-and-tin.example> wrote:\n> How do you like it?\n",
    f"\nOn Nov 24, 2026, at 7:17 PM, {SENDER} wrote:\n\nHow do you like it?\n",
    # Outlook.
    f"\n________________________________\nFrom: {SENDER}\nSent: Tuesday\n\nHow do you like it?\n",
    f"\nFrom: {SENDER}\nSent: Tuesday, November 24, 2026 7:17 PM\nTo: Alice\nSubject: Your order\n\nHow do you like it?\n",
    f"\n-----Original Message-----\nFrom: {SENDER}\n",
    "\n发件人: Tea & Tin\n发送时间: 2026年11月24日\n收件人: Alice\n主题: 您的订单\n",
    "\nمن: Tea & Tin\nتم الإرسال: الثلاثاء\nإلى: Alice\n",
    # Our own address, signatures.
    f"\nOn Thursday <r+0@{DOMAIN}> wrote:\n> How do you like it?\n",
    "\n\nSent from my iPhone\n",
    f"\nSent from my iPhone\n\nOn Nov 24, 2026, at 7:17 PM, {SENDER} wrote:\n\n> How do you like it?\n",
    "\n\n-- \nAlice\n",
    "\n> How do you like it?\n",
    "",
])  # fmt: skip
def test_what_the_mail_program_quotes_is_cut_off(quoted):
    assert of_text(f"5 stars\nLovely: both of them\n{quoted}") == "5 stars\nLovely: both of them"


@pytest.mark.parametrize("words", [
    "My wife wrote:\nit is lovely",
    "From: me\nwith love",
    "I have two questions:\n1. Is it safe?\n2. Is it blue?",
    "It came on 24.11.2026 at 19:17\nand is blue",
])  # fmt: skip
def test_what_a_person_wrote_stays_though_it_looks_alike(words):
    assert of_text(words) == words


@pytest.mark.parametrize("rich", [
    ('<div dir="ltr">5 stars<div>Lovely &amp; blue</div></div><br><div class="gmail_quote"><div class="gmail_attr">On Tue, '
    'Nov 24, 2026 at 7:17\u202fPM Tea &amp; Tin &lt;<a href="mailto:hello@tea-and-tin.example">hello@tea-and-tin.example</a>'
    '&gt; wrote:<br></div><blockquote>How do you like it?</blockquote></div>'),
    ("<html><head><title>Re</title><style>p{margin:0}</style></head><body><p>5 stars</p><p>Lovely &amp; blue</p>"
    '<hr><div id="divRplyFwdMsg"><b>From:</b> Tea &amp; Tin<br><b>Sent:</b> Tuesday<br></div><p>How do you like it?</p>'),
    "5 stars<br>Lovely &amp; blue<br><p><b>From:</b> Tea &amp; Tin<br><b>Sent:</b> Tuesday<br><b>To:</b> Alice</p>",
    "<p>5 stars\n</p><p>Lovely\n&amp; <b>blue</b><script>alert('1 star')</script></p><blockquote type=cite>x</blockquote>",
])  # fmt: skip
def test_a_message_that_has_only_html_is_read_as_text(rich):
    assert of_html(rich).replace("\n\n", "\n") == "5 stars\nLovely & blue"


def test_text_goes_before_html_and_an_empty_one_does_not():
    both, empty = EmailMessage(), EmailMessage()
    both.set_content("the text")
    both.add_alternative("<p>the HTML</p>", subtype="html")
    empty.set_content("\n")
    empty.add_alternative("<p>the HTML</p>", subtype="html")

    assert (read(both), read(empty)) == ("the text", "the HTML")


@pytest.mark.parametrize(("body", "expected"), [
    (b"Content-Type: text/plain; charset=x-nobody\n\n5 stars", "5 stars"),
    (b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nNSBzdGFycw", "5 stars"),
    (b"Content-Type: text/plain; charset=windows-1256\n\n\xe4\xcc\xe6\xe3 5", "نجوم 5"),
    (b"Content-Type: text/plain\n\n\xff\xfe\x00 5", "\ufffd\ufffd 5"),
    (b"Content-Type: application/pdf\n\n5", ""),
    (b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment\n\n5", ""),
])  # fmt: skip
def test_a_broken_or_strange_message_is_read_as_far_as_it_can_be(body, expected):
    assert read(message_from_bytes(body, policy=default)) == expected


@pytest.mark.parametrize("piece", ["<!--", "<div>", "<blockquote>", "&", "<", "<a href='", "x wrote:", "From: x<br>"])
def test_a_hostile_page_ends_soon_and_keeps_no_more_than_we_may(piece):
    """I15: a megabyte of what makes parsers slow or deep; a slow one would never come back."""
    assert len(of_html(piece * (1_000_000 // len(piece)))) <= TEXT_MOST


@pytest.mark.parametrize("line", ["x wrote:\n", "On 2026 a@b:\n", "> \n", "From:\n", " " * 400 + "\n", "\n"])
def test_a_hostile_text_ends_soon(line):
    """I15."""
    assert len(of_text(line * (1_000_000 // len(line)))) <= TEXT_MOST
