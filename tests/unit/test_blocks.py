"""The blocks of a message: how they are stored, how they look, and what they leave out."""

import re
from dataclasses import replace

import pytest

from app.domain.colours import READABLE, contrast, readable
from app.domain.errors import CartwheelError, Refused
from app.domain.mailing import Brand, SocialLink
from app.flows.messages import BLOCKS_MOST, Button, Words, from_json, read_body, to_json, write_body
from app.services.look import look_of
from app.services.render import render
from app.services.texts import shipped
from tests.mail_cast import APRON, COUPON, ORDERED, REMINDER, SPOONS, Page, own

BRAND = Brand(
    logo_url="https://cdn.example/logo.png", logo_width=120, accent="#7a1f3d", font="rounded",
    signature="Mila and the Tea & Tin team", social=(SocialLink(name="Instagram", url="https://social.example/tea"),),
)  # fmt: skip


def message(*blocks: dict, **parts: object) -> dict:
    return {"subject": "Hello", "preheader": "", "blocks": list(blocks), **parts}


# Stored


def test_every_shipped_message_is_the_same_after_json_and_after_writing():
    for by_locale in shipped().values():
        for texts in by_locale.values():
            assert from_json(to_json(texts.message)) == texts.message
            assert read_body(write_body(texts.message.blocks)) == texts.message.blocks


@pytest.mark.parametrize(("tree", "words"), [
    (message({"type": "cart", "colour": "red"}), "colour"),
    (message({"type": "script"}), "script"),
    (message(), "blocks"),
    (message(*[{"type": "cart"}] * (BLOCKS_MOST + 1)), "blocks"),
    (message({"type": "cart"}, subject=""), "subject"),
    (message({"type": "cart"}, sender="me"), "sender"),
    (message({"type": "button", "to": "javascript:alert(1)"}), "to"),
    (message({"type": "button", "to": "http://plain.example"}), "to"),
    (message({"type": "button", "to": "{{ shop.url }}"}), "to"),
    (message({"type": "picture", "url": "https://x.example/a.png"}), "alt"),
    (message({"type": "picture", "url": "data:image/png;base64,x", "alt": ""}), "url"),
    (message({"type": "words", "html": "x" * 20_001}), "html"),
    (message(*[{"type": "words", "html": "x" * 10_001}] * 2), "in all"),
    ("words", "message"),
    (None, "message"),
])  # fmt: skip
def test_what_is_no_message_is_refused_with_its_place(tree, words):
    with pytest.raises(Refused, match=words):
        from_json(tree)


def test_a_body_is_read_as_blocks():
    blocks = read_body("<h1>Hi</h1>\n<!-- button shop: Come in -->\n<p>Bye</p>")

    assert blocks == (Words("<h1>Hi</h1>"), Button("shop", "Come in"), Words("<p>Bye</p>", is_quiet=True))


@pytest.mark.parametrize("body", ["<!-- carts -->", "<!-- cart: now -->", "<p>a</p><hr><p>b</p>", "<!-- button moon -->"])
def test_a_marker_that_is_unknown_is_refused(body):
    with pytest.raises(Refused):
        read_body(body)


# Shown


def test_every_block_says_the_same_in_both_parts():
    kinds = ("cart", "order", "parcel", "stars", "products", "social")
    button = {"type": "button", "to": "https://teaandtin.example/blog", "label": "Read"}
    picture = {"type": "picture", "url": "https://cdn.example/wide.png", "alt": "The shop at dawn", "to": "shop"}
    about = replace(ORDERED, products=(replace(SPOONS, quantity=1, url="https://teaandtin.example/spoons"),), brand=BRAND)
    mail = render(own(*({"type": kind} for kind in kinds), button, picture, about=about))
    html = Page(mail.html)

    for fact in (
        "Order #1042",
        "$67.00",
        "Total",
        "Parcel with DHL",
        "JD0140",
        "Instagram",
        "Read",
        "Mila and the Tea & Tin team",
    ):
        assert fact in html.words
        assert fact in mail.text
    links = {attrs["href"] for attrs in html.all("a")}
    assert {"https://track.example/JD0140", *about.star_urls, "https://teaandtin.example/spoons"} <= links
    assert all(url in mail.text for url in links - {"https://teaandtin.example"})
    assert "The shop at dawn (https://teaandtin.example)" in mail.text


def test_a_star_is_a_link_with_words():
    html = Page(render(own({"type": "stars"}, about=ORDERED)).html)
    stars = [attrs["aria-label"] for attrs in html.all("a") if "aria-label" in attrs]

    assert stars == ["1 star", "2 stars", "3 stars", "4 stars", "5 stars"]


