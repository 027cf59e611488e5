"""The checks of a message, and of a mail domain: each finds what it is for, and the mails that we ship pass them."""

import re
from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import pytest
from babel import Locale

from app import catalogues
from app.domain.errors import NoAnswer
from app.domain.mailing import Brand
from app.flows import FLOWS
from app.services import samples, sender_domain
from app.services.message_checks import look_over
from app.services.render import fill
from app.services.texts import find, own_texts
from app.services.urgency import PRESSURE, pressing
from app.services.writing import locale_of
from tests.conftest import T0
from tests.mail_cast import COUPON, REMINDER, own

TAGS = tuple(name.replace("_", "-") for name in catalogues.LANGUAGES)
LONG = "<p>" + "Everything is just as you left it, and it stays that way for as long as you like. " * 8 + "</p>"
BUTTON = {"type": "button", "to": "cart"}


def found(content, level: str = "") -> dict[str, str]:
    """Return what the checks say about a mail: code to words, of one level or of all that are not ok."""
    locale = locale_of(content.locale)
    texts = find(content.flow, content.step, *([locale] if locale else []), own=content.texts)
    findings = look_over(
        fill(content, texts), content, texts, public_url="https://mail.example", makes_coupon=bool(content.coupon)
    )
    return {f.code: f.words for f in findings if (f.level == level if level else f.level != "ok")}


@pytest.mark.parametrize(("content", "tag"), list(product((REMINDER, COUPON), TAGS)), ids=lambda v: getattr(v, "step", v))
def test_the_mails_that_we_ship_have_nothing_to_say_against(content, tag):
    """The length is only a warning, and a Chinese character says more than a letter."""
    faults = found(replace(content, locale=tag))

    assert set(faults) <= {"length"}


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize(("flow", "step"), [(f.key, s.key) for f in FLOWS.values() for s in f.sends])
def test_every_message_of_every_flow_is_fit_to_send_in_every_language(flow, step, tag):
    """Mail test 9: the example, the reader with next to nothing and the hostile one, through every shipped text."""
    shop = SimpleNamespace(
        name="Tea & Tin", url="https://teaandtin.example", sender_email="hello@teaandtin.example", reply_to=None,
        postal_address="4 Mill Lane", locale="en", timezone="UTC", currency="USD",
    )  # fmt: skip
    full = replace(samples.example(shop, FLOWS[flow], step, now=T0), locale=tag)
    texts = find(flow, step, Locale.parse(tag, sep="-"))
    mails = [fill(content, texts) for content in samples.trials(full, FLOWS[flow])]
    makes_coupon = samples.makes_coupon(FLOWS[flow], step)
    found = look_over(mails[0], full, texts, public_url=shop.url, makes_coupon=makes_coupon)
    faults = {finding.code for finding in found if finding.level != "ok"}

    assert faults <= {"length"}
    for mail in mails:
        assert mail.language == tag
        assert "<script" not in mail.html
        assert "\nBcc" not in mail.text
        assert not re.search("[\r\n]|=\\?", mail.subject + mail.preheader)
        assert "49" not in mail.text.replace("{{7*7}}", "")


def test_what_is_right_is_told_as_well():
    assert {"unsubscribe", "postal_address", "plain_text", "size", "links", "urgency", "language"} <= found(
        COUPON, "ok"
    ).keys()


@pytest.mark.parametrize(("content", "level", "code"), [
    (replace(REMINDER, sender=replace(REMINDER.sender, postal_address=" ")), "fail", "postal_address"),
    (replace(REMINDER, sender=replace(REMINDER.sender, email="teashop@gmail.com")), "fail", "free_mail"),
    (own("<p>Short</p>", BUTTON), "warn", "length"),
    (own(LONG), "warn", "button"),
    (own(LONG, BUTTON), "warn", "preheader"),
    (own(LONG, BUTTON, about=COUPON), "fail", "coupon"),
    (own(LONG, {"type": "coupon"}, BUTTON), "warn", "coupon"),
    (own(LONG, BUTTON, subject="Re: your cart"), "fail", "subject"),
    (own(LONG, BUTTON, subject="x" * 61), "warn", "subject"),
    (own(LONG, {"type": "picture", "url": "https://cdn.example/a.png", "alt": ""}), "warn", "alt"),
    (own("<p>Hi</p>", *[{"type": "picture", "url": "https://cdn.example/a.png", "alt": "A"}] * 4), "warn", "balance"),
    (own(LONG, {"type": "button", "to": "https://elsewhere.example"}), "warn", "foreign_links"),
    (own(LONG + '<p><a href="http://teaandtin.example">x</a></p>', BUTTON), "warn", "plain_links"),
    (own(LONG, "<p>Hurry, last chance</p>", BUTTON), "warn", "urgency"),
    (own(LONG + "<table><tr><td>x</td></tr></table>", BUTTON), "warn", "taken_out"),
    (replace(REMINDER, locale="de-DE"), "warn", "language"),
    (replace(REMINDER, brand=Brand(accent="#fefefe")), "warn", "contrast"),
    (own("<h1>w</h1>" * 520, BUTTON), "warn", "size"),
])  # fmt: skip
def test_each_fault_is_found(content, level, code):
    assert code in found(content, level)
    assert code not in found(own(LONG, {"type": "cart"}, BUTTON, preheader="All is there"), level)


