"""The languages that we ship: each mail in all five, right to left where it is, with its plurals, and who gets which."""

import re
import runpy
from dataclasses import replace
from itertools import product

import pytest
from babel import Locale

from app import catalogues
from app.services.liquid import parse
from app.services.render import render
from app.services.texts import coverage, shipped
from tests.mail_cast import COUPON, REMINDER, SPOONS, Page, own

TAGS = tuple(name.replace("_", "-") for name in catalogues.LANGUAGES)
OTHERS = tuple(name for name in catalogues.LANGUAGES if name != "en")
EVERY = pytest.mark.parametrize(
    ("content", "tag"), list(product((REMINDER, COUPON), TAGS)), ids=lambda v: getattr(v, "step", v)
)
# Letters of another language in a text are a slip of whoever wrote it.
FOREIGN = {"ar": "[əğış\u4e00-\u9fff]", "az": "[\u0600-\u06ff\u4e00-\u9fff]", "zh-Hans": "[\u0600-\u06ffəğış]",
           "zh-Hant": "[\u0600-\u06ffəğış]", "en": "[\u0600-\u06ff\u4e00-\u9fffəğış]"}  # fmt: skip
SIMPLIFIED, TRADITIONAL = "购车还这东们为点邮", "購車還這東們為點郵"


@EVERY
def test_a_mail_speaks_its_readers_language_from_end_to_end(content, tag):
    mail = render(replace(content, locale=tag))
    words = Page(mail.html).words + mail.text + mail.subject + mail.preheader

    assert (mail.language, mail.is_fallback) == (tag, False)
    assert not re.search(FOREIGN[tag], words)
    if tag != "en":
        assert not re.search(r"Subtotal|Unsubscribe|Back to|Yours|You get|instead|more", words)


@pytest.mark.parametrize(("tag", "wrong"), [("zh-Hans", TRADITIONAL), ("zh-Hant", SIMPLIFIED)])
def test_the_two_chinese_scripts_are_not_mixed(tag, wrong):
    both = "".join(render(replace(content, locale=tag)).text for content in (REMINDER, COUPON))

    assert not set(wrong) & set(both)


@pytest.mark.parametrize("content", [REMINDER, COUPON], ids=["reminder", "coupon"])
def test_an_arabic_mail_runs_from_right_to_left_everywhere(content):
    """Mail test 8: no part of the HTML is laid out from left to right but what is Latin by nature."""
    mail = render(replace(content, locale="ar-AE"))
    root = Page(mail.html).all("html")[0]

    assert set(re.findall(r"direction: ?\w+", mail.html)) == {"direction:rtl"}
    assert (root["lang"], root["dir"]) == ("ar-AE", "rtl")
    assert not re.search(r"letter-spacing(?!:\.08em)|text-transform:(?!none)", mail.html)
    assert "المجموع: " in mail.text
    assert mail.text.index("سلتك") < mail.text.index("Linen apron") < mail.text.index("العودة إلى سلتي")


@pytest.mark.parametrize(("count", "expected"), [
    (0, "ولا شيء غيرها"), (1, "ومنتج آخر"), (2, "ومنتجان آخران"), (5, "و5 منتجات أخرى"), (11, "و11 منتجًا آخر"),
    (100, "و100 منتج آخر"), (103, "و103 منتجات أخرى"),
])  # fmt: skip
def test_arabic_has_six_plurals_in_gettexts_order(count, expected):
    """Mail test 8: Babel orders the last two the other way round, so the header of the file has to win."""
    say_many = catalogues.translations(catalogues.MAILS, Locale("ar")).ngettext

    assert say_many("and %(count)d more", "and %(count)d more", count) % {"count": count} == expected


def test_a_plural_reaches_the_mail():
    mail = render(replace(REMINDER, locale="ar", lines=(SPOONS,) * 23))

    assert "- و3 منتجات أخرى" in mail.text


@pytest.mark.parametrize("name", OTHERS)
def test_every_word_of_ours_is_translated(name):
    catalogue = catalogues.translations(catalogues.MAILS, Locale.parse(name))
    untranslated = [key for key, words in catalogue._catalog.items() if key and not words]

    assert len(catalogue._catalog) > 20
    assert untranslated == []


