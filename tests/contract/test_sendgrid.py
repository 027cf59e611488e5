"""SendGrid: every body is one that its own specification allows, and every answer is judged as it must be."""

import json
import logging
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from app.demo.sendgrid import ACCEPTING, Behaviour, FakeSendGrid
from app.domain.errors import AdapterError, Ambiguous, NotAllowed, Permanent, Reach, Transient
from app.domain.ports import Mail
from integrations.http import Answer
from integrations.sendgrid import transport as sendgrid
from integrations.sendgrid.body import body_of
from integrations.sendgrid.transport import SendGridTransport
from tests.specification import faults

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MAIL = Mail(
    key="41",
    shop_key="7",
    flow_step="abandoned_cart/reminder",
    from_email="hello@teaandtin.example",
    from_name="Tea & Tin",
    to_email="alice@example.com",
    to_name="Alice; Adams, x",
    reply_to="help@teaandtin.example",
    subject="We kept your cart for you",
    html="<p>Your cart</p>",
    text="Your cart",
    unsubscribe_url="https://mail.example/u/" + "T" * 300,
    unsubscribe_to="u+0123@in.mail.example",
)


@pytest.fixture
def fake():
    with FakeSendGrid() as running:
        running.plan.check = faults
        yield running


@pytest.fixture
def transport(fake, monkeypatch):
    monkeypatch.setattr(sendgrid, "_TIMEOUT", (3.0, 1.5))
    way_out = SendGridTransport(fake.api_key, fake.url, lambda: T0)
    yield way_out
    way_out.close()


def answer(status: int, body: object = None, **headers: str) -> Answer:
    return Answer(status=status, retry_after=None, body=body, headers=headers)


# The body


@pytest.mark.parametrize("mail", [
    MAIL,
    replace(MAIL, to_name=None, reply_to=None, unsubscribe_url=None, unsubscribe_to=None),
    replace(MAIL, subject="茶与罐: سلة التسوق", from_name="茶与罐", to_name="سارة", text="茶", html="<p>ə ü</p>"),
    replace(MAIL, to_email="alice@bücher.example"),
], ids=["whole", "plain", "scripts", "domain"])  # fmt: skip
def test_every_body_is_one_that_the_specification_allows(mail):
    assert faults(json.loads(body_of(mail))) == []


def test_the_specification_refuses_what_it_should():
    """Guards the checker: were it blind, the test above would hold for nothing."""
    body = json.loads(body_of(MAIL))
    broken = [
        {k: v for k, v in body.items() if k != "from"}, body | {"subject": ""}, body | {"sender": "x"},
        body | {"personalizations": [{"to": []}]}, body | {"from": {"email": "no address"}},
        body | {"categories": [str(n) for n in range(11)]},
    ]  # fmt: skip

    assert [b for b in broken if not faults(b)] == []


def test_the_body_leads_back_to_the_delivery_and_tells_sendgrid_nothing_personal():
    body = json.loads(body_of(MAIL))

    assert body["personalizations"] == [
        {
            "to": [{"email": "alice@example.com", "name": "Alice Adams x"}],
            "custom_args": {"cw_delivery": "41", "cw_shop": "7"},
        }
    ]
    assert body["categories"] == ["cartwheel", "flow:abandoned_cart"]
    assert body["headers"]["X-Cartwheel-Delivery"] == "41"
    ways = f"<{MAIL.unsubscribe_url}>, <mailto:u+0123@in.mail.example?subject=unsubscribe>"
    assert body["headers"]["List-Unsubscribe"] == ways
    assert {kind["enable"] for kind in body["tracking_settings"].values()} == {False}


@pytest.mark.parametrize("evil", ["x\r\nBcc: eve@evil.example", "x\0", "=?utf-8?q?=0ABcc=3A?="])
@pytest.mark.parametrize("field", ["subject", "to_name", "from_name", "to_email", "flow_step"])
def test_a_header_that_could_become_two_is_refused(field, evil):
    with pytest.raises(Permanent):
        body_of(replace(MAIL, **{field: evil}))


@pytest.mark.parametrize("change", [{"subject": ""}, {"text": ""}, {"html": ""}, {"text": "\ud800"}])
def test_an_empty_or_broken_part_is_refused_before_the_call(change):
    with pytest.raises(Permanent):
        body_of(replace(MAIL, **change))


# The answers: the table of docs/mail.md


def test_a_202_is_sent_with_sendgrids_own_id(fake, transport):
    assert transport.send(MAIL) == fake.accepted[0].message_id
    assert (fake.accepted[0].delivery, fake.accepted[0].to) == ("41", "alice@example.com")


