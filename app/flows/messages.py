"""What a message is: a subject, a preheader and blocks in order. Data, like a flow: it turns into JSON and back (D8).

The texts that we ship are written as HTML with a marker, on a line of its own, where a block stands that is not words:

    <h1>Your cart is still here</h1>
    <!-- cart -->
    <!-- button cart: Back to my cart -->
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from app.domain.errors import Refused

BLOCKS_MOST = 30
SOURCE_LIMIT = 20_000  # characters of one text, and of all words of a message
LINE_LIMIT = 500  # characters of a subject, a preheader, a label

_STRICT = ConfigDict(extra="forbid")
_MARKER = re.compile(r"<!--\s*(.*?)\s*-->", re.DOTALL)

_Line = Annotated[str, Field(max_length=LINE_LIMIT)]
# https: mailboxes warn of anything else, and the whole web has it.
_Address = Annotated[str, Field(pattern=r"^https://[^\s<>\"\\]+$", max_length=2000)]
Target = Literal["cart", "shop", "order", "parcel"]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Words:
    """Text as HTML with Liquid in it. Quiet words are smaller and grey: what may be said below the button."""

    html: Annotated[str, Field(min_length=1, max_length=SOURCE_LIMIT)]
    is_quiet: bool = False
    type: Literal["words"] = "words"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Cart:
    """What lies in the cart, with prices, and with what is sold out as the shop said last."""

    type: Literal["cart"] = "cart"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Products:
    """Products that may please this person, `most` of them at the most."""

    most: Annotated[int, Field(ge=1, le=12)] = 4
    type: Literal["products"] = "products"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class CouponBox:
    """The coupon's code, until when it holds, and what is left to pay."""

    type: Literal["coupon"] = "coupon"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class OrderTable:
    """What was ordered, with the total."""

    type: Literal["order"] = "order"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Parcel:
    """Who brings the parcel, and its number as a link."""

    type: Literal["parcel"] = "parcel"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Stars:
    """Five links, from one star to five."""

    type: Literal["stars"] = "stars"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Social:
    """The shop's pages elsewhere, from its brand kit."""

    type: Literal["social"] = "social"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Button:
    """A link as a button; without a label it says our own words in the reader's language."""

    to: Target | _Address
    label: _Line = ""
    type: Literal["button"] = "button"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Picture:
    """A picture over the whole width; `alt` is what stands there when pictures are off, empty for decoration."""

    url: _Address
    alt: Annotated[str, Field(max_length=200)]
    to: Target | _Address | None = None
    type: Literal["picture"] = "picture"


Block = Annotated[
    Words | Cart | Products | CouponBox | OrderTable | Parcel | Stars | Social | Button | Picture,
    Field(discriminator="type"),
]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One mail's texts in one language."""

    subject: Annotated[str, Field(min_length=1, max_length=LINE_LIMIT)]
    preheader: _Line
    blocks: Annotated[tuple[Block, ...], Field(min_length=1, max_length=BLOCKS_MOST)]


_MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)
_BARE: dict[str, type[Cart | Products | CouponBox | OrderTable | Parcel | Stars | Social]] = {
    "cart": Cart, "products": Products, "coupon": CouponBox, "order": OrderTable, "parcel": Parcel, "stars": Stars,
    "social": Social,
}  # fmt: skip


def to_json(message: Message) -> dict[str, Any]:
    """Return the message as JSON-ready data; `from_json` gives back an equal message."""
    return cast("dict[str, Any]", _MESSAGE.dump_python(message, mode="json"))


def from_json(tree: object) -> Message:
    """Read a message.

    Raises:
        Refused: it is not one; the message names the place and what is wrong there.
    """
    try:
        message = _MESSAGE.validate_python(tree)
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the message"
        raise Refused(f"{place}: {first['msg']}.") from exc
    # Each text may cost what its loops can make of its length; together they may cost no more than the longest alone.
    if sum(len(block.html) for block in message.blocks if isinstance(block, Words)) > SOURCE_LIMIT:
        raise Refused(f"The words of a message may have {SOURCE_LIMIT} characters in all. Shorten them.")
    return message


def read_body(source: str) -> tuple[Block, ...]:
    """Read the blocks of a text that we ship; words below the first button are quiet.

    Raises:
        Refused: a marker is unknown; the message says in which line.
    """
    return tuple(block for _, block in read_placed(source))


def read_placed(source: str) -> list[tuple[int, Block]]:
    """Read the blocks as `read_body` does, each with the place in the source where it begins.

    Raises:
        Refused: a marker is unknown; the message says in which line.
    """
    blocks: list[tuple[int, Block]] = []
    done = 0
    for marker in (*_MARKER.finditer(source), None):
        gap = source[done : marker.start() if marker else len(source)]
        if words := gap.strip():
            if "<hr" in words:
                raise Refused("A text has an <hr>: write the blocks that stand there, such as <!-- cart -->.")
            is_quiet = any(isinstance(block, Button) for _, block in blocks)
            blocks.append((done + gap.index(words), Words(words, is_quiet=is_quiet)))
        if marker:
            blocks.append((marker.start(), _marked_in(source, marker)))
            done = marker.end()
    return blocks


def write_body(blocks: tuple[Block, ...]) -> str:
    """Write blocks the way `read_body` reads them, for people to edit; a picture and an own link keep their address."""
    return "\n".join(_written(block) for block in blocks) + "\n"


def _marked_in(source: str, marker: re.Match[str]) -> Block:
    try:
        return _marked(marker[1])
    except Refused as exc:
        line = source.count("\n", 0, marker.start()) + 1
        raise Refused(f"There is a mistake in line {line}: {exc}") from exc


def _marked(marker: str) -> Block:
    head, _, label = (part.strip() for part in marker.partition(": "))
    name, _, target = head.partition(" ")
    tree: dict[str, object]
    if name in _BARE and not target and not label:
        return _BARE[name]()
    if name == "button":
        tree = {"type": name, "to": target, "label": label}
    elif name == "picture":
        tree = {"type": name, "url": target, "alt": label}
    else:
        raise Refused(
            f"There is no block “{marker}”. There are: {', '.join(_BARE)}, button <to>: <label>, picture <url>: <alt>."
        )
    return from_json({"subject": "-", "preheader": "", "blocks": [tree]}).blocks[0]


def _written(block: Block) -> str:
    match block:
        case Words(html=html):
            return html
        case Button(to=to, label=label):
            return f"<!-- button {to}{f': {label}' if label else ''} -->"
        case Picture(url=url, alt=alt):
            return f"<!-- picture {url}{f': {alt}' if alt else ''} -->"
        case _:
            return f"<!-- {block.type} -->"
