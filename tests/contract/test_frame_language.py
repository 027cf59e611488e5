"""Our pages in a back office's frame speak its language, where no cookie could say which; the shop's own choice wins."""

import html
import re
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.models import AuditRow
from app.web.languages import spoken
from tests.admin_cast import link
from tests.builders import TEA_AND_TIN, lamp_loft
from tests.contract.test_page_languages import WORDS, root
from tests.contract.test_wordpress_frame import passport
from tests.pretend import bearer, pretend_shops, session_token

Open = Callable[[str], str]
SETTINGS = "/admin/settings/language"


@pytest.fixture
def client(house, monkeypatch) -> Iterator[FlaskClient]:
    """A browser that keeps no cookie, as in a frame with third-party cookies blocked."""
    with pretend_shops(monkeypatch):
        from app.web import create_app

        yield create_app().test_client(use_cookies=False)


@pytest.fixture(params=["shopify", "wordpress"])
def opened(request, house, client) -> tuple[str, Open, dict[str, str]]:
    """A back office: its name, how it opens our first page in a language, and what a fetch in its frame brings."""
    if request.param == "shopify":
        query = {"embedded": "1", "host": "YWRtaW4", "shop": TEA_AND_TIN, "id_token": session_token()}
        path, token = "/shopify/", query["id_token"]
    else:
        with house.begin() as session:
            _, connection = lamp_loft(session)
        token = passport(connection)
        path, query = "/woocommerce/admin", {"wordpress_token": token}
    return request.param, lambda locale: first_page(client, path, query | {"locale": locale}), bearer(token)


def first_page(client: FlaskClient, path: str, query: dict[str, str]) -> str:
    answer = client.get(path, query_string=query, follow_redirects=True)
    assert answer.status_code == 200
    return answer.text


def address(page: str, path: str) -> str:
    """Return a link of a page that leads to this path."""
    return html.unescape(re.search(rf'(?:href|action)="({path}\?[^"]*)"', page)[1])


@pytest.mark.parametrize(("tag", "language"), [
    ("ar", "ar"), ("az", "az"), ("en-GB", "en"), ("zh-CN", "zh_Hans"), ("zh-TW", "zh_Hant"), ("zh_TW", "zh_Hant"),
    ("zh_HK", "zh_Hant"), ("zh-Hant", "zh_Hant"), ("zh", "zh_Hans"), ("zh_CN", "zh_Hans"), ("de_DE", None), ("", None),
    ("en_US", "en"), ("ary", None), ("x" * 5000, None), ("ar\r\nSet-Cookie: a", None), ("../ar", None),
])  # fmt: skip
def test_what_a_back_office_calls_a_language_is_understood(tag, language):
    assert spoken(tag) == language


@pytest.mark.parametrize(("tag", "language"), [("ar", "ar"), ("zh-TW", "zh_Hant"), ("de", "en"), ("", "en")])
def test_the_pages_speak_the_back_offices_language(opened, tag, language):
    _, open_in, _ = opened
    page = open_in(tag)

    assert WORDS[language] in page
    assert root(page)["lang"] == language.replace("_", "-")
    assert root(page)["dir"] == ("rtl" if language == "ar" else "ltr")


def test_every_later_page_of_the_frame_speaks_it_too(client, opened):
    _, open_in, fetch = opened
    there = address(open_in("ar"), "/admin/mails")

    assert root(client.get(there, headers={**fetch, "HX-Request-Type": "full"}).text) | {"class": ""} == {
        **root(client.get(there, headers=fetch).text), "class": "", "lang": "ar", "dir": "rtl",
    }  # fmt: skip


def test_a_language_chosen_on_the_settings_page_wins_until_it_is_given_back(house, client, opened):
    name, open_in, fetch = opened
    settings = client.get(address(open_in("ar"), "/admin/settings"), headers={**fetch, "HX-Request-Type": "full"}).text
    save = address(settings, SETTINGS)
    saved = client.post(save, data={"page_language": "az"}, headers=fetch)
    assert saved.headers["HX-Redirect"].startswith("/admin/settings?"), "the whole page changes its direction"
    assert "Location" not in saved.headers
    assert (root(open_in("ar"))["lang"], WORDS["az"] in open_in("ar")) == ("az", True)

    client.post(save, data={"page_language": ""}, headers=fetch)
    assert root(open_in("ar"))["lang"] == "ar"
    with house() as session:
        told = session.scalars(
            select(AuditRow.detail).where(AuditRow.action == "page_language.changed").order_by(AuditRow.id)
        )
        assert list(told) == [{"language": "az"}, {"language": None}], name


def test_a_language_that_there_is_not_is_refused_beside_its_field(client, opened):
    _, open_in, fetch = opened
    settings = client.get(address(open_in("en"), "/admin/settings"), headers=fetch).text
    answer = client.post(address(settings, SETTINGS), data={"page_language": "tlh"}, headers=fetch)

    assert (answer.status_code, "Choose one of the list." in answer.text) == (422, True)


def test_standalone_the_shops_choice_holds_until_the_session_makes_another(house, client):
    with house.begin() as session:
        shop_id, _ = lamp_loft(session)
    client.application.config["WTF_CSRF_ENABLED"] = False
    person = client.application.test_client()
    person.post(link(house, shop_id))
    person.post("/admin/language", data={"language": "ar"})
    person.post(SETTINGS, data={"page_language": "az"})
    assert root(person.get("/admin/flows").text)["lang"] == "az"

    person.post("/admin/language", data={"language": "en"})
    assert root(person.get("/admin/flows?locale=ar").text)["lang"] == "en"
