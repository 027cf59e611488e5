"""Looks a rendered mail over before it is sent: what is missing, what mailboxes dislike, what readers dislike."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import urlsplit

from app.domain.mailing import MailContent, Rendered
from app.flows.messages import Button, CouponBox, Picture, Stars, Words
from app.services import brand
from app.services.cleaning import BLOCKS
from app.services.texts import Texts
from app.services.urgency import pressing

SHORT = 500  # characters of text; filters take shorter mails with pictures for advertising
HEAVY = 75_000  # bytes of HTML; at 90,000 a mail is refused, at about 102,000 Gmail cuts it off
LONG_SUBJECT = 60  # characters; phones show about 40
TEXT_PER_PICTURE = 150  # characters
FREE_MAIL = frozenset({
    "gmail.com", "googlemail.com", "yahoo.com", "ymail.com", "aol.com", "outlook.com", "hotmail.com", "live.com", "msn.com",
    "icloud.com", "me.com", "gmx.de", "gmx.net", "web.de", "mail.ru", "yandex.ru", "qq.com", "163.com", "126.com",
})  # fmt: skip
_KNOWN_TAGS = BLOCKS | {"a", "b", "strong", "i", "em", "br", "bdi"}

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the checks. `fix` is what a button that mends it says, empty where only a person can."""

    code: str
    level: Level
    words: str
    fix: str = ""


def look_over(mail: Rendered, content: MailContent, texts: Texts, *, public_url: str, makes_coupon: bool) -> list[Finding]:
    """Return what is right and what is not, what stops a mail first.

    Args:
        mail: as it was rendered.
        content: what it was rendered from.
        texts: with which words.
        public_url: where links of ours lead; they are not foreign.
        makes_coupon: a coupon is made for this mail; it may also show one of an earlier mail, and need not.
    """
    page = _Page(mail.html)
    found = [
        *_law(mail, content),
        *_parts(mail, content, texts, makes_coupon=makes_coupon),
        *_length(mail, page, texts),
        *_links(page, content, public_url),
        *_tone(mail, texts),
        *_language(mail, content),
        *_sender(content),
        *_looks(content),
    ]
    order: dict[Level, int] = {"fail": 0, "warn": 1, "ok": 2}
    return sorted(found, key=lambda finding: order[finding.level])


def _law(mail: Rendered, content: MailContent) -> Iterator[Finding]:
    way_out = content.unsubscribe_url  # a mail that somebody asked for has none
    there = not way_out or all(way_out in part for part in (mail.html.replace("&amp;", "&"), mail.text))
    yield (
        Finding("unsubscribe", "ok", "Unsubscribe link in both parts, and one-click header")
        if there
        else Finding("unsubscribe", "fail", "There is no way to unsubscribe in it.", "Put the footer back")
    )
    yield (
        Finding("postal_address", "ok", "Postal address in the footer")
        if content.sender.postal_address.strip()
        else Finding("postal_address", "fail", "The postal address of the shop is missing; the law asks for it.", "Add it")
    )


def _parts(mail: Rendered, content: MailContent, texts: Texts, *, makes_coupon: bool) -> Iterator[Finding]:
    blocks = texts.message.blocks
    if len(mail.text.strip()) > 40:
        yield Finding("plain_text", "ok", "Plain text part")
    else:
        yield Finding("plain_text", "fail", "Its plain text part is empty.")
    if not mail.preheader:
        yield Finding("preheader", "warn", "It has no preheader: mailboxes show its first words instead.", "Add ours")
    if not any(isinstance(block, Button | Stars) for block in blocks):
        yield Finding("button", "warn", "It has no button: nobody knows where to go from here.", "Add a button")
    has_box = any(isinstance(block, CouponBox) for block in blocks)
    if makes_coupon and not has_box and "coupon.code" not in str(blocks):
        yield Finding("coupon", "fail", "A coupon is made for this mail, and it does not show the code.", "Add the coupon")
    if has_box and not content.coupon:
        yield Finding("coupon", "warn", "It has a place for a coupon, and none is made for it.", "Take the block out")
    if re.match(r"\s*(re|fwd?|aw|wg)\s*:", texts.message.subject, re.IGNORECASE):
        yield Finding("subject", "fail", "The subject pretends to be an answer. That is misleading, and filters know it.")
    elif len(mail.subject) > LONG_SUBJECT:
        yield Finding("subject", "warn", f"The subject has {len(mail.subject)} characters; phones show about 40.")