def test_a_mail_whose_footer_is_gone_is_stopped():
    texts = find("abandoned_cart", "reminder")
    mail = replace(fill(REMINDER, texts), html="<p>nothing</p>")
    first = look_over(mail, REMINDER, texts, public_url="https://mail.example", makes_coupon=False)[0]

    assert (first.code, first.level, first.fix) == ("unsubscribe", "fail", "Put the footer back")


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_words_that_press_are_known_in_every_language(language):
    assert len(PRESSURE[language]) >= 8
    for word in PRESSURE[language]:
        assert pressing(f"abc {word} def", language) == [word]


@pytest.mark.parametrize(("text", "expected"), [
    ("Your cart is still here", []), ("Nothing is lost!", []), ("Only 2 left!!", ["!!"]),
    ("SALE ENDS TODAY ok", ["SALE ENDS TODAY"]),
    ("USA and NASA", []), ("HURRY up", ["hurry"]),
])  # fmt: skip
def test_shouting_is_told_from_speaking(text, expected):
    assert pressing(text, "en") == expected


def test_own_texts_name_where_they_stand():
    assert own_texts("abandoned_cart", "reminder", "az", own("<p>x</p>").texts["en"]).name == "abandoned_cart/reminder/az"


# The domain


class Names:
    """A DNS with what a test says; an exception stands for a server that does not answer."""

    def __init__(self, txt: dict[str, list[str] | Exception], mx: list[str] | Exception = ("mx.teaandtin.example",)):
        self._txt, self._mx = txt, mx

    def txt(self, name):
        return self._given(self._txt.get(name, []))

    def mx(self, name):
        return self._given(self._mx)

    def _given(self, answer):
        if isinstance(answer, Exception):
            raise answer
        return list(answer)


DOMAIN = "news.teaandtin.example"
GOOD = {
    DOMAIN: ["v=spf1 include:sendgrid.example ~all", "some-site-verification=1"],
    f"s1._domainkey.{DOMAIN}": ["k=rsa; t=s; p=MIGfMA0"],
    "_dmarc.teaandtin.example": ["v=DMARC1; p=none; rua=mailto:x@teaandtin.example"],
}


def verdicts(names: Names) -> dict[str, str]:
    return {record.kind: record.verdict for record in sender_domain.look_up(DOMAIN, names)}


def test_a_domain_that_is_set_up_has_four_times_ok():
    records = sender_domain.look_up(DOMAIN, Names(GOOD))

    assert verdicts(Names(GOOD)) == {"spf": "ok", "dkim": "ok", "dmarc": "ok", "mx": "ok"}
    assert sender_domain.worst(records) == "ok"
    assert "s1" in records[1].detail
    assert "teaandtin.example" in records[2].detail  # a policy of the domain above counts


@pytest.mark.parametrize(("changes", "kind", "verdict"), [
    ({DOMAIN: []}, "spf", "fail"),
    ({DOMAIN: ["v=spf1 ~all", "v=spf1 -all"]}, "spf", "fail"),
    ({DOMAIN: ["v=spf1 +all"]}, "spf", "fail"),
    ({DOMAIN: ["v=spf1 mx"]}, "spf", "warn"),
    ({DOMAIN: ["v=spf1 " + "include:x.example " * 11 + "~all"]}, "spf", "fail"),
    ({DOMAIN: ["v=spf10 ~all"]}, "spf", "fail"),
    ({f"s1._domainkey.{DOMAIN}": []}, "dkim", "warn"),
    ({f"s1._domainkey.{DOMAIN}": ["v=DKIM1; p="]}, "dkim", "fail"),
    ({"_dmarc.teaandtin.example": []}, "dmarc", "fail"),
    ({"_dmarc.teaandtin.example": ["v=DMARC1; rua=mailto:x"]}, "dmarc", "fail"),
    ({f"_dmarc.{DOMAIN}": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}, "dmarc", "fail"),
    ({DOMAIN: NoAnswer("Timeout")}, "spf", "warn"),
    ({"_dmarc.teaandtin.example": NoAnswer("Timeout")}, "dmarc", "warn"),
])  # fmt: skip
def test_each_fault_of_a_domain_is_found_and_comes_with_a_remedy(changes, kind, verdict):
    records = {record.kind: record for record in sender_domain.look_up(DOMAIN, Names({**GOOD, **changes}))}

    assert records[kind].verdict == verdict
    assert records[kind].remedy
    assert [r.kind for r in records.values() if r.verdict != "ok"] == [kind]


@pytest.mark.parametrize("mx", [[], ["."], NoAnswer("Timeout")])
def test_a_domain_that_takes_no_mail_is_a_warning(mx):
    assert verdicts(Names(GOOD, mx))["mx"] == "warn"
