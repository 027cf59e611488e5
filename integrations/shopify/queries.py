"""Signed query strings: of the admin that opens our page, and of the app proxy on a shop's own domain.

Not checked with ShopifyAPI's `Session`: its secret is the class', its window is a day, and it knows no app proxy.
Source: Shopify docs, "Verify requests" and "Authenticate app proxies"; libraries compared in shopify.md 1.7.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from integrations.shopify.domains import is_shop_domain
from integrations.shopify.errors import BadToken

QUERY_WINDOW = timedelta(minutes=5)  # a page that opens slowly; the token inside it lives a minute
PROXY_WINDOW = timedelta(seconds=90)  # as Shopify's own libraries
_MOST = 100  # parameters
_LONGEST = 8192  # characters of one value; an id_token has some 600
_LONGEST_RELOAD = 2048  # characters
_DIGEST = re.compile(r"[0-9a-f]{64}")
_STAMP = re.compile(r"[0-9]{1,12}")
_CUSTOMER = re.compile(r"[0-9]{0,20}")
_PATH_PREFIX = re.compile(r"/[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_-]{1,64}")
_RELOAD = re.compile(r"/(?!/)[!-\[\]-~]*")  # printable ASCII without space and backslash

Pairs = Iterable[tuple[str, str]]


def verify_query(pairs: Pairs, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """Check the `hmac` with which the admin opens a page, and return the parameters.

    Args:
        pairs: all of them, decoded: `request.args.items(multi=True)`. A repeated one is refused.
        secrets: the app's client secret, and the old one while it is being rotated.
        now: real time.

    Raises:
        BadToken: for everything that is wrong with it.
    """
    given = _read(pairs)
    if any(len(values) > 1 for values in given.values()):
        raise BadToken("A parameter comes twice.")
    said = {name: values[0] for name, values in given.items()}
    signed = {name: value for name, value in said.items() if name not in {"hmac", "signature"}}
    # Libraries disagree on how to spell these before signing, and "a=1&b=2" could be one parameter or two.
    if any(set(name) & set("&=%") or set(value) & set("&%") for name, value in signed.items()):
        raise BadToken("A parameter holds a character that Shopify's parameters never hold.")
    _check(said.get("hmac"), "&".join(f"{name}={signed[name]}" for name in sorted(signed)), secrets)
    _check_common(said, now, QUERY_WINDOW)
    return signed


def verify_proxy(pairs: Pairs, secrets: Sequence[str], now: datetime) -> dict[str, list[str]]:
    """Check the `signature` of a request through the app proxy, and return all values of each parameter.

    The parameters are signed without anything between them, so that letters could be moved from one to the next. What
    Shopify itself adds is therefore held to its exact form; what a page of ours adds proves nothing beyond being there.

    Args:
        pairs: all of them, decoded: `request.args.items(multi=True)`.
        secrets: as for `verify_query`.
        now: real time.

    Raises:
        BadToken: for everything that is wrong with it.
    """
    given = _read(pairs)
    once = ("shop", "timestamp", "signature", "path_prefix", "logged_in_customer_id")
    if any(len(given.get(name, ())) > 1 for name in once):
        raise BadToken("A parameter comes twice.")
    signature = given.pop("signature", [""])[0]
    _check(signature, "".join(f"{name}={','.join(given[name])}" for name in sorted(given)), secrets)
    said = {name: given[name][0] for name in once if name in given}
    _check_common(said, now, PROXY_WINDOW)
    if not _PATH_PREFIX.fullmatch(said.get("path_prefix", "")) or not _CUSTOMER.fullmatch(
        said.get("logged_in_customer_id", "")
    ):
        raise BadToken("The request did not come through the app proxy.")
    return given


def sanitize_reload(url: str) -> str | None:
    r"""Return the address that a bounce page may reload, or None: it must be a path of ours, whatever a browser makes of it.

    Browsers read `//x`, `/\x` and `/<tab>/x` as another host; `/./` and `/../` are a way to make the first of them.
    """
    path = re.split(r"[?#]", url, maxsplit=1)[0]
    is_plain = len(url) <= _LONGEST_RELOAD and _RELOAD.fullmatch(url) and "//" not in path
    return url if is_plain and not {".", ".."} & set(path.lower().replace("%2e", ".").split("/")) else None


def _read(pairs: Pairs) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for number, (name, value) in enumerate(pairs):
        if number >= _MOST or len(name) > _LONGEST or len(value) > _LONGEST:
            raise BadToken("The query is longer than any of Shopify's.")
        given.setdefault(name, []).append(value)
    return given


def _check(digest: str | None, message: str, secrets: Sequence[str]) -> None:
    """Compare in constant time, and try every secret, so that the time taken does not tell which one fitted."""
    if not digest or not _DIGEST.fullmatch(digest):
        raise BadToken("The query is not signed.")
    keys = [secret.encode("utf-8", "surrogatepass") for secret in secrets if secret]
    text, given = message.encode("utf-8", "surrogatepass"), bytes.fromhex(digest)
    fits = [hmac.compare_digest(hmac.digest(key, text, hashlib.sha256), given) for key in keys]
    if not any(fits):
        raise BadToken("The query is not signed with the app's secret.")


def _check_common(said: Mapping[str, str], now: datetime, window: timedelta) -> None:
    if not is_shop_domain(said.get("shop", "")):
        raise BadToken("The query names no shop.")
    stamp = said.get("timestamp", "")
    if not _STAMP.fullmatch(stamp) or abs(now.timestamp() - int(stamp)) > window.total_seconds():
        raise BadToken("The query is too old, or from the future.")