def _length(mail: Rendered, page: "_Page", texts: Texts) -> Iterator[Finding]:
    said = len(re.sub(r"\s+", " ", re.sub(r"https?://\S+", "", mail.text)))
    if said < SHORT:
        words = f"It has {said} characters of text. Below {SHORT}, some filters take a mail for advertising."
        yield Finding("length", "warn", words)
    else:
        yield Finding("length", "ok", f"{said} characters of text")
    pictures = sum(isinstance(block, Picture) for block in texts.message.blocks)
    if pictures and said < TEXT_PER_PICTURE * pictures:
        yield Finding("balance", "warn", f"{pictures} pictures with {said} characters of text: say more, or show less.")
    if bare := [block for block in texts.message.blocks if isinstance(block, Picture) and not block.alt]:
        yield Finding(
            "alt", "warn", f"{len(bare)} of its pictures have no words for when pictures are off.", "Describe them"
        )
    elif page.pictures_without_alt:
        yield Finding("alt", "fail", "A picture has no alternative text.")
    size = len(mail.html.encode())
    level: Level = "warn" if size > HEAVY else "ok"
    yield Finding("size", level, f"{round(size / 1000)} kB; Gmail cuts off at about 102")


def _links(page: "_Page", content: MailContent, public_url: str) -> Iterator[Finding]:
    own = {
        _host(url) for url in (content.sender.url, public_url, content.button_url, *(s.url for s in content.brand.social))
    }
    own |= {_host(order.url) for order in [content.order] if order} | {_host(p.url) for p in [content.parcel] if p}
    foreign = {host for url in page.links if (host := _host(url)) and not any(_is_under(host, home) for home in own if home)}
    if foreign:
        words = f"It links to {', '.join(sorted(foreign))}. Mailboxes trust mails less that lead elsewhere."
        yield Finding("foreign_links", "warn", words)
    if plain := [url for url in page.links if url.startswith("http://") and _host(url) not in {"127.0.0.1", "localhost"}]:
        yield Finding("plain_links", "warn", f"{len(plain)} of its links are http, not https.")
    if not foreign and not plain:
        yield Finding("links", "ok", f"All {len(page.links)} links lead to the shop or to us")


def _tone(mail: Rendered, texts: Texts) -> Iterator[Finding]:
    language = str(texts.locale)
    if found := pressing(f"{mail.subject}\n{mail.preheader}\n{mail.text}", language):
        shown = ", ".join(f"“{word}”" for word in found[:5])
        yield Finding("urgency", "warn", f"It presses: {shown}. Say when it ends and what it costs, and leave it at that.")
    else:
        yield Finding("urgency", "ok", "No words that press")
    sources = (block.html for block in texts.message.blocks if isinstance(block, Words))
    tags = {tag.lower() for html in sources for tag in re.findall(r"<([a-zA-Z][\w-]*)", html)} - _KNOWN_TAGS
    if tags:
        yield Finding(
            "taken_out", "warn", f"These tags are taken out of its words: {', '.join(sorted(tags))}.", "Take them out"
        )


def _language(mail: Rendered, content: MailContent) -> Iterator[Finding]:
    if mail.is_fallback:
        words = f"There are no words in {content.locale}: readers of it get {mail.language}."
        yield Finding("language", "warn", words, "Write them")
    else:
        yield Finding("language", "ok", f"In the reader's language ({mail.language})")


def _sender(content: MailContent) -> Iterator[Finding]:
    domain = content.sender.email.rpartition("@")[2].lower()
    if domain in FREE_MAIL:
        words = f"Mail from {domain} that was not sent by it is refused by most mailboxes. Send from a domain of your own."
        yield Finding("free_mail", "fail", words)


def _looks(content: MailContent) -> Iterator[Finding]:
    for words in brand.warnings(content.brand):
        yield Finding("contrast", "warn", words)


def _host(url: str | None) -> str:
    try:
        return (urlsplit(url or "").hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def _is_under(host: str, home: str) -> bool:
    return host == home or host.endswith(f".{home}")


class _Page(HTMLParser):
    """Gathers the links and pictures of a mail."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures_without_alt = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep where a link goes; count pictures without words."""
        held = dict(attrs)
        if tag == "a" and (href := held.get("href")):
            self.links.append(href)
        elif tag == "img" and "alt" not in held:
            self.pictures_without_alt += 1
