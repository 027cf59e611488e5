"""Find traces of a person in stored bytes, however they are written: escaped, encoded, in any case. Pure.

A name alone is no trace, because it is somebody else's too; a body that holds it beside the address is found by the address.
"""

import base64
import binascii
import hashlib
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from urllib.parse import unquote

LAYERS = 3  # escapes within escapes that are undone: a link inside JSON inside a form has two
LONG_ID = 11  # digits; no other number of a body is as long by chance (Shopify's ids have 13)
LONG_TOKEN = 16  # characters

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_HEX = re.compile(r"[0-9a-fA-F]{12,}")
_ADDRESS = re.compile(r"[^\s\"'<>()\[\],;:\\/?&=]+@[^\s\"'<>()\[\],;:\\/?&=]+")
_WHITE = {"n", "r", "t", "b", "f"}


@dataclass(frozen=True)
class Traces:
    """What a person is recognised by in a body. Addresses are normalised, ids plain digits, hashes SHA-256 in hex."""

    emails: tuple[str, ...] = ()
    customer_ids: tuple[str, ...] = ()
    order_ids: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()  # of checkouts and carts
    hashes: tuple[str, ...] = ()  # of addresses

    def to_json(self) -> str:
        """Return the traces as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, stored: str) -> "Traces":
        """Read what `to_json` wrote."""
        return cls(**{name: tuple(values) for name, values in json.loads(stored).items()})

    def are_in(self, body: bytes, topic: str = "", *, only_certain: bool = False) -> bool:
        """Say whether the body is about the person.

        Args:
            body: as it was received.
            topic: the platform's word; the object of a customer's or an order's topic has its id at the top.
            only_certain: leave out short ids, which another shop gives to somebody else.
        """
        certain, keyed, unknown = self._patterns
        topmost = self._topmost(topic)
        for view in _views(body):
            if certain and certain.search(view):
                return True
            if not only_certain and ((keyed and keyed.search(view)) or (topmost and topmost.match(view))):
                return True
            if unknown and any(_digest(found) in unknown for found in _ADDRESS.findall(view)):
                return True
        return False

    def unveiled_in(self, body: bytes) -> set[str]:
        """Return the addresses in the body that were known by their hash only."""
        unknown = self._patterns[2]
        return {address for address in addresses_in(body) if _digest(address) in unknown} if unknown else set()

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None, frozenset[str]]:
        certain = [rf"(?<![\w.%+-]){re.escape(email)}(?![\w-]|\.\w)" for email in self.emails]
        certain += [rf"(?<!\d){i}(?!\d)" for i in (*self.customer_ids, *self.order_ids) if len(i) >= LONG_ID]
        certain += [re.escape(token.lower()) for token in (*self.tokens, *self.hashes) if len(token) >= LONG_TOKEN]
        keyed = [*_keyed("customer", self.customer_ids), *_keyed("order", self.order_ids)]
        if short := [re.escape(t.lower()) for t in self.tokens if len(t) < LONG_TOKEN]:
            keyed.append(rf'"(?:checkout_|cart_)?token"\s*:\s*"(?:{"|".join(short)})"')
        # An address that is known is looked for as such; only the others must be found by hashing all there are.
        known = {_digest(email) for email in self.emails}
        return _any(certain), _any(keyed), frozenset(self.hashes) - known

    def _topmost(self, topic: str) -> re.Pattern[str] | None:
        ids = {"customer": self.customer_ids, "order": self.order_ids}.get(re.split(r"s?[/.]", topic)[0])
        return re.compile(rf'\s*\{{\s*"id"\s*:\s*"?(?:{"|".join(ids)})(?!\d)') if ids else None


def addresses_in(body: bytes) -> set[str]:
    """Return everything in a body that could be an address, normalised."""
    return {address for view in _views(body) for address in _ADDRESS.findall(view)}


def _keyed(noun: str, ids: tuple[str, ...]) -> list[str]:
    """Return patterns for ids that are too short to be looked for without what they are an id of."""
    if not ids:
        return []
    one = f"(?:{'|'.join(ids)})(?!\\d)"
    inside = rf'"{noun}"\s*:\s*\{{(?:[^{{}}]|\{{[^{{}}]*\}})*?"id"\s*:\s*"?{one}'
    return [rf"gid://shopify/{noun}/{one}", rf'"{noun}_?id"\s*:\s*"?{one}', inside]


def _any(patterns: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(patterns)) if patterns else None


def _digest(address: str) -> str:
    return hashlib.sha256(address.encode("utf-8", "replace")).hexdigest()


def _views(body: bytes) -> Iterator[str]:
    """Yield the body as it can be read, lower-cased: as it is, with its escapes undone, and what is encoded within it."""
    view = body.decode("utf-8", "replace")
    yield _plain(view)
    for _ in range(LAYERS):
        undone = unquote(_unescaped(html.unescape(view) if "&" in view else view))
        if undone == view:
            break
        view = undone
        yield _plain(view)
    yield _plain(_decoded(view))


def _plain(view: str) -> str:
    return unicodedata.normalize("NFC", view).lower()


def _unescaped(view: str) -> str:
    """Undo JSON's escapes, also in what is no whole JSON."""
    if "\\" not in view:
        return view

    def undo(found: re.Match[str]) -> str:
        return chr(int(found[1], 16)) if found[1] else " " if found[2] in _WHITE else found[2]

    # Two surrogates are one character.
    return _ESCAPE.sub(undo, view).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _decoded(view: str) -> str:
    """Return all that base64 and hex runs of the text decode to.

    A run may begin in the middle of a path or behind other letters, so each is read from all places it can begin at.
    """
    found: list[bytes] = []
    for run in _BASE64.findall(view):
        letters = run.replace("-", "+").replace("_", "/")
        for start in range(4):
            whole = letters[start:]
            with_rest = whole + "A" * (-len(whole) % 4)
            found.append(base64.b64decode(with_rest))
    for run in _HEX.findall(view):
        found += [binascii.unhexlify(run[start : len(run) - (len(run) - start) % 2]) for start in range(2)]
    return _unescaped(b"\n".join(found).decode("utf-8", "replace"))