@pytest.mark.parametrize("message", sorted(shipped()), ids="/".join)
def test_every_message_is_written_in_every_language(message):
    assert coverage(*message).missing == ()


def test_the_same_blocks_stand_in_every_language():
    for by_locale in shipped().values():
        kinds = {tag: [block.type for block in texts.message.blocks] for tag, texts in by_locale.items()}

        assert set(map(tuple, kinds.values())) == {tuple(kinds["en"])}


@pytest.mark.parametrize(("locale", "language", "is_fallback"), [
    ("en-GB", "en", False), ("az-Latn-AZ", "az", False), ("zh-SG", "zh-Hans", False), ("zh-HK", "zh-Hant", False),
    ("ar-EG", "ar", False), ("de-DE", "az", True), ("??", "az", True), ("", "az", True),
])  # fmt: skip
def test_who_has_no_language_of_ours_gets_the_shops_and_that_is_told(locale, language, is_fallback):
    sender = replace(REMINDER.sender, locale="az")
    mail = render(replace(REMINDER, locale=locale, sender=sender))

    assert (mail.language, mail.is_fallback) == (language, is_fallback)


def test_the_shops_own_words_win_in_their_language_and_ours_in_the_others():
    written = own("<p>Bizim sözümüz</p>", locale="az")

    assert "Bizim sözümüz" in render(written).text
    assert "Your cart is still here" in render(replace(written, locale="en")).text
    assert "سلتك" in render(replace(written, locale="ar")).text


@pytest.mark.parametrize(("language", "source", "expected"), [
    ("az", "{{ 'istəkli' | upcase }}", "İSTƏKLİ"),
    ("az", "{{ 'ılıq' | upcase }}", "ILIQ"),
    ("az", "{{ 'İSTİ IŞIQ' | downcase }}", "isti ışıq"),
    ("tr", "{{ 'izmir IĞDIR' | capitalize }}", "İzmir ığdır"),
    ("en", "{{ 'istanbul' | upcase }}", "ISTANBUL"),
])  # fmt: skip
def test_turkic_letters_keep_their_dots(language, source, expected):
    assert parse(source, "test", html=False, language=language).fill({}) == expected


@pytest.mark.parametrize(("locale", "currency", "expected"), [
    ("az-AZ", "AZN", "62,00\xa0₼"), ("zh-CN", "CNY", "¥62.00"), ("zh-TW", "TWD", "$62.00"), ("en-GB", "GBP", "£62.00"),
    ("ar-AE", "AED", "62.00\xa0د.إ."),
])  # fmt: skip
def test_money_is_written_as_at_home(locale, currency, expected):
    text = render(replace(REMINDER, locale=locale, currency=currency)).text

    assert expected in re.sub("[\u200e\u200f]", "", text)


@pytest.mark.parametrize(("tag", "expected"), [
    ("en", "Tuesday, November 24, 2:24\xa0AM (UTC)"), ("az", "24 noyabr, çərşənbə axşamı, 02:24 (UTC)"),
    ("ar", "الثلاثاء، 24 نوفمبر، 2:24 ص (UTC)"), ("zh-Hans", "11月24日星期二 02:24（UTC）"),
    ("zh-Hant", "11月24日 星期二 凌晨2:24（UTC）"),
])  # fmt: skip
def test_time_is_written_as_at_home(tag, expected):
    sender = replace(COUPON.sender, timezone="UTC", locale=tag)

    assert expected in render(replace(COUPON, sender=sender, locale=tag)).text.replace("GMT", "UTC")


@pytest.mark.parametrize("folder", [catalogues.MAILS, catalogues.PAGES, catalogues.SHOPPERS], ids=lambda f: f.parent.name)
def test_every_word_in_the_code_is_in_every_catalogue(folder, monkeypatch):
    """When this fails: run script/messages, and translate what came in."""
    monkeypatch.chdir(catalogues.ROOT)
    script = runpy.run_path("script/messages.py")
    words = script["found_in"](script["CATALOGUES"][folder.relative_to(catalogues.ROOT)])
    files = sorted(folder.glob("*.po"))

    assert len(words) > 20
    assert {path.stem for path in files} == set(OTHERS)
    for path in files:
        _, done = script["updated"](path.read_text(encoding="utf-8"), words, path.stem)
        assert (path.stem, done) == (path.stem, len(words))
