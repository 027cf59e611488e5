"""A webhook's body as people may see it: laid out, with what tells who somebody is masked unless they ask for it.

A body may be 8 MiB and from anybody: the patterns take time in proportion to its length, and only its beginning is drawn.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup, escape

from app.domain.errors import BadPayload
from app.domain.json_input import parse_json
from app.web.admin.show import mask_address

LONGEST = 20_000  # characters that are shown, so that a page stays small
LONGEST_TEXT = 1_000  # of one value: a product's description would fill the page

# Inside these everything is about a person, except what is named in _PLAIN.
_PERSON = re.compile(r"customer$|address(es)?$|^(billing|shipping|recipient|client_details|location|payment_details)$")
_PLAIN = re.compile(
    r"(^|_)(id|ids|at|gmt|type|status|state|tags|currency|locale|gid)$|^admin_graphql|country|consent|level|_code$|^date|"
    r"^(orders_count|total_spent|role|is_|tax)"
)
# These are about a person wherever they stand.
_PERSONAL = re.compile(
    r"email|phone|first_?name|last_?name|^full_?name|address|^zip$|postcode|^city$|company|latitude|longitude|"
    r"(^|_)ip(_|$)|user_agent|username|_note$|^note$|birth|password|signature"
)
_PAIRS = re.compile(r"^(note_attributes|meta_data|custom_attributes|properties)$")  # lists of free name and value
_WORD = re.compile(r"\S+")
# Begins only where an address can, so that a megabyte without one is looked through once.
_ADDRESS = re.compile(r"(?<![^\s@<>\"'])[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"',;]+")
_HIDDEN = "•••"


def read(body: bytes) -> Any:
    """Return the body as data, or as text when it is no JSON that we would read."""
    try:
        return parse_json(body)
    except BadPayload:
        return body[: LONGEST * 4].decode("utf-8", "replace")


def masked(value: Any, key: str = "", *, in_person: bool = False) -> Any:
    """Return the same shape with personal values hidden; ids, amounts, dates and states stay."""
    if isinstance(value, dict):
        inside = in_person or bool(_PERSON.search(key))
        if "value" in value and _PAIRS.match(key):
            return {**value, "value": _HIDDEN}
        return {k: masked(v, str(k), in_person=inside) for k, v in value.items()}
    if isinstance(value, list):
        return [masked(v, key, in_person=in_person) for v in value]
    if isinstance(value, str) and value:
        return _masked_text(value, key, in_person=in_person)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and _PERSONAL.search(key):
        return _HIDDEN
    return value


def pretty(value: Any) -> tuple[Markup, bool]:
    """Lay data out with colours; return it and whether its end was left out."""
    kept: list[Markup] = []
    length = 0
    for indent, plain, coloured in _lines(value, 0, "", ""):
        length += indent + len(plain) + 1
        if length > LONGEST:
            return Markup("\n").join(kept), True
        kept.append(escape(" " * indent) + coloured)
    return Markup("\n").join(kept), False


def plain(value: Any) -> list[str]:
    """Lay data out without colours, for comparing two bodies line by line."""
    return [" " * indent + coloured.striptags() for indent, _, coloured in _lines(value, 0, "", "")]


def _masked_text(text: str, key: str, *, in_person: bool) -> str:
    if _ADDRESS.fullmatch(text):
        return mask_address(text)
    if _PERSONAL.search(key) or (in_person and not _PLAIN.search(key)):
        return _HIDDEN
    return _WORD.sub(_masked_word, text) if "@" in text or "://" in text else text


def _masked_word(match: re.Match[str]) -> str:
    """Hide addresses, and of a link with parameters all but the host: they open carts and orders without a password."""
    word = _ADDRESS.sub(lambda m: mask_address(m.group()), match.group())
    scheme, found, rest = word.partition("://")
    if found and scheme.endswith(("http", "https")) and ("?" in rest or "&" in rest):
        return f"{scheme}://{re.split('[/?&]', rest, maxsplit=1)[0]}/{_HIDDEN}"
    return word


def _lines(value: Any, indent: int, lead: str, tail: str) -> Iterator[tuple[int, str, Markup]]:
    """Yield (indent, the line as text, the line with colours)."""
    key = Markup('<span class="k">{}</span>: ').format(json.dumps(lead, ensure_ascii=False)) if lead else Markup("")
    if isinstance(value, (dict, list)) and value:
        left, right = "{}" if isinstance(value, dict) else "[]"
        yield indent, f"{lead}{left}", key + left
        items = list(value.items()) if isinstance(value, dict) else [("", v) for v in value]
        for n, (name, inner) in enumerate(items, start=1):
            yield from _lines(inner, indent + 2, str(name), "," if n < len(items) else "")
        yield indent, f"{right}{tail}", escape(right + tail)
        return
    text = _text(value) if lead or indent else str(value)[:LONGEST]
    yield indent, f"{lead}{text}{tail}", key + Markup('<span class="{}">{}</span>').format(_kind(value), text) + tail


def _text(value: Any) -> str:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        left_out = len(value) - LONGEST_TEXT
        return f"{json.dumps(value[:LONGEST_TEXT], ensure_ascii=False)} … {left_out} more characters"
    return json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "x" if _HIDDEN in value else "s"
    return "d"
