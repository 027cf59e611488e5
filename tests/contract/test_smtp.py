"""SMTP on a real server: what each phase of the dialogue means, connections that are kept, and what is on the wire."""

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from app.domain.errors import AdapterError, AddressRefused, Ambiguous, NotAllowed, Permanent, Reach, Transient
from app.domain.ports import Mail
from integrations.allowlist import AllowlistTransport
from integrations.outbox.transport import OutboxTransport
from integrations.smtp import transport as smtp
from integrations.smtp.transport import SmtpTransport, read_url
from tests.bench.rig import free_port
from tests.contract.test_sendgrid import make_certificate

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MAIL = Mail(
    key="41",
    shop_key="7",
    flow_step="abandoned_cart/reminder",
    from_email="hello@teaandtin.example",
    from_name="Tea & Tin",
    to_email="alice@example.com",
    to_name="Alice",
    reply_to=None,
    subject="We kept your cart for you",
    html="<p>.</p>",
    text="..\n.\nYour cart\n",
    unsubscribe_url="https://mail.example/u/" + "T" * 277,
    return_path="b+00112233445566778899aabbccddeeff@in.mail.example",
)


class Handler:
    """Takes mails, or answers as it is told: a phase's name leads to an answer, or to "break"."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.mails: list[tuple[str, list[str], bytes]] = []
        self.connections = 0
        self.lock = threading.Lock()

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802
        with self.lock:
            self.connections += session.host_name is None  # after STARTTLS it is said again
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        if answer := self._answer(server, "MAIL"):
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if answer := self._answer(server, "RCPT"):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if answer := self._answer(server, "DATA"):
            return answer
        with self.lock:
            self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        self._answer(server, "after")
        return "250 Taken"

    def _answer(self, server, phase: str) -> str | None:
        answer = self.answers.get(phase)
        if answer == "break":
            server.transport.abort()
        return answer


@pytest.fixture
def server():
    running: list[Controller] = []

    def start(**options) -> tuple[Handler, int]:
        handler = Handler()
        controller = Controller(handler, hostname="127.0.0.1", port=free_port(), **options)
        controller.start()
        running.append(controller)
        return handler, controller.port

    yield start
    for controller in running:
        controller.stop()


@pytest.fixture
def plain(server, monkeypatch):
    monkeypatch.setattr(smtp, "TIMEOUT", 5.0)
    handler, port = server()
    way_out = SmtpTransport(f"smtp://127.0.0.1:{port}", lambda: T0)
    yield handler, way_out
    way_out.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def test_the_wire_holds_the_mail_letter_by_letter(plain):
    handler, way_out = plain
    sent = way_out.send(MAIL)
    sender, recipients, content = handler.mails[0]
    message = message_from_bytes(content, policy=default)

    assert (sent, sender, recipients) == ("smtp-41", MAIL.return_path, ["alice@example.com"])
    assert message.get_body(("plain",)).get_content().splitlines() == ["..", ".", "Your cart"]
    assert message["X-Cartwheel-Delivery"] == "41"


def test_a_300_character_way_out_is_verbatim(plain):
    handler, way_out = plain
    way_out.send(MAIL)
    wire = handler.mails[0][2]

    assert len(MAIL.unsubscribe_url) == 300
    assert b"\r\nList-Unsubscribe: <" + MAIL.unsubscribe_url.encode() + b">\r\n" in wire
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in wire


def test_without_an_inbound_domain_the_sender_gets_the_bounces(plain):
    handler, way_out = plain
    way_out.send(replace(MAIL, return_path=None))

    assert handler.mails[0][0] == "hello@teaandtin.example"


@pytest.mark.parametrize(("phase", "answer", "kind", "reach"), [
    ("MAIL", "550 5.7.1 not yours", NotAllowed, Reach.SHOP),
    ("MAIL", "451 4.3.0 later", Transient, Reach.ONE),
    ("MAIL", "break", Transient, Reach.ALL),
    ("RCPT", "550 5.1.1 no such user alice@example.com", AddressRefused, None),
    ("RCPT", "550 5.7.1 blocked", Permanent, None),
    ("RCPT", "451 4.7.1 greylisted", Transient, Reach.ONE),
    ("RCPT", "421 4.3.2 closing", Transient, Reach.ALL),
    ("RCPT", "break", Transient, Reach.ALL),
    ("DATA", "554 5.6.0 no spam here", Permanent, None),
    ("DATA", "452 4.3.1 disk full", Transient, Reach.ONE),
    ("DATA", "break", Ambiguous, None),
    ("after", "break", Ambiguous, None),
])  # fmt: skip
def test_only_what_was_surely_not_taken_may_be_tried_again(plain, phase, answer, kind, reach):
    """I5: until the final dot nothing can have been taken; whoever hears nothing after it does not know."""
    handler, way_out = plain
    handler.answers[phase] = answer
    with pytest.raises(AdapterError) as caught:
        way_out.send(MAIL)

    assert (type(caught.value), getattr(caught.value, "reach", None)) == (kind, reach)
    assert "alice@" not in str(caught.value)


def test_a_server_that_breaks_off_while_the_message_is_written_has_not_got_it(plain, monkeypatch):
    handler, way_out = plain
    way_out.send(MAIL)
    connection = way_out._idle[0]._smtp
    whole = connection.send

    def send(data):
        if len(data) > 500:
            raise BrokenPipeError
        whole(data)

    monkeypatch.setattr(connection, "send", send)
    with pytest.raises(Transient):
        way_out.send(MAIL)

    assert len(handler.mails) == 1


def test_one_connection_carries_many_mails_also_after_a_refusal(plain):
    handler, way_out = plain
    for n in range(5):
        way_out.send(replace(MAIL, key=str(n)))
    handler.answers["RCPT"] = "550 5.1.1 no such user"
    with pytest.raises(AddressRefused):
        way_out.send(MAIL)
    handler.answers.clear()
    way_out.send(MAIL)

    assert (len(handler.mails), handler.connections) == (6, 1)


def test_a_connection_is_not_used_for_ever(plain, monkeypatch):
    handler, way_out = plain
    monkeypatch.setattr(smtp, "MAILS_PER_CONNECTION", 2)
    for n in range(5):
        way_out.send(replace(MAIL, key=str(n)))

    assert (len(handler.mails), handler.connections) == (5, 3)


def test_a_connection_that_broke_between_two_mails_is_replaced(plain):
    handler, way_out = plain
    way_out.send(MAIL)
    way_out._idle[0]._smtp.sock.shutdown(socket.SHUT_RDWR)
    way_out.send(MAIL)

    assert (len(handler.mails), handler.connections) == (2, 2)


def test_threads_have_a_connection_each(plain):
    handler, way_out = plain
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: way_out.send(replace(MAIL, key=str(n))), range(60)))

    assert len({message_from_bytes(m)["X-Cartwheel-Delivery"] for _, _, m in handler.mails}) == 60
    assert handler.connections <= 6


def test_a_closed_port_is_surely_not_sent():
    with pytest.raises(Transient) as caught:
        SmtpTransport(f"smtp://127.0.0.1:{free_port()}", lambda: T0).send(MAIL)

    assert caught.value.reach is Reach.ALL


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # the connection itself is TLS
@pytest.mark.parametrize("scheme", ["starttls", "smtps"])
def test_tls_and_signing_in_work_and_a_wrong_password_pauses_everybody(server, certificate, scheme):
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)
    ours = ssl.create_default_context(cafile=str(certificate))

    def check(_server, _session, _envelope, _mechanism, data):
        return AuthResult(success=data.password == b"p@ss/word", handled=False)

    options = {"tls_context": theirs, "require_starttls": True}
    if scheme == "smtps":
        options = {"ssl_context": theirs, "auth_require_tls": False}
    handler, port = server(authenticator=check, auth_required=True, **options)
    good = SmtpTransport(f"{scheme}://user%40x:p%40ss%2Fword@127.0.0.1:{port}", lambda: T0, ours)
    good.send(MAIL)
    good.close()
    with pytest.raises(NotAllowed) as refused:
        SmtpTransport(f"{scheme}://user:wrong@127.0.0.1:{port}", lambda: T0, ours).send(MAIL)
    with pytest.raises(NotAllowed, match="certificate"):
        SmtpTransport(f"{scheme}://user:wrong@127.0.0.1:{port}", lambda: T0).send(MAIL)

    assert (len(handler.mails), refused.value.reach, "wrong" in str(refused.value)) == (1, Reach.ALL, False)


def test_a_server_without_tls_is_not_used_where_tls_is_asked_for(server):
    _, port = server()
    with pytest.raises(NotAllowed, match="TLS"):
        SmtpTransport(f"starttls://127.0.0.1:{port}", lambda: T0).send(MAIL)


@pytest.mark.parametrize("url", ["", "http://x", "smtp://", "smtps://h/path", "starttls://h?x=1"])
def test_an_address_of_another_kind_is_refused_without_being_repeated(url):
    with pytest.raises(ValueError, match="must be") as caught:
        read_url(url)

    assert "h/path" not in str(caught.value)


def test_an_address_is_read_with_its_usual_port_and_never_shown_with_its_password():
    server = read_url("starttls://u:s3cret@smtp.example")

    assert (server.port, "s3cret" in repr(server)) == (587, False)


def test_whoever_is_not_on_the_list_gets_nothing_and_the_outbox_shows_it(plain, tmp_path):
    handler, way_out = plain
    listed = AllowlistTransport(way_out, OutboxTransport(tmp_path, lambda: T0), r".*@staff\.example|alice@example\.com")
    people = ["Alice@example.com", "bob@example.com", "x@staff.example.org"]
    sent = [listed.send(replace(MAIL, key=str(n), to_email=to)) for n, to in enumerate(people)]

    assert [recipients for _, recipients, _ in handler.mails] == [["Alice@example.com"]]
    assert sent == ["smtp-0", "outbox-1", "outbox-2"]
    assert (listed.was_sent("1"), listed.was_sent("0")) == (True, None)
    listed.forget("1")
    assert listed.was_sent("1") is None
