"""What a merchant's page and a shopper's page must bring before we believe who they are."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.shopify.auth import (
    BadToken,
    Claims,
    is_shop_domain,
    read_session_token,
    sanitize_reload,
    verify_proxy,
    verify_query,
)

NOW = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
CLIENT, SECRET, OLD = "client-id", "shpss_new_secret", "shpss_old_secret"
SHOP = "tea-and-tin.myshopify.com"
CLAIMS: dict[str, object] = {
    "iss": f"https://{SHOP}/admin",
    "dest": f"https://{SHOP}",
    "aud": CLIENT,
    "sub": "42",
    "exp": AT + 60,
    "nbf": AT,
    "iat": AT,
    "jti": "f8912129-1af6-4cad-9ca3-76b0f7621087",
    "sid": "aaea182f2732d44c23057c0fea584021a4485b2bd25d3eb7fd349313ad24c685",
    "sig": "f07cf3740270c17fb61c700b2f0f2e7f2f4fc8c4c8b3a1b0c1d3b6b0a6f0e1d2",
}


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def token(claims: object = CLAIMS, secret: str = SECRET, head: object = None, digest: str = "sha256") -> str:
    head = {"alg": "HS256", "typ": "JWT"} if head is None else head
    text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{text}.{b64(hmac.digest(secret.encode(), text.encode(), digest))}"


def read(text: Any, secrets: tuple[str, ...] = (SECRET, OLD), now: datetime = NOW) -> Claims:
    return read_session_token(text, client_id=CLIENT, secrets=secrets, now=now)


# ---- session tokens


def test_a_session_token_says_who_looks_at_which_shop() -> None:
    assert read(token()) == Claims(
        shop_domain=SHOP, user_id="42", session_id=str(CLAIMS["sid"]), expires_at=NOW + timedelta(seconds=60)
    )


def test_a_token_signed_with_the_old_secret_is_good_while_there_is_one() -> None:
    made = token(secret=OLD)

    assert read(made).shop_domain == SHOP
    with pytest.raises(BadToken, match="not signed"):
        read(made, secrets=(SECRET,))


@pytest.mark.parametrize("seconds", [-9, 0, 60, 69])
def test_clocks_may_be_ten_seconds_apart(seconds: int) -> None:
    assert read(token(), now=NOW + timedelta(seconds=seconds)).user_id == "42"


@pytest.mark.parametrize("seconds", [-3600, -11, 70, 3600, 10**9])
def test_a_token_of_another_time_is_refused(seconds: int) -> None:
    with pytest.raises(BadToken, match=r"expired|not valid yet"):
        read(token(), now=NOW + timedelta(seconds=seconds))


EVIL = "https://evil.myshopify.com"
CHANGED: list[dict[str, object]] = [
    {"aud": "other-app"}, {"aud": [CLIENT]}, {"aud": [CLIENT, "x"]}, {"aud": None}, {"aud": ""}, {"aud": CLIENT.upper()},
    {"exp": AT - 11}, {"exp": str(AT + 60)}, {"exp": True}, {"exp": None}, {"exp": 1e300}, {"exp": -1}, {"exp": 9.9e11},
    {"exp": float("inf")}, {"exp": float("nan")}, {"exp": 10**400}, {"exp": [AT]},
    {"nbf": AT + 11}, {"nbf": "soon"}, {"nbf": float("nan")}, {"iat": AT + 11}, {"iat": None}, {"iat": {}},
    {"iss": EVIL + "/admin"}, {"dest": EVIL}, {"iss": "https://example.com/admin", "dest": "https://example.com"},
    {"iss": f"http://{SHOP}/admin"}, {"dest": f"https://{SHOP}.evil.com"}, {"dest": f"https://evil.com#{SHOP}"},
    {"dest": f"https://user@{SHOP}"}, {"dest": f"https://{SHOP}:8443"}, {"dest": f"https://{SHOP}\n"}, {"dest": SHOP},
    {"iss": f"https://{SHOP}/admin/x"}, {"iss": None}, {"dest": 7}, {"dest": ""},
    {"dest": "https://-x.myshopify.com", "iss": "https://-x.myshopify.com/admin"},
    {"dest": "https://a_b.myshopify.com", "iss": "https://a_b.myshopify.com/admin"},
    {"dest": "https://ｔea.myshopify.com", "iss": "https://ｔea.myshopify.com/admin"},  # noqa: RUF001
    {"sub": ""}, {"sub": 42}, {"sub": None}, {"sub": "4\n2"}, {"sub": "x" * 256}, {"jti": ""}, {"jti": 1}, {"sid": []},
    {"sid": "\ud800"},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGED, ids=str)
def test_a_signed_token_with_a_wrong_claim_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadToken):
        read(token(CLAIMS | change))


@pytest.mark.parametrize("name", ["iss", "dest", "aud", "sub", "exp", "nbf", "iat", "jti", "sid"])
def test_a_signed_token_without_a_claim_is_refused(name: str) -> None:
    with pytest.raises(BadToken):
        read(token({key: value for key, value in CLAIMS.items() if key != name}))


HEAD, BODY, MAC = token().split(".")
NONE, OTHER = b64(b'{"alg":"none"}'), b64(b'{"alg":"HS256","x":1}')
FORGED: dict[str, object] = {
    "nothing": None,
    "empty": "",
    "bytes": token().encode(),
    "with the word in front": f"Bearer {token()}",
    "another secret": token(secret="guess"),
    "an empty secret": token(secret=""),
    "unsigned": f"{NONE}.{BODY}.",
    "unsigned with a digest": f"{NONE}.{BODY}.{MAC}",
    "no algorithm": token(head={"typ": "JWT"}),
    "another algorithm": token(head={"alg": "HS512"}, digest="sha512"),
    "a public key's algorithm": token(head={"alg": "RS256"}),
    "a lower algorithm": token(head={"alg": "hs256"}),
    "an unknown extension": token(head={"alg": "HS256", "crit": ["exp"]}),
    "a detached body": token(head={"alg": "HS256", "b64": False, "crit": ["b64"]}),
    "a head that is a list": token(head=["HS256"]),
    "claims that are a list": token(["a"]),
    "claims that are a word": token("a"),
    "claims without end": token(json.loads("[" * 300 + "]" * 300)),
    "another body": f"{HEAD}.{b64(json.dumps(CLAIMS | {'dest': EVIL}).encode())}.{MAC}",
    "another head": f"{OTHER}.{BODY}.{MAC}",
    "half a signature": f"{HEAD}.{BODY}.{MAC[:20]}",
    "no signature": f"{HEAD}.{BODY}.",
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{token()}.x",
    "a line behind": token() + "\n",
    "padding": f"{HEAD}.{BODY}.{MAC}=",
    "too long": token(CLAIMS | {"x": "y" * 5000}),
    "not ASCII": f"{HEAD}.{BODY}.ü",
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_is_refused(forged: object) -> None:
    with pytest.raises(BadToken):
        read(forged)


@pytest.mark.parametrize("secrets", [(), ("",), ("", "")])
def test_without_a_secret_nobody_comes_in(secrets: tuple[str, ...]) -> None:
    with pytest.raises(BadToken):
        read(token(secret=""), secrets=secrets)


def test_without_a_client_id_nobody_comes_in() -> None:
    with pytest.raises(BadToken):
        read_session_token(token(CLAIMS | {"aud": ""}), client_id="", secrets=(SECRET,), now=NOW)


def test_a_refusal_repeats_nothing_of_the_token() -> None:
    with pytest.raises(BadToken) as caught:
        read(token(CLAIMS | {"dest": EVIL}))

    assert "evil" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(st.text() | st.binary() | st.none() | st.from_regex(r"\A[\w-]+\.[\w-]+\.[\w-]+\Z"))
def test_no_junk_raises_anything_but_bad_token(junk: Any) -> None:
    with pytest.raises(BadToken):
        read(junk)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from([*CLAIMS, "x"]), JSON), st.dictionaries(st.sampled_from(["alg", "crit"]), JSON))
def test_no_signed_junk_raises_anything_but_bad_token(change: dict[str, Any], head: dict[str, Any]) -> None:
    try:
        read(token(CLAIMS | change, head={"alg": "HS256"} | head))
    except BadToken:
        return
    assert not set(change) & {"iss", "dest", "aud"} or all(CLAIMS[k] == change[k] for k in change if k in {"dest", "aud"})


# ---- the admin's query


def sign(said: dict[str, str], secret: str = SECRET) -> list[tuple[str, str]]:
    text = "&".join(f"{name}={said[name]}" for name in sorted(said))
    return [*said.items(), ("hmac", hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest())]


QUERY = {"shop": SHOP, "timestamp": str(AT), "host": "YWRtaW4=", "embedded": "1", "locale": "en", "id_token": token()}


@pytest.mark.parametrize("secret", [SECRET, OLD])
@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_query_of_the_admin_is_believed_for_five_minutes(secret: str, seconds: int) -> None:
    assert verify_query(sign(QUERY, secret), (SECRET, OLD), NOW + timedelta(seconds=seconds)) == QUERY


def test_a_query_is_signed_as_shopifys_own_library_signs_it() -> None:
    from shopify import Session

    Session.secret = SECRET
    pairs = [*QUERY.items(), ("hmac", Session.calculate_hmac(QUERY))]

    assert verify_query(pairs, (SECRET,), NOW) == QUERY


GOOD = dict(sign(QUERY))
QUERIES: dict[str, list[tuple[str, str]]] = {
    "empty": [],
    "unsigned": list(QUERY.items()),
    "another secret": sign(QUERY, "guess"),
    "an empty secret": sign(QUERY, ""),
    "another shop": list((GOOD | {"shop": "evil.myshopify.com"}).items()),
    "one more": [*GOOD.items(), ("admin", "1")],
    "one less": [(k, v) for k, v in GOOD.items() if k != "locale"],
    "a shop twice": [*GOOD.items(), ("shop", SHOP)],
    "another shop in front": [("shop", "evil.myshopify.com"), *GOOD.items()],
    "a digest twice": [*GOOD.items(), ("hmac", "0" * 64)],
    "an upper-case digest": [(k, v.upper() if k == "hmac" else v) for k, v in GOOD.items()],
    "a short digest": [(k, v[:63] if k == "hmac" else v) for k, v in GOOD.items()],
    "a digest that is not hex": [(k, "g" * 64 if k == "hmac" else v) for k, v in GOOD.items()],
    "a digest of other digits": [(k, "٣" * 64 if k == "hmac" else v) for k, v in GOOD.items()],
    "six minutes old": sign(QUERY | {"timestamp": str(AT - 301)}),
    "from the future": sign(QUERY | {"timestamp": str(AT + 301)}),
    "without time": sign({k: v for k, v in QUERY.items() if k != "timestamp"}),
    "a time that is none": sign(QUERY | {"timestamp": "soon"}),
    "a time in other digits": sign(QUERY | {"timestamp": "١٧٦٣٥"}),
    "a negative time": sign(QUERY | {"timestamp": f"-{AT}"}),
    "a time without end": sign(QUERY | {"timestamp": "9" * 5000}),
    "no shop": sign({k: v for k, v in QUERY.items() if k != "shop"}),
    "no shop of Shopify's": sign(QUERY | {"shop": f"{SHOP}.evil.com"}),
    "a shop with a line": sign(QUERY | {"shop": f"{SHOP}\n"}),
    "a shop in capitals": sign(QUERY | {"shop": SHOP.upper()}),
    "two in one": sign({"embedded": f"1&host=x&shop={SHOP}", "timestamp": str(AT)}),
    "a name of two": sign(QUERY | {"a=1&b": "2"}),
    "a character that is spelled": sign(QUERY | {"state": "100%"}),
    "too many": sign(QUERY | {f"x{n}": "" for n in range(100)}),
    "too long": sign(QUERY | {"x": "y" * 9000}),
}


@pytest.mark.parametrize("pairs", QUERIES.values(), ids=QUERIES.keys())
def test_a_forged_query_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(BadToken):
        verify_query(pairs, (SECRET, ""), NOW)


PAIRS = st.lists(st.tuples(st.text() | st.sampled_from([*GOOD]), st.text() | st.sampled_from([*GOOD.values()])))


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_no_junk_in_a_query_raises_anything_but_bad_token(pairs: list[tuple[str, str]]) -> None:
    for verify in (verify_query, verify_proxy):
        with pytest.raises(BadToken):
            verify(pairs, (SECRET,), NOW)


# ---- the app proxy


PROXY = {"shop": SHOP, "timestamp": str(AT), "path_prefix": "/apps/cartwheel", "logged_in_customer_id": ""}


def signed_by_proxy(pairs: list[tuple[str, str]], secret: str = SECRET) -> list[tuple[str, str]]:
    names = sorted({name for name, _ in pairs})
    text = "".join(f"{name}={','.join(v for k, v in pairs if k == name)}" for name in names)
    return [*pairs, ("signature", hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest())]


def proxied(**change: str) -> list[tuple[str, str]]:
    return signed_by_proxy(list((PROXY | change).items()))


def test_a_request_through_the_app_proxy_is_believed() -> None:
    pairs = signed_by_proxy([*PROXY.items(), ("extra", "1"), ("extra", "2")])

    assert verify_proxy(pairs, (SECRET,), NOW + timedelta(seconds=90)) == {
        **{name: [value] for name, value in PROXY.items()},
        "extra": ["1", "2"],
    }


def test_shopifys_own_example_of_a_proxy_signature_holds() -> None:
    pairs = [("extra", "1"), ("extra", "2"), ("shop", "shop-name.myshopify.com"), ("path_prefix", "/apps/awesome_reviews"),
             ("timestamp", "1317327555"), ("logged_in_customer_id", "1"),
             ("signature", "4c68c8624d737112c91818c11017d24d334b524cb5c2b8ba08daa056f7395ddb")]  # fmt: skip

    assert verify_proxy(pairs, ("hush",), datetime.fromtimestamp(1317327555, UTC))["extra"] == ["1", "2"]


GOOD_PROXY = proxied()
PROXIES: dict[str, list[tuple[str, str]]] = {
    "empty": [],
    "unsigned": list(PROXY.items()),
    "another secret": signed_by_proxy(list(PROXY.items()), "guess"),
    "signed as the admin signs": sign(PROXY),
    "two minutes old": proxied(timestamp=str(AT - 91)),
    "from the future": proxied(timestamp=str(AT + 91)),
    "another shop": [(k, "evil.myshopify.com" if k == "shop" else v) for k, v in GOOD_PROXY],
    "a shop twice": signed_by_proxy([*PROXY.items(), ("shop", SHOP)]),
    "a time twice": signed_by_proxy([*PROXY.items(), ("timestamp", str(AT))]),
    "a digest twice": [*GOOD_PROXY, ("signature", "0" * 64)],
    "a customer twice": signed_by_proxy([*PROXY.items(), ("logged_in_customer_id", "7")]),
    "a customer who is none": proxied(logged_in_customer_id="7x=1"),
    "no shop": signed_by_proxy([(k, v) for k, v in PROXY.items() if k != "shop"]),
    "no prefix": signed_by_proxy([(k, v) for k, v in PROXY.items() if k != "path_prefix"]),
    "a prefix that is none": proxied(path_prefix="//evil.com"),
    "letters moved to a name": [
        ("logged_in_customer_i", ""), ("d", ""), *[(k, v) for k, v in GOOD_PROXY if k != "logged_in_customer_id"]
    ],
}  # fmt: skip


@pytest.mark.parametrize("pairs", PROXIES.values(), ids=PROXIES.keys())
def test_a_forged_request_of_the_proxy_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(BadToken):
        verify_proxy(pairs, (SECRET,), NOW)


def test_a_shopper_cannot_become_another_by_moving_letters() -> None:
    """A shopper chooses the name `a`; Shopify signs it; the same letters are cut elsewhere."""
    honest = signed_by_proxy([*PROXY.items(), ("a", "logged_in_customer_id=7")])
    moved = [("a", ""), ("logged_in_customer_id", "7logged_in_customer_id=")]
    forged = moved + [(k, v) for k, v in honest if k not in {"a", "logged_in_customer_id"}]

    assert verify_proxy(honest, (SECRET,), NOW)["logged_in_customer_id"] == [""]
    with pytest.raises(BadToken, match="app proxy"):
        verify_proxy(forged, (SECRET,), NOW)


# ---- addresses


@pytest.mark.parametrize("url", ["/", "/shopify/", "/shopify/flows?x=1&y=//z", "/a/b.c#d", "/shopify?next=https%3A%2F%2Fx"])
def test_a_path_of_ours_may_be_reloaded(url: str) -> None:
    assert sanitize_reload(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "shopify", "https://evil.com", "//evil.com", "/\\evil.com", "\\/evil.com", "/\t/evil.com", "/\n/evil.com",
     " //evil.com", "/ /evil.com", "/.//evil.com", "/a//evil.com", "/../evil", "/./x", "/%2e%2E//x", "/%2e/x", "/a\\b",
     "javascript:alert(1)", "/ü", "/\x00", "/x" * 2000, "/a\r\nSet-Cookie: x"],
)  # fmt: skip
def test_an_address_of_others_may_not_be_reloaded(url: str) -> None:
    assert sanitize_reload(url) is None


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="/\\.:@?#%2eE\t ax"))
def test_what_may_be_reloaded_stays_with_us_for_any_reader_of_urls(url: str) -> None:
    from urllib.parse import urljoin, urlsplit

    kept = sanitize_reload(url)

    assert kept is None or urlsplit(urljoin("https://app.example.com/shopify/bounce", kept)).netloc == "app.example.com"


@pytest.mark.parametrize("domain", [SHOP, "a.myshopify.com", "0-0.myshopify.com", "a" * 63 + ".myshopify.com"])
def test_a_shops_domain_is_known(domain: str) -> None:
    assert is_shop_domain(domain)


@pytest.mark.parametrize(
    "domain",
    ["", ".myshopify.com", "-a.myshopify.com", "a_b.myshopify.com", "A.myshopify.com", "a.b.myshopify.com",
     "x.myshopify.com.evil.com", "evil.com#.myshopify.com", "x.myshopify.com\n", "xmyshopify.com",
     "a" * 64 + ".myshopify.com"],
)  # fmt: skip
def test_what_is_no_shops_domain_is_not(domain: str) -> None:
    assert not is_shop_domain(domain)


def test_more_than_sixty_forgeries_were_tried() -> None:
    assert len(CHANGED) + len(FORGED) + len(QUERIES) + len(PROXIES) > 100
