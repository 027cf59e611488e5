"""A shop's own rules of when marketing may reach a person: quiet hours, caps, and who is held out of flows that come new."""

import re
from datetime import timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from app.domain.errors import Refused
from app.domain.pace import Cap
from app.models import Shop
from app.services import audit

NIGHT = (21 * 60, 8 * 60)  # minutes of the shopper's day
CAPS = (Cap(20, 1), Cap(7 * 24, 3), Cap(30 * 24, 10))
HOLDOUT = Decimal("0.1")  # of each flow, so that its effect can be told
CAPS_MOST = 5
LONGEST = timedelta(days=31)


def use_defaults(shop: Shop) -> None:
    """Give a shop that a merchant installs what suits most; one made by hand, for a test or by support, has none of it."""
    shop.quiet_from, shop.quiet_until = NIGHT
    shop.mail_caps = [[cap.hours, cap.mails] for cap in CAPS]
    shop.default_holdout = HOLDOUT


def change(session: Session, shop: Shop, *, quiet: str | None, caps: str | None, actor: str) -> Shop:
    """Change the rules as they are written: 21:00-08:00, 1/20h,3/7d,10/30d, or off; None leaves them.

    Raises:
        Refused: they are written another way.
    """
    if quiet is not None:
        shop.quiet_from, shop.quiet_until = _quiet(quiet)
    if caps is not None:
        shop.mail_caps = _caps(caps)
    detail = {"quiet": written_quiet(shop), "caps": written_caps(shop)}
    audit.record(session, shop.id, actor=actor, action="shop.paced", object_kind="shop", object_id=shop.id, detail=detail)
    return shop


def written_quiet(shop: Shop) -> str:
    """Write the quiet hours the way `change` reads them."""
    if shop.quiet_from is None or shop.quiet_until is None:
        return "off"
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (shop.quiet_from, shop.quiet_until))


def written_caps(shop: Shop) -> str:
    """Write the caps the way `change` reads them."""
    written = (f"{mails}/{hours // 24}d" if hours % 24 == 0 else f"{mails}/{hours}h" for hours, mails in shop.mail_caps)
    return ",".join(written) or "off"


def _quiet(text: str) -> tuple[int | None, int | None]:
    if text.strip().lower() == "off":
        return None, None
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)", text.strip())
    if found is None or found.group(1, 2) == found.group(3, 4):
        raise Refused("Write quiet hours like 21:00-08:00, by the shopper's own clock, or off.")
    begins, ends = (int(hour) * 60 + int(minute) for hour, minute in (found.group(1, 2), found.group(3, 4)))
    return begins, ends


def _caps(text: str) -> list[list[int]]:
    if text.strip().lower() == "off":
        return []
    caps = []
    for part in text.split(","):
        found = re.fullmatch(r"([1-9]\d?)/([1-9]\d{0,2})([hd])", part.strip())
        hours = int(found[2]) * (24 if found[3] == "d" else 1) if found else 0
        if found is None or timedelta(hours=hours) > LONGEST:
            raise Refused(
                "Write caps like 1/20h,3/7d,10/30d: so many mails in so many hours or days, 31 at the most; or off."
            )
        caps.append([hours, int(found[1])])
    if len(caps) > CAPS_MOST:
        raise Refused(f"Give {CAPS_MOST} caps at the most.")
    return sorted(caps)
