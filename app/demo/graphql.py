"""Just enough GraphQL to answer Cartwheel's calls: a reader of requests, and a picker of the fields asked for.

The real library with Shopify's real schema takes 6 s and 91 MB, too much for a demo. Tests can run the same resolvers
under it (`AdminApi.root_value`), and find there whatever this little reader lets pass.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

_TOKENS = re.compile(
    r'(?P<skip>[\s,\ufeff]+|#[^\n]*)|(?P<string>"""(?:.|\n)*?"""|"(?:[^"\\\n]|\\.)*")'
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[_A-Za-z]\w*)|(?P<mark>\.\.\.|[!$():=@\[\]{}|&])"
)
_DEEPEST = 30  # nested braces
_ABSENT = object()  # a variable that was not sent: its argument was not given


class GraphQLError(Exception):
    """The query cannot be read or answered; the message is for its author."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Selection:
    """A field; or, with an empty name, a fragment spread (`kind` is its type condition, `fragment` its name)."""

    name: str = ""
    alias: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    selections: "list[Selection]" = field(default_factory=list)
    kind: str = ""
    fragment: str = ""


@dataclass(slots=True)
class Document:
    """A parsed request: the operation that was asked for, with variables filled in, and its fragments."""

    operation: str
    name: str
    selections: list[Selection]
    fragments: dict[str, Selection]


def read(query: str, variables: Mapping[str, Any], operation_name: str | None = None) -> Document:
    """Parse a request.

    Raises:
        GraphQLError: a syntax error, or no such operation.
    """
    reader = _Reader(query, variables)
    documents = list(reader.operations())
    chosen = [d for d in documents if operation_name in {None, d.name}]
    if len(chosen) != 1:
        raise GraphQLError(f"No operation named {operation_name!r}", "missingOperation")
    chosen[0].fragments = reader.fragments
    return chosen[0]


def project(value: object, selections: list[Selection], fragments: Mapping[str, Selection], depth: int = 0) -> object:
    """Return of a resolver's answer what the selections name; `__typename` in it decides about fragments."""
    if depth > _DEEPEST:
        raise GraphQLError("Query has too many levels", "MAX_DEPTH")
    if isinstance(value, list):
        return [project(each, selections, fragments, depth + 1) for each in value]
    if not isinstance(value, Mapping) or not selections:
        return value
    answer: dict[str, object] = {}
    for selection in selections:
        if selection.name:
            answer[selection.alias] = project(value.get(selection.name), selection.selections, fragments, depth + 1)
            continue
        spread = fragments[selection.fragment] if selection.fragment else selection
        if spread.kind in {"", value.get("__typename", spread.kind)}:
            answer.update(cast("Mapping[str, object]", project(value, spread.selections, fragments, depth + 1)))
    return answer


class _Reader:
    """A recursive-descent reader over the tokens of one request."""

    def __init__(self, query: str, variables: Mapping[str, Any]) -> None:
        self.fragments: dict[str, Selection] = {}
        self._tokens = [*_tokens(query), ""]
        self._at = 0
        self._variables = dict(variables)

    def operations(self) -> Iterator[Document]:
        while self._peek():
            word = "query" if self._peek() == "{" else self._next()
            if word == "fragment":
                name, _on, kind = self._next(), self._next(), self._next()
                self.fragments[name] = Selection(kind=kind, selections=self._braces(0))
            elif word in {"query", "mutation"}:
                name = self._next() if self._peek() not in {"{", "("} else ""
                self._definitions()
                yield Document(word, name, self._braces(0), {})
            else:
                raise _unexpected(word)

    def _definitions(self) -> None:
        """Skip `($first: Int! = 10)`, but mind the defaults."""
        if self._peek() != "(":
            return
        self._next("(")
        while self._peek() != ")":
            self._next("$")
            name = self._next()
            self._next(":")
            while self._peek() not in {"$", ")", "=", ""}:
                self._next()
            if self._peek() == "=":
                self._next("=")
                self._variables.setdefault(name, self._value())
        self._next(")")

    def _braces(self, depth: int) -> list[Selection]:
        if depth > _DEEPEST:
            raise GraphQLError("Query has too many levels", "MAX_DEPTH")
        self._next("{")
        selections = []
        while self._peek() != "}":
            selections.append(self._spread(depth) if self._peek() == "..." else self._field(depth))
        self._next("}")
        return selections

    def _spread(self, depth: int) -> Selection:
        self._next("...")
        if self._peek() not in {"on", "{"}:
            return Selection(fragment=self._next())
        kind = ""
        if self._peek() == "on":
            self._next()
            kind = self._next()
        return Selection(kind=kind, selections=self._braces(depth + 1))

    def _field(self, depth: int) -> Selection:
        alias = name = self._next()
        if self._peek() == ":":
            self._next(":")
            name = self._next()
        arguments: dict[str, Any] = {}
        if self._peek() == "(":
            self._next("(")
            arguments = self._pairs(")")
        return Selection(name, alias, arguments, self._braces(depth + 1) if self._peek() == "{" else [])

    def _pairs(self, end: str) -> dict[str, Any]:
        pairs = {}
        while self._peek() != end:
            name = self._next()
            self._next(":")
            value = self._value()
            if value is not _ABSENT:
                pairs[name] = value
        self._next(end)
        return pairs

    def _value(self) -> object:
        word = self._next()
        if word == "$":
            return self._variables.get(self._next(), _ABSENT)
        if word == "{":
            return self._pairs("}")
        if word == "[":
            items = []
            while self._peek() != "]":
                items.append(self._value())
            self._next("]")
            return items
        return _scalar(word)

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _next(self, expected: str = "") -> str:
        token = self._tokens[self._at]
        if not token or (expected and token != expected):
            raise _unexpected(token)
        self._at += 1
        return token


def _tokens(query: str) -> Iterator[str]:
    at = 0
    while at < len(query):
        match = _TOKENS.match(query, at)
        if match is None:
            raise _unexpected(query[at])
        at = match.end()
        if match.lastgroup != "skip":
            yield match.group()


def _scalar(token: str) -> object:
    """Read a literal; an enum's word stays a word."""
    if token.startswith('"""'):
        return token[3:-3].strip()
    if token[0] in '"-0123456789':
        return json.loads(token)
    return {"true": True, "false": False, "null": None}.get(token, token)


def _unexpected(token: str) -> GraphQLError:
    return GraphQLError(f"syntax error, unexpected {token or 'end of file'}", "parseError")
