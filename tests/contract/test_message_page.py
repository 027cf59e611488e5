"""The page of one mail: its texts are kept or explained, a look writes nothing, a test goes out once."""

import email
import re
from email.policy import default
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, sessionmaker

import jobs.mail
from app.config import settings
from app.models import AuditRow, Base, FlowSettings, FlowVersion, TestMail
from tests.admin_cast import Cast, link, seed

PAGE = "/admin/flows/abandoned_cart/messages/reminder"
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
BODY = '<h1>Hello {{ customer.first_name | default: "there" }}</h1>\r\n<!-- cart -->\r\n<!-- button cart: Go on -->\r\n'


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


def typed(**fields: str) -> dict[str, str]:
    return {"version": "1", "subject": "Still yours", "preheader": "A note", "body": BODY} | fields


def own_texts(house: sessionmaker[Session], shop_id: int) -> list[tuple[int, dict]]:
    """The shop's own texts in the current version, with its number."""
    with house() as session:
        joined = (FlowVersion.shop_id == FlowSettings.shop_id, FlowVersion.flow == FlowSettings.flow)
        query = select(FlowVersion.version, FlowVersion.texts).join(FlowSettings, joined[0] & joined[1])
        mine = (FlowSettings.shop_id == shop_id, FlowSettings.flow == "abandoned_cart")
        found = session.execute(query.where(*mine, FlowVersion.version == FlowSettings.version)).one()
        return [(found[0], found[1])]


def fingerprint(house: sessionmaker[Session]) -> list[int]:
    with house() as session:
        return [
            session.execute(text(f"SELECT coalesce(sum(hashtext(t::text)::bigint), 0) FROM {t.name} t")).scalar_one()
            for t in Base.metadata.sorted_tables
        ]


def view_of(page: str) -> str:
    return unescape(re.search(r'<iframe[^>]*src="([^"]+)"', page).group(1))


def test_texts_are_kept_as_the_shops_own_and_come_back_as_typed(house, client, cast):
    answer = client.post(PAGE, data=typed(), follow_redirects=True)
    [(version, texts)] = own_texts(house, cast.tea)

    assert "Saved as version 2" in answer.text
    assert version == 2
    assert texts["reminder"]["en"]["subject"] == "Still yours"
    assert [block["type"] for block in texts["reminder"]["en"]["blocks"]] == ["words", "cart", "button"]
    assert "your own text" in answer.text
    assert "Go on" in unescape(answer.text)
    assert own_texts(house, cast.lamp) == [(1, {})]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("body", BODY + "\r\n<p>{{ cart.colour }}</p>", "line 5, column 7: there is no variable “cart.colour”"),
        ("body", "<p>{% if %}</p>", "line 1"),
        ("body", BODY + "<!-- carousel -->", "mistake in line 4: There is no block “carousel”"),
        ("body", "<!-- button cart: {{ nobody }} -->", "line 1, column 22: there is no variable “nobody”"),
        ("body", "", "Write something here."),
        ("body", "x" * 20_001, "At most 20,000 characters."),
        ("body", "<p>{{ order.number }}</p>", "cannot be filled in"),
        ("subject", "{{ shop.nme }}", "line 1, column 4"),
        ("subject", " ", "Write something here."),
        ("subject", "{{ order.number }}", "cannot be filled in"),
        ("preheader", "x" * 501, "At most 500 characters."),
    ],
)
def test_a_mistake_is_said_with_its_line_beside_its_field_and_nothing_typed_is_lost(house, client, cast, field, value, says):
    full, piece = (client.post(PAGE, data=typed(**{field: value}), headers=headers) for headers in ({}, HTMX))
    wrong = unescape(re.search(rf'id="{field}-wrong">(.*?)</p>', full.text, re.DOTALL).group(1))
    shown = unescape(full.text)

    assert (full.status_code, piece.status_code) == (422, 422)
    assert says in wrong
    assert says in unescape(piece.text)
    assert value.replace("\r\n", "\n").strip() in shown
    assert ('value="Still yours"' in shown) == (field != "subject")
    assert own_texts(house, cast.tea) == [(1, {})]


def test_what_is_already_there_makes_no_version(house, client, cast):
    page = client.get(PAGE).text
    subject, preheader = (
        unescape(re.search(rf'name="{n}"[^>]*value="([^"]*)"', page).group(1)) for n in ("subject", "preheader")
    )
    body = unescape(re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL).group(1)).replace("\n", "\r\n")
    answer = client.post(PAGE, data=typed(subject=subject, preheader=preheader, body=body), follow_redirects=True)

    assert "Nothing was changed" in answer.text
    assert own_texts(house, cast.tea) == [(1, {})]


