"""A review that WooCommerce lists, in our words; and the pretend shop's list of them, which has the original's habits."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.demo.clock import DemoClock
from app.demo.config import DemoConfig
from app.demo.fakes import Fakes
from app.demo.server import create_app
from app.demo.store import Review
from app.demo.woocommerce_desk import Desk
from app.domain.errors import BadPayload
from app.domain.events import Person, ReviewDeleted, ReviewUpdated
from integrations.woocommerce.reviews import WORDS_MOST, read
from tests.unit.test_fake_shops import Held

T0 = datetime(2026, 7, 14, 12, 0, 30, tzinfo=UTC)  # summer: the shop's wall clock differs from UTC
LISTED: dict[str, Any] = {
    "id": 22, "date_created": "2026-07-14T13:00:30", "date_created_gmt": "2026-07-14T12:00:30", "product_id": 31,
    "product_name": "Heron", "product_permalink": "https://shop.example.com/product/heron/", "status": "approved",
    "reviewer": "Alice", "reviewer_email": "Alice@Example.com", "review": "<p>Nice lamp!</p>\n", "rating": 4,
    "verified": True, "reviewer_avatar_urls": {"24": "https://secure.gravatar.com/avatar/x?s=24"}, "_links": {},
}  # fmt: skip


def test_a_listed_review_is_told_with_its_writers_address_and_nothing_else_of_theirs() -> None:
    assert read(LISTED, at=T0 + timedelta(days=1)) == [
        ReviewUpdated(
            object_id="22", happened_at=T0, person=Person(email="alice@example.com"), product_id="31", score=4,
            words="Nice lamp!",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ("<p>One &amp; two</p>\n<p>Three<br />\nfour</p>\n", "One & two\n\nThree\nfour"),
        ("<p>I <strong>love</strong> <a href=\"https://x.example\">it</a></p>", "I love it"),
        ("<p>5 &lt; 6 &#8220; &hellip;</p>", "5 < 6 \u201c …"),
        ("<script>alert(1)</script><p>Hm</p>", "Hm"),
        ("<p>مصباح جميل</p>", "مصباح جميل"),
        ("<p>nul\x00l</p>", "null"),
        ("<p> </p>", None),
        ("", None),
        (None, None),
        (["x"], None),
        ("x" * 70_000, "x" * WORDS_MOST),
    ],
)  # fmt: skip
def test_words_are_plain_text_and_not_longer_than_those_of_a_mail(listed: object, words: str | None) -> None:
    (event,) = read(LISTED | {"review": listed}, at=T0)

    assert isinstance(event, ReviewUpdated)
    assert event.words == words


def test_what_waits_for_approval_is_told_and_what_is_hidden_for_any_other_reason_is_gone() -> None:
    gone_at = T0 + timedelta(days=3)
    kinds = {s: read(LISTED | {"status": s}, at=gone_at)[0].kind for s in ("approved", "hold")}

    assert set(kinds.values()) == {"review_updated"}
    for status in ("spam", "trash", "post-trashed", "0", "a-plugins-own"):
        assert read(LISTED | {"status": status}, at=gone_at) == [ReviewDeleted(object_id="22", happened_at=gone_at)]


def test_no_stars_are_no_score_and_no_address_is_nobody() -> None:
    (event,) = read(LISTED | {"rating": 0, "reviewer_email": ""}, at=T0)

    assert isinstance(event, ReviewUpdated)
    assert (event.score, event.person) == (None, Person())


@pytest.mark.parametrize(
    "wrong", [{"id": None}, {"rating": 6}, {"rating": -1}, {"date_created_gmt": "soon"}, {"status": ""}]
)
def test_what_cannot_be_understood_names_the_field_and_no_value(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadPayload, match=next(iter(wrong))) as refused:
        read(LISTED | wrong, at=T0)

    assert "alice" not in str(refused.value).lower()


@pytest.fixture
def shops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Fakes, FlaskClient]]:
    """The pretend shop and somebody who holds its key; a signature is judged elsewhere."""
    monkeypatch.setattr(Desk, "check", lambda *_: None)
    config = DemoConfig(
        cartwheel_url="http://127.0.0.1:8000", shops_url="http://127.0.0.1:8001", shopify_client_secret="s",
        shopify_access_token="t", woo_connection_path="/w", woo_webhook_secret="w", woo_consumer_key="ck",
        woo_consumer_secret="cs", announces=False, data_dir=tmp_path,
    )  # fmt: skip
    fakes = Fakes(config, clock=DemoClock(), outgoing=Held())
    for n, status in enumerate(("approved", "hold", "spam", "trash", "approved")):
        fakes.woocommerce.store.put(
            Review(
                id=n + 1, product_id=31 + n % 2, email=f"p{n}@example.com", name="P", rating=n + 1, words=f"No {n}",
                written_at=T0 + timedelta(hours=n), status=status,
            )
        )  # fmt: skip
    yield fakes, create_app(config, fakes).test_client()
    fakes.stop()


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ("", [5, 1]),
        ("status=all", [5, 2, 1]),
        ("status=hold", [2]),
        ("status=spam", [3]),
        ("status=trash", [4]),
        ("status=all&order=asc&orderby=date_gmt", [1, 2, 5]),
        ("status=all&order=asc&orderby=id", [1, 2, 5]),
        ("status=all&include=2,4,9", [2]),
        ("status=all&product=32", [2]),
        ("reviewer_email=p4@example.com", [5]),
        ("status=all&after=2026-07-14T12:00:30Z", [5, 2]),
        ("status=all&after=2026-07-14T12:00:29Z", [5, 2, 1]),
        ("status=all&after=2026-07-14T12:00:30", [5, 2, 1]),
        ("status=all&after=2026-07-14T12:00:30&dates_are_gmt=true", [5, 2, 1]),
        ("status=all&after=2026-07-14T13:00:30", [5, 2]),
        ("status=all&before=2026-07-14T13:00:30Z", [1]),
        ("status=all&per_page=2&page=2", [1]),
        ("status=all&per_page=2&page=9", []),
    ],
)
def test_the_pretend_list_asks_as_the_original_does(shops: tuple[Fakes, FlaskClient], asked: str, ids: list[int]) -> None:
    """A bound without an offset is the shop's wall clock (an hour ahead of UTC in summer), whatever the flag says."""
    answer = shops[1].get(f"/woocommerce/wp-json/wc/v3/products/reviews?{asked}")
    told = answer.get_json()

    assert (answer.status_code, [each["id"] for each in told]) == (200, ids)
    assert int(answer.headers["X-WP-Total"]) >= len(ids)


