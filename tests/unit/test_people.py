import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.people import NAME_LIMIT, greeting_name, normalise_email


@pytest.mark.parametrize(
    ("raw", "email"),
    [
        ("maya.okafor@example.com", "maya.okafor@example.com"),
        ("  Maya.Okafor@Example.COM \n", "maya.okafor@example.com"),
        ("maya+shop@example.com", "maya+shop@example.com"),
        ("m.a.y.a@example.com", "m.a.y.a@example.com"),
        ("o'brien@example.ie", "o'brien@example.ie"),
        ("jose\N{COMBINING ACUTE ACCENT}@example.com", "jos\N{LATIN SMALL LETTER E WITH ACUTE}@example.com"),
        ("用户@例子.广告", "用户@例子.广告"),
    ],
)
def test_an_address_is_compared_trimmed_lower_cased_and_composed(raw: str, email: str) -> None:
    assert normalise_email(raw) == email


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "   ",
        "maya",
        "maya@",
        "@example.com",
        "maya@example",
        "maya@example.com, tomas@example.com",
        "maya@@example.com",
        "maya@a@example.com",
        "Maya <maya@example.com>",
        "maya okafor@example.com",
        "maya@example.com\r\nBcc: tomas@example.com",
        "maya\x00@example.com",
        '"maya"@example.com',
        "maya@.com",
        "m" * 250 + "@example.com",
    ],
)
def test_what_cannot_be_mailed_is_no_address(raw: str | None) -> None:
    assert normalise_email(raw) is None


@settings(deadline=None)
@given(st.text() | st.builds("{}@{}.{}".format, st.text(max_size=9), st.text(max_size=9), st.text(max_size=5)))
def test_an_address_that_was_normalised_stays_as_it_is(raw: str) -> None:
    email = normalise_email(raw)

    if email is not None:
        assert normalise_email(email) == email
        assert email.count("@") == 1
        assert len(email) <= 254
        assert not any(character.isspace() for character in email)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Maya", "Maya"),
        ("  Maya   Lou ", "Maya Lou"),
        ("Jean-Luc", "Jean-Luc"),
        ("O'Brien", "O'Brien"),
        ("Dr. Maya", "Dr. Maya"),
        ("Əli", "Əli"),
        ("محمد", "محمد"),
        ("美咲", "美咲"),
        ("Maya\r\nBcc", "Maya Bcc"),
        ("Maya II", "Maya II"),
    ],
)
def test_a_name_is_greeted_with(raw: str, name: str) -> None:
    assert greeting_name(raw) == name


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        " \t ",
        "\u202e",
        "You won! https://evil.example",
        "www.evil.example",
        "evil.example",
        "claim@evil.example",
        "<b>Maya</b>",
        "{{ shop.secret }}",
        "Call 0900 123",
        "x" * (NAME_LIMIT + 1),
    ],
)
def test_text_that_a_stranger_wants_us_to_mail_is_no_name(raw: str | None) -> None:
    assert greeting_name(raw) is None


@settings(deadline=None)
@given(st.text())
def test_a_greeting_is_short_and_on_one_line(raw: str) -> None:
    name = greeting_name(raw)

    if name is not None:
        assert 0 < len(name) <= NAME_LIMIT
        assert not any(unicodedata.category(character).startswith("C") for character in name)
        assert name == " ".join(name.split())
