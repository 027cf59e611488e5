"""The texts of messages: those that we ship, those that a shop wrote itself, and which of them a reader gets.

What we ship lies in templates/email/<flow>/<step>/<locale>/{subject,preheader,body}.liquid; how blocks are marked in a body
is told in app/flows/messages.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel import Locale

from app import catalogues
from app.domain.errors import CartwheelError
from app.flows.messages import Message, Words, from_json, read_body
from app.services.liquid import Text, parse

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "email"
FALLBACK = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """A message in one language; `name` says where it stands, `is_own` whether the shop wrote it."""

    name: str
    locale: Locale
    message: Message
    is_own: bool = False

    @property
    def subject(self) -> Text:
        """The subject, parsed."""
        return self.parsed(self.message.subject, "subject")

    @property
    def preheader(self) -> Text:
        """The preheader, parsed."""
        return self.parsed(self.message.preheader, "preheader")

    def parsed(self, source: str, part: str, *, html: bool = False) -> Text:
        """Parse one text of the message.

        Raises:
            Refused: it has a mistake; the message says where.
        """
        return parse(source, f"{self.name}/{part}", html=html, language=self.locale.language)

    def check(self) -> None:
        """Parse everything.

        Raises:
            Refused: a text has a mistake; the message says where.
        """
        _ = self.subject, self.preheader
        for number, block in enumerate(self.message.blocks, 1):
            if isinstance(block, Words):
                self.parsed(block.html, f"block {number}", html=True)
            elif label := getattr(block, "label", ""):
                self.parsed(label, f"block {number}")


@lru_cache(maxsize=1)
def shipped() -> dict[tuple[str, str], dict[str, Texts]]:
    """Return all shipped texts by flow and step, then by locale; the first call of a process reads and parses them.

    Raises:
        Refused: a text has a mistake.
    """
    found: dict[tuple[str, str], dict[str, Texts]] = {}
    for folder in sorted(body.parent for body in TEMPLATES.glob("*/*/*/body.liquid")):
        flow, step, tag = folder.parts[-3:]
        message = Message(
            subject=_read(folder / "subject.liquid"),
            preheader=_read(folder / "preheader.liquid"),
            blocks=read_body(_read(folder / "body.liquid")),
        )
        texts = Texts(name=f"{flow}/{step}/{tag}", locale=Locale.parse(tag, sep="-"), message=message)
        texts.check()
        found.setdefault((flow, step), {})[tag] = texts
    return found


def find(flow: str, step: str, *locales: Locale, own: Mapping[str, Any] | None = None) -> Texts:
    """Return the texts in the first of the locales that there are some in, or in its language; else in English.

    The shop's own come before ours of the same language.

    Args:
        flow: the flow's key.
        step: the name of its mail.
        locales: what the reader would like, best first.
        own: what the shop wrote, by locale, as it is stored.

    Raises:
        CartwheelError: there is no such message.
        Refused: what the shop wrote cannot be read.
    """
    ours, own = shipped().get((flow, step), {}), own or {}
    for tag in (*(tag for locale in locales for tag in wider(locale)), FALLBACK):
        if tag in own:
            return own_texts(flow, step, tag, own[tag])
        if tag in ours:
            return ours[tag]
    raise CartwheelError(f"There are no texts for the message {flow}/{step}.")


def own_texts(flow: str, step: str, tag: str, tree: object) -> Texts:
    """Return what a shop wrote in one language.

    Raises:
        Refused: it is no message.
    """
    name = f"{flow}/{step}/{tag}"
    return Texts(name=name, locale=Locale.parse(tag, sep="-"), message=from_json(tree), is_own=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Which languages a message has: the shop's own, ours, and those of our list in which its readers get another."""

    own: tuple[str, ...]
    shipped: tuple[str, ...]
    missing: tuple[str, ...]


def coverage(flow: str, step: str, own: Mapping[str, Any] | None = None) -> Coverage:
    """Say which languages a message has."""
    ours, own = shipped().get((flow, step), {}), own or {}
    wanted = [name.replace("_", "-") for name in catalogues.LANGUAGES]
    missing = [tag for tag in wanted if tag not in ours and tag not in own]
    return Coverage(own=tuple(sorted(own)), shipped=tuple(sorted(ours)), missing=tuple(missing))


def is_kind_of(locale: Locale, other: Locale) -> bool:
    """Say whether a locale is the other one, perhaps with a country: en-GB is a kind of en, zh-TW none of zh-Hans."""
    return locale.language == other.language and other.script in {None, locale.script}


def wider(locale: Locale) -> Iterator[str]:
    """Yield zh-Hans-CN, zh-Hans, zh-CN, zh."""
    language, script, territory = locale.language, locale.script, locale.territory
    for parts in ((language, script, territory), (language, script), (language, territory), (language,)):
        if all(parts):
            yield "-".join(part for part in parts if part)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()
