"""The companion plugin: its PHP, what PHP and Python must agree on to the last byte, and the zip that merchants upload."""

import base64
import hmac
import io
import json
import re
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.events import CheckoutDeleted, CheckoutUpdated, ConsentState
from app.domain.people import normalise_email
from integrations.woocommerce import plugin, topics
from integrations.woocommerce.admin_tokens import AdminClaims, BadAdminToken, read_admin_token
from integrations.woocommerce.normalise import normalise
from integrations.woocommerce.verify import secret_of

ROOT = Path(__file__).parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "tests" / "data" / "companion_vectors.json").read_text(encoding="utf-8"))
SOURCES = sorted(plugin.SOURCE.rglob("*.php"))
SECRET = "cartwheel-test-secret-0123456789"
AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CID = "Zr8_o0eDqv3mWm4yYz-1Kg"
CLAIMS: dict[str, object] = {
    "v": 1,
    "cid": CID,
    "topic": "checkout.updated",
    "uid": "7",
    "origin": "https://shop.example.com",
    "iat": int(AT.timestamp()),
    "exp": int(AT.timestamp()) + 60,
    "nonce": "00112233445566778899aabbccddeeff",
}
# What PHP 7.4 does not have yet, and `php -l` of a newer one lets pass.
TOO_NEW = re.compile(
    r"\?->|\bmatch\s*\(|\benum\s+\w|\breadonly\b|\bstr_(?:contains|starts_with|ends_with)\(|\bfunction\s+\w*\s*\([^)]*,\s*\)"
    r"|^\s*#\[|\b\w+\|\w+\s+\$",
    re.MULTILINE,
)
needs_php = pytest.mark.skipif(shutil.which("php") is None, reason="PHP is not here: apt-get install php-cli")


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(claims: object = CLAIMS, secret: str = SECRET, purpose: bytes = b"cartwheel wp-admin 1") -> str:
    payload = encoded(json.dumps(claims).encode())
    key = hmac.digest(secret.encode(), purpose, "sha256")
    return f"{payload}.{encoded(hmac.digest(key, payload.encode(), 'sha256'))}"


def read(text: Any, secrets: tuple[str, ...] = (SECRET,), now: datetime = AT) -> AdminClaims:
    return read_admin_token(text, secrets_of=lambda cid: secrets if cid == CID else (), now=now)


# ---- PHP


