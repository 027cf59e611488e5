"""A shop's brand kit: what all its mails look and sound like. What was never set has defaults that can be read."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.colours import READABLE, contrast, readable
from app.domain.errors import Refused
from app.domain.mailing import Brand, Font, SocialLink
from app.models import BrandKit, Shop
from app.services import audit

_STRICT = ConfigDict(extra="forbid")
_Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
_Address = Annotated[str, Field(pattern=r"^https://[^\s<>\"\\]+$", max_length=2000)]
_Line = Annotated[str, Field(min_length=1, max_length=120)]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _Social:
    name: Annotated[str, Field(min_length=1, max_length=40)]
    url: _Address


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _Kit:
    """What a kit may hold; the words of `Brand`, with their limits."""

    logo_url: _Address | None
    logo_width: Annotated[int, Field(ge=40, le=400)]
    accent: _Colour
    ink: _Colour
    paper: _Colour
    page: _Colour
    font: Font
    signature: Annotated[str, Field(max_length=120)]
    voice: Annotated[tuple[_Line, ...], Field(max_length=5)]
    social: Annotated[tuple[_Social, ...], Field(max_length=6)]


_KIT: TypeAdapter[_Kit] = TypeAdapter(_Kit)


def of_shops(session: Session, shop_ids: Collection[int]) -> dict[int, Brand]:
    """Return the kits of some shops; a shop that never set one is missing."""
    rows = session.execute(select(BrandKit.shop_id, BrandKit.kit).where(BrandKit.shop_id.in_(shop_ids)))
    return {shop_id: _brand(kit) for shop_id, kit in rows}


def of_shop(session: Session, shop_id: int) -> Brand:
    """Return a shop's kit, or the default one."""
    return of_shops(session, [shop_id]).get(shop_id, Brand())


def save(session: Session, shop_id: int, changes: Mapping[str, object], *, actor: str, now: datetime) -> Brand:
    """Change some parts of a kit; the others stay.

    Args:
        session: inside a transaction of the caller's.
        shop_id: whose.
        changes: names of `Brand` and their values; None sets the default.
        actor: for the audit log.
        now: the time of the change.

    Raises:
        Refused: a name or a value makes no sense, or text could not be read; the message says what to do.
    """
    brand = _brand(_checked({**_plain(of_shop(session, shop_id)), **_with_defaults(changes)}))
    if contrast(brand.ink, brand.paper) < READABLE:
        better = readable(brand.ink, brand.paper)
        raise Refused(f"Text in {brand.ink} cannot be read on {brand.paper}. Take {better} for the text, or another ground.")
    statement = insert(BrandKit).values(shop_id=shop_id, kit=_plain(brand), updated_at=now)
    news = {"kit": statement.excluded.kit, "updated_at": now}
    session.execute(statement.on_conflict_do_update(index_elements=["shop_id"], set_=news))
    detail = {"parts": sorted(changes)}
    audit.record(session, shop_id, actor=actor, action="brand.changed", object_kind="shop", object_id=shop_id, detail=detail)
    return brand


def set_postal_address(session: Session, shop: Shop, address: str, *, actor: str) -> None:
    """Set the address that stands at the end of every mail.

    Raises:
        Refused: it is empty or longer than 300 characters.
    """
    lines = [line.strip() for line in address.splitlines() if line.strip()]
    if not 0 < len("\n".join(lines)) <= 300:
        raise Refused("Give the postal address of the shop, up to 300 characters: the law asks for it in every such mail.")
    shop.postal_address = "\n".join(lines)
    audit.record(session, shop.id, actor=actor, action="brand.changed", object_kind="shop", object_id=shop.id,
                 detail={"parts": ["postal_address"]})  # fmt: skip


def warnings(brand: Brand) -> list[str]:
    """Say what can be read but could be better."""
    if contrast(brand.accent, brand.paper) < 3:
        return [f"A button in {brand.accent} hardly stands out on {brand.paper}."]
    return []


def _with_defaults(changes: Mapping[str, object]) -> dict[str, object]:
    defaults = _plain(Brand())
    return {name: defaults.get(name) if value is None else value for name, value in changes.items()}


def _checked(kit: Mapping[str, object]) -> dict[str, Any]:
    try:
        return asdict(_KIT.validate_python(kit))
    except ValidationError as exc:
        first = exc.errors()[0]
        raise Refused(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}.") from exc


def _plain(brand: Brand) -> dict[str, Any]:
    return asdict(brand)


def _brand(kit: Mapping[str, Any]) -> Brand:
    """Read a stored kit; one of an older release may lack parts."""
    held = {name: kit[name] for name in Brand.__dataclass_fields__ if name in kit}
    social = tuple(SocialLink(**link) for link in held.pop("social", ()))
    return replace(Brand(**{**held, "voice": tuple(held.pop("voice", ()))}), social=social)
