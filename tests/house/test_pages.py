"""Every page is in the list that axe looks at: a new one that is not makes this fail."""

from app import config
from tests.e2e.pages import ANYBODY, MERCHANT, NO_PAGES, STAFF


def routes(monkeypatch, tmp_path) -> set[str]:
    """All endpoints that answer a GET."""
    from app.web import create_app

    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setenv("CARTWHEEL_DATA_DIR", str(tmp_path))
    config.settings.cache_clear()
    app = create_app()
    config.settings.cache_clear()
    return {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}


def test_every_page_is_looked_at_by_axe_or_is_said_to_be_none(monkeypatch, tmp_path):
    assert routes(monkeypatch, tmp_path) == set(MERCHANT) | set(STAFF) | set(ANYBODY) | set(NO_PAGES)


def test_nothing_is_a_page_and_none_at_once():
    listed = [*MERCHANT, *STAFF, *ANYBODY, *NO_PAGES]

    assert len(listed) == len(set(listed))