def test_the_pretend_list_counts_its_pages_and_refuses_what_the_original_refuses(shops: tuple[Fakes, FlaskClient]) -> None:
    path = "/woocommerce/wp-json/wc/v3/products/reviews"
    listed = shops[1].get(f"{path}?status=all&per_page=2")

    assert (listed.headers["X-WP-Total"], listed.headers["X-WP-TotalPages"]) == ("3", "2")
    for wrong in ("status=any", "orderby=modified", "order=up", "per_page=101", "after=soon"):
        refused = shops[1].get(f"{path}?{wrong}")
        assert (refused.status_code, refused.get_json()["code"]) == (400, "rest_invalid_param")
    assert shops[1].get(f"{path}/4").get_json()["status"] == "trash"
    assert shops[1].get(f"{path}/99").get_json()["code"] == "woocommerce_rest_review_invalid_id"


def test_a_pretend_review_is_listed_with_the_keys_of_a_real_one(shops: tuple[Fakes, FlaskClient]) -> None:
    fakes, client = shops
    product = fakes.woocommerce.catalogue.products[0]
    fakes.woocommerce.write_review("dora@example.com", product.id, 5, "Fine & small")
    (told,) = client.get("/woocommerce/wp-json/wc/v3/products/reviews?reviewer_email=dora@example.com").get_json()

    assert set(told) == set(LISTED) - {"reviewer_avatar_urls"}
    assert (told["review"], told["product_name"], told["verified"]) == ("<p>Fine &amp; small</p>\n", product.title, False)
    assert read(told, at=T0)[0].kind == "review_updated"
