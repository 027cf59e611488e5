"""What a merchant's text may do, and what stops it from doing more."""

import pytest

from app.domain.errors import CartwheelError, Refused
from app.services.liquid import SOURCE_LIMIT, parse
from app.services.texts import find, shipped
from app.services.writing import locale_of

VALUES = {
    "customer": {"first_name": None},
    "shop": {"name": "Tea & Tin"},
    "cart": {"count": 3, "line_items": [{"title": "Linen <apron>"}, {"title": "Oak spoon set"}]},
}


def fill(source: str, *, html: bool = True) -> str:
    return parse(source, "test", html=html).fill(VALUES)


@pytest.mark.parametrize(("source", "expected"), [
    ("Hello {{ customer.first_name | default: 'there' }}", "Hello there"),
    ("{% if customer.first_name %}Hello{% else %}Hi{% endif %}", "Hi"),
    ("{% if coupon.code %}A coupon{% endif %}No coupon", "No coupon"),
    ("{{ cart.line_items[0].title | upcase }}", "LINEN &lt;APRON&gt;"),
    ("{{ cart.line_items.first.title | truncate: 8 }}", "Linen..."),
    ("{% for item in cart.line_items %}{{ forloop.index }}{% endfor %}", "12"),
    ("{% assign name = shop.name %}{{ name }}", "Tea &amp; Tin"),
])  # fmt: skip
def test_a_text_is_filled_in(source, expected):
    assert fill(source) == expected


def test_a_subject_is_not_escaped():
    assert fill("{{ shop.name }}", html=False) == "Tea & Tin"


@pytest.mark.parametrize(("source", "words"), [
    ("one\ntwo\n{{ customer.email }}", "line 3"),
    ("{{ customer.email }}", "customer.email"),
    ("{{ customer }}", "customer"),
    ("{{ customer.__class__ }}", "__class__"),
    ("{{ cart[shop.name] }}", "cart"),
    ("{{ 7 | times: 7 }}", "times"),
    ("{{ 'a' | replace: 'a', 'aaaaaaaaaa' }}", "replace"),
    ("{{ 'a' | append: 'b' }}", "append"),
    ("{{ 'now' | date: '%s' }}", "date"),
    ("{{ shop.name | safe }}", "safe"),
    ("{% include 'secret' %}", "include"),
    ("{% render 'secret' %}", "render"),
    ("{% increment x %}", "increment"),
    ("{% liquid echo 1 %}", "liquid"),
    ("{% if %}", "line 1"),
    ("{{ shop.name", "line 1"),
    ("{% if true %}" * 30, "nesting"),
    ("x" * (SOURCE_LIMIT + 1), "Shorten it"),
])  # fmt: skip
def test_a_text_with_something_that_is_not_allowed_is_refused_with_its_place(source, words):
    with pytest.raises(Refused, match="test") as caught:
        parse(source, "test", html=True)

    assert words in str(caught.value)


@pytest.mark.parametrize("source", [
    "{% for i in (1..1000000000) %}x{% endfor %}",
    "{% for i in (1..1000) %}{% for j in (1..1000) %}x{% endfor %}{% endfor %}",
    "{% assign x = 'xxxxxxxxxx' %}{% for i in (1..99) %}{% capture x %}{{ x }}{{ x }}{% endcapture %}{% endfor %}",
    "{% for i in (1..1900) %}" + "{{ shop.name }}" * 50 + "{% endfor %}",
])  # fmt: skip
def test_a_text_that_would_grow_without_end_is_stopped(source):
    with pytest.raises(CartwheelError, match="limit"):
        fill(source)


def test_a_filter_that_makes_a_long_value_is_stopped():
    # Each newline becomes seven characters, and nothing else in python-liquid looks inside one output.
    with pytest.raises(CartwheelError, match="newline_to_br made more than"):
        parse("{{ shop.name | newline_to_br }}", "test", html=False).fill({"shop": {"name": "\n" * 5_000}})


def test_a_value_that_is_missing_is_an_error_where_it_is_shown():
    with pytest.raises(CartwheelError, match="coupon"):
        fill("{{ coupon.code }}")


def test_a_value_is_never_read_as_a_template():
    text = parse("{{ shop.name }}", "test", html=True)

    assert text.fill({"shop": {"name": "{{ 7 | times: 7 }}{% include 'x' %}"}}).startswith("{{ 7 | times: 7 }}")


def test_a_text_is_parsed_once():
    assert parse("{{ shop.name }}", "test", html=True) is parse("{{ shop.name }}", "test", html=True)


@pytest.mark.parametrize(("locales", "expected"), [
    (("en-GB",), "en"),
    (("de-DE",), "en"),
    (("de-DE", "az-AZ"), "az"),
    (("az-Cyrl-AZ",), "az"),
    (("zh-CN",), "zh-Hans"),
    (("zh-SG",), "zh-Hans"),
    (("zh-TW",), "zh-Hant"),
    (("zh-Hant-HK",), "zh-Hant"),
    ((), "en"),
])  # fmt: skip
def test_texts_are_looked_up_from_the_narrowest_locale_to_english(monkeypatch, locales, expected):
    by_locale = {tag: tag for tag in ("en", "az", "zh-Hans", "zh-Hant")}
    monkeypatch.setattr("app.services.texts.shipped", lambda: {("flow", "step"): by_locale})

    assert find("flow", "step", *(locale_of(tag) for tag in locales)) == expected


@pytest.mark.parametrize(("flow", "step"), [("abandoned_cart", "third"), ("../..", "etc"), ("", "")])
def test_a_message_that_does_not_exist_is_an_error(flow, step):
    with pytest.raises(CartwheelError, match="no texts"):
        find(flow, step)


def test_every_message_is_there_in_english():
    assert all("en" in by_locale for by_locale in shipped().values())
    assert ("abandoned_cart", "reminder") in shipped()
    assert ("abandoned_cart", "coupon") in shipped()
