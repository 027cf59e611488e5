"""What may be changed about a shop's rules of consent and of measuring, with a line in the audit log."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import crypto
from app.domain.consent import ConsentMode
from app.domain.errors import Refused
from app.models import MailRules
from app.services import audit, edit_flow, install
from app.services.mail_rules import DOUBLE_OPT_IN, Rules, of

WORDING_LIMIT = 500  # characters
LONGEST_HOURS = 24 * 30
SUNSET_DAYS = range(30, 366)  # clicks are kept for 400 days
_CHANGEABLE = frozenset(
    {
        "mode", "modes", "offers_refusal", "double_opt_in", "double_opt_in_in", "form_wording", "tracks_clicks",
        "tracks_opens", "adds_utm", "click_hours", "window_hours", "sunset_days",
    }
)  # fmt: skip


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
        is_wanted = bool(new.pop("double_opt_in"))
        new["double_opt_in_since"] = (held or now) if is_wanted else None
        install.add_missing_flows(session, shop_id)
        edit_flow.switch(session, shop_id, DOUBLE_OPT_IN, on=is_wanted, actor=actor, now=now)
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


def close_form(session: Session, shop_id: int, *, actor: str, now: datetime) -> None:
    """Let the address of the sign-up form lead nowhere from now on; the next `form_token` is a new one."""
    _write(session, shop_id, {"form_token": None, "updated_at": now})
    audit.record(session, shop_id, actor=actor, action="sign_up_form.closed", object_kind="shop", object_id=shop_id)


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
    if (days := int(new.get("sunset_days", 0))) and days not in SUNSET_DAYS:
        raise Refused(f"sunset_days is {SUNSET_DAYS[0]} to {SUNSET_DAYS[-1]}, or 0 to stop mailing nobody for being silent.")
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
