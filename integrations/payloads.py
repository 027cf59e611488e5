"""What the bodies of both shop platforms have in common: pydantic types that turn their spellings into ours.

Lenient where a field is only shown (a strange product code must not park an order), strict where it decides something
(ids, times, quantities).
"""

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.domain.errors import BadPayload
from app.domain.people import normalise_email

_LONGEST_TEXT = 500  # characters; titles and names, cut
_LONGEST_URL = 4000  # characters; a longer one is dropped, because half a link leads nowhere
_LARGEST_COUNT = 2**31 - 1  # what the integer columns hold
_NEVER = "0000-00-00"  # how WordPress writes "no date" in some fields
_ID = re.compile(r"(?:gid://shopify/\w+/)?([0-9]{1,20})")
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?(?:[-_][A-Za-z0-9_-]*)?")


class Body(BaseModel):
    """A part of a body: what we do not know is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


_AnyBody = TypeVar("_AnyBody", bound=Body)


def parse(model: type[_AnyBody], payload: object) -> _AnyBody:
    """Read a parsed JSON value.

    Raises:
        BadPayload: it is not what the platform documents; the message names the field and no value.
    """
    try:
        return model.model_validate(payload)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the body"
        message = f"The body cannot be understood: {where}: {first['msg'].removeprefix('Value error, ')}."
    # Outside the handler: the error of pydantic quotes the shopper's values and must not ride along.
    raise BadPayload(message)


def plain_id(value: object) -> str:
    """Return an id as plain digits, so that `gid://shopify/Order/7`, 7 and "7" join."""
    found = _ID.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if found is None:
        raise ValueError("is not an id")
    return found[1]


def text(value: object) -> str | None:
    """Return what can be shown as one trimmed text, None for nothing or for what is no text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value.strip()[:_LONGEST_TEXT] or None if isinstance(value, str) else None


def instant(value: object) -> datetime:
    """Return an ISO 8601 time in UTC; one without an offset is UTC (WooCommerce's `_gmt` fields)."""
    try:
        read = datetime.fromisoformat(value if isinstance(value, str) else "")
        in_utc = read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as exc:
        raise ValueError("is not a time") from exc  # the first error quotes the value
    return in_utc


def url(value: object) -> str | None:
    """Return a link that may stand in a mail: http or https, else None. `//host` is read as https."""
    if not isinstance(value, str) or len(value) > _LONGEST_URL or re.search(r"[\s\x00-\x1f\x7f<>\"]", value.strip()):
        return None
    link = f"https:{value.strip()}" if value.strip().startswith("//") else value.strip()
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    return link if parts.scheme in {"http", "https"} and parts.hostname else None


def language_tag(value: object) -> str | None:
    """Return a BCP 47 tag of language, script and region: `en_US` is en-US, WordPress' `de_DE_formal` is de-DE."""
    found = _LANGUAGE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    language, script, region = found.groups()
    return "-".join(part for part in (language.lower(), script and script.title(), region and region.upper()) if part)


def country_code(value: object) -> str | None:
    """Return an ISO 3166-1 alpha-2 code in capitals, or None."""
    return value.upper() if isinstance(value, str) and re.fullmatch(r"[A-Za-z]{2}", value) else None


def latest(instants: Iterable[datetime | None]) -> datetime | None:
    """Return the last of the times that are known."""
    return max((known for known in instants if known is not None), default=None)


def _maybe_id(value: object) -> str | None:
    return None if value in (None, "", 0, "0") else plain_id(value)


def _maybe_instant(value: object) -> datetime | None:
    is_never = value in (None, "") or (isinstance(value, str) and value.startswith(_NEVER))
    return None if is_never else instant(value)


def _email(value: object) -> str | None:
    return normalise_email(value) if isinstance(value, str) else None


def _whole(value: object) -> object:
    """Round pieces sold by weight or length up: 1.5 m of cloth is shown as 2, not refused."""
    return math.ceil(value) if isinstance(value, float) and math.isfinite(value) else value


def _currency(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _list(value: object) -> object:
    return [] if value is None else value


def _object(value: object) -> object:
    # PHP writes an empty object as [].
    return None if value == [] else value


Id = Annotated[str, BeforeValidator(plain_id)]
MaybeId = Annotated[str | None, BeforeValidator(_maybe_id)]
Token = Annotated[str, Field(min_length=1, max_length=255)]
MaybeToken = Annotated[Token | None, BeforeValidator(text)]
Text = Annotated[str | None, BeforeValidator(text)]
Url = Annotated[str | None, BeforeValidator(url)]
Email = Annotated[str | None, BeforeValidator(_email)]
Locale = Annotated[str | None, BeforeValidator(language_tag)]
Country = Annotated[str | None, BeforeValidator(country_code)]
Currency = Annotated[str, BeforeValidator(_currency), Field(pattern=r"^[A-Z]{3}$")]
Instant = Annotated[datetime, BeforeValidator(instant)]
MaybeInstant = Annotated[datetime | None, BeforeValidator(_maybe_instant)]
Count = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=_LARGEST_COUNT)]
Amount = str | float | None  # a decimal; `app.domain.money.to_minor` judges it
EmptyAsNone = BeforeValidator(_object)
NullAsEmpty = BeforeValidator(_list)
