"""The form of conditions: lines of a chosen condition, its sign and its value, as typed; and what is wrong with them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from babel import Locale
from flask_babel import gettext as _

from app.catalogues import noted
from app.domain.errors import BadPayload
from app.domain.money import decimals, to_decimal, to_minor
from app.flows.audience import LINES_MOST, OFFERS, Line, Takes, before, clashes, offered, parts
from app.flows.vocabulary import TAG, Condition, Flow, Send
from app.web.admin import show, words

AUDIENCE = "_audience"  # no mail can be called so
VALUE_MOST = 300  # characters that are kept of what was typed
COUNT_MOST = 1_000
AMOUNT_MOST = 10_000_000_000  # minor units
COUNTRIES_MOST = 40

# What a condition is called where it is chosen, and what its line says when it must hold and when it must not.
NAMES = {
    "worth_at_least": noted("Worth of the order"),
    "never_bought": noted("Earlier purchases"),
    "is_first_order": noted("First or later order"),
    "orders_in_a_year": noted("Orders in twelve months"),
    "spent_in_a_year": noted("Spent in twelve months"),
    "in_country": noted("Country"),
    "has_tag": noted("Tag in the shop"),
    "clicked": noted("Click in an earlier mail"),
    "has_open_cart": noted("In the middle of a checkout"),
}
_OF_CARTS = {"worth_at_least": noted("Worth of the cart")}
SIGNS = {
    "worth_at_least": (noted("at least"), noted("less than")),
    "never_bought": (noted("has never bought"), noted("has bought before")),
    "is_first_order": (noted("is their first"), noted("is a later one")),
    "orders_in_a_year": (noted("at least"), noted("fewer than")),
    "spent_in_a_year": (noted("at least"), noted("less than")),
    "in_country": (noted("is one of"), noted("is none of")),
    "has_tag": (noted("has"), noted("does not have")),
    "clicked": (noted("clicked in"), noted("did not click in")),
    "has_open_cart": (noted("is"), noted("is not")),
}


@dataclass(slots=True, kw_only=True)
class LineFields:
    """The fields of one line, as text; `error` is what is wrong with it, in words."""

    name: str
    sign: str = "yes"  # or "no"
    join: str = "and"  # or "or", with the line before
    value: str = ""
    error: str = ""

    @property
    def takes(self) -> Takes:
        """What the value is."""
        return OFFERS[self.name].takes


@dataclass(slots=True, kw_only=True)
class Conditions:
    """One list in the form: of who comes in, or of whom one mail is for. `error` is about all of its lines together."""

    prefix: str
    fixed: tuple[Condition, ...]  # what a list cannot say
    choices: tuple[str, ...]
    mails: tuple[str, ...]  # that a click may have been in
    lines: list[LineFields] = field(default_factory=list)
    error: str = ""

    @property
    def is_full(self) -> bool:
        """Whether no line can be added."""
        return len(self.lines) >= LINES_MOST

    @property
    def is_wrong(self) -> bool:
        """Whether one of its lines was refused."""
        return any(line.error for line in self.lines)

    def id(self, number: int, part: str = "value") -> str:
        """Name a field of a line, for its label and for the focus."""
        return f"{self.prefix}-{number}-{part}"


class _Wrong(Exception):
    """What was typed is no value; the words say what to do."""


def names(flow: Flow) -> dict[str, str]:
    """Return what conditions are called in a flow."""
    return NAMES | (_OF_CARTS if flow.subject == "checkout" else {})


def stored(flow: Flow, send: Send | None, currency: str) -> Conditions:
    """Return the list as the flow stands: of who comes in, or of a mail."""
    fixed, lines = parts(send.when if send else flow.trigger.when)
    return Conditions(
        prefix=f"{send.key}.only" if send else AUDIENCE,
        fixed=fixed,
        choices=offered(flow, send),
        mails=before(flow, send),
        lines=[
            LineFields(
                name=line.condition.name,
                sign="no" if line.is_not else "yes",
                join="or" if line.is_or else "and",
                value=_shown(line.condition, currency),
            )
            for line in lines
        ],
    )


def typed(held: Conditions, form: Mapping[str, str]) -> Conditions:
    """Return the list as somebody typed it; one that is not in the form stays as it was."""
    count = form.get(f"{held.prefix}.count", "")
    if not (count.isdecimal() and len(count) < 3):
        return held
    lines = []
    # More than can be added may have come by import; they are not lost by a form that shows them.
    for number in range(min(int(count), max(LINES_MOST, len(held.lines)))):
        name, sign, join, value = (
            form.get(f"{held.prefix}.{number}.{part}", "").strip()[:VALUE_MOST] for part in ("name", "sign", "join", "value")
        )
        if name in OFFERS:
            lines.append(
                LineFields(
                    name=name,
                    sign="no" if sign == "no" else "yes",
                    join="or" if join == "or" else "and",
                    value=value,
                )
            )
    held.lines = lines
    return held


def read(held: Conditions, currency: str) -> list[Line] | None:
    """Return the lines as conditions, or None when something is wrong; the words then stand in their `error`."""
    found = []
    for number, line in enumerate(held.lines):
        try:
            if line.name not in held.choices:
                raise _Wrong(_("This cannot be asked here. Take the line away."))
            value = _READERS[line.takes](line.value, currency, held.mails) if line.takes != "nothing" else None
        except _Wrong as wrong:
            line.error = str(wrong)
        else:
            found.append(Line(Condition(line.name, value), line.sign == "no", line.join == "or" and number > 0))
    if held.is_wrong:
        return None
    for clash in clashes(found):
        held.lines[clash.line].error = _clash(found, clash.other, clash.trouble)
    return None if held.is_wrong else found


def _clash(lines: list[Line], other: int, trouble: str) -> str:
    condition = lines[other].condition
    said = words.condition(Condition("none_of", of=(condition,)) if lines[other].is_not else condition)
    if trouble == "twice":
        return str(_("This says the same as line %(number)s. Take one of the two away.", number=other + 1))
    return str(
        _(
            "Nobody can meet this and line %(number)s, “%(other)s”, at once. Change or take away one of the two.",
            number=other + 1,
            other=said,
        )
    )


def _shown(condition: Condition, currency: str) -> str:
    """Write a value as it would be typed."""
    takes, value = OFFERS[condition.name].takes, condition.value
    if takes == "money" and isinstance(value, int):
        amount = to_decimal(value, currency)
        return str(int(amount)) if amount == int(amount) else str(amount)
    if takes == "countries" and isinstance(value, str):
        return ", ".join(_name(code) for code in value.split())
    return "" if value is None else str(value)


def _money(text: str, currency: str, _mails: tuple[str, ...]) -> int:
    places = decimals(currency)
    amount = text.replace(",", ".")
    pattern = rf"\d{{1,12}}(\.\d{{1,{places}}})?" if places else r"\d{1,12}"
    try:
        minor = to_minor(amount, currency) if re.fullmatch(pattern, amount) else 0
    except BadPayload:
        minor = 0
    if not 1 <= minor <= AMOUNT_MOST:
        low, high = (show.money(value, currency) for value in (1, AMOUNT_MOST))
        raise _Wrong(_("Write an amount such as 20, from %(low)s to %(high)s.", low=low, high=high))
    return minor


def _count(text: str, _currency: str, _mails: tuple[str, ...]) -> int:
    if not (text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= COUNT_MOST):
        raise _Wrong(_("Write a whole number from 1 to %(most)s.", most=show.number(COUNT_MOST)))
    return int(text)


def _countries(text: str, _currency: str, _mails: tuple[str, ...]) -> str:
    told = [part.strip() for part in re.split(r"[,;،、\n]", text) if part.strip()]
    if not told:
        raise _Wrong(_("Name at least one country, such as Germany or DE."))
    codes = {part: _code(part) for part in told}
    if unknown := [part for part, code in codes.items() if code is None]:
        raise _Wrong(
            _(
                "We know no country “%(name)s”. Write names, or codes of two letters, with commas: Germany, AT.",
                name=unknown[0],
            )
        )
    if len(set(codes.values())) > COUNTRIES_MOST:
        raise _Wrong(_("Name at most %(most)s countries, or choose “is none of” and name the others.", most=COUNTRIES_MOST))
    return " ".join(sorted({code for code in codes.values() if code}))


def _tag(text: str, _currency: str, _mails: tuple[str, ...]) -> str:
    if not re.fullmatch(TAG, text):
        raise _Wrong(_("Write one tag as it is in your shop: 2 to 40 characters, no comma."))
    return text


def _mail(text: str, _currency: str, mails: tuple[str, ...]) -> str:
    if text not in mails:
        raise _Wrong(_("Choose one of the mails before this one."))
    return text


_READERS: dict[Takes, Callable[[str, str, tuple[str, ...]], int | str]] = {
    "money": _money, "count": _count, "countries": _countries, "tag": _tag, "mail": _mail,
}  # fmt: skip


def _name(code: str) -> str:
    """Name a country in the language of the pages, as far as that can be read back."""
    name = str(show.locale().territories.get(code, code))
    return name if _code(name) == code else code


def _code(text: str) -> str | None:
    """Return the code of a country, by itself or by a name in the language of the pages or in English."""
    word = text.casefold()
    return _known(str(show.locale())).get(word) or _known("en").get(word)


@lru_cache(maxsize=8)
def _known(language: str) -> dict[str, str]:
    territories = {code: name for code, name in Locale.parse(language).territories.items() if re.fullmatch("[A-Z]{2}", code)}
    real = territories.keys() - {"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"}  # unions, tests, the unknown
    return {code.casefold(): code for code in real} | {str(territories[code]).casefold(): code for code in real}
