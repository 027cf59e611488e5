"""What tests of the merchant's pages begin with."""

import pytest

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
