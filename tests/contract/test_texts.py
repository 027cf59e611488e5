"""A shop's own brand and texts on the real database: what is kept, what is refused, and what its shoppers then get."""

import email
from datetime import timedelta
from email.policy import default

import pytest
from sqlalchemy import select, text

from app import clock
from app.config import settings
from app.domain.errors import Refused
from app.models import AuditRow, FlowVersion, Shop
from app.services import brand, edit_flow, edit_texts
from tests import builders

FLOW = "abandoned_cart"
SOCIAL = [{"name": "Instagram", "url": "https://social.example"}]


def message(
    *words: str, subject: str = "We kept it", blocks: tuple[dict, ...] = ({"type": "button", "to": "cart"},)
) -> dict:
    return {"subject": subject, "preheader": "", "blocks": [*({"type": "words", "html": w} for w in words), *blocks]}


@pytest.fixture
def shop(house, monkeypatch):
    """Tea & Tin with its flow on."""
    monkeypatch.setattr("integrations.shopify.platform.mint_coupon", lambda access, spec: f"gid://coupon/{spec.code}")
    with house.begin() as session:
        return builders.tea_and_tin(session)


def save(house, shop_id, tree, *, step="reminder", locale="en"):
    with house.begin() as session:
        shop, now = session.get_one(Shop, shop_id), clock.now(session)
        return edit_texts.save(session, shop, FLOW, step, locale, tree, actor="test", now=now)


def leave_cart(house, shop_id, token="t1", /, **changes):  # noqa: S107
    with house.begin() as session:
        body = {**builders.checkout_body(token, clock.now(session), email=f"{token}@example.com"), **changes}
        builders.store_webhook(session, shop_id, "checkouts/update", body, key=token)
    builders.work_off()


def later(house, **by):
    builders.skip_clock(house, timedelta(**by))
    builders.work_off()


def mails() -> list:
    found = sorted(settings().outbox_dir.glob("*.eml"), key=lambda path: int(path.stem))
    return [email.message_from_bytes(path.read_bytes(), policy=default) for path in found]


def part(mail, kind: str) -> str:
    return mail.get_body((kind,)).get_content()


# Texts


def test_a_shops_own_text_is_what_its_shoppers_read(house, shop):
    save(house, shop, message("<h1>Dear {{ customer.first_name | default: 'you' }}</h1>", subject="Still yours"))
    leave_cart(house, shop)
    later(house, hours=1, minutes=1)

    assert mails()[0]["Subject"] == "Still yours"
    assert "Dear Alice" in part(mails()[0], "plain")
    assert "Dear Alice" in part(mails()[0], "html")


def test_who_entered_before_an_edit_gets_the_texts_of_their_version(house, shop):
    leave_cart(house, shop, "before")
    save(house, shop, message("<p>New words</p>", subject="New"))
    leave_cart(house, shop, "after")
    later(house, hours=1, minutes=2)

    assert {mail["To"]: mail["Subject"] for mail in mails()} == {
        "Alice <before@example.com>": "We kept your cart for you",
        "Alice <after@example.com>": "New",
    }


def test_an_edit_is_a_version_with_its_author_and_the_same_edit_is_none(house, shop):
    save(house, shop, message("<p>One</p>"))
    state = save(house, shop, message("<p>One</p>"))
    with house() as session:
        versions = session.execute(select(FlowVersion.version, FlowVersion.created_by).order_by(FlowVersion.version)).all()

    assert state.settings.version == 2
    assert [tuple(row) for row in versions if row.version > 1] == [(2, "test")]


def test_another_edit_of_the_flow_keeps_the_texts(house, shop):
    save(house, shop, message("<p>One</p>"))
    with house.begin() as session:
        now = clock.now(session)
        state = edit_flow.set_wait(session, shop, FLOW, "reminder", timedelta(hours=2), actor="test", now=now)

    assert state.texts["reminder"]["en"]["subject"] == "We kept it"
    assert state.settings.version == 3


def test_a_text_that_is_dropped_is_ours_again(house, shop):
    save(house, shop, message("<p>One</p>"))
    with house.begin() as session:
        edit_texts.drop(session, shop, FLOW, "reminder", "en", actor="test", now=clock.now(session))
        now_shown = edit_texts.current(session, shop, FLOW, "reminder", "en")

    assert not now_shown.is_own
    assert now_shown.message.subject == "We kept your cart for you"


@pytest.mark.parametrize(("tree", "words"), [
    (message("<p>a</p>\n<p>{{ order.secret }}</p>"), "block 1 has a mistake in line 2, column 7: there is no variable"),
    (message("{% for i in (1..1000000000) %}x{% endfor %}"), "limit"),
    (message("{% for i in (1..190) %}" + "y" * 1900 + "{% endfor %}"), "limit"),
    (message("{% include 'x' %}"), "include"),
    (message("{% if customer.first_name %}"), "line 1"),
    (message("{{ coupon.code }}"), "coupon"),  # the reminder has none
    (message("{{ 'a' | replace: 'a', 'aaaaaaaaaa' }}"), "replace"),
    (message("<h2>x</h2>" * 1_900), "kB"),
    (message("<p>x</p>", blocks=({"type": "iframe"},)), "iframe"),
    ({"subject": "x"}, "preheader"),
])  # fmt: skip
def test_a_text_with_a_mistake_is_refused_with_its_place_and_nothing_is_kept(house, shop, tree, words):
    """I15: mail test 10: endless loops, huge outputs, unknown variables and `include` are stopped when a text is saved."""
    with pytest.raises(Refused, match=words):
        save(house, shop, tree)
    with house() as session:
        assert edit_flow.current(session, shop, FLOW).settings.version == 1


