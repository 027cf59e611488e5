"""How many stars somebody gave by writing back to a mail that asked. Pure.

Only what cannot mean anything else is read: the first line is a score, or begins with one that names its unit. A score that
is wrong would stop a happy person's mails or hide an unhappy one, so whatever is in doubt is left to a person of the shop.
"""

import re
from dataclasses import dataclass

_FULL, _EMPTY = "★⭐🌟", "☆"
# Direction marks, joiners, the marks that make a picture of a character or a keycap of a digit.
_INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\u20e3\ufe0e\ufe0f\ufeff]")
_NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5,
    "bir": 1, "iki": 2, "üç": 3, "dörd": 4, "beş": 5,
    "ثلاث": 3, "أربع": 4, "اربع": 4, "خمس": 5,
    "一": 1, "二": 2, "两": 2, "兩": 2, "三": 3, "四": 4, "五": 5,
}  # fmt: skip
_WHOLE = {"نجمة واحدة": 1, "نجمتان": 2, "نجمتين": 2}  # Arabic says one and two without a number
# Digits are of any script; what Chinese writes in full width stands beside its narrow form. Every part has a small end.
_LABEL = r"(?:(?:my )?(?:rating|score)|stars|التقييم|تقييمي|qiymət(?:im)?|我的评分|我的評分|评分|評分|打分)\s?[:：=]?\s?"
_UNIT = rf"\s?(?:[{_FULL}]\ufe0f?|stars?\b|ulduz\b|bal\b|نجوم\b|نجمات\b|نجمة\b|颗星|顆星|星|分)"
_OF = r"\s?(?:[/／]|out of\b|of\b|من أصل\b|من\b)\s?(?P<most>\d{1,3})"
_NAMED = (
    rf"(?:(?P<digit>\d)(?:{_OF}(?:{_UNIT})?|{_UNIT})|(?P<word>{'|'.join(_NUMBERS)}){_UNIT}|(?P<whole>{'|'.join(_WHOLE)})\b)"
)
_SCORE = re.compile(rf"(?:{_LABEL})?(?:{_NAMED}|(?P<bare>\d))(?P<end>[.!。！۔]{{0,9}})", re.IGNORECASE)
_BEGIN = re.compile(rf"(?:{_LABEL})?{_NAMED}(?:[,;:.!，；：！،؛。、]{{1,9}}|\s[-–—]+\s)\s?(?P<words>\S.*)", re.IGNORECASE)
_ANY = re.compile(_NAMED, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rating:
    """One to five stars, and what was written besides, which may be nothing."""

    stars: int
    words: str


def read_rating(text: str) -> Rating | None:
    """Return what an answer without its quotation gives for certain, None when in doubt.

    Source: the table of cases in tests/unit/test_stars.py.
    """
    lines = text.strip().splitlines() or [""]
    first, below = _plain(lines[0]), "\n".join(lines[1:]).strip()
    if stars := _alone(first, has_words=bool(below)):
        others = {_alone(_plain(line), has_words=False) for line in below.splitlines()}
        return Rating(stars, below) if others <= {None, stars} else None
    found = _BEGIN.fullmatch(lines[0].strip())
    if found is None or _ANY.search(found["words"]):
        return None
    stars = _stars(found)
    return Rating(stars, f"{found['words']}\n{below}".strip()) if stars else None


def _plain(line: str) -> str:
    """Return a line without what nobody sees, its spaces one wide."""
    return " ".join(_INVISIBLE.sub("", line).split())


def _alone(line: str, *, has_words: bool) -> int | None:
    """Return the stars of a line that is a score and nothing else."""
    if drawn := _drawn(line.rstrip(".!。！ ").replace(" ", "")):
        return drawn
    found = _SCORE.fullmatch(line)
    if found is None or (found["bare"] and found["end"] and has_words):  # "1." above words begins a list
        return None
    return _stars(found)


def _drawn(line: str) -> int | None:
    """Return how many stars are drawn: two to five, or five of which the last ones are empty. One alone may be a picture."""
    full = len(line) - len(line.lstrip(_FULL))
    empty = len(line) - full
    if not full or line[full:].strip(_EMPTY):
        return None
    return full if full + empty == 5 or (not empty and 2 <= full <= 5) else None


def _stars(found: re.Match[str]) -> int | None:
    groups = found.groupdict()
    if groups["most"] and int(groups["most"]) != 5:
        return None
    if word := groups["word"]:
        return _NUMBERS.get(word.lower())
    if whole := groups["whole"]:
        return _WHOLE[whole]
    number = int(groups["digit"] or groups["bare"])
    return number if 1 <= number <= 5 else None
