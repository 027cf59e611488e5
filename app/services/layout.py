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

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup
from mjml import mjml2html

from app.domain.errors import CartwheelError
from app.services.cleaning import BLOCKS, clean_html
from app.services.look import Look
from app.services.shown import (
    ButtonShown,
    CouponShown,
    LinksShown,
    ParcelShown,
    PictureShown,
    Shown,
    StarsShown,
    TableShown,
    WordsShown,
)
from app.services.texts import TEMPLATES

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
class MailPage:
    """A mail before it is HTML or text; all strings are plain text, but the words among the blocks are untrusted HTML."""

    script: Script
    look: Look
    subject: str
    preheader: str
    shop_name: str
    shop_url: str | None
    logo_url: str | None
    logo_width: int
    postal_address: str
    blocks: tuple[Shown, ...]
    signature: str
    reason: str
    unsubscribe_label: str
    unsubscribe_url: str | None
    preferences_label: str
    preferences_url: str | None
    test_note: str


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
    html = frame().render(frame_values(mail))
    size = len(html.encode())
    if size > SIZE_LIMIT:
        raise CartwheelError(f"The mail would have {size // 1000} kB. Mailboxes cut off at 102: shorten its text.")
    return html


def frame_values(mail: MailPage) -> dict[str, object]:
    """Return what the frame is filled with."""
    blocks = [_Cleaned(_styled(b.html, mail), b.is_quiet) if isinstance(b, WordsShown) else b for b in mail.blocks]
    logo: str | Markup = mail.shop_name
    if mail.logo_url:
        logo = _LOGO.format(url=mail.logo_url, name=mail.shop_name, width=mail.logo_width)
    return {
        "mail": mail, "script": mail.script, "look": mail.look, "padding": _PADDING, "blocks": blocks, "logo": logo,
    }  # fmt: skip


def text_part(mail: MailPage) -> str:
    """Return the plain text part."""
    parts = [mail.test_note, mail.shop_name, *map(_text_of, mail.blocks), mail.signature]
    way_out = f"{mail.unsubscribe_label}: {mail.unsubscribe_url}" if mail.unsubscribe_url else ""
    choose = f"{mail.preferences_label}: {mail.preferences_url}" if mail.preferences_url else ""
    foot = ("-- ", mail.shop_name, mail.postal_address, mail.reason, way_out, choose)
    parts.append("\n".join(line for line in foot if line))
    return "\n\n".join(part for part in parts if part) + "\n"


_LOGO = Markup(
    '<img src="{url}" alt="{name}" width="{width}" style="display:inline-block;width:{width}px;max-width:100%;'
    'height:auto;border:0;vertical-align:middle;" />'
)


@dataclass(frozen=True, slots=True)
class _Cleaned:
    """Words that are safe, with styles on their tags."""

    html: Markup
    is_quiet: bool
    kind: str = "words"


def _text_of(block: Shown) -> str:
    match block:
        case WordsShown():
            text = _plain(block.html)
        case TableShown():
            text = _table(block)
        case PictureShown():
            text = " ".join(part for part in (block.alt, block.link and f"({block.link})") if part)
        case CouponShown():
            text = f"{block.until}:\n\n    {block.code}\n\n{block.before}{block.price}{block.after}"
        case ButtonShown():
            text = f"{block.label}:\n{block.url}"
        case ParcelShown():
            text = f"{block.label}: {block.number}" + (f"\n{block.url}" if block.url else "")
        case StarsShown() | LinksShown():
            text = "\n".join(f"{link.label}: {link.url}" for link in block.links)
    return text


def _table(table: TableShown) -> str:
    lines = [table.heading] if table.heading else []
    for item in table.items:
        lines.append(f"- {item.title}{f' ({item.note})' if item.note else ''}: {item.price}")
        if item.url:
            lines.append(f"  {item.url}")
    lines += [f"- {table.more}"] if table.more else []
    return "\n".join([*lines, f"{table.sum_label}: {table.sum}"] if table.sum_label else lines)


def _styled(rich: str, mail: MailPage) -> Markup:
    """Return what is left of the HTML after cleaning, with styles on its tags: some mailboxes drop style sheets."""
    script = mail.script

    def tag(match: re.Match[str]) -> str:
        if match[1] is None:
            return f'<a style="color:{mail.look.link};text-decoration:underline;" '
        return f'<{match[1]} style="{_STYLES[match[1]].format(serif=script.serif, start=script.start)}">'

    # After cleaning these tags carry no attributes but the link's, and no other "<" is left in the text.
    return Markup(_TAG.sub(tag, clean_html(rich)))  # noqa: S704  (cleaned)


_TAG = re.compile(rf"<({'|'.join(sorted(BLOCKS))})>|<a ")


def _plain(rich: str) -> str:
    """Return the HTML as text: blocks apart by an empty line, the items of a list one below the other."""
    reader = _PlainText()
    reader.feed(clean_html(rich))
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
        elif tag in BLOCKS or tag == "br":
            self.parts.append("\n- " if tag == "li" else "\n")

    def handle_endtag(self, tag: str) -> None:
        """End the line of a block; write out where a link goes."""
        if tag == "a" and self._href:
            self.parts.append(f" ({self._href})")
            self._href = ""
        elif tag in BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.parts.append(data.replace("\n", " "))
