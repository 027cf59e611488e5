"""Shopify's own library agrees with us about every signature; skipped, with the reason, where it could not be installed.

script/test installs it where Node 20 and npm are there; by hand: `npm ci --prefix tests/oracle`.
"""

import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.demo.shopify_oauth import make_session_token
from integrations.shopify.auth import BadToken, is_shop_domain, read_session_token, verify_proxy, verify_query
from integrations.shopify.verify import is_authentic

ORACLE = Path(os.environ.get("SHOPIFY_ORACLE", Path(__file__).parents[1] / "oracle"))
PAYLOADS = Path(__file__).parents[1] / "data" / "payloads" / "shopify"
CLIENT, SECRET, SHOP = "client-id", "shpss_oracle_secret_of_usual_length_12", "tea-and-tin.myshopify.com"

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed"),
    pytest.mark.skipif(
        not (ORACLE / "node_modules" / "@shopify" / "shopify-api").is_dir(),
        reason="@shopify/shopify-api is not installed: npm ci --prefix tests/oracle",
    ),
]


def webhook(path: Path, spoil: bytes = b"") -> dict[str, Any]:
    body = path.read_bytes()
    headers = json.loads((PAYLOADS / "_headers.json").read_text())
    headers["X-Shopify-Hmac-Sha256"] = base64.b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode()
    return {"kind": "webhook", "body": (body + spoil).decode(), "headers": headers}


def now() -> int:
    """Read the clock when the question is asked: the library reads its own, and these tests may wait for their turn."""
    return int(time.time())


def token(**change: object) -> dict[str, Any]:
    return {"kind": "token", "token": make_session_token(SHOP, CLIENT, SECRET, now(), **({"exp": now() + 600} | change))}


def query(kind: str, secret: str = SECRET, **said: str) -> dict[str, Any]:
    said = {"shop": SHOP, "timestamp": str(now())} | said
    joint, name = ("&", "hmac") if kind == "query" else ("", "signature")
    text = joint.join(f"{key}={said[key]}" for key in sorted(said))
    return {"kind": kind, "query": said | {name: hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()}}


PROXY = {"path_prefix": "/apps/cartwheel", "logged_in_customer_id": "7"}


def questions() -> list[dict[str, Any]]:
    """What is good and what is not, of every kind; margins are minutes, so that a slow machine changes no answer."""
    old = str(now() - 4000)
    return [
        *(webhook(path) for path in sorted(PAYLOADS.rglob("*.json")) if path.name != "_headers.json"),
        webhook(PAYLOADS / "orders" / "create.json", b" "),
        token(), token(exp=now() - 600), token(aud="other"), token(nbf=now() + 600),
        {"kind": "token", "token": token()["token"] + "x"},
        query("query", host="YWRtaW4", embedded="1"), query("query", "guess"), query("query", timestamp=old),
        query("proxy", **PROXY), query("proxy", "guess", **PROXY), query("proxy", timestamp=old, **PROXY),
        *({"kind": "shop", "shop": shop} for shop in (SHOP, f"{SHOP}.evil.com", f"evil.com#{SHOP}", "-x.myshopify.com")),
    ]  # fmt: skip


def stricter() -> list[dict[str, Any]]:
    """The library leaves the hosts of a token to its caller; we do not."""
    return [token(dest="https://evil.myshopify.com"), token(dest="https://evil.example", iss="https://evil.example/admin")]


def ours(asked: dict[str, Any]) -> bool:
    """Our own answer to a question."""
    clock = datetime.fromtimestamp(now(), UTC)
    try:
        match asked["kind"]:
            case "webhook":
                return is_authentic(asked["headers"], asked["body"].encode(), [SECRET])
            case "token":
                return bool(read_session_token(asked["token"], client_id=CLIENT, secrets=[SECRET], now=clock))
            case "query":
                return bool(verify_query(asked["query"].items(), [SECRET], clock))
            case "proxy":
                return bool(verify_proxy(asked["query"].items(), [SECRET], clock))
    except BadToken:
        return False
    return is_shop_domain(asked["shop"])


def run(script: str, asked: dict[str, Any]) -> Any:
    command = ["node", str(ORACLE / script)]
    ran = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=60)
    return json.loads(ran.stdout)


def theirs(questions: list[dict[str, Any]]) -> list[bool]:
    answers = run("oracle.mjs", {"clientId": CLIENT, "secret": SECRET, "questions": questions})
    return [bool(answer) for answer in answers]


def test_shopifys_own_library_says_what_we_say() -> None:
    asked = questions()
    answers = theirs(asked)

    assert [(q, said) for q, said in zip(asked, answers, strict=True) if ours(q) is not said] == []
    assert 40 < sum(answers) < len(answers)


def test_we_refuse_what_the_library_leaves_to_its_caller() -> None:
    asked = stricter()

    assert theirs(asked) == [True, True]
    assert [ours(question) for question in asked] == [False, False]


def test_what_the_library_signs_is_good_for_us_and_not_when_a_letter_changes() -> None:
    body = (PAYLOADS / "orders" / "create.json").read_text() + "Tomás ☕"
    query = {"shop": SHOP, "timestamp": str(now()), "path_prefix": "/apps/cartwheel"}
    claims = {
        "iss": f"https://{SHOP}/admin", "dest": f"https://{SHOP}", "aud": CLIENT, "sub": "42", "sid": "s", "jti": "j",
        "iat": now(), "nbf": now(), "exp": now() + 600,
    }  # fmt: skip
    made = run("maker.mjs", {"secret": SECRET, "body": body, "query": query, "claims": claims})
    other = run("maker.mjs", {"secret": "guess", "body": body, "query": query, "claims": claims})
    headers = {"X-Shopify-Hmac-Sha256": made["webhook"]}
    good = [
        {"kind": "webhook", "body": body, "headers": headers},
        {"kind": "query", "query": query | {"hmac": made["hmac"]}},
        {"kind": "proxy", "query": query | {"signature": made["signature"]}},
        {"kind": "token", "token": made["token"]},
    ]
    spoiled = [
        {"kind": "webhook", "body": body + " ", "headers": headers},
        {"kind": "webhook", "body": body, "headers": {"X-Shopify-Hmac-Sha256": other["webhook"]}},
        {"kind": "query", "query": query | {"hmac": other["hmac"]}},
        {"kind": "query", "query": query | {"hmac": made["signature"]}},
        {"kind": "proxy", "query": query | {"signature": made["signature"], "shop": "other.myshopify.com"}},
        {"kind": "token", "token": other["token"]},
    ]

    assert [ours(question) for question in good] == [True] * 4
    assert [ours(question) for question in spoiled] == [False] * 6
