"""JSON from strangers: bounded depth, no NaN, no characters that a text column refuses."""

import json
import re
from typing import Any, NoReturn

from app.domain.errors import BadPayload

MAX_DEPTH = 64
_STRINGS = re.compile(rb'"[^"]*"?')
_UNSTRUCTURED = bytes(c for c in range(256) if c not in b'[]{}"')
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def is_too_deep(body: bytes) -> bool:
    """Say whether the brackets nest deeper than MAX_DEPTH, without parsing: json raises RecursionError on such a body."""
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return False
    # Every step but the last runs in C: this is on the request path. Escapes go first, then all but brackets and quotes;
    # two quotes side by side hold no bracket, whether they are one string or the end of one and the start of the next.
    quoted = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _UNSTRUCTURED).replace(b'""', b"")
    depth = 0
    for bracket in _STRINGS.sub(b"", quoted):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def parse_json(body: bytes) -> Any:
    """Parse a body; NUL and lone surrogates are taken out of its strings.

    Raises:
        BadPayload: it is not JSON, nests too deep, or holds NaN or Infinity.
    """
    if is_too_deep(body):
        raise BadPayload(f"The body nests deeper than {MAX_DEPTH} levels.")
    try:
        parsed = json.loads(body, parse_constant=_refuse_constant)
    except ValueError as exc:
        raise BadPayload("The body is not valid JSON.") from exc
    return _clean(parsed) if _SUSPECT.search(body) else parsed


def _refuse_constant(_name: str) -> NoReturn:
    raise BadPayload("The body holds NaN or Infinity, which JSON does not have.")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "")
    if isinstance(value, list):
        return [_clean(v) for v in value]
    if isinstance(value, dict):
        return {_clean(k): _clean(v) for k, v in value.items()}
    return value