def test_a_block_with_nothing_to_show_is_left_out():
    kinds = ("order", "parcel", "stars", "products", "social", "coupon")
    mail = render(own("<p>Only words</p>", *({"type": kind} for kind in kinds), {"type": "button", "to": "parcel"}))

    assert len(Page(mail.html).all("a")) == 2  # the shop's name and the way out
    assert mail.text.startswith("Tea & Tin\n\nOnly words\n\n-- \n")


def test_what_is_sold_out_is_said_and_only_that():
    mail = render(replace(REMINDER, sold_out=frozenset({"11"})))

    assert "- Linen apron (Sage · sold out at the moment): $62.00" in mail.text
    assert mail.text.count("sold out") == 1
    assert "sold out at the moment" in Page(mail.html).words


def test_a_label_is_filled_in_and_stays_text():
    mail = render(own({"type": "button", "to": "cart", "label": "For {{ customer.first_name }} <b>"}))

    assert "For Alice <b>:\nhttps://teaandtin.example/recover" in mail.text
    assert "For Alice &lt;b&gt;</a>" in mail.html


def test_a_mistake_in_a_block_names_the_block():
    with pytest.raises(CartwheelError, match=r"abandoned_cart/reminder/en/block 2 has a mistake in line 2, column 4"):
        render(own("<p>fine</p>", "one\n{{ order.secret }}"))


def test_a_test_mail_says_so_in_subject_and_both_parts():
    mail = render(replace(COUPON, is_test=True))

    assert mail.subject.startswith("[Test] ")
    assert "This is a test." in mail.text
    assert "This is a test." in Page(mail.html).words
    assert "test" not in render(COUPON).text.lower()


# The brand


def test_the_brand_is_on_every_mail():
    mail = render(replace(REMINDER, brand=BRAND))
    logo = next(attrs for attrs in Page(mail.html).all("img") if attrs["src"] == BRAND.logo_url)

    assert (logo["alt"], logo["width"]) == ("Tea & Tin", "120")
    assert re.search(r'bgcolor="#7a1f3d"|background:#7a1f3d', mail.html)
    assert "#24473a" not in mail.html
    assert "ui-rounded" in mail.html


def test_a_hostile_brand_stays_text():
    evil = '"><script>alert(1)</script>'
    brand = Brand(signature=evil, logo_url=f"https://x.example/{evil}", social=(SocialLink(name=evil, url="javascript:x"),))
    html = Page(render(own({"type": "social"}, about=replace(REMINDER, brand=brand))).html)

    assert not html.all("script")
    assert [attrs["src"] for attrs in html.all("img")] == []


@pytest.mark.parametrize("accent", ["#24473a", "#ffffff", "#000000", "#ffd400", "#ff0000", "#123456", "#808080", "#f4f1ea"])
@pytest.mark.parametrize("paper", ["#ffffff", "#fdf6e8", "#101010"])
def test_whatever_the_brand_everything_can_be_read(accent, paper):
    look = look_of(Brand(accent=accent, paper=paper, ink="#eeeeee" if paper == "#101010" else "#1c211d"))
    pairs = [
        (look.ink, look.paper), (look.soft, look.paper), (look.link, look.paper), (look.accent, look.paper),
        (look.on_button, look.button), (look.thumb_ink, look.thumb), (look.coupon_ink, look.coupon),
        (look.dark_ink, look.dark_paper), (look.dark_soft, look.dark_paper), (look.dark_link, look.dark_paper),
        (look.dark_on_button, look.dark_button), (look.dark_thumb_ink, look.dark_thumb), (look.dark_ink, look.dark_coupon),
    ]  # fmt: skip

    assert [(a, b) for a, b in pairs if contrast(a, b) < READABLE] == []


@pytest.mark.parametrize(("one", "other", "ratio"), [
    ("#000000", "#ffffff", 21.0), ("#ffffff", "#ffffff", 1.0), ("#767676", "#ffffff", 4.54), ("#777777", "#FFFFFF", 4.48),
])  # fmt: skip
def test_contrast_is_the_one_of_wcag(one, other, ratio):
    assert round(contrast(one, other), 2) == ratio


def test_a_colour_is_moved_no_further_than_needed():
    assert readable("#24473a", "#ffffff") == "#24473a"
    assert contrast(readable("#ffd400", "#ffffff"), "#ffffff") < 6


def test_a_picture_of_a_line_is_decoration():
    assert Page(render(replace(REMINDER, lines=(APRON,))).html).all("img")[0]["alt"] == ""
