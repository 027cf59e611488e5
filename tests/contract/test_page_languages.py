"""The language of the merchant's pages: English until another is chosen, and then from right to left where it is."""

import re

import pytest
from babel import Locale

from app import catalogues
from app.web.languages import LANGUAGES
from tests.admin_cast import link, seed

WORDS = {"en": "People in flows", "ar": "الأشخاص في المسارات", "az": "Axınlardakı insanlar", "zh_Hans": "流程中的人",
         "zh_Hant": "流程中的人"}  # fmt: skip


@pytest.fixture
def client(house):
    """Somebody of Tea & Tin."""
    from app.web import create_app

    cast = seed(house)
    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post(link(house, cast.tea))
    return client


def choose(client, language: str):
    return client.post("/admin/language", data={"language": language})


def root(html: str) -> dict[str, str]:
    tag = re.search(r"<html [^>]*>", html)
    return dict(re.findall(r'(\w+)="([^"]*)"', tag[0] if tag else ""))


@pytest.mark.parametrize(("spoken", "language"), [
    (None, "en"), ("de", "en"), ("ar-EG,en;q=0.8", "ar"), ("de-AT,de;q=0.9,zh-TW;q=0.5", "zh-Hant"),
    ("en;q=0.4,az;q=0.8", "az"),
    ("*", "en"), ("x" * 5000, "en"),
])  # fmt: skip
def test_pages_speak_the_browsers_language_until_one_is_chosen(client, spoken, language):
    html = client.get("/admin/flows", headers={"Accept-Language": spoken} if spoken else {}).text
    choose(client, "en")
    chosen = client.get("/admin/flows", headers={"Accept-Language": spoken} if spoken else {}).text

    assert WORDS[language.replace("-", "_")] in html
    assert (root(html)["lang"], root(html)["dir"]) == (language, "rtl" if language == "ar" else "ltr")
    assert root(chosen)["lang"] == "en"


def test_the_desk_has_english_words_and_says_so_whatever_the_browser_speaks(client):
    html = client.get("/support/signed-out", headers={"Accept-Language": "ar"}).text

    assert (root(html)["lang"], root(html)["dir"]) == ("en", "ltr")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_flows_page_and_the_menu_speak_the_chosen_language(client, language):
    choose(client, language)
    html = client.get("/admin/flows").text

    assert WORDS[language] in html
    assert root(html)["lang"] == language.replace("_", "-")
    assert root(html)["dir"] == ("rtl" if language == "ar" else "ltr")
    if language != "en":
        assert not re.search(r">(Flows|Mails|Sign out|Latest mails|Mails sent|right now|Main menu)<", html)


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
@pytest.mark.parametrize(("page", "english"), [
    ("/admin/mails", ("Sent", "Skipped", "Waiting", "Abandoned cart", "Mails, newest first")),
    ("/admin/webhooks", ("Handled", "Topic", "All results", "Receiving")),
    ("/admin/customers", ("Customers", "Agreed", "Spent")),
    ("/admin/coupons", ("Coupons", "Redeemed")),
    ("/admin/health", ("Health", "At this moment", "Connection")),
    ("/admin/signed-out", ("You are signed out",)),
    ("/woocommerce/connect", ("Connect your WooCommerce shop", "Check the shop", "Consumer key")),
])  # fmt: skip
def test_every_page_speaks_the_chosen_language(client, page, english, language):
    choose(client, language)
    answer = client.get(page)

    assert answer.status_code == 200
    assert root(answer.text)["lang"] == language.replace("_", "-")
    assert [words for words in english if re.search(rf">\s*{words}\s*<", answer.text)] == []


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_an_error_speaks_the_chosen_language(client, language):
    choose(client, language)
    answer = client.get("/admin/mails/987654")

    assert answer.status_code == 404
    assert "There is nothing here" not in answer.text
    assert root(answer.text)["lang"] == language.replace("_", "-")


def test_a_mail_tells_its_story_in_arabic(client):
    choose(client, "ar")
    mails = client.get("/admin/mails").text
    story = client.get(re.findall(r'href="(/admin/mails/\d+)"', mails)[0]).text

    assert "ما رآه" in story
    assert not re.search(r">\s*(What it saw|Consent|Cart|Wanted at|Entered the flow)\s*<", story)


def test_a_choice_lasts_for_the_session_and_can_be_undone(client):
    choose(client, "az")
    choose(client, "en")

    assert WORDS["en"] in client.get("/admin/flows").text


@pytest.mark.parametrize("language", ["de", "", "../../etc/passwd", "ar\r\nX: y"])
def test_a_language_that_there_is_not_is_404(client, language):
    assert choose(client, language).status_code == 404
    assert WORDS["en"] in client.get("/admin/flows").text


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_every_marked_word_is_translated(language):
    held = catalogues.translations(catalogues.PAGES, Locale.parse(language))._catalog

    assert len(held) > 40
    assert [key for key, words in held.items() if key and not words] == []
