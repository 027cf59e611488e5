"""The outbox transport: a message that mailboxes understand, in one file, once."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from app.domain.errors import Permanent, Transient
from app.domain.ports import Mail
from integrations.message import compose
from integrations.outbox.transport import OutboxTransport

T0 = datetime(2026, 11, 21, 18, 24, tzinfo=UTC)
MAIL = Mail(
    key="41",
    shop_key="tea-tin",
    flow_step="abandoned_cart/reminder",
    from_email="hello@teaandtin.example",
    from_name="Tea & Tin",
    to_email="alice@example.com",
    to_name="Alice Adams",
    reply_to="help@teaandtin.example",
    subject="We kept your cart for you",
    html="<p>Your cart</p>" + "x" * 2_000,
    text="Your cart\n",
    unsubscribe_url="https://mail.example/u/" + "T" * 300,
)


@pytest.fixture
def outbox(tmp_path):
    return OutboxTransport(tmp_path / "outbox", lambda: T0)


def read(mail: Mail) -> EmailMessage:
    message = message_from_bytes(compose(mail, sent_at=T0), policy=default)
    assert isinstance(message, EmailMessage)
    return message


# The folder


def test_a_mail_becomes_one_file(outbox, tmp_path):
    assert outbox.send(MAIL) == "outbox-41"
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == ["41.eml"]
    assert without_boundary((tmp_path / "outbox/41.eml").read_bytes()) == without_boundary(compose(MAIL, sent_at=T0))


def without_boundary(message: bytes) -> bytes:
    return re.sub(rb"={5,}\d+==", b"", message)


def test_a_mail_sent_again_is_the_first_one(outbox, tmp_path):
    outbox.send(MAIL)

    assert outbox.send(replace(MAIL, subject="Another")) == "outbox-41"
    assert b"Another" not in (tmp_path / "outbox/41.eml").read_bytes()


def test_of_many_writers_one_wins_and_nothing_is_left_lying_about(tmp_path):
    subjects = [f"Try {n}" for n in range(24)]

    def send(subject: str) -> str:
        return OutboxTransport(tmp_path, lambda: T0).send(replace(MAIL, subject=subject))

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(send, subjects))

    assert answers == {"outbox-41"}
    assert [path.name for path in tmp_path.iterdir()] == ["41.eml"]
    assert message_from_bytes((tmp_path / "41.eml").read_bytes())["Subject"] in subjects


def test_a_writer_that_lost_the_race_is_told_it_was_sent(outbox, tmp_path, monkeypatch):
    def link(_source, target):
        target.write_bytes(b"the other writer's mail")
        raise FileExistsError

    monkeypatch.setattr(os, "link", link)

    assert outbox.send(MAIL) == "outbox-41"
    assert (tmp_path / "outbox/41.eml").read_bytes() == b"the other writer's mail"


def test_it_says_what_was_sent(outbox):
    before = outbox.was_sent("41")
    outbox.send(MAIL)

    assert (before, outbox.was_sent("41"), outbox.was_sent("42")) == (False, True, False)


@pytest.mark.parametrize("key", ["", "../41", "a/b", "a.b", "a\n", "ä", "a" * 101])
def test_a_key_that_is_no_file_name_is_refused(outbox, key):
    with pytest.raises(Permanent):
        outbox.send(replace(MAIL, key=key))
    with pytest.raises(Permanent):
        outbox.was_sent(key)


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_full_disk_is_transient_and_leaves_nothing(outbox, tmp_path, monkeypatch, step):
    def fail(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(Transient, match="No space left"):
        outbox.send(MAIL)

    assert list((tmp_path / "outbox").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_transient(tmp_path):
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(Transient):
        OutboxTransport(tmp_path / "file", lambda: T0).send(MAIL)


# The message


def test_the_message_holds_both_parts_and_all_headers():
    message = read(MAIL)

    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert message.get_body(("plain",)).get_content().splitlines() == ["Your cart"]
    assert message.get_body(("html",)).get_content().strip() == MAIL.html
    assert {name: str(value) for name, value in message.items() if name not in {"Content-Type", "MIME-Version"}} == {
        "From": "Tea & Tin <hello@teaandtin.example>",
        "To": "Alice Adams <alice@example.com>",
        "Reply-To": "help@teaandtin.example",
        "Subject": "We kept your cart for you",
        "Date": "Sat, 21 Nov 2026 18:24:00 +0000",
        "Message-ID": "<cartwheel.41@teaandtin.example>",
        "X-Cartwheel-Delivery": "41",
        "X-Cartwheel-Flow": "abandoned_cart/reminder",
        "List-Unsubscribe": f"<{MAIL.unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Feedback-ID": "abandoned_cart:tea-tin:reminder:cartwheel",
    }


def test_the_one_click_header_is_on_the_wire_letter_by_letter():
    wire = compose(MAIL, sent_at=T0)

    assert b"\r\nList-Unsubscribe: <" + MAIL.unsubscribe_url.encode() + b">\r\n" in wire
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in wire


def test_the_wire_is_plain_ascii_in_short_lines():
    names = {"subject": "Ünïcödé, 茶与罐 " * 12 + "x", "from_name": "茶与罐 " * 12, "to_name": "سارة"}
    mail = replace(MAIL, **names, text="Ünïcödé " * 500, html="茶" * 3_000)
    lines = compose(mail, sent_at=T0).split(b"\r\n")

    assert all(line.isascii() and b"\n" not in line for line in lines)
    assert max(len(line) for line in lines if not line.startswith(b"List-Unsubscribe")) <= 998
    assert read(mail)["Subject"] == mail.subject


def test_a_mail_without_a_way_out_says_nothing_of_one():
    message = read(replace(MAIL, unsubscribe_url=None, reply_to=None, to_name=None))

    assert "List-Unsubscribe" not in message
    assert "List-Unsubscribe-Post" not in message
    assert "Reply-To" not in message
    assert message["To"] == "alice@example.com"


def test_a_name_loses_what_separates_addresses():
    message = read(replace(MAIL, to_name='Adams; Alice, "x" <eve@evil.example>', from_name="Tea, Tin; & Co " * 9))

    assert [(one.display_name, one.addr_spec) for one in message["To"].addresses] == [
        ('Adams Alice "x" <eve@evil.example>', "alice@example.com")
    ]
    assert len(message["From"].addresses) == 1
    assert len(message["From"].addresses[0].display_name) <= 70


def test_a_domain_in_another_script_is_written_in_ascii():
    assert read(replace(MAIL, to_email="alice@bücher.example"))["To"].addresses[0].domain == "xn--bcher-kva.example"


@pytest.mark.parametrize("field", [
    "subject", "from_name", "to_name", "from_email", "to_email", "reply_to", "shop_key", "flow_step", "unsubscribe_url",
])  # fmt: skip
@pytest.mark.parametrize("evil", [
    "\r\nBcc: eve@evil.example", "\nBcc: eve@evil.example", "\r", "\0", "=?utf-8?q?=0ABcc=3A?=",
])  # fmt: skip
def test_a_header_that_could_become_two_is_refused(outbox, field, evil):
    good = getattr(MAIL, field)
    with pytest.raises(Permanent) as caught:
        outbox.send(replace(MAIL, **{field: good + evil}))

    assert "eve" not in str(caught.value)
    assert "alice" not in str(caught.value)
    assert outbox.was_sent("41") is False


@pytest.mark.parametrize("address", [
    "", "alice", "@x.example", "alice@", "älice@example.com", "a b@x.example", "a@b@c.example", "<a@x.example>",
])  # fmt: skip
def test_an_address_that_cannot_be_mailed_is_permanent(address):
    with pytest.raises(Permanent):
        compose(replace(MAIL, to_email=address), sent_at=T0)


@pytest.mark.parametrize("url", ["javascript:x", "https://x.example/> <b", "mailto:u@x.example", "https://x.example/ä"])
def test_a_way_out_that_is_no_url_is_permanent(url):
    with pytest.raises(Permanent):
        compose(replace(MAIL, unsubscribe_url=url), sent_at=T0)


def test_half_a_character_is_permanent():
    with pytest.raises(Permanent, match="mail 41"):
        compose(replace(MAIL, text="\ud800"), sent_at=T0)
