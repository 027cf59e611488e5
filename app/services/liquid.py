"""Liquid, the language of every text that a merchant may edit: with limits, and with lists of what is allowed.

python-liquid stops endless loops and long outputs by itself, but nothing inside one output: seven chained `replace`
filters made 100 MB in 0.4 s. So only filters whose result is about as long as their input are there, and each of them
refuses a long result.

The texts that we ship are in app/services/texts.py.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps

from liquid import Environment
from liquid.exceptions import LiquidError, LiquidValueError
from liquid.filter import string_filter
from liquid.static_analysis import Variable
from liquid.template import BoundTemplate
from liquid.undefined import FalsyStrictUndefined

from app.domain.errors import CartwheelError, Refused
from app.flows.messages import SOURCE_LIMIT

VALUE_LIMIT = 20_000  # characters that one filter may give back

# No include, render, tablerow, increment, decrement, cycle: they load files, lay out tables or keep state.
TAGS = frozenset({"if", "unless", "case", "for", "break", "continue", "assign", "capture", "comment", "#"})
_PLUMBING = frozenset({"content", "output", "illegal"})  # how python-liquid calls text, {{ }} and mistakes
# No date (it reads the clock), no replace, append, join, split: see above.
FILTERS = frozenset({
    "default", "escape", "capitalize", "upcase", "downcase", "strip", "lstrip", "rstrip", "squish",
    "truncate", "truncatewords", "newline_to_br", "size", "first", "last",
})  # fmt: skip
_LINES = ("title", "variant", "quantity", "price")
VARIABLES = frozenset({
    "customer.first_name", "shop.name", "shop.url", "shop.reply_to",
    "cart.count", "cart.others", "cart.subtotal", "cart.line_items", *(f"cart.line_items.{name}" for name in _LINES),
    "coupon.code", "coupon.percent", "coupon.ends", "coupon.ends_on", "coupon.total",
    "order.number", "order.placed_on", "order.total", "order.count", "order.others",
    "order.line_items", *(f"order.line_items.{name}" for name in _LINES),
    "parcel.company", "parcel.number", "products", "products.title", "products.price",
})  # fmt: skip
_TURKIC = frozenset({"az", "tr"})  # i with and without its dot are two letters there, with capitals of their own


class _Limited(Environment):
    # A cart shows 20 lines. Times the tags that 20,000 characters hold, this is what the slowest text may cost: 0.3 s.
    loop_iteration_limit = 200
    output_stream_limit = 100_000  # bytes; a mail may have 90 kB
    local_namespace_limit = 20_000  # bytes
    context_depth_limit = 20
    block_nesting_limit = 20


@dataclass(frozen=True, slots=True)
class Text:
    """A parsed text; `name` says where it stands, for the person who reads an error."""

    name: str
    template: BoundTemplate

    def fill(self, values: Mapping[str, object]) -> str:
        """Return the text with the values put in.

        Raises:
            CartwheelError: a value that the text needs is missing, or a limit was reached.
        """
        try:
            return self.template.render(**values)
        except LiquidError as exc:
            raise CartwheelError(f"The text {self.name} cannot be filled in: {exc.message}.") from exc
        except (ValueError, RecursionError) as exc:
            raise CartwheelError(f"The text {self.name} cannot be filled in: {exc}.") from exc


@lru_cache(maxsize=4096)  # a source is its own version: the texts of 1,000 shops stay parsed
def parse(source: str, name: str, *, html: bool, language: str = "en") -> Text:
    """Parse a text and check that it uses nothing but what is allowed.

    Args:
        source: Liquid.
        name: where it stands, such as "abandoned_cart/reminder/en/body".
        html: values are escaped for HTML; subject and preheader are plain text.
        language: of the text; in Azerbaijani and Turkish `upcase` makes İ of i.

    Raises:
        Refused: the text is too long, is not Liquid, or uses something that is not allowed; the message says where.
    """
    if len(source) > SOURCE_LIMIT:
        raise Refused(f"The text {name} is longer than {SOURCE_LIMIT} characters. Shorten it.")
    try:
        template = _environment(html=html, is_turkic=language in _TURKIC).from_string(source)
        problems = sorted(_problems(template))
    except LiquidError as exc:
        place = _place(source, exc.token.start_index if exc.token else 0)
        raise Refused(f"The text {name} has a mistake in {place}: {exc.message}.") from exc
    if problems:
        start, problem = problems[0]
        raise Refused(f"The text {name} has a mistake in {_place(source, start)}: {problem}")
    return Text(name, template)


@lru_cache(maxsize=4)
def _environment(*, html: bool, is_turkic: bool) -> _Limited:
    env = _Limited(autoescape=html, undefined=FalsyStrictUndefined)
    for tag in env.tags.keys() - TAGS - _PLUMBING:
        env.tags.pop(tag)
    filters = {**env.filters, **(_TURKIC_FILTERS if is_turkic else {})}
    env.filters = {name: _short(name, filters[name]) for name in FILTERS}
    return env


@string_filter
def _upcase(text: str) -> str:
    return text.replace("i", "İ").upper()


@string_filter
def _downcase(text: str) -> str:
    return text.replace("I", "\N{LATIN SMALL LETTER DOTLESS I}").replace("İ", "i").lower()


@string_filter
def _capitalize(text: str) -> str:
    return str(_upcase(text[:1]) + _downcase(text[1:]))


_TURKIC_FILTERS = {"upcase": _upcase, "downcase": _downcase, "capitalize": _capitalize}


def _short(name: str, apply: Callable[..., object]) -> Callable[..., object]:
    @wraps(apply)  # python-liquid reads attributes of the function
    def limited(*args: object, **kwargs: object) -> object:
        result = apply(*args, **kwargs)
        if isinstance(result, str) and len(result) > VALUE_LIMIT:
            raise LiquidValueError(f"the filter {name} made more than {VALUE_LIMIT} characters", token=None)
        return result

    return limited


def _problems(template: BoundTemplate) -> Iterator[tuple[int, str]]:
    found = template.analyze(include_partials=False)
    for name, spans in found.filters.items():
        if name not in FILTERS:
            yield spans[0].index, f"there is no filter “{name}”. Use one of: {', '.join(sorted(FILTERS))}."
    for variable in (one for several in found.globals.values() for one in several):
        if (path := _path(variable)) not in VARIABLES:
            yield variable.span.index, f"there is no variable “{path}”. Use one of: {', '.join(sorted(VARIABLES))}."


def _path(variable: Variable) -> str:
    """Return the path without the places in a list: `cart.line_items[0].title` is `cart.line_items.title`."""
    names = (part if isinstance(part, str) else "[...]" for part in variable.segments if not isinstance(part, int))
    return ".".join(name for name in names if name not in {"first", "last", "size"})


def _place(source: str, index: int) -> str:
    return f"line {source.count(chr(10), 0, index) + 1}, column {index - source.rfind(chr(10), 0, index)}"
