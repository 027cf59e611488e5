"""What a shop says of itself when it is asked: once after each install, because no webhook tells it then."""

from datetime import datetime

from app.domain.errors import AdapterError
from app.domain.events import ShopUpdated
from app.domain.ports import ShopAccess
from integrations.http import dig
from integrations.shopify.client import AdminClient

_LONGEST = 200  # characters


def ask_shop(access: ShopAccess, *, at: datetime) -> ShopUpdated:
    """Ask a shop for its name, its address for customers, its currency, zone and language, and where it is.

    Args:
        access: which shop.
        at: when it is asked; what the shop told before then is older.

    Raises:
        Transient, Ambiguous, NotAllowed, Permanent: as their names say.
    """
    with AdminClient(access) as client:
        shop = client.run("ShopInfo").data.get("shop")
        locale = _locale(client)
    return ShopUpdated(
        object_id=access.domain,
        happened_at=at,
        name=_text(shop, "name"),
        email=_text(shop, "contactEmail") or _text(shop, "email"),
        currency=_text(shop, "currencyCode"),
        timezone=_text(shop, "ianaTimezone"),
        locale=locale,
        postal_address=_postal_address(dig(shop, "billingAddressHolder")),
    )


def _locale(client: AdminClient) -> str | None:
    """Return the shop's first language; None also where the merchant has not granted the right to ask."""
    try:
        found = client.run("ShopLocales").data.get("shopLocales")
    except AdapterError:
        return None
    primary = [each for each in found if dig(each, "primary") is True] if isinstance(found, list) else []
    return _text(primary[0], "locale") if primary else None


def _postal_address(place: object) -> str | None:
    street, city, country = _text(place, "address1"), _text(place, "city"), _text(place, "countryCodeV2")
    town = " ".join(filter(None, (_text(place, "zip"), city)))
    return ", ".join(filter(None, (street, town, country))) if street and city else None


def _text(value: object, name: str) -> str | None:
    found = dig(value, name)
    return found[:_LONGEST] if isinstance(found, str) and found else None
