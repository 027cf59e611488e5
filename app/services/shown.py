"""The blocks of a mail as they are shown: strings that need only be put into the frame, which asks for their `kind`."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsShown:
    """Words as untrusted HTML."""

    html: str
    is_quiet: bool
    kind: Literal["words"] = "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a table; `initial` stands in the place of a picture that is not there."""

    title: str
    note: str
    price: str
    initial: str
    image_url: str | None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShown:
    """Things with their prices; without a label there is no sum."""

    heading: str
    items: tuple[Item, ...]
    more: str
    sum_label: str
    sum: str
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponShown:
    """A coupon; `before`, `price` and `after` are one sentence, in which the price is bold."""

    code: str
    until: str
    before: str
    price: str
    after: str
    kind: Literal["coupon"] = "coupon"


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonShown:
    """A link as a button."""

    label: str
    url: str
    kind: Literal["button"] = "button"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureShown:
    """A picture over the whole width; decoration has an empty `alt`."""

    url: str
    alt: str
    link: str | None
    kind: Literal["picture"] = "picture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link in a row of links; `mark` is what is seen, `label` what it means."""

    mark: str
    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StarsShown:
    """Links from one star to five; `low` and `high` say what the ends mean."""

    links: tuple[Link, ...]
    low: str
    high: str
    kind: Literal["stars"] = "stars"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinksShown:
    """Links beside each other."""

    links: tuple[Link, ...]
    kind: Literal["links"] = "links"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelShown:
    """Who brings the parcel, and its number, perhaps as a link."""

    label: str
    number: str
    url: str | None
    kind: Literal["parcel"] = "parcel"


Shown = WordsShown | TableShown | CouponShown | ButtonShown | PictureShown | StarsShown | LinksShown | ParcelShown