def test_who_saves_over_somebody_elses_version_is_told_first(house, client, cast):
    client.post(PAGE, data=typed())
    stale = client.post(PAGE, data=typed(subject="Mine"))
    kept = own_texts(house, cast.tea)
    again = client.post(PAGE, data=typed(subject="Mine", version="2"), follow_redirects=True)

    assert stale.status_code == 409
    assert "Somebody saved version 2" in stale.text
    assert 'value="Mine"' in stale.text
    assert kept[0][1]["reminder"]["en"]["subject"] == "Still yours"
    assert "Saved as version 3" in again.text


def test_the_shipped_text_comes_back_and_other_languages_stay(house, client, cast):
    client.post(PAGE, data=typed())
    client.post(f"{PAGE}?language=ar", data=typed(version="2"))
    stale = client.post(f"{PAGE}/restore?language=en", data={"version": "1"})
    between = own_texts(house, cast.tea)
    answer = client.post(f"{PAGE}/restore?language=en", data={"version": "3"}, follow_redirects=True)
    [(version, texts)] = own_texts(house, cast.tea)

    assert stale.status_code == 409
    assert between[0][0] == 3
    assert (version, list(texts["reminder"])) == (4, ["ar"])
    assert "as we ship it" in answer.text


def test_looking_and_trying_out_write_nothing(house, client):
    before = fingerprint(house)
    page = client.get(PAGE)
    view = view_of(page.text)
    kept, draft = client.get(view), client.post(view, data=typed(body=BODY + "<p>Only typed.</p>", reader="cart"))
    wrong = client.post(view, data=typed(body="{{ oops }}<script>alert(1)</script>"))
    checks = client.post(f"{PAGE}/checks", data=typed(body=BODY + "<p>Hurry, last chance!!!</p>"), headers=HTMX)
    acts = [client.get(f"{PAGE}/{act}").status_code for act in ("restore", "tests", "checks")]

    assert [answer.status_code for answer in (page, kept, draft, wrong, checks)] == [200, 200, 200, 422, 200]
    assert "Only typed." not in kept.text
    assert "Only typed." in draft.text
    assert "no variable “oops”" in wrong.text
    assert "It presses" in checks.text
    assert acts == [405, 405, 405]
    assert fingerprint(house) == before


def test_the_look_is_for_one_mail_runs_nothing_and_cannot_be_forged(client):
    view = view_of(client.get(PAGE).text)
    client.delete_cookie("session")
    answer = client.get(view)
    policy = answer.headers["Content-Security-Policy"]

    assert answer.status_code == 200
    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox")
    assert "script-src" not in policy
    assert client.get(view[:-2] + "xx").status_code == 410


def test_a_test_goes_out_once_marked_and_audited(house, client, cast):
    answer = client.post(f"{PAGE}/tests", data={"to": "owner@tea.example"}, headers=HTMX)
    jobs.mail.drain()
    jobs.mail.drain()
    mails_sent = [email.message_from_bytes(p.read_bytes(), policy=default) for p in settings().outbox_dir.glob("test-*.eml")]
    with house() as session:
        rows = session.execute(select(TestMail.shop_id, TestMail.state)).all()
        audited = session.scalars(select(AuditRow.actor).where(AuditRow.action == "mail.test")).all()

    assert answer.status_code == 200
    assert "A test is on its way" in answer.headers["HX-Trigger"]
    assert [(m["To"].addresses[0].addr_spec, m["Subject"][:6]) for m in mails_sent] == [("owner@tea.example", "[Test]")]
    assert [tuple(row) for row in rows] == [(cast.tea, "sent")]
    assert audited == ["merchant"]


def test_a_test_to_no_address_is_refused_beside_the_field(house, client):
    full, piece = (client.post(f"{PAGE}/tests", data={"to": "nobody at all"}, headers=headers) for headers in ({}, HTMX))
    with house() as session:
        wanted = session.scalar(select(func.count()).select_from(TestMail))

    assert (full.status_code, piece.status_code, wanted) == (422, 422, 0)
    assert 'value="nobody at all"' in full.text
    assert "That is no address" in piece.text


@pytest.mark.parametrize(
    "path", ["/admin/flows/abandoned_cart/messages/none", "/admin/flows/none/messages/x", f"{PAGE}?language=fr"]
)
def test_an_unknown_mail_or_language_is_a_404(client, path):
    assert client.get(path).status_code == 404


def test_every_mail_of_every_flow_has_a_page_in_every_language(client):
    for address in re.findall(r'href="(/admin/flows/\w+)"', client.get("/admin/flows").text):
        for mail in re.findall(r'href="(/admin/flows/\w+/messages/\w+)"', client.get(address).text):
            for language in ("en", "ar", "az", "zh-Hans", "zh-Hant"):
                page = client.get(f"{mail}?language={language}")

                assert page.status_code == 200, mail
                assert client.get(view_of(page.text)).status_code == 200, mail