@pytest.mark.parametrize(("behaviour", "kind", "reach"), [
    (Behaviour.REFUSE_400, Permanent, None),
    (Behaviour.REFUSE_413, Permanent, None),
    (Behaviour.REDIRECT_302, Permanent, None),
    (Behaviour.REFUSE_401, NotAllowed, Reach.ALL),
    (Behaviour.REFUSE_403, NotAllowed, Reach.SHOP),
    (Behaviour.BUSY_429, Transient, Reach.ALL),
    (Behaviour.BUSY_503, Transient, Reach.ALL),
    (Behaviour.ACCEPT_THEN_500, Ambiguous, None),
    (Behaviour.ACCEPT_THEN_502, Ambiguous, None),
    (Behaviour.ACCEPT_THEN_HANG, Ambiguous, None),
    (Behaviour.ACCEPT_THEN_RESET, Ambiguous, None),
    (Behaviour.ACCEPT_THEN_CLOSE, Ambiguous, None),
    (Behaviour.RESET_UNREAD, Ambiguous, None),
])  # fmt: skip
def test_only_what_was_surely_not_taken_may_be_tried_again(fake, transport, behaviour, kind, reach):
    """I5: a mail that SendGrid took is never one that we would send again."""
    fake.plan.then, fake.plan.hang = behaviour, 3
    with pytest.raises(AdapterError) as caught:
        transport.send(MAIL)

    assert (type(caught.value), getattr(caught.value, "reach", None)) == (kind, reach)
    assert not (behaviour in ACCEPTING and kind is not Ambiguous)
    assert not any(secret in str(caught.value) for secret in ("SG.fake", "alice@", "/v3/"))


def test_a_rate_limit_says_when_to_come_back_and_costs_no_try(fake, transport):
    fake.plan.then, fake.plan.retry_after = Behaviour.BUSY_429, 77
    with pytest.raises(Transient) as caught:
        transport.send(MAIL)

    assert (caught.value.retry_after.total_seconds(), caught.value.is_rate) == (77, True)


def test_a_rate_limit_may_name_the_moment_it_ends(transport):
    error = transport._refused(answer(429, **{"x-ratelimit-reset": str(int(T0.timestamp()) + 12)}))

    assert error.retry_after.total_seconds() == 12


def test_the_reason_is_sendgrids_own_without_addresses(transport):
    body = {"errors": [{"field": "personalizations.0.to", "message": "alice@example.com is\nno address"}]}

    assert (
        str(transport._refused(answer(400, body)))
        == "SendGrid did not accept the mail (400: personalizations.0.to (address) is no address)."
    )


@pytest.mark.parametrize("status", [200, 201, 204, 500, 504, 520, 408])
def test_any_other_answer_is_ambiguous(transport, status):
    assert isinstance(transport._refused(answer(status)), Ambiguous)


@pytest.mark.parametrize("base", ["http://127.0.0.1:9", "http://nowhere.invalid"])
def test_a_closed_port_and_an_unknown_host_are_surely_not_sent(base):
    way_out = SendGridTransport("SG.x", base, lambda: T0)
    with pytest.raises(Transient):
        way_out.send(MAIL)
    way_out.close()


# The connections


def test_many_threads_share_kept_connections(fake, transport):
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda n: transport.send(replace(MAIL, key=str(n))), range(200)))

    assert len(set(ids)) == 200
    assert {mail.delivery for mail in fake.accepted} == {str(n) for n in range(200)}
    assert fake.connections <= 8


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def make_certificate(folder: Path) -> Path:
    """Make a key and a certificate of our own for 127.0.0.1, in one file."""
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 "
        f"-keyout {folder}/key.pem -out {folder}/cert.pem"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    whole = folder / "whole.pem"
    whole.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return whole


def test_over_tls_it_sends_and_a_certificate_that_is_not_trusted_is_surely_not_sent(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with FakeSendGrid(context=context) as fake:
        trusting = SendGridTransport(fake.api_key, fake.url, lambda: T0)
        trusting._session.verify = str(certificate)
        wary = SendGridTransport(fake.api_key, fake.url, lambda: T0)
        sent = trusting.send(MAIL)
        with pytest.raises(Transient):
            wary.send(MAIL)
        trusting.close()
        wary.close()

        assert [mail.message_id for mail in fake.accepted] == [sent]


def test_a_fault_of_tls_after_the_handshake_is_ambiguous(transport, monkeypatch):
    def read_garbled(*_args: object, **_more: object) -> None:
        raise requests.exceptions.SSLError(ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC]"))

    monkeypatch.setattr(transport._session, "post", read_garbled)
    with pytest.raises(Ambiguous):
        transport.send(MAIL)


def test_no_key_address_or_body_is_logged_at_debug(fake, transport, caplog):
    """I13."""
    caplog.set_level(logging.DEBUG)
    for behaviour in (Behaviour.ACCEPT, Behaviour.REFUSE_400, Behaviour.ACCEPT_THEN_RESET):
        fake.plan.then = behaviour
        try:
            transport.send(MAIL)
        except AdapterError as exc:
            logging.getLogger("test").error("failed", exc_info=exc)

    assert "failed" in caplog.text
    assert [word for word in ("SG.fake", "alice@example.com", "Your cart") if word in caplog.text] == []
