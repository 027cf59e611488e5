"""A shop's rules of consent and of measuring: read, and changed with a line in the audit log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import crypto
from app.domain.consent import ConsentMode, in_region, region
from app.domain.errors import Refused
from app.models import MailRules
from app.services import audit

WORDING_LIMIT = 500  # characters
LONGEST_HOURS = 24 * 30
_CHANGEABLE = frozenset(
    {
        "mode", "modes", "offers_refusal", "double_opt_in", "double_opt_in_in", "form_wording", "tracks_clicks",
        "tracks_opens", "adds_utm", "click_hours", "window_hours",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules as they hold; the defaults are those of a shop that chose nothing."""

    mode: ConsentMode = ConsentMode.SUBSCRIBERS
    modes: Mapping[str, str] = field(default_factory=dict)
    offers_refusal: bool = False
    double_opt_in_since: datetime | None = None
    double_opt_in_in: Sequence[str] = ()
    form_token: str | None = None
    form_wording: str | None = None
    tracks_clicks: bool = True
    tracks_opens: bool = False
    adds_utm: bool = True
    click_hours: int = 120
    window_hours: int = 0

    def mode_in(self, country: str | None) -> ConsentMode:
        """Return whom the shop mails in a country; where that is unknown, only who agreed, unless all of it is opened."""
        return ConsentMode(in_region(self.modes, country, self.mode))

    def asks_to_confirm(self, country: str | None) -> bool:
        """Say whether an address of this country has to be confirmed; one of an unknown country has to, to be sure."""
        if self.double_opt_in_since is None:
            return False
        wanted = set(self.double_opt_in_in)
        return not wanted or not country or bool({country.upper(), region(country)} & wanted)

    @property
    def looks_at_countries(self) -> bool:
        """Whether the rules differ by country or by what somebody bought."""
        return bool(self.modes or self.double_opt_in_in) or self.mode is not ConsentMode.SUBSCRIBERS


_FIELDS = tuple(Rules.__dataclass_fields__)


def of(session: Session, shop_id: int) -> Rules:
    """Return a shop's rules."""
    return of_all(session, [shop_id]).get(shop_id, Rules())


def of_all(session: Session, shop_ids: Sequence[int]) -> dict[int, Rules]:
    """Return the rules of shops; one that chose nothing is missing."""
    rows = session.scalars(
        select(MailRules).where(MailRules.shop_id.in_(shop_ids)), execution_options={"populate_existing": True}
    )
    return {row.shop_id: _rules(row) for row in rows}


def by_form(session: Session, form_token: str) -> tuple[int, Rules] | None:
    """Return the shop that a sign-up form belongs to, and its rules."""
    row = session.scalar(select(MailRules).where(MailRules.form_token == form_token))
    return (row.shop_id, _rules(row)) if row else None


def change(session: Session, shop_id: int, values: Mapping[str, Any], *, actor: str, now: datetime) -> Rules:
    """Change some of a shop's rules.

    Args:
        session: the caller's transaction.
        shop_id: the shop.
        values: new values by the name of the field; `double_opt_in` is true or false. The mode `anyone` also needs
            `acknowledged`: true, with which the actor takes it on themselves.
        actor: who changes them.
        now: the time.

    Raises:
        Refused: a value makes no sense; the message says which.
    """
    told = {name: value for name, value in values.items() if name != "acknowledged"}
    if unknown := told.keys() - _CHANGEABLE:
        raise Refused(f"There is no rule named {', '.join(sorted(unknown))}. There are: {', '.join(sorted(_CHANGEABLE))}.")
    new = _checked(told, bool(values.get("acknowledged")))
    if new.get("mode") is ConsentMode.ANYONE or ConsentMode.ANYONE in new.get("modes", {}).values():
        new |= {"acknowledged_by": actor, "acknowledged_at": now}
    if "double_opt_in" in new:
        held = of(session, shop_id).double_opt_in_since
        new["double_opt_in_since"] = (held or now) if new.pop("double_opt_in") else None
    _write(session, shop_id, {**new, "updated_at": now})
    audit.record(
        session, shop_id, actor=actor, action="mail_rules.changed", object_kind="shop", object_id=shop_id,
        detail={name: str(value) for name, value in told.items()},
    )  # fmt: skip
    return of(session, shop_id)


def form_token(session: Session, shop_id: int, *, now: datetime) -> str:
    """Return what names the shop in the address of its sign-up form, made at the first call."""
    held = of(session, shop_id).form_token
    if held is None:
        _write(session, shop_id, {"form_token": crypto.new_token(), "updated_at": now})
        held = of(session, shop_id).form_token or ""
    return held


def _rules(row: MailRules) -> Rules:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Rules(**{**values, "mode": ConsentMode(row.mode), "double_opt_in_in": tuple(row.double_opt_in_in)})


def _write(session: Session, shop_id: int, values: dict[str, Any]) -> None:
    statement = insert(MailRules).values(shop_id=shop_id, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["shop_id"], set_=values))


def _checked(told: dict[str, Any], is_acknowledged: bool) -> dict[str, Any]:
    new = dict(told)
    if "mode" in new:
        new["mode"] = _mode(new["mode"], is_acknowledged)
    if "modes" in new:
        new["modes"] = {_place(place): _mode(mode, is_acknowledged) for place, mode in dict(new["modes"]).items()}
    if "double_opt_in_in" in new:
        new["double_opt_in_in"] = sorted({_place(place) for place in new["double_opt_in_in"]})
    for name in ("click_hours", "window_hours"):
        if name in new and not 0 <= int(new[name]) <= LONGEST_HOURS:
            raise Refused(f"{name} is 0 to {LONGEST_HOURS}.")
    if len(new.get("form_wording") or "") > WORDING_LIMIT:
        raise Refused(f"The wording of the form has {WORDING_LIMIT} characters at the most.")
    return new


def _mode(raw: object, is_acknowledged: bool) -> ConsentMode:
    try:
        mode = ConsentMode(str(raw))
    except ValueError:
        raise Refused(f"A mode is one of: {', '.join(ConsentMode)}.") from None
    if mode is ConsentMode.ANYONE and not is_acknowledged:
        raise Refused("Mailing people who never agreed is against the law in most countries: acknowledge that you may.")
    return mode


def _place(raw: object) -> str:
    place = str(raw).strip().upper()
    if place == "UNKNOWN":
        return "unknown"
    if len(place) != 2 or not place.isalpha():
        raise Refused(f"{raw} is no country. Use codes of two letters such as DE, EU for all of Europe, or unknown.")
    return place
