"""The settings page: each section saves alone, refuses in words, keeps what was typed, and touches one shop."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from app.models import AuditRow, FlowSettings, Shop
from app.services import brand, edit_rules, mail_rules
from app.web.admin.sections import SECTIONS
from tests.admin_cast import Cast, link, seed

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
KIT = {
    "logo_url": "", "logo_width": "160", "accent": "#24473a", "ink": "#1c211d", "paper": "#ffffff", "page": "#f4f1ea",
    "font": "serif", "signature": "Yours, the tins",
}  # fmt: skip
SENDER = {"sender_email": "tins@tea.example", "reply_to": "", "postal_address": "1 Leaf Lane\nPortland"}
MEASURING = {"tracks_opens": "on", "click_hours": "48", "window_hours": "0"}
GOOD = {
    "sender": SENDER,
    "brand": KIT,
    "consent": {
        "mode": "regional",
        "mode_US": "anyone",
        "acknowledged": "on",
        "double_opt_in": "on",
        "double_opt_in_in": "AT, DE",
    },
    "signup": {"is_open": "on", "form_wording": "Send me the leaves."},
    "pace": {"quiet_from": "22:00", "quiet_until": "07:30", "caps": "2/7d", "sunset_days": "90"},
    "measuring": MEASURING,
}
BAD = [
    ("sender", {**SENDER, "sender_email": "no address"}, "an e-mail address", "no address"),
    ("sender", {**SENDER, "reply_to": "nobody@"}, "an e-mail address", "nobody@"),
    ("sender", {**SENDER, "postal_address": ""}, "the law asks for it in every such mail", "tins@tea.example"),
    ("brand", {**KIT, "accent": "<b>red"}, "a colour like", "&lt;b&gt;red"),
    ("brand", {**KIT, "ink": "#fefefe"}, "cannot be read", "#fefefe"),
    ("brand", {**KIT, "logo_url": "http://tea.example/x.png"}, "begins with https", "http://tea.example/x.png"),
    ("consent", {"mode": "anyone"}, "acknowledge that you may", 'value="anyone" selected'),
    ("consent", {"mode": "x"}, "Choose one of the list", 'id="consent-mode-wrong"'),
    ("consent", {"mode": "subscribers", "double_opt_in_in": "DE, Spain"}, "Spain is no country", "DE, Spain"),
    ("signup", {"is_open": "on", "form_wording": "x" * 501}, "500 characters at the most", "x" * 501),
    ("pace", {"quiet_from": "22:00", "caps": "2/7d"}, "Give both times", "22:00"),
    ("pace", {"sunset_days": "7"}, "a whole number from 30 to 365", 'value="7"'),
    ("pace", {"caps": "often"}, "Write caps like", "often"),
    ("measuring", {**MEASURING, "click_hours": "²"}, "a whole number from 0 to 720", "²"),
    ("holdout", {"abandoned_cart": "51"}, "a whole number from 0 to 50", "51"),
]


@pytest.fixture
def cast(house: sessionmaker[Session]) -> Cast:
    return seed(house)


@pytest.fixture
def client(house: sessionmaker[Session], cast: Cast) -> FlaskClient:
    """Somebody of Tea & Tin."""
    from app.web import create_app

    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post(link(house, cast.tea))
    return client


def kept(house: sessionmaker[Session], shop_id: int) -> dict[str, dict[str, str]]:
    """What a shop's sections hold."""
    with house() as session:
        shop = session.get_one(Shop, shop_id)
        return {key: section.stored(session, shop) for key, section in SECTIONS.items()}


def acts(house: sessionmaker[Session], shop_id: int) -> int:
    with house() as session:
        return session.scalar(select(func.count()).select_from(AuditRow).where(AuditRow.shop_id == shop_id)) or 0


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
@pytest.mark.parametrize("key", GOOD)
def test_a_section_saves_alone_with_a_line_in_the_audit_log(house, client, cast, key, headers):
    before, others, written = kept(house, cast.tea), kept(house, cast.lamp), acts(house, cast.tea)
    answer = client.post(f"/admin/settings/{key}", data=GOOD[key], headers=headers)
    after = kept(house, cast.tea)

    assert answer.status_code == (200 if headers else 303)
    assert {k: v for k, v in after[key].items() if k != "acknowledged"} == {
        name: GOOD[key].get(name, "") for name in after[key] if name != "acknowledged"
    }
    assert {k: v for k, v in after.items() if k != key} == {k: v for k, v in before.items() if k != key}
    assert acts(house, cast.tea) > written
    assert kept(house, cast.lamp) == others


def test_each_flow_holds_out_the_share_that_was_typed(house, client, cast):
    shares = dict.fromkeys(kept(house, cast.tea)["holdout"], "0") | {"abandoned_cart": "15"}
    client.post("/admin/settings/holdout", data=shares)
    with house() as session:
        held = session.execute(select(FlowSettings.shop_id, FlowSettings.flow).where(FlowSettings.holdout_share > 0)).all()

    assert [tuple(row) for row in held] == [(cast.tea, "abandoned_cart")]


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
@pytest.mark.parametrize(("key", "typed", "words", "shown"), BAD)
def test_nonsense_is_refused_in_words_and_stays_typed(house, client, cast, key, typed, words, shown, headers):
    before, written = kept(house, cast.tea), acts(house, cast.tea)
    answer = client.post(f"/admin/settings/{key}", data=typed, headers=headers)

    assert answer.status_code == 422
    assert words in answer.text
    assert shown in answer.text
    assert (kept(house, cast.tea), acts(house, cast.tea)) == (before, written)


def test_looking_changes_nothing_and_says_how_it_stands(house, client, cast):
    before = kept(house, cast.tea)
    answer = client.get("/admin/settings")

    assert answer.status_code == 200
    assert 'value="hello@tea.example"' in answer.text
    assert (kept(house, cast.tea), client.get("/admin/settings/brand").status_code) == (before, 405)
    assert client.post("/admin/settings/none").status_code == 404


def test_what_the_page_has_no_field_for_stays(house, client, cast):
    with house.begin() as session:
        brand.save(session, cast.tea, {"voice": ["Short."]}, actor="test", now=cast.now)
        edit_rules.change(session, cast.tea, {"modes": {"DE": "regional"}}, actor="test", now=cast.now)
    client.post("/admin/settings/brand", data=KIT)
    client.post("/admin/settings/consent", data={"mode": "subscribers", "mode_CA": "regional"})
    with house() as session:
        kit, rules = brand.of_shop(session, cast.tea), mail_rules.of(session, cast.tea)

    assert kit.voice == ("Short.",)
    assert rules.modes == {"DE": "regional", "CA": "regional"}
