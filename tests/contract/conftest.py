"""What several contract tests begin with: the merchant's pages, and what is logged."""

import pytest
import structlog

from tests.admin_cast import Cast, link, seed


@pytest.fixture
def cast(house) -> Cast:
    return seed(house)


@pytest.fixture
def client(house, cast):
    """Somebody of Tea & Tin."""
    from app.web import create_app

    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post(link(house, cast.tea))
    return client


@pytest.fixture
def logged(monkeypatch):
    """Every line that is logged; the loggers hold the stream of the run's beginning, so no capture of pytest's sees them."""
    lines = []
    for level in ("debug", "info", "warning", "error", "critical", "msg"):
        monkeypatch.setattr(structlog.PrintLogger, level, lambda self, message: lines.append(message))
    return lines
