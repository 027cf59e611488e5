"""A shop's rules of consent and of measuring, as they hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.domain.consent import ConsentMode, in_region, region
from app.domain.sunset import SunsetRule
from app.models import FlowSettings, MailRules
from app.services import content

DOUBLE_OPT_IN = "double_opt_in"  # the flow whose mails ask to confirm; switched with the rule


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
    sunset_days: int = 180

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
    def sunset(self) -> SunsetRule | None:
        """How long mails may go unanswered; None where that stops nothing, also where clicks are not seen."""
        is_on = self.sunset_days > 0 and self.tracks_clicks
        return SunsetRule(silent=timedelta(days=self.sunset_days)) if is_on else None

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
    rows = session.execute(_query().where(MailRules.shop_id.in_(shop_ids)), execution_options={"populate_existing": True})
    return {row.shop_id: _rules(row, bool(is_on)) for row, is_on in rows}


def by_form(session: Session, form_token: str) -> tuple[int, Rules] | None:
    """Return the shop that a sign-up form belongs to, and its rules."""
    if content.read_token(form_token) is None:
        return None  # also what no text column takes
    found = session.execute(_query().where(MailRules.form_token == form_token)).one_or_none()
    return (found[0].shop_id, _rules(found[0], bool(found[1]))) if found else None


def _query() -> Select[MailRules, bool]:
    """Each shop's row, and whether the flow is on that asks to confirm: without its mails nobody could."""
    of_shop = (FlowSettings.shop_id == MailRules.shop_id) & (FlowSettings.flow == DOUBLE_OPT_IN)
    return select(MailRules, FlowSettings.is_on).outerjoin(FlowSettings, of_shop)


def _rules(row: MailRules, is_asked: bool) -> Rules:
    values = {name: getattr(row, name) for name in _FIELDS}
    if not is_asked:
        values["double_opt_in_since"] = None
    return Rules(**{**values, "mode": ConsentMode(row.mode), "double_opt_in_in": tuple(row.double_opt_in_in)})
