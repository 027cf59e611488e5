"""The two parts of a mail, made from one description of it, so that both say the same.

The frame is templates/email/layout.mjml. mjml-python compiles it once per process to Jinja2 source; what to heed in it:
- Unknown tags and attributes vanish without a word: tests/unit/test_render.py holds every tag against a list.
- `{% for %}` and `{% if %}` between blocks stand inside mj-raw; inside mj-text there must be no mj-raw.
- A "less than" inside a tag of Jinja's is a parse error: decisions are worked out before, in `MailPage`.
- Sections are laid out left to right unless each is told otherwise: every direction is a variable.
- Comments are sent along: there are none.
- `fonts={}`, or the mail loads fonts from a public service as soon as a known family is named.
- Gmail drops a whole style sheet that holds what it does not know: Outlook's hooks stand in a sheet of their own.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from html.parser import HTMLParser

import nh3
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup
from mjml import mjml2html

from app.domain.errors import CartwheelError
from app.services.liquid import TEMPLATES

SIZE_LIMIT = 90_000  # bytes of HTML; Gmail cuts off at about 102 kB
# Invisible characters behind the preheader, so that the mailbox's list does not show the mail's first lines after it.
_PADDING = "\u034f\u200c\xa0" * 40

_STYLES = {
    "h1": "margin:0 0 12px;font-family:{serif};font-size:28px;line-height:1.25;font-weight:500;",
    "h2": "margin:0 0 10px;font-family:{serif};font-size:21px;line-height:1.3;font-weight:500;",
    "p": "margin:0 0 10px;",
    "ul": "margin:0 0 10px;padding:0 22px;text-align:{start};",
    "ol": "margin:0 0 10px;padding:0 22px;text-align:{start};",
    "li": "margin:0 0 4px;",
}
_ALLOWED = nh3.Cleaner(
    tags={*_STYLES, "a", "b", "strong", "i", "em", "br", "bdi", "hr"},
    attributes={"a": {"href"}},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel=None,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How a language is set: `start` and `end` are "left" and "right", the other way round from right to left."""

    lang: str
    direction: str
    start: str
    end: str
    sans: str
    serif: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of the cart as it is shown; `initial` stands in the place of a picture that is not there."""

    title: str
    note: str
    price: str
    initial: str
    image_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponBox:
    """A coupon as it is shown; `before`, `price` and `after` are one sentence, in which the price is bold."""

    code: str
    until: str
    before: str
    price: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPage:
    """A mail before it is HTML or text; all strings are plain text, but `intro` and `outro` are untrusted HTML."""

    script: Script
    subject: str
    preheader: str
    shop_name: str
    shop_url: str | None
    postal_address: str
    intro: str
    items: tuple[Item, ...]
    more: str
    subtotal_label: str
    subtotal: str
    coupon: CouponBox | None
    button_label: str
    button_url: str
    outro: str
    reason: str
    unsubscribe_label: str
    unsubscribe_url: str


@lru_cache(maxsize=1)
def frame() -> Template:
    """Return the compiled frame; the first call of a process compiles it."""
    source = mjml2html((TEMPLATES / "layout.mjml").read_text(encoding="utf-8"), fonts={})
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(source)


def html_part(mail: MailPage) -> str:
    """Return the HTML part.

    Raises:
        CartwheelError: the mail would be larger than 90 kB.
    """
    intro, outro = _styled(mail.intro, mail.script), _styled(mail.outro, mail.script)
    html = frame().render(mail=mail, script=mail.script, padding=_PADDING, intro=intro, outro=outro)
    size = len(html.encode())
    if size > SIZE_LIMIT:
        raise CartwheelError(f"The mail would have {size // 1000} kB. Mailboxes cut off at 102: shorten its text.")
    return html


def text_part(mail: MailPage) -> str:
    """Return the plain text part."""
    blocks = [mail.shop_name, _plain(mail.intro)]
    if mail.items:
        lines = [f"- {item.title}{f' ({item.note})' if item.note else ''}: {item.price}" for item in mail.items]
        lines += [f"- {mail.more}"] if mail.more else []
        blocks.append("\n".join([*lines, f"{mail.subtotal_label}: {mail.subtotal}"]))
    if coupon := mail.coupon:
        blocks.append(f"{coupon.until}:\n\n    {coupon.code}\n\n{coupon.before}{coupon.price}{coupon.after}")
    blocks += [f"{mail.button_label}:\n{mail.button_url}", _plain(mail.outro)]
    way_out = f"{mail.unsubscribe_label}: {mail.unsubscribe_url}"
    foot = ("-- ", mail.shop_name, mail.postal_address, mail.reason, way_out)
    blocks.append("\n".join(line for line in foot if line))
    return "\n\n".join(block for block in blocks if block) + "\n"


@lru_cache(maxsize=128)  # both parts of a mail ask for it
def _clean(rich: str) -> str:
    return _ALLOWED.clean(rich).strip()


def _styled(rich: str, script: Script) -> Markup:
    """Return what is left of the HTML after cleaning, with styles on its tags: some mailboxes drop style sheets."""

    def tag(match: re.Match[str]) -> str:
        return f'<{match[1]} style="{_STYLES[match[1]].format(serif=script.serif, start=script.start)}">'

    # After cleaning these tags carry no attributes, and no other "<" is left in the text.
    return Markup(re.sub(rf"<({'|'.join(_STYLES)})>", tag, _clean(rich)))  # noqa: S704  (cleaned)


def _plain(rich: str) -> str:
    """Return the HTML as text: blocks apart by an empty line, the items of a list one below the other."""
    reader = _PlainText()
    reader.feed(_clean(rich))
    reader.close()
    paragraphs = (" ".join(part.split()) for part in "".join(reader.parts).split("\n"))
    return "\n\n".join(part for part in paragraphs if part).replace("\n\n- ", "\n- ")


class _PlainText(HTMLParser):
    """Gathers the text of cleaned HTML, a line per block, with the address behind each link's words."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._href = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line at a block; remember where a link goes."""
        if tag == "a":
            self._href = dict(attrs).get("href") or ""
        elif tag in _STYLES or tag == "br":
            self.parts.append("\n- " if tag == "li" else "\n")

    def handle_endtag(self, tag: str) -> None:
        """End the line of a block; write out where a link goes."""
        if tag == "a" and self._href:
            self.parts.append(f" ({self._href})")
            self._href = ""
        elif tag in _STYLES:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.parts.append(data.replace("\n", " "))
