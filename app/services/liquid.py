"""Liquid, the language of every text that a merchant may edit: with limits, and with lists of what is allowed.

python-liquid stops endless loops and long outputs by itself, but nothing inside one output: seven chained `replace`
filters made 100 MB in 0.4 s. So only filters whose result is about as long as their input are there, and each of them
refuses a long result.

The texts that we ship lie in templates/email/<flow>/<step>/<locale>/{subject,preheader,body}.liquid. A body is HTML;
what follows its <hr> stands below the button.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from pathlib import Path

from babel import Locale
from liquid import Environment
from liquid.exceptions import LiquidError, LiquidValueError
from liquid.static_analysis import Variable
from liquid.template import BoundTemplate
from liquid.undefined import FalsyStrictUndefined

from app.domain.errors import CartwheelError, Refused

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "email"
SOURCE_LIMIT = 20_000  # characters; the longest text that we ship has 500
VALUE_LIMIT = 20_000  # characters that one filter may give back

# No include, render, tablerow, increment, decrement, cycle: they load files, lay out tables or keep state.
TAGS = frozenset({"if", "unless", "case", "for", "break", "continue", "assign", "capture", "comment", "#"})
_PLUMBING = frozenset({"content", "output", "illegal"})  # how python-liquid calls text, {{ }} and mistakes
# No date (it reads the clock), no replace, append, join, split: see above.
FILTERS = frozenset({
    "default", "escape", "capitalize", "upcase", "downcase", "strip", "lstrip", "rstrip", "squish", "strip_html",
    "truncate", "truncatewords", "newline_to_br", "size", "first", "last",
})  # fmt: skip
VARIABLES = frozenset({
    "customer.first_name", "shop.name", "shop.url", "shop.reply_to", "cart.count", "cart.others", "cart.subtotal",
    "cart.line_items", "cart.line_items.title", "cart.line_items.variant", "cart.line_items.quantity",
    "cart.line_items.price", "coupon.code", "coupon.percent", "coupon.ends", "coupon.ends_on", "coupon.total",
})  # fmt: skip


class _Limited(Environment):
    loop_iteration_limit = 2_000
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


@lru_cache(maxsize=512)
def parse(source: str, name: str, *, html: bool) -> Text:
    """Parse a text and check that it uses nothing but what is allowed.

    Args:
        source: Liquid.
        name: where it stands, such as "abandoned_cart/reminder/en/body".
        html: values are escaped for HTML; subject and preheader are plain text.

    Raises:
        Refused: the text is too long, is not Liquid, or uses something that is not allowed; the message says where.
    """
    if len(source) > SOURCE_LIMIT:
        raise Refused(f"The text {name} is longer than {SOURCE_LIMIT} characters. Shorten it.")
    try:
        template = _environment(html=html).from_string(source)
        problems = sorted(_problems(template))
    except LiquidError as exc:
        line = _line(source, exc.token.start_index) if exc.token else 1
        raise Refused(f"The text {name} has a mistake in line {line}: {exc.message}.") from exc
    if problems:
        start, problem = problems[0]
        raise Refused(f"The text {name} has a mistake in line {_line(source, start)}: {problem}")
    return Text(name, template)


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one message in one language."""

    locale: Locale
    subject: Text
    preheader: Text
    body: Text


@lru_cache(maxsize=1)
def shipped() -> dict[tuple[str, str], dict[str, Texts]]:
    """Return all shipped texts by flow and step, then by locale; the first call of a process reads and parses them.

    Raises:
        Refused: a text has a mistake.
    """
    found: dict[tuple[str, str], dict[str, Texts]] = {}
    for folder in sorted(body.parent for body in TEMPLATES.glob("*/*/*/body.liquid")):
        flow, step, tag = folder.parts[-3:]
        found.setdefault((flow, step), {})[tag] = Texts(
            locale=Locale.parse(tag, sep="-"),
            subject=_read(folder / "subject.liquid", html=False),
            preheader=_read(folder / "preheader.liquid", html=False),
            body=_read(folder / "body.liquid", html=True),
        )
    return found


def find(flow: str, step: str, *locales: Locale) -> Texts:
    """Return the texts in the first of the locales that we have, or its language; English when we have none of them.

    Raises:
        CartwheelError: there is no such message.
    """
    by_locale = shipped().get((flow, step), {})
    for tag in (*(tag for locale in locales for tag in _wider(locale)), "en"):
        if tag in by_locale:
            return by_locale[tag]
    raise CartwheelError(f"There are no texts for the message {flow}/{step}.")


def _wider(locale: Locale) -> Iterator[str]:
    """Yield zh-Hans-CN, zh-Hans, zh-CN, zh."""
    language, script, territory = locale.language, locale.script, locale.territory
    for parts in ((language, script, territory), (language, script), (language, territory), (language,)):
        if all(parts):
            yield "-".join(part for part in parts if part)


def _read(path: Path, *, html: bool) -> Text:
    name = "/".join((*path.parts[-4:-1], path.stem))
    return parse(path.read_text(encoding="utf-8").strip(), name, html=html)


@lru_cache(maxsize=2)
def _environment(*, html: bool) -> _Limited:
    env = _Limited(autoescape=html, undefined=FalsyStrictUndefined)
    for tag in env.tags.keys() - TAGS - _PLUMBING:
        env.tags.pop(tag)
    env.filters = {name: _short(name, env.filters[name]) for name in FILTERS}
    return env


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


def _line(source: str, index: int) -> int:
    return source.count("\n", 0, index) + 1