@pytest.mark.parametrize(("step", "locale"), [("third", "en"), ("reminder", "de"), ("reminder", "../en")])
def test_only_mails_and_languages_that_there_are_can_be_written(house, shop, step, locale):
    with pytest.raises(Refused):
        save(house, shop, message("<p>One</p>"), step=step, locale=locale)


# Who gets which language


@pytest.mark.parametrize(("checkout", "profile", "shops", "subject"), [
    ("az-AZ", "ar", "en", "Səbətinizi sizin üçün saxladıq"),
    (None, "ar", "en", "احتفظنا لك بسلتك"),
    (None, None, "zh-Hant", "您的購物車，我們替您留著"),
    ("xx", None, "en", "We kept your cart for you"),
])  # fmt: skip
def test_the_checkouts_language_comes_before_the_persons_and_the_shops(house, shop, checkout, profile, shops, subject):
    leave_cart(house, shop, customer_locale=checkout)
    with house.begin() as session:
        session.execute(text("UPDATE customers SET locale = :locale"), {"locale": profile})
        session.execute(text("UPDATE checkouts SET locale = :locale"), {"locale": checkout})
        session.execute(text("UPDATE shops SET locale = :locale"), {"locale": shops})
    later(house, hours=1, minutes=1)

    assert mails()[0]["Subject"] == subject


# What is known at the moment of sending


def test_what_was_sold_out_meanwhile_is_said(house, shop):
    leave_cart(house, shop)
    with house.begin() as session:
        product = "INSERT INTO products (shop_id, external_id, title, is_available, changed_at, rank) "
        session.execute(text(product + "VALUES (:shop, '11', 'Stoneware Mug', false, now(), '')"), {"shop": shop})
    later(house, hours=1, minutes=1)

    assert "sold out at the moment" in part(mails()[0], "plain")


# The brand


def test_the_brand_of_a_shop_is_on_its_mails(house, shop):
    with house.begin() as session:
        changes = {"accent": "#7a1f3d", "signature": "Mila of Tea & Tin", "logo_url": "https://cdn.example/logo.png"}
        brand.save(session, shop, changes, actor="test", now=clock.now(session))
    leave_cart(house, shop)
    later(house, hours=1, minutes=1)

    assert "#7a1f3d" in part(mails()[0], "html")
    assert "https://cdn.example/logo.png" in part(mails()[0], "html")
    assert "Mila of Tea & Tin" in part(mails()[0], "plain")


def test_a_change_of_the_brand_leaves_the_rest_and_is_audited(house, shop):
    with house.begin() as session:
        now = clock.now(session)
        brand.save(session, shop, {"accent": "#7a1f3d"}, actor="test", now=now)
        brand.save(
            session, shop, {"social": [{"name": "Instagram", "url": "https://social.example"}]}, actor="test", now=now
        )
        brand.save(session, shop, {"font": "rounded"}, actor="test", now=now)
        brand.save(session, shop, {"font": None}, actor="test", now=now)
    with house() as session:
        kit = brand.of_shop(session, shop)
        done = session.scalars(select(AuditRow.detail).where(AuditRow.action == "brand.changed")).all()

    assert (kit.accent, kit.font, kit.social[0].name) == ("#7a1f3d", "system", "Instagram")
    assert [row["parts"] for row in done] == [["accent"], ["social"], ["font"], ["font"]]


@pytest.mark.parametrize(("changes", "words"), [
    ({"accent": "red"}, "accent"),
    ({"accent": "#fff;background:url(x)"}, "accent"),
    ({"logo_url": "javascript:alert(1)"}, "logo_url"),
    ({"logo_url": "http://plain.example/l.png"}, "logo_url"),
    ({"logo_width": 4000}, "logo_width"),
    ({"font": "Comic Sans"}, "font"),
    ({"colour": "#ffffff"}, "colour"),
    ({"social": [{"name": "x", "url": "data:,"}]}, "social"),
    ({"signature": "x" * 121}, "signature"),
    ({"ink": "#cccccc"}, "Take #6"),
])  # fmt: skip
def test_a_brand_that_makes_no_sense_is_refused_with_a_way_out(house, shop, changes, words):
    with house.begin() as session, pytest.raises(Refused, match=words):
        brand.save(session, shop, changes, actor="test", now=clock.now(session))


def test_a_postal_address_is_needed_and_short(house, shop):
    with house.begin() as session:
        row = session.get_one(Shop, shop)
        brand.set_postal_address(session, row, " 1 Harbour St \n\n Lisbon ", actor="test")
        assert row.postal_address == "1 Harbour St\nLisbon"
        for wrong in ("", " \n ", "x" * 301):
            with pytest.raises(Refused, match="postal address"):
                brand.set_postal_address(session, row, wrong, actor="test")


def test_the_hostile_trial_reaches_no_header(house, shop):
    """Mail test 9: a shopper's words stay words, whatever the merchant wrote around them."""
    save(house, shop, message("<p>{{ cart.line_items[0].title }}</p>", subject="{{ cart.line_items[0].title }} waits"))
    evil = "{{7*7}}<script>alert(1)</script>\r\nBcc: eve@evil.example"
    leave_cart(house, shop, line_items=[{"title": evil, "quantity": 1, "price": "1.00", "line_price": "1.00", "key": "1"}])
    later(house, hours=1, minutes=1)
    mail = mails()[0]

    assert mail["Bcc"] is None
    assert "{{7*7}}" in mail["Subject"]
    assert "<script" not in part(mail, "html")
    assert "49" not in part(mail, "plain")