@needs_php
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_php_can_be_read(path: Path) -> None:
    done = subprocess.run(["php", "-l", str(path)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@needs_php
def test_the_php_does_what_its_tests_say() -> None:
    done = subprocess.run(["php", str(ROOT / "tests" / "php" / "run.php")], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[0]) >= 45


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_php_is_closed_to_the_web_and_not_too_new(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert re.search(r"defined\( '(?:ABSPATH|WP_UNINSTALL_PLUGIN)' \) \|\| exit;", text)
    assert TOO_NEW.findall(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)) == []


def test_every_sentence_can_be_translated() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    calls = re.findall(r"\b(?:__|_n|esc_html__|esc_attr__)\( (.*?) \)(?=[;,. )])", text)

    assert len(calls) > 50
    assert [call for call in calls if not call.endswith("'cartwheel'")] == []


def test_the_versions_agree() -> None:
    main = (plugin.SOURCE / "cartwheel.php").read_text(encoding="utf-8")
    readme = (plugin.SOURCE / "readme.txt").read_text(encoding="utf-8")

    assert plugin.version() == "1.0.0"
    assert f"define( 'CARTWHEEL_VERSION', '{plugin.version()}' );" in main
    assert f"Stable tag: {plugin.version()}" in readme
    assert f"= {plugin.version()} =" in readme


def test_the_topics_are_the_ones_that_we_ask_for() -> None:
    source = (plugin.SOURCE / "includes" / "class-cartwheel-webhooks.php").read_text(encoding="utf-8")
    said = re.search(r"const TOPICS = array\( (.*?) \);", source)

    assert said is not None
    assert tuple(re.findall(r"'([^']+)'", said[1])) == topics.COMPANION_TOPICS


# ---- the same in both languages


@pytest.mark.parametrize("case", VECTORS["tokens"], ids=lambda case: case["about"])
def test_a_token_of_the_plugin_is_read(case: dict[str, Any]) -> None:
    now = datetime.fromtimestamp(case["now"], UTC)

    claims = read_admin_token(case["token"], secrets_of=lambda _cid: (case["secret"],), now=now)

    assert (claims.connection_id, claims.user_id) == (case["connection_id"], str(case["user_id"]))
    assert (claims.origin, claims.expires_at) == (case["origin"], now + timedelta(seconds=60))


@pytest.mark.parametrize("case", VECTORS["emails"], ids=lambda case: case["normalised"])
def test_an_address_is_compared_as_in_the_plugin(case: dict[str, Any]) -> None:
    assert normalise_email(case["raw"]) == case["normalised"]


def test_the_plugins_body_is_understood() -> None:
    (event,) = normalise("checkout.created", json.loads(VECTORS["checkout"]["body"]), at=AT)

    assert isinstance(event, CheckoutUpdated)
    assert (event.object_id, event.person.email, event.person.locale) == (
        "00112233445566778899aabbccddeeff", "alice@example.com", "pt-PT",
    )  # fmt: skip
    assert (event.subtotal_minor, event.total_minor, event.currency) == (12900, 13400, "EUR")
    assert [(line.quantity, line.price_minor, line.variant_title) for line in event.lines] == [
        (2, 6450, None), (1, 900, "red"),
    ]  # fmt: skip
    assert event.consent is not None
    assert (event.consent.state, event.consent.wording) == (ConsentState.SUBSCRIBED, "E-mail me news and offers")
    assert event.recovery_url == "https://shop.example.com/?cartwheel_cart=00112233445566778899aabbccddeeff"


def test_a_forgotten_checkout_is_deleted() -> None:
    assert normalise("checkout.deleted", {"id": "tok"}, at=AT) == [
        CheckoutDeleted(object_id="tok", happened_at=AT, token="tok")
    ]


# ---- tokens of wp-admin


def test_a_token_says_who_looks_at_which_shop() -> None:
    assert read(token()) == AdminClaims(
        connection_id=CID, user_id="7", origin="https://shop.example.com", expires_at=AT + timedelta(seconds=60)
    )


def test_each_topics_secret_and_an_old_one_during_a_rotation_are_good() -> None:
    by_topic = token(secret=secret_of(SECRET, "checkout.updated"))

    assert read(by_topic, ("new", SECRET)).user_id == "7"
    with pytest.raises(BadAdminToken):
        read(token(secret=secret_of(SECRET, "order.created")))


@pytest.mark.parametrize(
    "given",
    [
        token(secret="another"),
        token(secret=""),
        token(purpose=b"webhook"),
        token(CLAIMS | {"cid": "A" * 22}),
        token()[:-1] + ("A" if token()[-1] != "A" else "B"),
        token() + "=",
        token() + ".x",
        "x" + token(),
        f"{token()}\n",
        "",
        ".",
        None,
        7,
        "a" * 5000,
        f"{encoded(b'[' * 600)}.{'A' * 43}",
    ],
    ids=range(15),
)
def test_what_a_shop_that_we_know_did_not_sign_is_refused(given: object) -> None:
    with pytest.raises(BadAdminToken):
        read(given, (SECRET, ""))


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_a_claim_that_is_missing_is_refused(name: str) -> None:
    with pytest.raises(BadAdminToken):
        read(token({key: value for key, value in CLAIMS.items() if key != name}))


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"v": 2},
        {"v": True},
        {"v": "1"},
        {"uid": "0"},
        {"uid": 7},
        {"uid": "7 "},
        {"topic": "checkout.updated\n"},
        {"nonce": "00"},
        {"nonce": None},
        {"origin": "https://shop.example.com/"},
        {"origin": "https://shop.example.com;script-src *"},
        {"origin": "https://shop.example.com https://evil.example"},
        {"origin": "javascript://shop"},
        {"origin": "*"},
        {"iat": 1.5},
        {"iat": -1},
        {"exp": 10**30},
        {"exp": CLAIMS["iat"]},
        {"exp": int(AT.timestamp()) + 61},
    ],
    ids=str,
)
def test_a_claim_that_is_not_as_it_should_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadAdminToken):
        read(token(CLAIMS | change))


@pytest.mark.parametrize(("seconds", "is_good"), [(-31, False), (-30, True), (0, True), (89, True), (90, False)])
def test_a_token_has_its_time_by_clocks_that_differ_a_little(seconds: int, is_good: bool) -> None:
    now = AT + timedelta(seconds=seconds)
    if is_good:
        assert read(token(), now=now).user_id == "7"
    else:
        with pytest.raises(BadAdminToken):
            read(token(), now=now)


@given(st.one_of(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(token)))
def test_nothing_else_is_ever_raised(given: str) -> None:
    with pytest.raises(BadAdminToken):
        read(given)


def test_an_error_names_no_value() -> None:
    with pytest.raises(BadAdminToken) as told:
        read(token(CLAIMS | {"uid": "alice@example.com"}))

    assert "alice" not in str(told.value)


# ---- the zip


def test_the_zip_is_the_same_bytes_each_time_and_holds_the_whole_plugin() -> None:
    packed = plugin.pack("https://cartwheel.example.org")
    archive = zipfile.ZipFile(io.BytesIO(packed))

    assert packed == plugin.pack("https://cartwheel.example.org")
    assert sorted(archive.namelist()) == sorted(
        f"cartwheel/{path.relative_to(plugin.SOURCE).as_posix()}" for path in plugin.SOURCE.rglob("*") if path.is_file()
    )
    assert {"cartwheel/cartwheel.php", "cartwheel/readme.txt", "cartwheel/uninstall.php", "cartwheel/LICENSE"} <= set(
        archive.namelist()
    )
    assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@needs_php
@pytest.mark.parametrize("url", ["https://cartwheel.example.org", r"https://a'.b\.example"])
def test_the_copy_knows_where_it_came_from(url: str, tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(plugin.pack(url))).extractall(tmp_path)
    script = f"define('ABSPATH', '/'); echo require '{tmp_path}/cartwheel/home.php';"

    done = subprocess.run(["php", "-r", script], capture_output=True, text=True, check=True)

    assert done.stdout == url
